"""The teachers of a run and the caches of their log-probabilities, checked against the run.

``formats/teacher_source.py`` owns what is read of a teacher's folder, ``formats/teacher_cache.py`` what a cache is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from megatron_ko.config.loading import Loaded
from megatron_ko.config.training import Config
from megatron_ko.errors import ConfigError
from megatron_ko.files import sha256_file
from megatron_ko.formats.checkpoint_folder import Checkpoint, Origin
from megatron_ko.formats.hugging_face import HfModel
from megatron_ko.formats.manifest import Manifest
from megatron_ko.formats.teacher_cache import (
    TeacherCache,
    cache_problems,
    data_of,
    describe_cache,
    stage_folder,
)
from megatron_ko.formats.teacher_source import read_teacher, vocabulary_problems
from megatron_ko.planning.distillation import needs_teacher
from megatron_ko.planning.distillation_rules import k_problems, shape_problems
from megatron_ko.planning.hidden_state_rules import layer_problems
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.planning.run_plan import Plan
from megatron_ko.planning.stages import Stage, stages_of


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
    lengths = _lengths_beside(stages)
    for stage in stages:
        settings = stage.config.distillation
        if settings is None or settings.teacher is None:
            continue
        found: list[tuple[str, str, str]] = []
        if settings.teacher not in teachers:
            teacher = teachers[settings.teacher] = read_teacher(settings.teacher, config.model, longest)
            if isinstance(teacher, Checkpoint):
                check_loadable(teacher)
            found += vocabulary_problems(teacher, vocab_size, manifest)
        teacher = teachers[settings.teacher]
        if needs_teacher(settings):
            found += shape_problems(teacher.model, stage.config, vocab_size, lengths[settings.teacher])
            found += layer_problems(teacher.model, settings)
        place = loaded.problem(_path_of(stage), "")
        for path, message, rule in found:
            problem = dataclasses.replace(place, message=f"{teacher.folder}: {path}: {message}", rule=rule)
            if problem not in problems:
                problems.append(problem)
    if problems:
        raise ConfigError(problems)
    return teachers


def _lengths_beside(stages: Sequence[Stage]) -> dict[str, int]:
    """Tokens of the longest sequence that each teacher beside the student sees, by configured folder."""
    lengths: dict[str, int] = {}
    for stage in stages:
        settings = stage.config.distillation
        if settings is not None and settings.teacher is not None and needs_teacher(settings):
            length = stage.config.training.sequence_length
            lengths[settings.teacher] = max(length, lengths.get(settings.teacher, 0))
    return lengths


def _path_of(stage: Stage) -> str:
    """The field that names the teacher of a stage."""
    own = stage.written.distillation if stage.written else None
    if own is not None and own.teacher is not None:
        return f"stages.{stage.number}.distillation.teacher"
    return "distillation.teacher"


def find_caches(loaded: Loaded[Config], manifest: Manifest, plan: Plan) -> dict[int, TeacherCache]:
    """The caches of all stages that read one, by number of the stage. Raises ConfigError with everything in which they do not fit."""
    caches: dict[int, TeacherCache] = {}
    problems = []
    for stage, _ in plan.stages_from(0):
        settings = stage.config.distillation
        if settings is None or settings.cache is None:
            continue
        cache = TeacherCache.read(stage_folder(settings.cache, stage.number))
        wanted = wanted_cache(stage, plan, manifest, dataclasses.replace(cache.teacher, hash=""))
        problems += [loaded.problem(*found) for found in cache_problems(cache, wanted, "distillation.cache")]
        caches[stage.number] = cache
    if problems:
        raise ConfigError(problems)
    return caches


def wanted_cache(stage: Stage, run: Plan, manifest: Manifest, teacher: Origin) -> TeacherCache:
    """The cache of the teacher that a stage of the run needs."""
    settings = stage.config.distillation
    assert settings is not None
    plan = run.stages_from(stage.number)[0][1]
    earlier = [before.config for before, _ in run.stages_from(0)[: stage.number]]
    data = data_of(
        stage.config, manifest, sha256_file(manifest.path), stage.number, plan.total_samples, earlier
    )
    return describe_cache(
        stage.config, settings, data, teacher, manifest=manifest,
        vocab_size=plan.vocab_size, samples=plan.total_samples, stage=stage.number,
        writers=plan.data,
    )  # fmt: skip
