"""Ranks, process groups and reductions: the only file that uses ``parallel_state``.

Owns starting and stopping the process group (gloo or NCCL), this rank's position in the layout, and the reductions that
training needs. All ranks call each reduction, in the same order.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import warnings
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from megatron_ko.config.training import ParallelConfig, RunConfig
from megatron_ko.errors import CheckpointError, ConfigError, Problem, first_line
from megatron_ko.planning.installed import find_torch_cudnn
from megatron_ko.planning.pipeline import is_virtual
from megatron_ko.training import cpu, liveness, megatron_notes
from megatron_ko.training import stop as stop_signals

_second_groups: dict[int, Any] = {}  # of models beside the one that trains, by their tensor-parallel ranks


@dataclass(frozen=True)
class World:
    """This rank's position in the layout. ``data_rank`` and ``data_size`` exclude the context axis, as batches do."""

    rank: int
    size: int
    device: torch.device
    data_rank: int
    data_size: int
    context_size: int
    is_first_stage: bool
    is_last_stage: bool

    @property
    def is_main(self) -> bool:
        return self.rank == 0


def import_megatron(device: str) -> None:
    """Imports megatron-core without its warnings about missing optional packages; adapts torch on the CPU."""
    megatron_notes.silence()
    if device == "cuda":
        share_cudnn()
    with warnings.catch_warnings(), cpu.without_compiler() if device == "cpu" else contextlib.nullcontext():
        warnings.filterwarnings("ignore", message=".*(Transformer Engine|Apex|absl).*")
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import megatron.core
        import megatron.core.datasets.blended_megatron_dataset_builder
        import megatron.core.dist_checkpointing
        import megatron.core.distributed
        import megatron.core.models.gpt.gpt_layer_specs
        import megatron.core.optimizer
        import megatron.core.pipeline_parallel  # noqa: F401
    if device == "cpu":
        cpu.enable()


def share_cudnn() -> None:
    """Lets Transformer Engine load the cuDNN of torch, unless CUDNN_HOME or CUDNN_PATH names one.

    By itself it takes the system's first, and two versions in one process end with CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED.
    """
    folder = find_torch_cudnn()
    if folder is not None and not {"CUDNN_HOME", "CUDNN_PATH"} & os.environ.keys():
        os.environ["CUDNN_HOME"] = str(folder)


def start(
    run: RunConfig,
    parallel: ParallelConfig,
    rank: int | None = None,
    world_size: int | None = None,
    init_method: str = "env://",
) -> World:
    """Joins the process group and builds megatron-core's groups; rank and size default to torchrun's environment variables."""
    rank = int(os.environ.get("RANK", 0)) if rank is None else rank
    world_size = int(os.environ.get("WORLD_SIZE", 1)) if world_size is None else world_size
    local_rank = int(os.environ.get("LOCAL_RANK", rank))
    os.environ.setdefault(
        "CUDA_DEVICE_MAX_CONNECTIONS", "1"
    )  # CUDA reads it at start; keeps kernels in order
    device = _device(run.device, local_rank)
    import_megatron(run.device)
    from megatron.core import parallel_state, tensor_parallel

    if init_method == "env://":
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "29500")
    timeout = datetime.timedelta(seconds=run.timeout_s)
    dist.init_process_group(
        "nccl" if run.device == "cuda" else "gloo",
        init_method=init_method,
        rank=rank,
        world_size=world_size,
        timeout=timeout,
    )
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=parallel.tensor,
        pipeline_model_parallel_size=parallel.pipeline,
        virtual_pipeline_model_parallel_size=parallel.virtual_pipeline if is_virtual(parallel) else None,
        context_parallel_size=parallel.context,
        distributed_timeout_minutes=max(1, round(run.timeout_s / 60)),
    )
    torch.manual_seed(run.seed)
    tensor_parallel.model_parallel_cuda_manual_seed(run.seed)
    return World(
        rank=rank,
        size=world_size,
        device=device,
        data_rank=parallel_state.get_data_parallel_rank(),
        data_size=parallel_state.get_data_parallel_world_size(),
        context_size=parallel.context,
        is_first_stage=parallel_state.is_pipeline_first_stage(),
        is_last_stage=parallel_state.is_pipeline_last_stage(),
    )


