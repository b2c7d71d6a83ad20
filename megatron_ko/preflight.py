"""Every check of a run that needs no torch, before anything starts.

Owns ``preflight`` and its result: configuration, data, plan, and the checkpoint from which the run starts. ``inputs`` owns the
checks of what it reads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded, to_yaml
from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError, ConfigError, Problem
from megatron_ko.files import locked_folder, sha256_file, sha256_text, write_text
from megatron_ko.formats import lora_record
from megatron_ko.formats.checkpoint_folder import (
    Checkpoint,
    LoraRecord,
    Origin,
    StageMark,
    StepWindow,
)
from megatron_ko.formats.data_record import DataRecord, check_same_data, describe_data
from megatron_ko.formats.hugging_face import HfModel
from megatron_ko.formats.manifest import Manifest
from megatron_ko.formats.model_source import describe_source, load_training
from megatron_ko.formats.run_folder import (
    INITIAL_WEIGHTS,
    checkpoint_folder,
    folder_problem,
    lacks_validation,
)
from megatron_ko.formats.teacher_cache import TeacherCache, cache_problems
from megatron_ko.formats.teacher_source import check_same_projections, check_same_teacher, origin_of
from megatron_ko.inputs.data import check_manifest
from megatron_ko.inputs.teachers import find_caches, find_teachers
from megatron_ko.inputs.weights import find_weights
from megatron_ko.planning.adapters import single_targets
from megatron_ko.planning.config_rules import layout_rules
from megatron_ko.planning.distillation import needs_teacher
from megatron_ko.planning.fp8_rules import check_recipe
from megatron_ko.planning.hidden_states import projections_of
from megatron_ko.planning.muon_rules import check_same_optimizer
from megatron_ko.planning.position import Position
from megatron_ko.planning.run_plan import Plan, mixture_until
from megatron_ko.planning.stages import Stage, check_same_stages, stages_of
from megatron_ko.planning.start_checks import check_installed
from megatron_ko.wording import format_count


@dataclass(frozen=True)
class Preflight:
    """A run that may start: it has passed every check that needs no torch."""

    config: Config
    manifest: Manifest
    plan: Plan
    start: Checkpoint | None
    """Checkpoint the run continues from, or None."""
    initial: Checkpoint | HfModel | None
    """Weights that start a new run, or the base of a LoRA run, or None; ``megatron_ko.initial_weights`` converts those of Hugging Face."""
    origin: Origin | None
    """What the run's checkpoints record as ``resumed_from``."""
    teachers: Mapping[str, Checkpoint | HfModel] = field(default_factory=dict)
    """Teachers by configured folder; ``megatron_ko.teacher_weights`` converts those of Hugging Face."""
    caches: Mapping[int, TeacherCache] = field(default_factory=dict)
    """Caches by number of their stage."""

    @property
    def run_folder(self) -> Path:
        return Path(self.config.run.folder).expanduser()

    @property
    def is_new(self) -> bool:
        """Whether the run starts from random weights."""
        return self.start is None and self.initial is None

    @property
    def goes_back(self) -> bool:
        """Whether ``checkpoint.resume`` has chosen the start now: no other checkpoint may replace it."""
        return self.start is not None and self.origin != self.start.resumed_from

    def initial_checkpoint(self) -> Checkpoint | None:
        """The initial weights of a run whose ranks may start; None if it starts from others."""
        assert not isinstance(self.initial, HfModel), "initial_weights.convert"
        return self.initial

    def teacher_checkpoint(self, path: str) -> Checkpoint:
        """The teacher in the configured folder ``path`` of a run whose ranks may start."""
        teacher = self.teachers[path]
        assert isinstance(teacher, Checkpoint), "teacher_weights.convert"
        return teacher

    def teacher_of(self, stage: Stage) -> Origin | None:
        """The teacher of a stage, as its checkpoints record it."""
        settings = stage.config.distillation
        if settings is None:
            return None
        if (cache := self.cache_of(stage)) is not None:
            return cache.teacher
        assert settings.teacher is not None
        return origin_of(self.teacher_checkpoint(settings.teacher), settings.teacher)

    def projections_of(self, stage: Stage) -> dict[str, tuple[int, int]]:
        """The projections of hidden states that train in a stage, as its checkpoints record them."""
        settings = stage.config.distillation
        if settings is None or settings.teacher is None or not needs_teacher(settings):
            return {}
        teacher = self.teachers[settings.teacher].model
        return projections_of(settings, stage.config.model.hidden_size, teacher.hidden_size)

    def cache_of(self, stage: Stage) -> TeacherCache | None:
        """The cache that a stage reads."""
        return self.caches.get(stage.number)

    def check_caches(self) -> None:
        """Raises CheckpointError for each cache that is of another teacher than the one the configuration names, too."""
        problems = []
        for number, cache in self.caches.items():
            settings = self.plan.stages_from(number)[0][0].config.distillation
            teacher = self.teachers.get(settings.teacher) if settings and settings.teacher else None
            if isinstance(teacher, Checkpoint):
                wanted = dataclasses.replace(
                    cache, teacher=origin_of(teacher, str(settings and settings.teacher))
                )
                problems += [
                    Problem("", *found) for found in cache_problems(cache, wanted, "distillation.cache")
                ]
        if problems:
            raise CheckpointError(problems)

    def check_teacher(self, start: Checkpoint) -> None:
        """Raises CheckpointError if ``start`` was trained with another teacher than its stage now has, unless that is allowed."""
        now = self.teacher_of(self._stage_of(start))
        check_same_teacher(start, now, self.config.checkpoint.allow_teacher_change)

    def _stage_of(self, start: Checkpoint) -> Stage:
        """The stage of a checkpoint, or the last one of a run that now has fewer."""
        stages = stages_of(self.config)
        return stages[min(start.stage_number, len(stages) - 1)]

    @property
    def weights(self) -> dict[str, Any] | None:
        """The initial weights as the start of the run names them; ``path`` is the configured one."""
        if not isinstance(self.initial, Checkpoint):
            return None
        path = str(self.config.checkpoint.initial_weights)
        converted = self.initial.folder == self.run_folder / INITIAL_WEIGHTS
        kind = "Hugging Face" if converted else "checkpoint"
        return {"kind": kind, "path": path, "step": self.initial.step, "hash": self.initial.short_hash}

    def lora_of(self, stage: Stage) -> LoraRecord | None:
        """The adapters of a stage, as its checkpoints record them."""
        if stage.lora is None:
            return None
        base = self.initial_checkpoint() if self.config.lora else None
        return lora_record.record_of(stage.lora, single_targets(stage.lora), base)

    @property
    def is_finished(self) -> bool:
        """Whether the newest checkpoint has all steps of the plan, and their validations."""
        start = self.start
        return start is not None and start.step >= self.plan.steps and not self.lacks_validation(start.step)

    def validates_at(self, step: int) -> bool:
        """Whether a run that nobody stops validates after ``step``."""
        ends = [stage.end for stage, _ in self.plan.stages] or [self.plan.steps]
        return step in ends or step % self.config.evaluation.every_steps == 0

    def lacks_validation(self, step: int) -> bool:
        """Whether a stop request after ``step`` left out the validation there, which the resumed run does first."""
        due = 0 < step <= self.plan.steps and self.validates_at(step)
        return due and lacks_validation(self.run_folder / "metrics.jsonl", step)

    def nothing_to_do(self) -> str:
        """Message for a finished run that is started again."""
        start = self.start
        assert start is not None
        longer = f"raise training.steps, such as training.steps={2 * max(self.plan.steps, start.step)}"
        if self.plan.stages:
            longer = "raise the length of the last stage, or add a stage"
        return (
            f"nothing to do: {self.run_folder} has all of {format_count(self.plan.steps, 'step')} ({start.folder.name})\n"
            f"  to continue, {longer}\n"
            "  to train anew, choose another run.folder"
        )

    def shared_facts(self) -> dict[str, Any]:
        """Facts that all ranks must agree on before they build anything."""
        return {
            "the checkpoint to resume": (self.start.step, self.start.short_hash) if self.start else None,
            "the initial weights": self.weights and self.weights["hash"],
            "the caches": tuple((str(cache.folder), cache.teacher.hash) for cache in self.caches.values()),
            "the teachers": tuple(
                sorted((path, self.teacher_checkpoint(path).short_hash) for path in self.teachers)
            ),
            "the data manifest": sha256_file(self.manifest.path),
            "the configuration": sha256_text(to_yaml(self.config)),
        }

    @contextlib.contextmanager
    def lock_run_folder(self) -> Iterator[None]:
        """Writes and locks the run folder while the run lasts: a second run in it would overwrite the first."""
        with locked_folder(self.run_folder):
            write_text(self.run_folder / "config.yaml", to_yaml(self.config))
            write_text(self.run_folder / "plan.txt", self.plan.text())
            yield

    def check_data(self, start: Checkpoint) -> None:
        """Raises CheckpointError if ``start`` was trained on other data, in other stages, with other projections or in FP8 that this
        run cannot continue, unless that is allowed."""
        check_same_stages(start, self.config)
        check_same_projections(start, self.projections_of(self._stage_of(start)))
        check_recipe(start.folder, start.fp8, self.config.precision.fp8)
        check_same_optimizer(start, self.config)
        allowed = self.config.checkpoint.allow_data_change
        now = self.data_of(start.stage_number)
        check_same_data(start.folder, start.data, now, allow_change=allowed)

    def data_of(self, stage: int) -> DataRecord:
        """The data of a stage, without positions; sets of earlier stages have a share of 0."""
        mixture = mixture_until(self.config, stage, self.manifest)
        return describe_data(self.manifest, mixture, self.config.data.order)

    def checkpoint_at(
        self,
        position: Position,
        data: DataRecord,
        loss: float | None,
        lowest_loss: float | None,
        window: StepWindow | None = None,
    ) -> Checkpoint:
        """Description of the checkpoint that the run writes at ``position``."""
        stage, plan = self.plan.stages_from(position.stage)[0]
        mark = None
        if stage.written is not None:
            partial = stage.selection(plan.vocab_size) is not None
            mark = StageMark(stage.number, stage.name, position.stage_step, position.stage_samples, partial)
        return Checkpoint(
            folder=checkpoint_folder(self.config.run.folder, position.step),
            step=position.step,
            samples=position.samples,
            tokens=position.tokens,
            model=stage.config.model,
            vocab_size=self.plan.vocab_size,
            padded_vocab_size=self.plan.padded_vocab_size,
            tokenizer_fingerprint=self.manifest.tokenizer_fingerprint,
            dtype=self.config.precision.dtype,
            optimizer=True,
            layout=self.plan.layout,
            config=dataclasses.asdict(self.config),
            loss=loss,
            lowest_loss=lowest_loss,
            data=data,
            resumed_from=self.origin,
            window=window,
            lora=self.lora_of(stage),
            stage=mark,
            fp8=self.config.precision.fp8,
            teacher=self.teacher_of(stage),
            projections=self.projections_of(stage),
        )


