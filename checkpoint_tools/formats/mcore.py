"""The megatron_ko checkpoint folder (``docs/formats.md``) as a Store, and logits by megatron-core.

Owns the padded vocabulary and the marker; ``joined`` owns the order inside stored tensors. The only file here that imports
megatron.
Reading and writing need no process group; names and shapes are those of ``GPTModel.sharded_state_dict()``.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from checkpoint_tools.formats import lora
from checkpoint_tools.formats.joined import join, part_of
from checkpoint_tools.formats.store import DTYPES, Store, check_names, require_space, with_dtype
from checkpoint_tools.formats.tokenizer_files import (
    copy_tokenizer,
    remove_tokenizer,
    special_ids,
    tokenizer_in,
)
from checkpoint_tools.scores import Scores, Stream, score
from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import EXIT_STOPPED, CheckpointError, Problem
from megatron_ko.files import atomic_file, fsync_folder, read_json, write_json
from megatron_ko.formats.checkpoint_folder import MARKER, Checkpoint, damage_error, damaged_files
from megatron_ko.formats.checksums import describe_files, state_files
from megatron_ko.formats.lora_record import find_base, require_weights
from megatron_ko.formats.run_folder import is_run_folder, newest_checkpoint
from megatron_ko.planning.adapters import is_adapter
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.planning.weights import (
    TABLE,
    Stored,
    axis_sizes,
    input_weight,
    output_weight,
    padded_vocab_size,
    stored_tensors,
    weights_of,
)
from megatron_ko.progress import progress
from megatron_ko.training import launch

if (
    TYPE_CHECKING
):  # torch.distributed.checkpoint takes a second to import: only where a checkpoint is read or written
    from checkpoint_tools.formats import torch_dist

_PREFIXES = tuple({weight.stored.partition(".")[0] + "." for weight in TABLE})
"""Prefixes of the names of weights; optimizer states have others."""
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


# --- reading ---------------------------------------------------------------------------------------------


def is_mcore(folder: Path) -> bool:
    """True for a checkpoint folder, complete or not, and for a run folder."""
    patterns = (MARKER, ".metadata", "metadata.json", "*.distcp")
    if any(next(folder.glob(pattern), None) for pattern in patterns):
        return True
    # a Hugging Face folder may contain a folder "checkpoints", too
    return not (folder / "config.json").exists() and is_run_folder(folder)


def open_mcore(path: Path, check_content: bool = True) -> Store:
    """Opens a checkpoint, or the newest complete one of a run folder; optimizer state is not read.

    Adapters are merged into their base. Without ``check_content``, checksums are not compared: of a checkpoint just written,
    whose tensors are compared. Raises CheckpointError when it is half-written or damaged, or its tensors do not match its
    configuration.
    """
    checkpoint = newest_checkpoint(path)
    if checkpoint.lora is not None:
        return with_dtype(open_merged(checkpoint), checkpoint.dtype)
    if check_content and (damaged := damaged_files(checkpoint)):
        raise damage_error(checkpoint, damaged)
    return _open_weights(checkpoint)


def _open_weights(checkpoint: Checkpoint) -> Store:
    """The weights that a checkpoint contains, without adapters beside them."""
    folder, model = checkpoint.folder, checkpoint.model
    _check_vocabulary(checkpoint)
    tokenizer = tokenizer_in(folder / "tokenizer")
    marker = read_json(folder / MARKER, error=CheckpointError)
    return replace(
        open_tensors(folder, model, checkpoint.vocab_size, checkpoint.padded_vocab_size),
        tokenizer=tokenizer,
        tokenizer_fingerprint=checkpoint.tokenizer_fingerprint,
        special_ids=marker.get("special_ids") or special_ids(tokenizer),
        generation=marker.get("generation") or {},
    )


def open_merged(checkpoint: Checkpoint, base: Path | None = None) -> Store:
    """The weights of a LoRA run or stage in fp32: its base, or the one in the folder ``base``, with the adapters added."""
    from checkpoint_tools.formats import lora_checkpoint

    if damaged := damaged_files(checkpoint):
        raise damage_error(checkpoint, damaged)
    adapter = lora_checkpoint.open_adapters(checkpoint)
    beside = find_base(checkpoint, base)
    store = _open_weights(beside) if beside is checkpoint else open_mcore(beside.folder)
    return replace(
        lora.merge(store, adapter),
        origin=str(checkpoint.folder),
        model=checkpoint.model,
        tokenizer=tokenizer_in(checkpoint.folder / "tokenizer"),
        tokenizer_fingerprint=checkpoint.tokenizer_fingerprint,
    )


def open_tensors(folder: Path, model: ModelConfig, vocab_size: int, padded: int) -> Store:
    """The weights in a folder that megatron-core wrote, whose embedding has ``padded`` rows.

    Raises CheckpointError when its tensors are damaged or do not match ``model``.
    """
    from checkpoint_tools.formats import torch_dist

    reader = torch_dist.SliceReader(folder)
    expected = _stored_shapes(model, padded)
    weights = {
        name: shape
        for name, shape in reader.shapes().items()
        if name.startswith(_PREFIXES) and not is_adapter(name)
    }
    check_names(str(folder), expected, weights)
    stored = {s.name: s for s in stored_tensors(model)}
    sizes = axis_sizes(model, vocab_size)

    @lru_cache(maxsize=1)  # the parts of one stored tensor are read one after the other
    def block(name: str, layer: int | None) -> Tensor:
        shape = stored[name].shape(sizes)
        if layer is None:
            return reader.read(name, (0,) * len(shape), shape)  # without the padding rows
        return reader.read(name, (layer, *(0 for _ in shape)), (1, *shape))[0]

    def read(name: str) -> Tensor:
        entry = store.entries[name]
        whole = block(entry.weight.stored, entry.layer)
        if stored[entry.weight.stored].join == "copy":
            return whole
        return part_of(whole, entry.weight.part, model).contiguous()

    dtypes = {_NAMES.get(reader.dtype(name), str(reader.dtype(name))) for name in expected}
    if unknown := dtypes - set(DTYPES):
        raise CheckpointError(
            f"{folder}: weights are {', '.join(sorted(unknown))}; use a checkpoint in bf16, fp16 or fp32",
            rule="unsupported-dtype",
        )
    store = Store(
        origin=str(folder),
        model=model,
        vocab_size=vocab_size,
        dtype=dtypes.pop() if len(dtypes) == 1 else "mixed",
        read=read,
    )
    return store


def _check_vocabulary(checkpoint: Checkpoint) -> None:
    true, padded = checkpoint.vocab_size, checkpoint.padded_vocab_size
    if not (type(true) is int and type(padded) is int and 0 < true <= padded):
        raise CheckpointError(
            f"{checkpoint.folder / MARKER}: padded_vocab_size {padded!r} must be at least vocab_size {true!r}, both above "
            "0; the file was edited or damaged, use another checkpoint",
            rule="vocabulary-larger-than-padded",
        )


def _stored_shapes(model: ModelConfig, padded: int) -> dict[str, tuple[int, ...]]:
    sizes = axis_sizes(model, padded)
    return {s.name: ((model.layers,) if s.per_layer else ()) + s.shape(sizes) for s in stored_tensors(model)}


# --- writing ---------------------------------------------------------------------------------------------


def check_writable(store: Store) -> None:
    """Raises CheckpointError when training does not support the number format."""
    if store.dtype not in ("bf16", "fp32"):
        raise CheckpointError(
            f"{store.origin}: tensors are {store.dtype}, but a checkpoint must be bf16 or fp32; give --dtype fp32 (keeps "
            "every value) or --dtype bf16",
            rule="unsupported-dtype",
        )


def write_mcore(store: Store, folder: Path) -> None:
    """Writes a checkpoint of step 0 without optimizer to an empty or new ``folder``; the marker is last."""
    from checkpoint_tools.formats import torch_dist

    check_writable(store)
    model = store.model
    padded = padded_vocab_size(store.vocab_size, model.vocab_multiple)
    chunks = list(_chunks(store, padded))
    require_space(folder, sum(chunk.size for chunk in chunks))
    folder.mkdir(parents=True, exist_ok=True)
    checksums = torch_dist.write(folder, chunks)
    with atomic_file(folder / "common.pt") as file:
        torch.save({}, file)
    backends = {
        "sharded_backend": "torch_dist",
        "sharded_backend_version": 1,
        "common_backend": "torch",
        "common_backend_version": 1,
    }
    write_json(folder / "metadata.json", backends)
    copy_tokenizer(store.tokenizer, folder / "tokenizer")
    fsync_folder(folder)
    checkpoint = Checkpoint(
        folder=folder, step=0, samples=0, tokens=0, model=model, vocab_size=store.vocab_size, padded_vocab_size=padded,
        tokenizer_fingerprint=store.tokenizer_fingerprint, dtype=store.dtype, optimizer=False, layout=None, config=None,
    )  # fmt: skip
    extra = {"special_ids": store.special_ids, "generation": store.generation, "source": store.origin}
    if store.adapter:
        extra["adapter"] = store.adapter
    files = describe_files(folder, state_files(folder), checksums)
    write_json(folder / MARKER, {**checkpoint.description(), **extra, "files": files})


def written_bytes(store: Store) -> int:
    """Bytes of the weights that ``write_mcore`` would write, with padding."""
    padded = padded_vocab_size(store.vocab_size, store.model.vocab_multiple)
    return sum(chunk.size for chunk in _chunks(store, padded))


def clear_mcore(folder: Path) -> None:
    """Removes the files of an earlier checkpoint, its marker first; leaves all others."""
    for name in (
        MARKER,
        "metadata.json",
        ".metadata",
        "common.pt",
        "verification.json",
        "expansion.json",
        "average.json",
        "operations.json",
    ):
        (folder / name).unlink(missing_ok=True)
    for pattern in ("*.distcp", ".*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()
    remove_tokenizer(folder / "tokenizer")


def _chunks(store: Store, padded: int) -> Iterator[torch_dist.Chunk]:
    """One chunk per layer and stored tensor, in the order of a forward pass."""
    from checkpoint_tools.formats import torch_dist

    sizes, model, dtype = axis_sizes(store.model, padded), store.model, DTYPES[store.dtype]
    tensors = stored_tensors(model)
    per_layer = [t for t in tensors if t.per_layer]
    order = [(t, None) for t in tensors if not t.per_layer] + [
        (t, i) for i in range(model.layers) for t in per_layer
    ]
    for stored, layer in order:
        shape = stored.shape(sizes)
        produce = partial(_join_stored, store, stored, layer, shape)
        if layer is None:
            yield torch_dist.Chunk(stored.name, shape, (0,) * len(shape), shape, dtype, produce)
        else:
            offset = (layer, *(0 for _ in shape))
            yield torch_dist.Chunk(stored.name, (model.layers, *shape), offset, (1, *shape), dtype, produce)


def _join_stored(store: Store, stored: Stored, layer: int | None, shape: tuple[int, ...]) -> Tensor:
    """Joins a stored tensor and pads it to ``shape``; padding rows are zero."""
    parts = [store.tensor(weight.name.format(layer=layer)) for weight in stored.weights]
    whole = join(parts, stored.join, store.model)
    if whole.shape != shape:
        assert stored.first.has_row_per_token, stored.name
        whole = torch.cat([whole, whole.new_zeros(shape[0] - whole.shape[0], *shape[1:])])
    return whole if layer is None else whole[None]


# --- logits ----------------------------------------------------------------------------------------------


def megatron_logits(
    path: Path, tokens: Tensor, tensor_parallel: int = 1, timeout_s: float = 600.0, base: Path | None = None
) -> Tensor:
    """fp32 logits [batch, sequence, vocab] of ``tokens`` [batch, sequence] int64 by megatron-core's GPTModel.

    Adapters compute beside their base, which is in the folder ``base`` or where it was. Loads the checkpoint as training does, on ``tensor_parallel`` CPU ranks in separate processes: adapting torch to run
    megatron-core on a CPU changes it for the whole process.
    """
    checkpoint = newest_checkpoint(path)
    check_splits(checkpoint.model, checkpoint.padded_vocab_size, tensor_parallel)
    with tempfile.TemporaryDirectory() as scratch:
        torch.save(tokens, Path(scratch) / "tokens.pt")
        _run_ranks(checkpoint, tensor_parallel, Path(scratch), timeout_s, _logits_rank, base)
        return torch.load(Path(scratch) / "logits.pt", weights_only=True)


def megatron_scores(
    path: Path, variants: Iterable[tuple[Tensor, Tensor, Sequence[Stream]]], timeout_s: float = 3600.0
) -> list[list[Scores]]:
    """Scores of each variant's streams in fp32. A variant replaces input and output rows [vocab, hidden] of the model.

    The rows pass through a temporary folder. For tied embeddings both are the same tensor.
    """
    checkpoint = newest_checkpoint(path)
    require_weights(checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        count = 0
        for rows, head, streams in variants:
            variant = {"rows": rows, "head": head, "streams": [asdict(stream) for stream in streams]}
            torch.save(variant, Path(scratch) / f"variant_{count}.pt")
            count += 1
        _run_ranks(checkpoint, 1, Path(scratch), timeout_s, partial(_scores_rank, count))
        scores = read_json(Path(scratch) / "scores.json", error=CheckpointError)
    return [[Scores(**values) for values in variant] for variant in scores]


def score_texts(path: Path, streams: Sequence[Stream], timeout_s: float = 3600.0) -> list[Scores]:
    """Scores of a checkpoint, or of the newest one of a run, on each text in fp32, on one rank."""
    with tempfile.TemporaryDirectory() as scratch:
        torch.save([asdict(stream) for stream in streams], Path(scratch) / "streams.pt")
        _run_ranks(newest_checkpoint(path), 1, Path(scratch), timeout_s, _texts_rank)
        scores = read_json(Path(scratch) / "scores.json", error=CheckpointError)
    return [Scores(**values) for values in scores]


def _run_ranks(
    checkpoint: Checkpoint,
    size: int,
    scratch: Path,
    timeout_s: float,
    task: Callable[..., None],
    base: Path | None = None,
) -> None:
    """Runs ``task(checkpoint, gpt, scratch, rank)`` on every rank, with the model loaded in fp32."""
    check_loadable(checkpoint)
    if checkpoint.lora is not None:
        base = find_base(checkpoint, base).folder
    rank = partial(_rank, size, checkpoint.folder, scratch, timeout_s, task, base)
    code = launch.run_ranks(size, rank, "forkserver", timeout_s)
    if code == EXIT_STOPPED:
        raise SystemExit(code)
    if code:
        reason = f"did not finish within {timeout_s:.0f} s" if code == 124 else f"ended with exit code {code}"
        raise CheckpointError(
            f"{checkpoint.folder}: megatron-core computed no logits, because a rank {reason}; see its error above",
            rule="ranks-failed",
        )


def check_splits(model: ModelConfig, padded: int, tensor_parallel: int) -> None:
    """Raises CheckpointError unless ``tensor_parallel`` ranks can divide the model with ``padded`` rows."""
    sizes = {"heads": model.heads, "kv_groups": model.kv_groups, "ffn_hidden_size": model.ffn_hidden_size}
    sizes["padded vocabulary"] = padded
    uneven = [f"{name} {size}" for name, size in sizes.items() if size % tensor_parallel]
    if uneven:
        raise CheckpointError(
            [
                Problem(
                    "",
                    "--tensor-parallel",
                    f"{tensor_parallel} does not divide {', '.join(uneven)}; choose a divisor",
                    "does-not-divide",
                )
            ]
        )


def _rank(
    size: int,
    folder: Path,
    scratch: Path,
    timeout_s: float,
    task: Callable[..., None],
    base: Path | None,
    rank: int,
    init_method: str,
) -> None:
    """Runs one rank: builds its part of the model, loads it, and runs the task. ``base``: of adapters."""
    warnings.simplefilter("ignore")  # megatron-core warns of missing optional packages
    from megatron_ko.config.training import ParallelConfig, RunConfig
    from megatron_ko.training import distributed
    from megatron_ko.training.checkpoint import load_weights
    from megatron_ko.training.lora import attach

    checkpoint = Checkpoint.read(folder)
    run, parallel = (
        RunConfig(folder=str(scratch), device="cpu", timeout_s=timeout_s),
        ParallelConfig(tensor=size),
    )
    world = distributed.start(run, parallel, rank, size, init_method)
    gpt = _build(checkpoint.model, parallel, checkpoint.vocab_size, world.device)
    if checkpoint.lora is not None and base is not None:
        alone = checkpoint.lora.base is not None
        if alone:
            load_weights(Checkpoint.read(base), gpt)
        attach(gpt, checkpoint.model, checkpoint.lora, alone=alone)
    load_weights(checkpoint, gpt)
    with torch.no_grad():
        task(checkpoint, gpt, scratch, rank)
    distributed.stop()


def _build(model: ModelConfig, parallel: Any, vocab_size: int, device: torch.device) -> Any:
    from megatron_ko.config.training import PrecisionConfig
    from megatron_ko.training.model import build_gpt

    gpt = build_gpt(model, parallel, PrecisionConfig(dtype="fp32"), vocab_size=vocab_size, device=device)
    return gpt.eval()


def _logits_of(gpt: Any, tokens: Tensor) -> Tensor:
    return gpt(tokens, torch.arange(tokens.shape[1]).expand_as(tokens), None)


def _real_logits_of(gpt: Any, tokens: Tensor) -> Tensor:
    """Logits on one rank, without the padding of the vocabulary."""
    return _logits_of(gpt, tokens)[..., : gpt.real_vocab_size]


def _logits_rank(checkpoint: Checkpoint, gpt: Any, scratch: Path, rank: int) -> None:
    """Computes and gathers logits; rank 0 writes them."""
    from megatron_ko.training import distributed

    group = distributed.tensor_group()
    part = _logits_of(gpt, torch.load(scratch / "tokens.pt", weights_only=True)).contiguous()
    parts = [torch.empty_like(part) for _ in range(torch.distributed.get_world_size(group))]
    torch.distributed.all_gather(parts, part, group=group)
    if rank == 0:
        logits = torch.cat(parts, dim=-1)[..., : checkpoint.vocab_size]
        torch.save(logits.clone(), scratch / "logits.pt")


def _scores_rank(count: int, checkpoint: Checkpoint, gpt: Any, scratch: Path, rank: int) -> None:
    """Builds one model per variant from the trunk of the checkpoint and the variant's rows, and writes its scores."""
    from megatron_ko.config.training import ParallelConfig

    scores, model = [], checkpoint.model
    vocabulary = {weight.stored for weight in weights_of(model) if weight.has_row_per_token}
    trunk = {name: value for name, value in gpt.state_dict().items() if name not in vocabulary}
    for number in progress(range(count), "judging", unit="model"):
        saved = torch.load(scratch / f"variant_{number}.pt", weights_only=True)
        size = len(saved["rows"])
        variant = _build(model, ParallelConfig(), size, torch.device("cpu"))
        missing, unexpected = variant.load_state_dict(trunk, strict=False)
        assert not unexpected and set(missing) == vocabulary, (missing, unexpected)
        parameters = dict(variant.named_parameters())
        parameters[input_weight().stored][:size] = saved["rows"].float()
        parameters[output_weight(model).stored][:size] = saved["head"].float()
        streams = [Stream(**values) for values in saved["streams"]]
        scores.append([asdict(score(s, partial(_real_logits_of, variant))) for s in streams])
    write_json(scratch / "scores.json", scores)


def _texts_rank(checkpoint: Checkpoint, gpt: Any, scratch: Path, rank: int) -> None:
    """Writes the scores of the texts."""
    streams = [Stream(**values) for values in torch.load(scratch / "streams.pt", weights_only=True)]
    write_json(scratch / "scores.json", [asdict(score(s, partial(_real_logits_of, gpt))) for s in streams])
