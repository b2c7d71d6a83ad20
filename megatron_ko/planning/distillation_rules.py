"""Rules over the sections ``distillation`` of a run and of its stages, and over the teacher's shape, checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

from megatron_ko.config.distillation import DistillationConfig, TopK
from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config, ParallelConfig, PrecisionConfig, RunConfig, StageConfig
from megatron_ko.planning.distillation import (
    distillation_of,
    needs_teacher,
    teacher_fp8,
    teacher_model,
    teacher_parallel,
    teacher_tensor,
)
from megatron_ko.planning.family_rules import needs_plain_layers
from megatron_ko.planning.fp8_rules import odd_tokens, odd_widths
from megatron_ko.planning.pipeline import is_virtual, stage_sizes

Problems = Iterator[tuple[str, str]]
Found = tuple[str, str, str]


def sections_of(
    whole: DistillationConfig | None, stages: list[StageConfig]
) -> Iterator[tuple[str, DistillationConfig]]:
    """Each section as a run or a stage uses it, with its path; equal ones once."""
    if not stages and whole is not None:
        yield "distillation", whole
    seen: list[DistillationConfig] = []
    for number, stage in enumerate(stages):
        used = distillation_of(whole, stage.distillation)
        if used is not None and used not in seen:
            seen.append(used)
            yield f"stages.{number}.distillation" if used != whole else "distillation", used


def for_each_section(check: Callable[..., Problems], *needs: str) -> Rule:
    """The rule ``check(path, section, *needs)`` over each section that ``sections_of`` yields; it reports a field once."""

    @wraps(check)
    def check_all(
        distillation: DistillationConfig | None, stages: list[StageConfig], *others: Any
    ) -> Problems:
        reported: set[str] = set()
        for path, section in sections_of(distillation, stages):
            for where, message in check(path, section, *others):
                if where not in reported:
                    yield where, message
                reported.add(where)

    return Rule(("distillation", "stages", *needs), check_all)


def _teacher_or_cache(path: str, section: DistillationConfig) -> Problems:
    if section.teacher is None and section.cache is None:
        yield (
            f"{path}.teacher",
            "missing: distillation learns from a teacher or from its cache; name the teacher's folder, or remove the section",
        )


def _cache_of_top_k(path: str, section: DistillationConfig) -> Problems:
    if section.cache is not None and not isinstance(section.loss, TopK):
        yield (
            f"{path}.cache",
            f"{section.cache}: contains the most probable tokens alone, but {path}.loss is {section.loss.type}; set it to "
            "{type: top_k, k: ...}, or remove cache",
        )


def _no_teacher_in_a_virtual_pipeline(
    path: str, section: DistillationConfig, parallel: ParallelConfig
) -> Problems:
    if needs_teacher(section) and is_virtual(parallel):
        yield (
            "parallel.virtual_pipeline",
            f"{parallel.virtual_pipeline}: the schedule of a virtual pipeline cannot send the teacher's hidden states with the "
            f"student's ({path}); remove virtual_pipeline, or write a cache with 'mko distill cache' first",
        )


def _teacher_is_another_folder(path: str, section: DistillationConfig, run: RunConfig) -> Problems:
    if section.teacher is None:
        return
    own, teacher = (Path(folder).expanduser().resolve() for folder in (run.folder, section.teacher))
    if teacher == own or own in teacher.parents:
        yield (
            f"{path}.teacher",
            f"{section.teacher}: is in run.folder, so the student would be its own teacher; name another folder, or another "
            "run.folder",
        )


def _cache_is_another_folder(path: str, section: DistillationConfig, run: RunConfig) -> Problems:
    if section.cache is None:
        return
    cache = Path(section.cache).expanduser().resolve()
    for name, folder in (("run.folder", run.folder), (f"{path}.teacher", section.teacher)):
        if folder is None:
            continue
        other = Path(folder).expanduser().resolve()
        if cache == other or other / "checkpoints" in (cache, *cache.parents):
            yield (
                f"{path}.cache",
                f"{section.cache}: is {name} {folder} or among its checkpoints; name a folder of its own, such as {folder}_cache",
            )
            return


def _teacher_splits(path: str, section: DistillationConfig, parallel: ParallelConfig) -> Problems:
    if parallel.tensor % teacher_tensor(section, parallel):
        yield (
            f"{path}.teacher_tensor",
            f"{section.teacher_tensor} must divide parallel.tensor {parallel.tensor}: the ranks that split the teacher are some of "
            "those that split the student, and see the same samples; lower it, or raise parallel.tensor",
        )


def _teacher_in_fp8(
    path: str, section: DistillationConfig, run: RunConfig, precision: PrecisionConfig
) -> Problems:
    if not section.teacher_fp8:
        return
    if run.device == "cpu":
        yield (
            f"{path}.teacher_fp8",
            "true needs a GPU and Transformer Engine, but run.device is cpu; set it to false",
        )
    if precision.dtype != "bf16":
        yield (
            f"{path}.teacher_fp8",
            f"true cannot be combined with precision.dtype {precision.dtype}; set precision.dtype: bf16, or teacher_fp8: false",
        )


DISTILLATION_RULES = (
    for_each_section(_teacher_or_cache),
    for_each_section(_cache_of_top_k),
    for_each_section(_no_teacher_in_a_virtual_pipeline, "parallel"),
    for_each_section(_teacher_is_another_folder, "run"),
    for_each_section(_cache_is_another_folder, "run"),
    for_each_section(_teacher_splits, "parallel"),
    for_each_section(_teacher_in_fp8, "run", "precision"),
)


def k_problems(config: Config, vocab_size: int) -> Iterator[Found]:
    """``(path, message, rule)`` where ``top_k`` asks for more tokens than there are."""
    for path, section in sections_of(config.distillation, config.stages):
        if isinstance(section.loss, TopK) and section.loss.k > vocab_size:
            yield (
                f"{path}.loss.k",
                f"{section.loss.k} must be at most the {vocab_size:,} tokens of the vocabulary; lower it",
                "k-above-vocabulary",
            )


def shape_problems(teacher: ModelConfig, config: Config, vocab_size: int, longest: int) -> Iterator[Found]:
    """``(path, message, rule)`` for everything in the teacher's shape that the layout, the sequences or the FP8 recipe of a stage
    cannot have; ``config`` is that of the stage, ``longest``: tokens of the longest sequence that it sees."""
    parallel, settings = config.parallel, config.distillation
    model = teacher_model(teacher, config.model, vocab_size)
    layout = teacher_parallel(parallel, model, config.model, settings)
    for name in ("heads", "kv_groups", "ffn_hidden_size"):
        if (value := getattr(model, name)) % layout.tensor:
            field = (
                "distillation.teacher_tensor" if settings and settings.teacher_tensor else "parallel.tensor"
            )
            yield (
                f"model.{name}",
                f"{value} must be a multiple of {field} {layout.tensor}, whose ranks split the teacher; set "
                "distillation.teacher_tensor to a smaller divisor of parallel.tensor, change the layout, or choose another teacher",
                "teacher-split",
            )
    if stage_sizes(model.layers, layout) is None:
        yield (
            "model.layers",
            f"{model.layers} must be a multiple of parallel.pipeline {parallel.pipeline}, whose stages split the teacher's layers, "
            "too; change the layout, or choose another teacher",
            "teacher-split",
        )
    if longest > model.max_sequence_length:
        yield (
            "model.max_sequence_length",
            f"{model.max_sequence_length} tokens are fewer than training.sequence_length {longest}; shorten the sequences, or "
            "choose another teacher",
            "teacher-too-short",
        )
    yield from _fp8_problems(model, layout, config)


def _fp8_problems(model: ModelConfig, layout: ParallelConfig, config: Config) -> Iterator[Found]:
    """What the teacher's FP8 cannot have."""
    fp8 = teacher_fp8(config.distillation)
    if config.distillation and config.distillation.teacher_fp8 and (field := needs_plain_layers(model)):
        yield (
            field,
            "has no layers of Transformer Engine, which distillation.teacher_fp8 needs; set it to false",
            "teacher-fp8",
        )
    for path, problem in odd_widths(model, layout, fp8):
        yield path, f"{problem} with distillation.teacher_fp8; set it to false", "teacher-fp8"
    for problem in odd_tokens(layout, config.training, fp8):
        yield "training.sequence_length", problem.format("distillation.teacher_fp8"), "teacher-fp8"
