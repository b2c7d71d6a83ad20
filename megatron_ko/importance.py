"""The command ``mko importance``: scores the channels, heads and layers of a model on the data of a training configuration.

Owns the choice of weights and samples, and the file of scores. The layout, device and number format are those of training;
``training.importance`` owns the measurement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko import initial_weights
from megatron_ko.config import cli
from megatron_ko.config.recompute import NoRecompute
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_DONE, CheckpointError, ConfigError, Problem, exit_code_of
from megatron_ko.files import atomic_file, locked_folder, sha256_file
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.importance_record import LEFT_OUT_LOSS, ImportanceRecord
from megatron_ko.logs import set_up_logging
from megatron_ko.planning import speed
from megatron_ko.planning.pipeline import is_virtual
from megatron_ko.planning.run_plan import mixture_of
from megatron_ko.planning.stages import Stage
from megatron_ko.preflight import Preflight, preflight
from megatron_ko.rank_start import add_ranks, require_devices, run_on_ranks, world_size_of
from megatron_ko.training import stop

SAMPLES = 1024


@dataclasses.dataclass(frozen=True)
class Request:
    """What is measured: ``samples`` of the data of the stage, into the file ``out``."""

    out: Path
    samples: int
    leave_out: bool


def measure(checked: Preflight, request: Request, rank: int, init_method: str = "env://") -> int:
    """Runs one rank from start to end; rank 0 writes the file. Returns the exit code."""
    from megatron_ko.training import checkpoint, data, distributed, engine, importance, model

    set_up_logging(rank)
    source, stage = weights_of(checked), stage_of(checked)
    config, manifest = stage.config, checked.manifest
    parallel = dataclasses.replace(config.parallel, recompute=NoRecompute())
    world = distributed.start(config.run, parallel, rank, checked.plan.world_size, init_method)
    distributed.check_agreement(checked.shared_facts())
    # hooks read what a norm returns, and must not be compiled
    switches = dataclasses.replace(
        speed.switches_of(config), fused_norm_linear=False, compile=False, cuda_graphs=False
    )
    engine.prepare_rank(config, switches, world.device)
    gpt = model.build_gpt(
        config.model, parallel, config.precision,
        vocab_size=checked.plan.vocab_size, device=world.device, switches=switches,
        within_documents=config.data.packing.attention == "within_documents",
    )  # fmt: skip
    checkpoint.check_content(source)
    checkpoint.load_weights(source, gpt)
    order = data.order_samples(
        0, request.samples, config, manifest, {}, cache=checked.run_folder / "index", stage=stage.number
    )
    batches = importance.batches_of(order, request.samples, config, world, manifest.eod_id)
    loss, scores = importance.measure(gpt, batches, world, config)
    left_out = importance.losses_without_layers(gpt, batches, world, config) if request.leave_out else []
    distributed.barrier(world.device)
    distributed.stop()
    if scores is not None:
        _write(checked, request, source, config, loss, scores, left_out)
    return EXIT_DONE


def weights_of(checked: Preflight) -> Checkpoint:
    """The newest checkpoint of the run, or the initial weights that it would start from."""
    weights = checked.start or checked.initial_checkpoint()
    assert weights is not None, "_check refuses random weights"
    return weights


def stage_of(checked: Preflight) -> Stage:
    """The stage whose data is run: that of the newest checkpoint, or the first one."""
    return checked.plan.stages_from(checked.start.stage_number if checked.start else 0)[0][0]


def _write(
    checked: Preflight,
    request: Request,
    source: Checkpoint,
    config: Config,
    loss: float,
    scores: Any,
    left_out: list[float],
) -> None:
    """Writes the file, which appears whole, and prints what is in it."""
    import torch
    from safetensors.torch import save

    from checkpoint_tools.formats.mcore import open_mcore
    from checkpoint_tools.formats.store_fingerprint import fingerprint_store
    from checkpoint_tools.pruning.report import describe_scores
    from checkpoint_tools.pruning.scores_file import read_scores

    if left_out:
        scores[LEFT_OUT_LOSS] = torch.tensor(left_out, dtype=torch.float64).sub(loss).float()
    record = ImportanceRecord(
        fingerprint=fingerprint_store(
            open_mcore(source.folder, check_content=False)
        ),  # checked before loading
        source=str(source.folder),
        **ImportanceRecord.shape_of(config.model),
        samples=request.samples,
        sequence_length=config.training.sequence_length,
        data={
            "manifest": str(checked.manifest.path),
            "sha256": sha256_file(checked.manifest.path),
            "mixture": mixture_of(config.data, checked.manifest.mixture),
            "order": config.data.order,
            "seed": config.run.seed,
        },
        loss=loss,
        left_out=bool(left_out),
    )
    with atomic_file(request.out) as file:
        file.write(save({name: scores[name].contiguous() for name, _ in record.shapes()}, record.metadata()))
    print("\n".join(describe_scores(read_scores(request.out))))
    print(f"wrote {request.out}", flush=True)


# --- the command -----------------------------------------------------------------------------------------


def parser() -> cli.Parser:
    made = cli.config_parser("importance", f"{main.__doc__}\n\n{_DESCRIPTION}")
    made.add_argument(
        "--out", required=True, metavar="FILE", help="file of scores to write (.safetensors; required)"
    )
    made.add_argument(
        "--samples", type=cli.positive, default=SAMPLES, metavar="N",
        help=f"training samples to run, each training.sequence_length tokens (default: {SAMPLES})",
    )  # fmt: skip
    made.add_argument(
        "--leave-out",
        action="store_true",
        help="also measure the loss without each layer: one more pass per layer",
    )
    add_ranks(made)
    return made


_DESCRIPTION = """Reads the newest checkpoint of the run folder or, where there is none, checkpoint.initial_weights. Runs forward passes
in the layout of the configuration, on its training data. 'mko checkpoint prune --scores FILE' prunes by the scores, 'mko
checkpoint importance FILE' shows and compares them."""


