"""Saves and loads model, optimizer and random state with megatron-core's dist_checkpointing.

Owns the workarounds that make resuming exact without Transformer Engine or Apex (defects of megatron-core, each with a
test): the sharding type is explicit; Adam's ``step`` is initialized, loaded and not shared; hyperparameters always come
from the configuration. ``megatron_ko.formats.checkpoint_folder`` owns the description of a checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.distributed as dist

from megatron_ko.errors import CheckpointError, first_line
from megatron_ko.files import fsync_file, fsync_folder, write_json
from megatron_ko.formats.checkpoint_folder import MARKER, Checkpoint, damage_error, damaged_files
from megatron_ko.formats.checksums import describe_files, state_files
from megatron_ko.formats.retention import remove_leftovers
from megatron_ko.formats.run_folder import checkpoints_of, newest_undamaged, step_of
from megatron_ko.formats.tokenizer_folder import copy_tokenizer_folder
from megatron_ko.planning.adapters import is_adapter
from megatron_ko.training import bucket_gaps, liveness, partial_state
from megatron_ko.training.checkpoint_index import check_objects, read_index
from megatron_ko.training.chunks import chunks_of, named_chunks
from megatron_ko.training.distributed import gather
from megatron_ko.training.hashed_writes import hashed_writes
from megatron_ko.training.lora import adapter_state, only_adapters
from megatron_ko.training.model import unwrap
from megatron_ko.training.optimizer import prime, relabel_groups, torch_adams
from megatron_ko.training.writer_errors import WriterErrors

log = logging.getLogger(__name__)
# Only this type survives a change of tensor or pipeline parallelism; without a type, saving fails.
SHARDING = {"distrib_optim_sharding_type": "fully_reshardable"}


@liveness.working()
def save(
    checkpoint: Checkpoint,
    ddp_model: Any,
    optimizer: Any,
    tokenizer_folder: Path,
    anchors: Sequence[Any] = (),
) -> float:
    """Writes ``checkpoint.folder``, its marker last, and returns the duration in seconds. Collective.

    ``anchors`` are parameters whose optimizer state is left out.

    Raises CheckpointError if it cannot be written, such as to a full disk, and removes what was written.
    """
    from megatron.core.dist_checkpointing.core import CheckpointingException
    from megatron.core.dist_checkpointing.strategies import filesystem_async
    from torch.distributed.checkpoint.api import CheckpointException

    begin = time.monotonic()
    folder = checkpoint.folder
    main = dist.get_rank() == 0
    writer = WriterErrors()
    try:
        if main:
            remove_leftovers(folder.parent.parent)  # of killed saves: their room may be needed
            _remove(folder)  # a damaged checkpoint, which this one replaces
            folder.mkdir(parents=True)
        dist.barrier()
        with writer.listening(), hashed_writes(filesystem_async) as checksums:
            _write_state(checkpoint, ddp_model, optimizer, anchors)
        dist.barrier()
        if main:
            copy_tokenizer_folder(tokenizer_folder, folder / "tokenizer")
        dist.barrier()
        files = _describe_files(folder, checksums)
        if main:
            fsync_folder(folder)
            write_json(folder / MARKER, {**checkpoint.description(), "files": files})
            fsync_folder(folder.parent)
    except (CheckpointException, CheckpointingException, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):
            raise  # torch.save reports a full disk as an error of its archive; others are lost ranks and bugs
        # megatron-core reports the failure of a rank to all after each has written; no rank writes any more
        free = shutil.disk_usage(folder.parent if folder.parent.is_dir() else "/").free / 2**30
        if main:
            _remove(folder)
        raise CheckpointError(
            f"{folder}: cannot be written ({writer.reason_of(error)}), {free:.1f} GiB are free there; free some space, then start "
            "the run again (the unfinished checkpoint was removed)",
            rule="checkpoint-not-written",
        ) from error
    dist.barrier()
    return time.monotonic() - begin


def _write_state(checkpoint: Checkpoint, ddp_model: Any, optimizer: Any, anchors: Sequence[Any]) -> None:
    from megatron.core import dist_checkpointing

    bucket_gaps.keep_gaps()
    model_state = _model_state(unwrap(ddp_model))
    state = {
        "model": model_state,
        "optimizer": optimizer.sharded_state_dict(model_state, metadata=dict(SHARDING)),
        "random": _random_state(),
    }
    if is_partial(checkpoint):
        partial_state.separate_layers(state["optimizer"], optimizer, anchors)
    _use_plain_results_queue()
    with _quiet():
        dist_checkpointing.save(state, str(checkpoint.folder), content_metadata=dict(SHARDING))


def _remove(folder: Path) -> None:
    """Removes a checkpoint if it exists, its marker first."""
    (folder / MARKER).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def _describe_files(folder: Path, checksums: dict[str, str]) -> dict[str, Any]:
    """Sizes and checksums of all files. Collective.

    ``checksums``: of those that this rank wrote; each file that no rank has a checksum of is read by one.
    """
    known = _join_parts(checksums)
    mine = state_files(folder)[dist.get_rank() :: dist.get_world_size()]
    for name in mine:
        fsync_file(folder / name)  # megatron-core does not sync all of them
    return dict(sorted(_join_parts(describe_files(folder, mine, known)).items()))


def _join_parts(part: dict[str, Any]) -> dict[str, Any]:
    """The entries of all ranks. Collective."""
    return {name: value for entries in gather(part) for name, value in entries.items()}


@liveness.working()
def find_damage(checkpoint: Checkpoint) -> list[str]:
    """Names of the damaged files, each read by one rank. Collective; the same on every rank."""
    own = damaged_files(checkpoint, dist.get_rank(), dist.get_world_size())
    return sorted(name for part in gather(own) for name in part)


def check_content(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError on every rank if a file is damaged. Collective."""
    if names := find_damage(checkpoint):
        raise damage_error(checkpoint, names)


