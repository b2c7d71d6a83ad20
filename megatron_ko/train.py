"""Training, as a story: check, plan, build, restore, then step, report, evaluate, save.

    torchrun --nproc-per-node 8 -m megatron_ko.train CONFIG.yaml [more.yaml] [section.field=value]
    python -m megatron_ko.train CONFIG.yaml --ranks 2          one host, without torchrun

Everything a user can have got wrong is reported before torch is imported.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko.config import cli
from megatron_ko.config.loading import to_yaml
from megatron_ko.config.schema import Config
from megatron_ko.errors import EXIT_STOPPED, exit_code_of
from megatron_ko.files import write_text
from megatron_ko.logs import set_up_logging
from megatron_ko.plan import Plan, Preflight, mixture_of, preflight, show_plan

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains a GPT on megatron-core. Under torchrun or Slurm each process is a rank; alone it starts --ranks."""
    parser = cli.parser("python -m megatron_ko.train", main.__doc__ or "", Config)
    parser.add_argument("--ranks", type=cli.positive, default=1, metavar="N", help="ranks to start on this host (without torchrun)")
    given = parser.parse_intermixed_args(arguments)
    if given.world_size and not (given.dry_run or given.print_config):
        parser.error("--world-size plans only (with --dry-run); --ranks N or torchrun starts ranks")
    rank = int(os.environ.get("RANK", 0))
    return exit_code_of(lambda: _main(given), quiet=rank != 0)


def _main(given: Any) -> int:
    under_torchrun = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    world_size = int(os.environ["WORLD_SIZE"]) if under_torchrun else given.ranks
    if given.print_config or given.dry_run:
        return show_plan(given, world_size)
    rank = int(os.environ["RANK"]) if under_torchrun else 0
    set_up_logging(rank)
    files, overrides = cli.split(given.config)
    checked = preflight(files, overrides, world_size)
    if rank == 0:
        _write_run_folder(checked)
    if under_torchrun:
        return train(checked, rank)
    from megatron_ko import distributed, launch

    distributed.import_megatron(checked.config.run.device)
    return launch.run_ranks(world_size, lambda rank, init_method: train(checked, rank, init_method))


def _write_run_folder(checked: Preflight) -> None:
    folder = Path(checked.config.run.folder).expanduser()
    write_text(folder / "config.yaml", to_yaml(checked.config))
    write_text(folder / "plan.txt", checked.plan.text())
    print(checked.plan.text(), end="", flush=True)


