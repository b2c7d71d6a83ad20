"""Operation ``average``: the mean of the weights of several checkpoints of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from checkpoint_tools.endpoints import check_apart, open_source, verify_output, write_as_checkpoint
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.store import DTYPES, Store
from checkpoint_tools.merging import check_same_model, mean
from checkpoint_tools.options.surgery import Average
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import write_json
from megatron_ko.formats.checkpoint_folder import STEP, Checkpoint
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.wording import format_count

REPORT = "average.json"
"""File beside the weights: the checkpoints that were averaged."""


def run(options: Average) -> int:
    folders = _choose(options)
    check_apart(options.dst, Path(options.src).expanduser() / "checkpoints", "the checkpoints of the run")
    return write_average(folders, options.dst, options.dtype, options.overwrite)


def write_average(
    folders: Sequence[Path], dst: str, dtype: Literal["bf16", "fp32"] | None = None, overwrite: bool = False
) -> int:
    """Writes the mean of the checkpoints in ``folders``, oldest first, to the folder ``dst`` and verifies it; returns 0.

    ``average.json`` in it names the checkpoints. Raises CheckpointError if their models differ or one is damaged.
    """
    sources = [
        open_source(str(folder), mcore.is_mcore, "a checkpoint", mcore.open_mcore) for folder in folders
    ]
    for source in sources[:-1]:
        check_same_model(source, sources[-1])
    store = average(sources, dtype)
    written = write_as_checkpoint(store, sources[-1], dst, overwrite)
    described = [Checkpoint.read(path) for path in folders]
    write_json(written.folder / REPORT, describe_sources(described))
    steps = ", ".join(f"{c.step:,}" for c in described)
    print(f"mean of {format_count(len(described), 'checkpoint')}: steps {steps}")
    return verify_output(store, written)


def describe_sources(checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """Content of ``average.json``."""
    facts = [{"folder": str(c.folder), "step": c.step, "hash": c.short_hash} for c in checkpoints]
    return {"checkpoints": facts}


def average(sources: list[Store], dtype: str | None = None) -> Store:
    """The mean of each tensor, summed in fp32, in ``dtype`` or the number format of the last source."""
    target = dtype or sources[-1].dtype

    def read(name: str) -> Tensor:
        return mean([source.tensor(name) for source in sources], [1.0] * len(sources), DTYPES[target])

    return replace(sources[-1], read=read, dtype=target)


def _choose(options: Average) -> list[Path]:
    """Folders of the checkpoints, oldest first."""
    run = Path(options.src).expanduser()
    if (options.last is None) == (options.names is None):
        message = "give either --last N or --names STEP_FOLDER ...: which checkpoints to average"
        raise CheckpointError([Problem("", "--last", message, "which-checkpoints")])
    complete = checkpoints_of(run)
    if options.names is not None:
        known = {path.name: path for path in complete}
        if unknown := [name for name in options.names if name not in known]:
            message = f"{', '.join(unknown)}: not among the complete checkpoints of {run} ({', '.join(known) or 'none'}); choose others"
            raise CheckpointError([Problem("", "--names", message, "missing-checkpoint")])
        return [known[name] for name in sorted(set(options.names), key=_step)]
    assert options.last is not None
    if len(complete) < options.last:
        message = (
            f"{options.last} are more than the {format_count(len(complete), 'complete checkpoint')} of {run}; choose a smaller "
            "number, or keep more with checkpoint.keep"
        )
        raise CheckpointError([Problem("", "--last", message, "too-few-checkpoints")])
    return complete[-options.last :]


def _step(name: str) -> int:
    match = STEP.match(name)
    assert match is not None, name
    return int(match[1])
