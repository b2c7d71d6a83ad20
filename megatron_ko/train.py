"""Training, as a story: check, plan, build, restore, then step, report, evaluate, save.

    mko train CONFIG.yaml [more.yaml] [section.field=value] --ranks 2          one host
    torchrun --nproc-per-node 8 -m megatron_ko.train CONFIG.yaml [more.yaml] [section.field=value]

Everything a user can have got wrong is reported before torch is imported.
"""

from __future__ import annotations

from megatron_ko.training import stop

if __name__ == "__main__":  # before the imports below, which take their time
    stop.listen()

import contextlib
import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from megatron_ko.config import cli
from megatron_ko.config.run_parser import run_parser
from megatron_ko.errors import EXIT_DONE, EXIT_PEER_LOST, EXIT_STOPPED, DataError, UsageError, exit_code_of
from megatron_ko.logs import set_up_logging
from megatron_ko.rank_start import add_ranks, require_devices, run_on_ranks, world_size_of

if TYPE_CHECKING:  # --help needs none of what functions import
    from megatron_ko.preflight import Preflight


def train(checked: Preflight, rank: int, init_method: str = "env://") -> int:
    """Runs one rank from start to end. Returns the exit code."""
    from megatron_ko import averaging
    from megatron_ko.formats.retention import set_aside_newer
    from megatron_ko.formats.tokenizer_folder import copy_tokenizer_folder
    from megatron_ko.planning import schedule, speed
    from megatron_ko.training import boundary, data, distributed, engine, evaluate, liveness, optimizer
    from megatron_ko.training import reporting, restoring, saving, skipping, step, teacher  # isort: skip

    config, manifest, folder = checked.config, checked.manifest, checked.run_folder
    set_up_logging(rank, folder / "logs")
    world = distributed.start(config.run, config.parallel, rank, checked.plan.world_size, init_method)
    distributed.check_agreement(checked.shared_facts())
    liveness.begin(folder if world.is_main else None)
    engine.prepare_rank(config, speed.switches_of(config), world.device)
    if world.is_main:  # the run's own copy: data may move while it runs
        copy_tokenizer_folder(manifest.tokenizer_folder, folder / "tokenizer")
    gpt = _build_model(checked, world.device)
    start = restoring.find_start(checked)
    position = restoring.position_of(start)
    if checked.goes_back and world.is_main:
        set_aside_newer(folder, position.step)

    # a model that is trained on needs a baseline; or a stop request has cut a validation short
    baseline = checked.initial is not None and start is None and bool(manifest.of_split("valid"))
    overdue = world.is_main and checked.lacks_validation(position.step)
    validation_due = distributed.on_any_rank(baseline or overdue, world.device)
    averaging.average_if_due(checked, position.step, world)
    report = reporting.Reporter(config, checked.plan, world, position, checked.weights)
    saver = saving.Saver(checked, report, world, start)
    teachers = teacher.Teachers(checked, world.device)
    trainees: list[step.Trainee] = []
    stopped = False
    for stage, plan in checked.plan.stages_from(position.stage):
        # built anew by each stage: what trains and its optimizer, the samples
        position = position.at_stage(stage.number)
        resumes = start if restoring.continues(start, position) else None
        guard = skipping.Guard(stage.config.training.skip, folder, resumes.window if resumes else None)
        loss = teachers.loss_of(stage, plan)
        trainee = boundary.enter(stage, plan.vocab_size, gpt, trainees, world, guard, loss)
        trainees.append(trainee)
        if resumes:
            restoring.restore(resumes, trainee, checked, world.device.type)
        order, end = data.order_of_stage(stage, position, manifest, saver.positions, cache=folder / "index")
        batches = data.batches_between(
            position.stage_samples, end, order, stage.config, world, manifest.eod_id, checked.cache_of(stage)
        )
        report.begin_stage(stage, plan, position)
        saver.begin_stage(position, trainee, order)
        validate = evaluate.validation_of(trainee.ddp_model, manifest, world, stage.config)
        distributed.barrier(world.device)
        stop.note_requests()  # from here on
        if validation_due:
            stopped, validation_due = not report.validation(position, validate()), False
        while position.stage_step < stage.steps and not stopped:
            learning_rate = schedule.of_stage(stage, position, end)
            optimizer.set_hyperparameters(trainee.optimizer, stage.config.optimizer, learning_rate)
            size = plan.batch_at(position)
            position = position.after_step(size, size * plan.sequence_length)
            with report.divergences(position, order):
                result = step.train_step(
                    trainee, batches, world, stage.config.training, plan.micro_batches_of(size)
                )
            stopped = distributed.stop_requested(world.device)
            finished = position.step == checked.plan.steps
            stage_ends = position.stage_step == stage.steps

            report.count_step(position)
            saver.count_step(result)
            every = config.reporting.every_steps
            if result.skipped:
                report.skip(position, result, order)
            elif position.step == 1 or stopped or stage_ends or position.step % every == 0:
                report.step(position, result, learning_rate)
            if checked.validates_at(position.step) and not stopped:
                stopped = not report.validation(position, validate())
            stopped = stopped or (not finished and distributed.stop_requested(world.device))
            due = position.step % config.checkpoint.every_steps == 0 or liveness.save_requested()
            if stopped or stage_ends or due:
                saver.save(position)
                averaging.average_if_due(checked, position.step, world)
                stopped = stopped or (not finished and distributed.stop_requested(world.device))
        if stopped:
            break
        saver.end_stage()
        del trainee, batches, validate, loss  # boundary.enter frees what they refer to

    finished = position.step >= checked.plan.steps and not stopped
    report.end(position, finished)
    distributed.barrier(world.device)
    distributed.stop()
    return EXIT_DONE if finished else EXIT_STOPPED