def train(checked: Preflight, rank: int, init_method: str = "env://") -> int:
    """One rank's whole run. Returns the exit code."""
    from megatron_ko import (
        checkpoint,
        data,
        distributed,
        evaluate,
        metrics,
        model,
        optimizer,
        reporting,
        run_folder,
        schedule,
        step,
        stop,
    )

    config, plan, manifest = checked.config, checked.plan, checked.manifest
    training, folder = config.training, Path(config.run.folder).expanduser()
    set_up_logging(rank, folder / "logs")
    request = stop.StopRequest()
    world = distributed.start(config.run, config.parallel, rank, plan.world_size, init_method)

    fresh = checked.start is None and config.checkpoint.initial_weights is None
    gpt = model.build_gpt(
        config.model, config.parallel, config.precision,
        vocab_size=plan.vocab_size, device=world.device, seed=config.run.seed if fresh else None,
    )  # fmt: skip
    if checked.start is None and config.checkpoint.initial_weights:
        checkpoint.load_weights(run_folder.Checkpoint.read(config.checkpoint.initial_weights), gpt)
    wrapped = model.wrap(gpt)
    adam = optimizer.build_optimizer(wrapped, config.optimizer, config.precision.dtype)
    step.connect(wrapped, adam)
    done = 0
    if checked.start is not None:
        checkpoint.resume(checked.start, wrapped, adam, plan.layout)
        done = checked.start.step
        _warn_of_another_order(checked)

    dataset = data.build_training_data(
        manifest, mixture_of(config, manifest),
        samples=plan.total_samples, sequence_length=training.sequence_length, seed=config.run.seed, cache=folder / "index",
    )  # fmt: skip
    batches = data.training_batches(
        dataset, world,
        consumed=done * training.global_batch_size, total=plan.total_samples, global_batch=training.global_batch_size,
        micro_batch=training.micro_batch_size, workers=config.data.workers,
    )  # fmt: skip
    peak = metrics.peak_of(world.device, config.precision.dtype, config.reporting.peak_tflops)
    report = reporting.Report(config, done, writes=world.is_main)
    report.record("start", done, **_facts(plan, peak))
    speed = metrics.Speed(plan.flops_per_token, plan.world_size, peak)

    def validate() -> None:
        result = evaluate.evaluate(wrapped, manifest, world, training, config.evaluation)
        report.record("valid", done, tokens=done * plan.tokens_per_step, **result)

    def save() -> None:
        target = _describe(checked, done)
        seconds = checkpoint.save(target, wrapped, adam, manifest.tokenizer_folder)
        report.record("save", done, folder=str(target.folder), seconds=round(seconds, 3))
        if world.is_main:
            run_folder.remove_old_checkpoints(folder, config.checkpoint.keep)

    stopped = saved = False
    while done < training.steps and not stopped:
        rate = schedule.learning_rate(
            config.schedule, config.optimizer.learning_rate,
            done * training.global_batch_size, plan.total_samples, training.global_batch_size,
        )  # fmt: skip
        optimizer.set_hyperparameters(adam, config.optimizer, rate)
        result = step.train_step(
            wrapped, adam, batches, world,
            micro_batches=plan.micro_batches, micro_batch=training.micro_batch_size, length=training.sequence_length,
        )  # fmt: skip
        done += 1
        speed.add(plan.tokens_per_step)
        last = done == training.steps
        stopped = distributed.on_any_rank(request.reason is not None, world.device)
        saved = last or stopped or done % config.checkpoint.every_steps == 0
        if last or stopped or done == 1 or done % config.reporting.every_steps == 0:
            report.record("train", done, **_progress(plan, done, result, rate, speed, world, metrics, distributed))
        if last or done % config.evaluation.every_steps == 0:
            validate()
        if saved:
            save()
        if last or saved or done % config.evaluation.every_steps == 0:
            speed.restart()
    report.record("end", done, reason="stopped" if stopped and done < training.steps else "done")
    report.close()
    distributed.stop()
    return EXIT_STOPPED if stopped and done < training.steps else 0


def _progress(plan: Plan, done: int, result: Any, rate: float, speed: Any, world: Any, metrics: Any, distributed: Any) -> dict:
    return dict(
        samples=done * plan.global_batch_size,
        tokens=done * plan.tokens_per_step,
        loss=result.loss,
        learning_rate=rate,
        gradient_norm=result.gradient_norm,
        **speed.lap((plan.steps - done) * plan.tokens_per_step),
        memory_gib=round(distributed.largest(metrics.memory_gib(world.device), world.device), 3),
    )


def _describe(checked: Preflight, step: int) -> Any:
    """What the checkpoint after ``step`` says of itself."""
    import dataclasses

    from megatron_ko import run_folder

    config, plan = checked.config, checked.plan
    return run_folder.Checkpoint(
        folder=run_folder.checkpoint_folder(config.run.folder, step),
        step=step,
        samples=step * plan.global_batch_size,
        tokens=step * plan.tokens_per_step,
        model=config.model,
        vocab_size=plan.vocab_size,
        padded_vocab_size=plan.padded_vocab_size,
        tokenizer_fingerprint=checked.manifest.tokenizer_fingerprint,
        dtype=config.precision.dtype,
        optimizer=True,
        layout=plan.layout,
        config=dataclasses.asdict(config),
    )


def _facts(plan: Plan, peak: Any) -> dict[str, Any]:
    return dict(
        world_size=plan.world_size,
        parameters=plan.parameters,
        tokens_per_step=plan.tokens_per_step,
        peak_tflops=peak.tflops,
        peak_name=peak.name,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("torch", "megatron-core", "transformer-engine"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _warn_of_another_order(checked: Preflight) -> None:
    """megatron-core orders samples for a run of known length: another length is another order."""
    assert checked.start is not None
    before = (checked.start.config or {}).get("training", {})
    now = checked.config.training
    for name in ("steps", "global_batch_size", "sequence_length"):
        if before.get(name) not in (None, getattr(now, name)):
            log.warning(
                "training.%s was %s and is %s: the order of samples changes from here on, so some may be seen again",
                name, before[name], getattr(now, name),
            )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