@stop.listening()
def main(arguments: Sequence[str] | None = None) -> int:
    """Scores the channels, heads and layers of a model by its activations, for pruning."""
    under_torchrun = stop.under_torchrun()
    rank = int(os.environ["RANK"]) if under_torchrun else 0
    return exit_code_of(lambda: _main(parser().parse(arguments), rank, under_torchrun), quiet=rank != 0)


def _main(given: Any, rank: int, under_torchrun: bool) -> int:
    world_size = world_size_of(given, under_torchrun)
    set_up_logging(rank)
    cli.require_configuration(given.config, "importance")
    request = Request(Path(given.out).expanduser(), given.samples, given.leave_out)
    checked = check(preflight(*cli.split(given.config), world_size), request, world_size)
    require_devices(checked.config.run.device, world_size, under_torchrun)
    with contextlib.ExitStack() as stack:
        if rank == 0:
            stack.enter_context(locked_folder(checked.run_folder))
        checked = initial_weights.convert(checked, rank)
        return run_on_ranks(
            functools.partial(measure, checked, request),
            world_size=world_size, rank=rank, under_torchrun=under_torchrun, device=checked.config.run.device,
        )  # fmt: skip


def check(checked: Preflight, request: Request, world_size: int) -> Preflight:
    """``checked`` without its teachers, which scores do not need. Raises where there is nothing to measure, or the samples cannot
    be divided over the ranks."""
    config, problems = checked.config, []
    if checked.is_new:
        message = "the run folder has no checkpoint and checkpoint.initial_weights is none: random weights have no importance; name a model"
        raise CheckpointError([Problem("", "checkpoint.initial_weights", message, "no-weights")])
    if config.lora is not None or (checked.start is not None and checked.start.lora is not None):
        message = "adapters are not scored; add them to their base with 'mko checkpoint merge-lora', and start from that"
        problems.append(Problem("", "lora", message, "importance-of-adapters"))
    parallel = config.parallel
    replicas = world_size // (parallel.tensor * parallel.pipeline * parallel.context)
    unit = (
        stage_of(checked).config.training.micro_batch_size
        * replicas
        * (parallel.pipeline if is_virtual(parallel) else 1)
    )
    if request.samples % unit:
        message = f"{request.samples} is not a multiple of {unit}, the samples that all ranks run at one time; choose a multiple"
        problems.append(Problem("", "--samples", message, "samples-do-not-divide"))
    if request.out.suffix != ".safetensors" or request.out.is_dir():
        problems.append(
            Problem("", "--out", f"{request.out}: must be a file named *.safetensors", "wrong-name")
        )
    if problems:
        raise ConfigError(problems)
    return dataclasses.replace(checked, teachers={}, caches={})


if __name__ == "__main__":
    raise SystemExit(main())