def newest_sound(newest: Checkpoint) -> Checkpoint:
    """``newest``, or the next older checkpoint of its run whose files are undamaged, with a warning. Collective.

    Raises CheckpointError if all are damaged: a run never starts again from the beginning because of damage.
    """
    older = [path for path in checkpoints_of(newest.folder.parent.parent) if step_of(path) <= newest.step]
    return newest_undamaged(older, find_damage, resumable=True, warns=dist.get_rank() == 0)


def _use_plain_results_queue() -> None:
    """Passes results of synchronous saves inside this process; megatron-core would start a server process for them.

    That server takes seconds to start, imports the entry script again, and outlives a killed rank.
    """
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    if filesystem_async._results_queue is None:
        filesystem_async._results_queue = queue.SimpleQueue()


def is_partial(checkpoint: Checkpoint) -> bool:
    """Whether only some weights have optimizer state."""
    return checkpoint.stage is not None and checkpoint.stage.partial


@liveness.working()
def resume(
    checkpoint: Checkpoint,
    ddp_model: Any,
    optimizer: Any,
    layout: dict[str, int],
    device: str = "cpu",
    anchors: Sequence[Any] = (),
    with_history: bool = True,
) -> None:
    """Loads model and optimizer, and random state if layout and device type are those that wrote it. Collective.

    What trains must be what trained in the checkpoint; ``anchors`` are parameters whose optimizer state it does not contain.
    Without ``with_history``, the scaling history of delayed FP8 begins anew.
    """
    keep_step_of_torch_adam()
    bucket_gaps.keep_gaps()
    _prime(optimizer)
    with torch.no_grad(), _quiet():
        model_state = _model_state(unwrap(ddp_model), with_history)
        state = {
            "model": model_state,
            "optimizer": optimizer.sharded_state_dict(model_state, is_loading=True, metadata=dict(SHARDING)),
        }
        if is_partial(checkpoint):
            partial_state.separate_layers(state["optimizer"], optimizer, anchors)
        written_on = (checkpoint.config or {}).get("run", {}).get("device")
        if layout == checkpoint.layout and device == written_on:
            state["random"] = _random_state()
        loaded = _load(state, checkpoint)
        _put_weights(unwrap(ddp_model), loaded["model"])
        relabel_groups(loaded["optimizer"], optimizer)
        partial_state.fill_anchors(loaded["optimizer"], optimizer, anchors)
        optimizer.load_state_dict(loaded["optimizer"])
    _unshare_step(optimizer)
    if "random" in loaded:
        _set_random_state(loaded["random"])
    _check_moments(optimizer, checkpoint)
    check_replicas(ddp_model)


@liveness.working()
def load_weights(checkpoint: Checkpoint, gpt: Any) -> None:
    """Loads only the weights, or only the adapters of a LoRA run, into an unwrapped GPT; ``check_content`` first. Collective."""
    with torch.no_grad(), _quiet():
        state = {"model": _model_state(gpt, with_history=False)}
        loaded = _load(state, checkpoint)
        _put_weights(gpt, loaded["model"])


def _model_state(gpt: Any, with_history: bool = True) -> dict[str, Any]:
    """Sharded weights, only those of adapters in a LoRA run, with extra state only for delayed FP8, whose scaling history it is.

    Otherwise extra state is empty, differs between our layers and Transformer Engine's, and needs unpickling.
    """
    adapters = adapter_state(gpt)
    if only_adapters(gpt):
        return adapters
    state = {
        f"{prefix}{name}": value
        for prefix, chunk in named_chunks(gpt)
        for name, value in chunk.sharded_state_dict(metadata=_metadata(chunk)).items()
    }
    state |= adapters  # megatron-core describes adapters as if every rank had them whole
    if with_history and gpt.config.fp8 and gpt.config.fp8_recipe == "delayed":
        return state
    return {name: value for name, value in state.items() if not name.endswith("_extra_state")}


def _metadata(chunk: Any) -> dict[str, Any]:
    """With the ranks that have the same part of a model with groups of its own (``distributed.groups_of_fewer``)."""
    groups = getattr(chunk, "own_groups", None)
    return dict(SHARDING) if groups is None else {**SHARDING, "dp_cp_group": groups.dp_cp}