def stop() -> None:
    """Leaves the process group; another layout can be started afterwards."""
    from megatron.core import parallel_state

    parallel_state.destroy_model_parallel()
    dist.destroy_process_group()
    _second_groups.clear()


# gloo and NCCL report a closed connection as a RuntimeError with one of these texts; the store has its own errors.
_LOST = (
    "Connection closed by peer", "Connection reset by peer", "Connection refused", "Broken pipe", "Socket closed",
    "Application timeout caused pair closure", "Timed out waiting", "Read timeout", "remote process exited",
    "NCCL communicator was aborted", "ncclRemoteError", "Connection timed out", "No route to host",
)  # fmt: skip
_SOURCE = re.compile(r"^\[/\S*\] ")  # file and line of gloo's source
# Errors of the store without a lost rank: a wrong address or port, which no restart repairs.
_NOT_LOST = ("EADDRINUSE", "failed to listen", "Name or service not known")


def lost_peer(error: BaseException | None) -> str | None:
    """First line of the report that another rank was lost, if ``error`` or one of its causes is such a report."""
    while error is not None:
        text = str(error)
        reports = isinstance(error, RuntimeError) or type(error).__name__ == "CheckpointException"
        of_store = isinstance(error, (dist.DistNetworkError, dist.DistStoreError))
        lost = of_store or (reports and any(part in text for part in _LOST))
        if lost and not any(part in text for part in _NOT_LOST):
            return _SOURCE.sub("", first_line(error)).split(". ")[0]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def _device(kind: str, local_rank: int) -> torch.device:
    if kind == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        return torch.device("cpu")
    require_gpu(local_rank)
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def require_gpu(local_rank: int) -> None:
    """Raises ConfigError unless this host has a GPU for ``local_rank``. Does not initialize CUDA, so that a fork can follow."""
    count = torch.cuda.device_count()
    if not count:
        message = "is cuda, but torch finds no GPU; set run.device=cpu or install a CUDA build of torch"
        raise ConfigError([Problem("", "run.device", message, "no-gpu")])
    if local_rank >= count:
        raise ConfigError(
            f"there is no GPU for local rank {local_rank}: this host has {count}; start fewer ranks per host",
            rule="too-few-gpus",
        )


def _groups() -> Any:
    """megatron-core's process groups, which are loosely typed there."""
    from megatron.core import parallel_state

    return parallel_state


def broadcast_from_last_stage(values: torch.Tensor) -> torch.Tensor:
    """Returns float64 ``values`` of the last pipeline stage, summed over data and context ranks. Collective."""
    dist.all_reduce(values, group=_groups().get_data_parallel_group(with_context_parallel=True))
    if _groups().get_pipeline_model_parallel_world_size() > 1:
        dist.broadcast(
            values,
            src=_groups().get_pipeline_model_parallel_last_rank(),
            group=_groups().get_pipeline_model_parallel_group(),
        )
    return values


def gather(value: Any) -> list[Any]:
    """Returns the values of all ranks, in their order, on every rank. Collective."""
    by_rank: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(by_rank, value)
    return by_rank


def gather_values(values: dict[str, Any]) -> dict[str, list[Any]]:
    """Returns each value of all ranks, in the order of ranks. Collective."""
    by_rank = gather(values)
    return {name: [one[name] for one in by_rank] for name in values}


def check_agreement(values: dict[str, Any]) -> None:
    """Raises CheckpointError on every rank if a value differs between ranks; keys name the values. Collective."""
    for name, by_rank in gather_values(values).items():
        if len(set(by_rank)) > 1:
            raise CheckpointError(
                f"{name} differs between ranks: {sorted(map(str, set(by_rank)))}; start again once all hosts see the same "
                "files",
                rule="ranks-disagree",
            )


