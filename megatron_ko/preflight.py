"""Every check of a run that needs no torch, before anything starts.

Owns ``preflight`` and its result: configuration, data, plan, and the checkpoint from which the run starts.
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
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError, ConfigError, DataError, Problem
from megatron_ko.files import locked_folder, sha256_file, sha256_text, write_text
from megatron_ko.formats import lora_record
from megatron_ko.formats.checkpoint_folder import (
    Checkpoint,
    LoraRecord,
    Origin,
    StageMark,
    StepWindow,
    check_fits,
    require_finished,
)
from megatron_ko.formats.data_record import DataRecord, check_same_data, describe_data
from megatron_ko.formats.hugging_face import HfModel, is_hf_model, read_hf_model
from megatron_ko.formats.manifest import Manifest, check_tokens, read_manifest
from megatron_ko.formats.model_source import describe_source, load_training
from megatron_ko.formats.run_folder import (
    INITIAL_WEIGHTS,
    checkpoint_folder,
    folder_problem,
    lacks_validation,
    newest_checkpoint,
    start_of_run,
)
from megatron_ko.formats.teacher_cache import (
    TeacherCache,
    cache_problems,
    data_of,
    describe_cache,
    stage_folder,
)
from megatron_ko.formats.teacher_source import (
    check_same_teacher,
    origin_of,
    read_teacher,
    vocabulary_problems,
)
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder, read_tokenizer_folder
from megatron_ko.planning.adapters import single_targets
from megatron_ko.planning.config_rules import data_problems, layout_rules
from megatron_ko.planning.distillation import needs_teacher
from megatron_ko.planning.distillation_rules import k_problems, shape_problems
from megatron_ko.planning.fp8_rules import check_recipe
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.planning.muon_rules import check_same_optimizer
from megatron_ko.planning.packing_rules import fill_in_problems
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
        stages = stages_of(self.config)
        now = self.teacher_of(stages[min(start.stage_number, len(stages) - 1)])
        check_same_teacher(start, now, self.config.checkpoint.allow_teacher_change)

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
        longer = f"raise training.steps, such as training.steps={2 * self.plan.steps}"
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
        """Raises CheckpointError if ``start`` was trained on other data, in other stages or in FP8 that this run cannot
        continue, unless that is allowed."""
        check_same_stages(start, self.config)
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
    if problem := folder_problem(config.run.folder):
        raise ConfigError([loaded.problem("run.folder", problem, "folder-not-writable")])
    manifest = check_manifest(loaded)
    teachers = find_teachers(loaded, manifest)
    plan = plan_of(loaded, world_size, manifest, teachers)
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


def find_teachers(loaded: Loaded[Config], manifest: Manifest | None) -> dict[str, Checkpoint | HfModel]:
    """The teachers of all stages by configured folder.

    Raises ConfigError with everything in which they do not fit the run, or the error of a folder that cannot be read. Without
    ``manifest`` (the data does not exist yet), the tokenizer is not compared.
    """
    config = loaded.config
    vocab_size = config.model.vocab_size or (manifest.vocab_size if manifest else 0)
    problems = [loaded.problem(*problem) for problem in k_problems(config, vocab_size)]
    teachers: dict[str, Checkpoint | HfModel] = {}
    stages = stages_of(config)
    longest = max(stage.config.training.sequence_length for stage in stages)
    for stage in stages:
        settings = stage.config.distillation
        if settings is None or settings.teacher is None or settings.teacher in teachers:
            continue
        teacher = read_teacher(settings.teacher, config.model, longest)
        teachers[settings.teacher] = teacher
        if isinstance(teacher, Checkpoint):
            check_loadable(teacher)
        own = stage.written is not None and stage.written.distillation is not None
        own = own and stage.written.distillation.teacher is not None  # type: ignore[union-attr]
        place = loaded.problem(
            f"stages.{stage.number}.distillation.teacher" if own else "distillation.teacher", ""
        )
        found = [*vocabulary_problems(teacher, vocab_size, manifest)]
        if needs_teacher(settings):
            found += shape_problems(teacher.model, config, vocab_size)
        problems += [
            dataclasses.replace(place, message=f"{teacher.folder}: {path}: {message}", rule=rule)
            for path, message, rule in found
        ]
    if problems:
        raise ConfigError(problems)
    return teachers


def find_caches(loaded: Loaded[Config], manifest: Manifest, plan: Plan) -> dict[int, TeacherCache]:
    """The caches of all stages that read one, by number of the stage. Raises ConfigError with everything in which they do not fit."""
    caches: dict[int, TeacherCache] = {}
    problems = []
    for stage, own in plan.stages_from(0):
        settings = stage.config.distillation
        if settings is None or settings.cache is None:
            continue
        cache = TeacherCache.read(stage_folder(settings.cache, stage.number))
        wanted = wanted_cache(stage, own, manifest, dataclasses.replace(cache.teacher, hash=""))
        problems += [loaded.problem(*found) for found in cache_problems(cache, wanted, "distillation.cache")]
        caches[stage.number] = cache
    if problems:
        raise ConfigError(problems)
    return caches


def wanted_cache(stage: Stage, plan: Plan, manifest: Manifest, teacher: Origin) -> TeacherCache:
    """The cache of the teacher that a stage needs."""
    settings = stage.config.distillation
    assert settings is not None
    data = data_of(stage.config, manifest, sha256_file(manifest.path), stage.number)
    return describe_cache(
        stage.config, settings, data, teacher, manifest=manifest,
        vocab_size=plan.vocab_size, samples=plan.total_samples, stage=stage.number,
    )  # fmt: skip


def find_weights(
    config: Config, vocab_size: int, tokenizer_fingerprint: str | None
) -> tuple[Checkpoint | None, Origin | None, Checkpoint | HfModel | None]:
    """The checkpoint that the run continues from, with the run's origin, and the weights that start it; a run that continues
    has such weights only with LoRA, as its base.

    Raises CheckpointError where one does not fit the model, the vocabulary or this megatron-core. Without a fingerprint
    the tokenizer is not compared.
    """
    start, origin = start_of_run(config)
    weights = config.checkpoint.initial_weights
    initial: Checkpoint | HfModel | None = None

    def read_initial() -> Checkpoint | HfModel:
        assert weights is not None
        require_finished(Path(weights).expanduser())
        return read_hf_model(weights, config.model) if is_hf_model(weights) else newest_checkpoint(weights)

    if start is not None:
        lora_record.check_adapters(start, config.lora, single_targets(config.lora))
        initial = lora_record.base_of_start(start, read_initial) if config.lora else None
    elif weights:
        initial = read_initial()
    if isinstance(initial, Checkpoint):
        lora_record.require_weights(initial)
    for checkpoint in (start, initial):
        if checkpoint:
            model = config.model if checkpoint is initial else _model_at(start, config)
            check_fits(checkpoint, model, vocab_size, tokenizer_fingerprint)
        if isinstance(checkpoint, Checkpoint):
            check_loadable(checkpoint)
    return start, origin, initial


def _model_at(start: Checkpoint | None, config: Config) -> ModelConfig:
    """The model in the stage of ``start``, whose RoPE base may be its own."""
    stages = stages_of(config)
    number = start.stage_number if start else 0
    return stages[min(number, len(stages) - 1)].config.model


def check_manifest(loaded: Loaded[Config]) -> Manifest:
    """Reads the data manifest; raises unless manifest, token files, tokenizer and configuration fit each other."""
    config = loaded.config
    manifest = read_manifest(config.data.manifest)
    problems = list(data_problems(config.data, config.model, manifest, config.stages))
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])
    tokenizer = read_tokenizer_folder(manifest.tokenizer_folder)
    if tokenizer.fingerprint != manifest.tokenizer_fingerprint:
        raise DataError(
            f"{manifest.path}: was encoded with tokenizer {manifest.tokenizer_fingerprint[:19]}, but {manifest.tokenizer_folder} "
            f"is {tokenizer.fingerprint[:19]}; encode the data again",
            rule="tokenizer-mismatch",
        )
    content = fingerprint_hf_folder(manifest.tokenizer_folder, tokenizer.fingerprint).fingerprint
    if content != tokenizer.fingerprint:
        raise DataError(
            f"{manifest.tokenizer_folder / 'tokenizer.json'}: its content is {content[:19]}, its fingerprint.json says "
            f"{tokenizer.fingerprint[:19]}: edited or damaged; train the tokenizer again or restore it",
            rule="tokenizer-changed",
        )
    problems = list(fill_in_problems(config.data.fill_in_the_middle, manifest))
    if problems:
        raise ConfigError([loaded.problem(*problem) for problem in problems])
    check_tokens(manifest)
    return manifest