def _put_weights(gpt: Any, state: dict[str, Any]) -> None:
    """Raises RuntimeError with all missing and unexpected names, except extra state; a base beside adapters is not missing."""
    missing, unexpected = gpt.load_state_dict(state, strict=False)
    if only_adapters(gpt):
        missing = [name for name in missing if is_adapter(name)]
    missing = [name for name in missing if not name.endswith("_extra_state")]
    if missing or unexpected:
        raise RuntimeError(f"missing weights: {missing}; unexpected weights: {unexpected}")


def _load(state: dict[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    from megatron.core import dist_checkpointing
    from megatron.core.dist_checkpointing.core import CheckpointingException
    from megatron.core.dist_checkpointing.validation import StrictHandling
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        # torch unpickles index and objects without checking them
        check_objects(checkpoint.folder, read_index(checkpoint.folder))
        loaded: Any = dist_checkpointing.load(
            state, str(checkpoint.folder), strict=StrictHandling.RAISE_UNEXPECTED
        )
        return loaded
    except (
        CheckpointException,
        CheckpointingException,
        UnpicklingError,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        KeyError,
    ) as error:
        message = f"{checkpoint.folder}: cannot be loaded ({first_line(error)}); use another checkpoint"
        raise CheckpointError(message, rule="checkpoint-not-loaded") from error


# --- torch Adam ------------------------------------------------------------------------------------------


def keep_step_of_torch_adam() -> None:
    """Makes the loader take Adam's ``step`` from the state: the saved tensors of a parameter do not include it."""
    from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer

    plain = DistributedOptimizer._set_main_param_and_optimizer_states
    if getattr(plain, "keeps_step", False):
        return

    def with_step(self: Any, model_param: Any, tensors: dict[str, Any]) -> None:
        group, index = self.model_param_group_index_map[model_param]
        state = self.optimizer.state[self.optimizer.param_groups[group]["params"][index]]
        if "step" in state:
            tensors = dict(tensors, step=state["step"].clone())
        plain(self, model_param, tensors)

    with_step.keeps_step = True  # type: ignore[attr-defined]
    DistributedOptimizer._set_main_param_and_optimizer_states = with_step


def _prime(optimizer: Any) -> None:
    """Creates the state of a new torch Adam to load into; megatron-core fails an assertion without it."""
    for adam in torch_adams(optimizer):
        prime(adam)


def _unshare_step(optimizer: Any) -> None:
    """Gives each parameter its own ``step``; megatron-core shares one tensor, which would advance once per parameter."""
    for adam in torch_adams(optimizer):
        for state in adam.state.values():
            state["step"] = state["step"].clone()


def _check_moments(optimizer: Any, checkpoint: Checkpoint) -> None:
    """Raises CheckpointError if all Adam moments are zero: loading has lost them."""
    for adam in torch_adams(optimizer):
        moments = [state["exp_avg_sq"] for state in adam.state.values() if state["exp_avg_sq"].numel()]
        if (
            checkpoint.step > 0
            and moments
            and not is_partial(checkpoint)
            and not any(bool(m.any()) for m in moments)
        ):
            message = f"{checkpoint.folder}: the optimizer state is empty; use another checkpoint"
            raise CheckpointError(message, rule="empty-optimizer-state")


def check_replicas(ddp_model: Any) -> None:
    """Raises CheckpointError if weights differ between data-parallel ranks (compared by hash)."""
    from megatron.core.utils import check_param_hashes_across_dp_replicas

    with _quiet():
        same = check_param_hashes_across_dp_replicas(chunks_of(ddp_model))
    if not same:
        raise CheckpointError(
            "weights differ between data-parallel ranks after loading; use another checkpoint",
            rule="replicas-differ",
        )


# --- random state ----------------------------------------------------------------------------------------


def _tracker() -> Any:
    from megatron.core.tensor_parallel import get_cuda_rng_tracker

    return get_cuda_rng_tracker()


def _random_state() -> dict[str, Any]:
    """This rank's generator states as rows of global byte tensors, which load without unpickling."""
    from megatron.core.dist_checkpointing.mapping import ShardedTensor

    states = {"torch": torch.get_rng_state()}
    states.update({f"tracker.{name}": state for name, state in _tracker().get_states().items()})
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    offset = (0, dist.get_rank(), dist.get_world_size())
    return {
        name: ShardedTensor.from_rank_offsets(f"random.{name}", _bytes_of(state), offset, prepend_axis_num=1)
        for name, state in states.items()
    }


def _bytes_of(state: Any) -> torch.Tensor:
    """A copy of a generator's state; with CUDA graphs, megatron-core tracks the generators themselves."""
    return state.get_state() if isinstance(state, torch.Generator) else state.clone()


def _set_random_state(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    tracked = {name.removeprefix("tracker."): s for name, s in states.items() if name.startswith("tracker.")}
    now = _tracker().get_states()
    for name, state in tracked.items():
        if isinstance(now.get(name), torch.Generator):
            now[name].set_state(state)
            tracked[name] = now[name]
    _tracker().set_states(tracked)
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses torch's and megatron-core's warnings about their own deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
