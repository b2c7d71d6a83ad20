"""``mko distill cache``: writes a teacher's log-probabilities, from which training learns without the teacher.

    mko distill cache CONFIG.yaml [more.yaml] [section.field=value] --ranks 2

Owns the command and the order of its work: check, convert the teacher, then for each stage with a cache: load the teacher, write the
missing shards. Killed at any time, the same command continues.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from megatron_ko import teacher_weights
from megatron_ko.config import cli
from megatron_ko.config.loading import Loaded
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_DONE, ConfigError, Problem, exit_code_of
from megatron_ko.files import locked_folder
from megatron_ko.formats.hugging_face import HfModel
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.teacher_cache import DESCRIPTION, TeacherCache, continuation_problems
from megatron_ko.formats.teacher_source import origin_of
from megatron_ko.inputs.teachers import wanted_cache
from megatron_ko.logs import set_up_logging
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.position import Position
from megatron_ko.planning.stages import Stage, stages_of
from megatron_ko.planning.start_checks import check_installed
from megatron_ko.preflight import Preflight, check_inputs
from megatron_ko.rank_start import add_ranks, require_devices, run_on_ranks, world_size_of
from megatron_ko.training import stop
from megatron_ko.wording import format_bytes, format_count

log = logging.getLogger(__name__)
COMMANDS = {"cache": "write the teacher's most probable tokens of every position (distillation.cache)"}


def parser() -> cli.Parser:
    made = cli.config_parser(
        "distill cache",
        "Writes the teacher's most probable tokens of every position of a run, in the folder distillation.cache of its configuration. "
        "Training with the same configuration reads them and needs no teacher. Started again, it continues with the first missing "
        "shard.",
    )
    add_ranks(made)
    return made


@stop.listening()
def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the caches of a configuration, each rank its shards."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    under_torchrun = stop.under_torchrun()
    rank = int(os.environ["RANK"]) if under_torchrun else 0
    return exit_code_of(lambda: _main(given, rank, under_torchrun), quiet=rank != 0)


def _main(given: list[str], rank: int, under_torchrun: bool) -> int:
    name = given[0] if given else "--help"
    if name in ("-h", "--help"):
        print(
            "usage: mko distill COMMAND CONFIG.yaml ... [options]\n\n"
            "Writes what training learns from a teacher, which need not run beside it then.\n\n"
            f"{cli.describe_commands('commands', COMMANDS)}\n'mko distill COMMAND --help' explains one of them."
        )
        return EXIT_DONE
    if name not in COMMANDS:
        raise cli.unknown_command("mko distill", name, COMMANDS)
    options = parser().parse(given[1:])
    world_size = world_size_of(options, under_torchrun)
    set_up_logging(rank)
    cli.require_configuration(options.config, "distill cache")
    checked, stages = check(*cli.split(options.config), world_size)
    require_devices(checked.config.run.device, world_size, under_torchrun)
    folders = {Path(cache_folder(stage)).expanduser() for stage in stages}
    with contextlib.ExitStack() as stack:
        if rank == 0:
            for folder in sorted(folders):
                stack.enter_context(locked_folder(folder))
        checked = _convert_teachers(checked, rank)
        caches = prepare(checked, stages, writes=rank == 0)
        return run_on_ranks(
            functools.partial(write_caches, checked, caches),
            world_size=world_size, rank=rank, under_torchrun=under_torchrun, device=checked.config.run.device,
        )  # fmt: skip


def _convert_teachers(checked: Preflight, rank: int) -> Preflight:
    """Teachers of Hugging Face are converted into the run folder, which a training must not use meanwhile."""
    with contextlib.ExitStack() as stack:
        if rank == 0 and any(isinstance(teacher, HfModel) for teacher in checked.teachers.values()):
            stack.enter_context(locked_folder(checked.run_folder))
        return teacher_weights.convert(checked, rank)


def check(files: Sequence[str], overrides: Sequence[str], world_size: int) -> tuple[Preflight, list[Stage]]:
    """The run as if its teachers stood beside it, and its stages with a cache. Raises the errors of ``preflight``."""
    loaded = load_training(files, overrides, layout_rules(world_size))
    stages = [
        stage
        for stage in stages_of(loaded.config)
        if (s := stage.config.distillation) and s.cache is not None
    ]
    if problems := list(_problems(loaded, stages)):
        raise ConfigError(problems)
    online = dataclasses.replace(loaded, config=_without_caches(loaded.config))
    manifest, teachers, plan = check_inputs(online, world_size)
    check_installed(online)
    return Preflight(online.config, manifest, plan, None, None, None, teachers), stages


def cache_folder(stage: Stage) -> str:
    settings = stage.config.distillation
    assert settings is not None and settings.cache is not None
    return settings.cache


def _problems(loaded: Loaded[Config], stages: list[Stage]) -> Any:
    parallel = loaded.config.parallel
    if not stages:
        message = "missing: names the folder that 'mko distill cache' writes; set it"
        yield loaded.problem("distillation.cache", message, "missing-cache")
    for stage in stages:
        settings = stage.config.distillation
        if settings is not None and settings.teacher is None:
            message = (
                f"missing: stage {stage.number} has a cache to be written, but no teacher; name its folder"
            )
            yield loaded.problem("distillation.teacher", message, "missing-teacher")
    for name in ("context", "virtual_pipeline"):
        if (value := getattr(parallel, name)) > 1:
            message = f"{value}: a cache is written without it, and read with it; add parallel.{name}=1 to the command"
            yield loaded.problem(f"parallel.{name}", message, "layout-of-a-cache")


def _without_caches(config: Config) -> Config:
    """The same run with its teachers beside it."""

    def drop(section: Any) -> Any:
        return section and dataclasses.replace(section, cache=None)

    stages = [dataclasses.replace(stage, distillation=drop(stage.distillation)) for stage in config.stages]
    return dataclasses.replace(config, distillation=drop(config.distillation), stages=stages)


def prepare(checked: Preflight, stages: list[Stage], writes: bool) -> list[tuple[Stage, TeacherCache]]:
    """The cache of each stage, described in its folder. Raises ConfigError where a folder has the cache of another run."""
    caches, problems = [], []
    for stage in stages:
        settings = stage.config.distillation
        assert settings is not None and settings.teacher is not None
        teacher = origin_of(checked.teacher_checkpoint(settings.teacher), settings.teacher)
        wanted = wanted_cache(stage, checked.plan, checked.manifest, teacher)
        if (wanted.folder / DESCRIPTION).is_file():
            cache = TeacherCache.read(wanted.folder)
            problems += continuation_problems(cache, wanted, "distillation.cache")
        else:
            cache = wanted
            if writes:
                cache.write()
        if writes:
            cache.remove_leftovers()
        caches.append((stage, cache))
    if problems:
        raise ConfigError([Problem("", *problem) for problem in problems])
    return caches


def write_caches(
    checked: Preflight, caches: list[tuple[Stage, TeacherCache]], rank: int, init_method: str = "env://"
) -> int:
    """Writes the missing shards of all caches on one rank. Collective."""
    from megatron_ko.training import cache_writing, data, distributed
    from megatron_ko.training.teacher import load_teacher

    config, manifest = checked.config, checked.manifest
    set_up_logging(rank)
    world = distributed.start(config.run, config.parallel, rank, checked.plan.world_size, init_method)
    distributed.check_agreement(checked.shared_facts())
    wanted = {stage.number: cache for stage, cache in caches}
    positions: dict[str, Any] = {}
    for stage, plan in checked.plan.stages_from(0):
        cache = wanted.get(stage.number)
        index = Path(config.run.folder).expanduser() / "index"
        order, end = data.order_of_stage(
            stage, Position(stage=stage.number), manifest, positions, cache=index
        )
        positions = {**positions, **order.counters_after(end)}
        if cache is None:
            continue
        progress = _Progress(cache, world.is_main)
        if not (missing := cache_writing.missing_shards(cache)):
            progress.end()
            continue
        progress.begin(missing)
        settings = stage.config.distillation
        assert settings is not None and settings.teacher is not None
        teacher = load_teacher(
            checked.teacher_checkpoint(settings.teacher), stage.config, plan.vocab_size, world.device
        )
        samples = data.samples_of_order(order, stage.config, manifest.eod_id)
        cache_writing.write_shards(teacher, cache, stage.config, samples, world, progress)
        distributed.barrier(world.device)
        progress.end()
        del teacher
    distributed.barrier(world.device)
    distributed.stop()
    return EXIT_DONE


class _Progress:
    """Log lines of rank 0: the size of a cache before and after, and the shards that this rank has written."""

    def __init__(self, cache: TeacherCache, speaks: bool) -> None:
        self._cache, self._speaks, self._samples = cache, speaks, 0

    def __call__(self, samples: int) -> None:
        self._samples += samples
        if self._speaks:
            log.info(
                "%s of %s written by rank 0",
                f"{self._samples:,}",
                format_count(self._cache.samples, "sample"),
            )

    def begin(self, missing: list[int]) -> None:
        if self._speaks:
            cache = self._cache
            samples = sum(len(cache.samples_of(shard)) for shard in missing)
            log.info(
                "%s: %s of %s to write, %s, with %s free", cache.folder, f"{samples:,}", format_count(cache.samples, "sample"),
                format_bytes(samples * cache.record_bytes), format_bytes(shutil.disk_usage(cache.folder).free),
            )  # fmt: skip

    def end(self) -> None:
        if self._speaks:
            cache = self._cache
            log.info(
                "%s: complete, %s, %s, %s per token", cache.folder, format_count(cache.samples, "sample"),
                format_bytes(cache.samples * cache.record_bytes), format_count(cache.bytes_per_token, "byte"),
            )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