def preflight(files: Sequence[str], overrides: Sequence[str], world_size: int) -> Preflight:
    """Checks a run before it starts. Raises ConfigError, DataError or CheckpointError (exit code 2)."""
    return check_loaded(load_training(files, overrides, layout_rules(world_size)), world_size)


def check_loaded(loaded: Loaded[Config], world_size: int) -> Preflight:
    """``preflight`` of a configuration that was loaded with the rules for ``world_size`` ranks."""
    checked = check_run(loaded, world_size)
    check_installed(loaded)
    return checked


def check_run(loaded: Loaded[Config], world_size: int) -> Preflight:
    """``check_loaded`` without what must be installed where the run starts: for another machine."""
    config = loaded.config
    manifest, teachers, plan = check_inputs(loaded, world_size)
    for package, why in (("psutil", "megatron-core cannot save without it"),):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"the package {package} is not installed: {why}; pip install -r requirements.txt",
                rule="missing-package",
            )
    start, origin, initial = find_weights(config, plan.vocab_size, manifest.tokenizer_fingerprint)
    checked = Preflight(
        config, manifest, plan, start, initial, origin, teachers, find_caches(loaded, manifest, plan)
    )
    checked.check_caches()
    if start:
        checked.check_data(start)
        if not any(isinstance(teacher, HfModel) for teacher in teachers.values()):
            checked.check_teacher(start)
    return checked


def check_inputs(
    loaded: Loaded[Config], world_size: int
) -> tuple[Manifest, Mapping[str, Checkpoint | HfModel], Plan]:
    """The data and the teachers of a run that can write its folder, and its plan. Raises the errors of ``preflight``."""
    if problem := folder_problem(loaded.config.run.folder):
        raise ConfigError([loaded.problem("run.folder", problem, "folder-not-writable")])
    manifest = check_manifest(loaded)
    teachers = find_teachers(loaded, manifest)
    return manifest, teachers, plan_of(loaded, world_size, manifest, teachers)


def plan_of(
    loaded: Loaded[Config],
    world_size: int,
    manifest: Manifest | None = None,
    teachers: Mapping[str, Checkpoint | HfModel] | None = None,
) -> Plan:
    """The plan of a loaded configuration, with the folder that ``model.from`` named; ``teachers`` are those of ``find_teachers``."""
    models = {path: teacher.model for path, teacher in (teachers or {}).items()}
    plan = Plan.of(loaded.config, world_size, manifest, models)
    return dataclasses.replace(plan, model_source=describe_source(loaded))