def on_any_rank(flag: bool, device: torch.device) -> bool:
    """Returns True on every rank if ``flag`` is true on any. Collective."""
    value = torch.tensor([int(flag)], dtype=torch.int32, device=device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return bool(value.item())


def stop_requested(device: torch.device) -> bool:
    """Whether any rank has noted a stop request; all ranks decide alike, also on ``liveness.save_requested``. Collective."""
    liveness.beat()
    wanted = 2 if stop_signals.is_requested() else int(liveness.save_wanted())
    agreed = round(largest(wanted, device))
    liveness.agree_on_save(agreed > 0)
    return agreed == 2


def barrier(device: torch.device) -> None:
    """Waits for all ranks.

    Needed before the first step: until then a stop request ends a rank at once, afterwards ranks note it, and a rank that
    notes requests must not wait for one that has ended. Needed after the last step: the launcher ends the other ranks once
    the first has left.
    """
    on_any_rank(False, device)


def on_all_ranks(flag: bool, device: torch.device) -> bool:
    """Returns True on every rank if ``flag`` is true on all. Collective."""
    return not on_any_rank(not flag, device)


def largest(value: float, device: torch.device) -> float:
    """Returns the largest ``value`` of all ranks. Collective."""
    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return float(tensor.item())


def sum_over(values: torch.Tensor, *groups: dist.ProcessGroup) -> torch.Tensor:
    """Returns the sum of ``values`` over the ranks of each group in turn; ``values`` stay. Collective."""
    total = values.clone(memory_format=torch.contiguous_format)
    for group in groups:
        dist.all_reduce(total, group=group)
    return total


def gather_on_main(value: Any) -> list[Any] | None:
    """Returns the values of all ranks, in their order, on rank 0. Collective."""
    by_rank: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, by_rank)
    return by_rank


def data_group() -> dist.ProcessGroup:
    """Ranks with the same part of the model and other samples, without the context axis."""
    return _groups().get_data_parallel_group()


def tensor_group() -> dist.ProcessGroup:
    return _groups().get_tensor_model_parallel_group()


def tensor_part() -> tuple[int, int]:
    """``(number of this rank, number of ranks)`` among those that split the model."""
    group = tensor_group()
    return dist.get_rank(group), dist.get_world_size(group)


def groups_of_fewer(tensor: int, timeout_s: float) -> Any:
    """megatron-core's groups of a second model that ``tensor`` of the tensor-parallel ranks split; the others are copies of them.

    Copies have neighboring numbers, so that each rank has those columns of the model's logits that contain its own. Collective over
    all ranks.
    """
    from megatron.core import parallel_state
    from megatron.core.process_groups_config import ProcessGroupCollection

    if tensor not in _second_groups:
        number, ranks = tensor_part()
        copies = ranks // tensor
        first = dist.get_process_group_ranks(tensor_group())[0]
        stage = parallel_state.get_pipeline_model_parallel_rank()
        groups = ProcessGroupCollection.use_mpu_process_groups()
        groups.tp = _group_by((first, number % copies), timeout_s)
        # a checkpoint is loaded with one of the ranks that have the same part as the first copy
        groups.dp_cp = _group_by((stage, number // copies), timeout_s)
        _second_groups[tensor] = groups
    return _second_groups[tensor]


def _group_by(key: tuple[int, int], timeout_s: float) -> dist.ProcessGroup:
    """A new group of all ranks with the same ``key``. Collective over all ranks."""
    keys = gather(key)
    sets = [[rank for rank, other in enumerate(keys) if other == wanted] for wanted in sorted(set(keys))]
    own: Any
    own, _ = dist.new_subgroups_by_enumeration(sets, timeout=datetime.timedelta(seconds=timeout_s))
    return own


def context_group() -> dist.ProcessGroup:
    return _groups().get_context_parallel_group()