def _build_model(checked: Preflight, device: Any) -> Any:
    """This rank's part of the GPT: with random or initial weights, to be loaded if the run continues, with adapters."""
    from megatron_ko import initial_adapter
    from megatron_ko.planning import speed
    from megatron_ko.training import checkpoint, lora, model

    config = checked.config
    gpt = model.build_gpt(
        config.model, config.parallel, config.precision,
        vocab_size=checked.plan.vocab_size, device=device, seed=config.run.seed if checked.is_new else None,
        switches=speed.switches_of(config),
        within_documents=config.data.packing.attention == "within_documents",
    )  # fmt: skip
    initial = checked.initial_checkpoint()
    if initial is not None:
        checkpoint.check_content(initial)
        checkpoint.load_weights(initial, gpt)
    if config.lora is not None:
        assert initial is not None, "a rule of the configuration requires a base"
        lora.attach(gpt, config.model, config.lora, config.run.seed)
        if config.lora.initial_adapter and checked.start is None:
            initial_adapter.load(config.lora, initial, gpt)
    return gpt


# --- the command --------------------------------------------------------------------------------------------


@stop.listening()
def main(arguments: Sequence[str] | None = None) -> int:
    """Trains a GPT on megatron-core. Under torchrun or Slurm each process is a rank; without them --ranks N starts N."""
    under_torchrun = stop.under_torchrun()
    rank = int(os.environ["RANK"]) if under_torchrun else 0
    return exit_code_of(lambda: _main(_parse(arguments), rank, under_torchrun), quiet=rank != 0)


def parser() -> cli.Parser:
    made = run_parser("train", main.__doc__ or "")
    add_ranks(made)
    made.add_argument(
        "--world-size", type=cli.positive, metavar="N", help="ranks to plan for, with --dry-run"
    )
    return made


def _parse(arguments: Sequence[str] | None) -> Any:
    given = parser().parse(arguments)
    if given.world_size and not (given.dry_run or given.print_config):
        raise UsageError(
            "--world-size plans only, with --dry-run; --ranks N or torchrun starts ranks", rule="usage"
        )
    return given


def _main(given: Any, rank: int, under_torchrun: bool) -> int:
    from megatron_ko.formats.model_source import load_training
    from megatron_ko.planning.config_rules import layout_rules

    world_size = world_size_of(given, under_torchrun)
    if given.print_config or given.dry_run:
        from megatron_ko.plan import show_plan

        return show_plan(given, world_size, "train")
    set_up_logging(rank)
    cli.require_configuration(given.config, "train")
    loaded = load_training(*cli.split(given.config), layout_rules(world_size))

    # after the mistakes of the configuration, which need none of them
    from megatron_ko import initial_weights, teacher_weights
    from megatron_ko.preflight import check_loaded
    from megatron_ko.training import liveness

    checked = check_loaded(loaded, world_size)
    if checked.is_finished:
        if rank == 0:
            print(checked.nothing_to_do())
        return EXIT_DONE
    require_devices(checked.config.run.device, world_size, under_torchrun)
    with contextlib.ExitStack() as stack:
        if rank == 0:
            _lock(checked, stack)
            print(checked.plan.text(), end="", flush=True)
        with liveness.working(checked.run_folder if rank == 0 else None):
            checked = teacher_weights.convert(initial_weights.convert(checked, rank), rank)
        return run_on_ranks(
            functools.partial(train, checked),
            world_size=world_size, rank=rank, under_torchrun=under_torchrun, device=checked.config.run.device,
        )  # fmt: skip


def _lock(checked: Preflight, stack: contextlib.ExitStack) -> None:
    """Locks the run folder. In a job, an earlier start may still train on a node that Slurm has given up: the job is requeued."""
    from megatron_ko.formats.job_folder import forget_requests

    in_job = "MKO_JOB" in os.environ
    try:
        stack.enter_context(checked.lock_run_folder())
    except DataError as error:
        if in_job:
            error.exit_code = EXIT_PEER_LOST
        raise
    if not in_job:  # mko submit forgets them, and mko stop may have come since
        forget_requests(checked.run_folder)


if __name__ == "__main__":
    raise SystemExit(main())
