"""The stages of a run: each with the whole configuration that it trains with, its length and its first step.

Owns how a stage's fields replace those of the sections, and what a resumed run may change. No torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

from megatron_ko.config.fields import INT32_MAX
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import Schedule
from megatron_ko.config.training import (
    AdapterConfig,
    Config,
    DataConfig,
    LoraConfig,
    StageConfig,
    TrainingConfig,
)
from megatron_ko.config.trains import TrainsConfig
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.planning.distillation import describe as describe_distillation
from megatron_ko.planning.distillation import distillation_of
from megatron_ko.planning.selection import Selection, describe, trains_problems

if TYPE_CHECKING:  # no rule of a configuration reads files
    from megatron_ko.formats.checkpoint_folder import Checkpoint

Problems = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Stage:
    """One stage. ``config`` has the stage's fields in the sections and no ``stages``; ``training.steps`` is its length."""

    number: int
    name: str
    """Empty in a run without stages."""
    config: Config
    first_step: int
    written: StageConfig | None = None
    """The entry of the configuration; None in a run without stages."""

    @property
    def steps(self) -> int:
        steps = self.config.training.steps
        assert steps is not None, "a run without stages gives training.steps"
        return steps

    @property
    def end(self) -> int:
        """Steps of the run when the stage is done."""
        return self.first_step + self.steps

    @property
    def seed(self) -> int:
        """Seed of the stage's order of samples; that of the first stage is the run's."""
        return (self.config.run.seed + 1_000_003 * self.number) % 2**32

    @property
    def lora(self) -> AdapterConfig | None:
        """The adapters of the stage, or of a run without stages."""
        return self.written.lora if self.written else self.config.lora

    def selection(self, vocab_size: int) -> Selection | None:
        """The weights that train, adapters apart, or None for all: beside adapters only those that the stage names."""
        trains = self.written.trains if self.written else None
        if trains is None and self.lora is None:
            return None
        old = self.config.training.old_vocab_size
        return Selection.of(trains or TrainsConfig(), self.config.model, vocab_size, old)

    def describe(self) -> str:
        """What trains in a few words, such as ``embedding new, LoRA of rank 64``."""
        trains = self.written.trains if self.written else None
        words = [describe(trains)] if trains or not self.lora else []
        words += [f"LoRA of rank {self.lora.rank}"] if self.lora else []
        distillation = self.config.distillation
        return ", ".join(words + ([describe_distillation(distillation)] if distillation else []))


def stages_of(config: Config) -> tuple[Stage, ...]:
    """The stages in order; a run without stages is one stage with its own configuration."""
    if not config.stages:
        return (Stage(0, "", config, 0),)
    stages: list[Stage] = []
    for number, written in enumerate(config.stages):
        first = stages[-1].end if stages else 0
        stages.append(Stage(number, written.name, _config_of(config, written), first, written))
    return tuple(stages)


def any_adapters(lora: LoraConfig | None, stages: list[StageConfig]) -> bool:
    """Whether a run trains adapters, in all of it or in a stage."""
    return lora is not None or any(stage.lora for stage in stages)


def _config_of(config: Config, stage: StageConfig) -> Config:
    model = config.model
    if stage.rope_base is not None:
        model = dataclasses.replace(model, rope=dataclasses.replace(model.rope, base=stage.rope_base))
    data = config.data
    if stage.mixture is not None or stage.mixture_end is not None:
        data = dataclasses.replace(data, mixture=stage.mixture or data.mixture, mixture_end=stage.mixture_end)
    return dataclasses.replace(
        config,
        model=model,
        training=training_of(config.training, stage),
        optimizer=_with(config.optimizer, learning_rate=stage.learning_rate),
        schedule=stage.schedule or config.schedule,
        data=data,
        distillation=distillation_of(config.distillation, stage.distillation),
        stages=[],
    )


def training_of(training: TrainingConfig, stage: StageConfig) -> TrainingConfig:
    """The section training of the stage, with its length in steps; without a possible length, ``steps`` is None."""
    sizes = ("sequence_length", "global_batch_size", "micro_batch_size")
    changed = _with(training, **{name: getattr(stage, name) for name in sizes})
    per_step = changed.global_batch_size
    steps = stage.steps
    if stage.samples is not None:
        steps = -(-stage.samples // per_step)
    elif stage.tokens is not None:
        steps = -(-stage.tokens // (per_step * changed.sequence_length))
    return dataclasses.replace(changed, steps=steps if steps is None or steps <= INT32_MAX else None)


def _with(section: Any, **fields: Any) -> Any:
    """``section`` with those fields that are not None."""
    return dataclasses.replace(section, **{n: v for n, v in fields.items() if v is not None})


# --- rules -----------------------------------------------------------------------------------------------


def missing(training: TrainingConfig, stages: list[StageConfig]) -> Problems:
    if not stages and training.steps is None:
        yield "training.steps", "missing; write 'steps: ...', or stages with their lengths"


def stage_lengths(training: TrainingConfig, stages: list[StageConfig]) -> Problems:
    if stages and training.steps is not None:
        yield (
            "training.steps",
            f"{training.steps} is not allowed with stages, whose lengths add up to the run; remove it or set it to none",
        )
    for number, stage in enumerate(stages):
        given = [name for name in ("steps", "samples", "tokens") if getattr(stage, name) is not None]
        if len(given) != 1:
            shown = " and ".join(given) or "none"
            yield (
                f"stages.{number}",
                f"stage {stage.name} gives {shown} of steps, samples and tokens; give exactly one",
            )
        elif training_of(training, stage).steps is None:
            length = getattr(stage, given[0])
            yield (
                f"stages.{number}.{given[0]}",
                f"{length} are more than {INT32_MAX} steps; shorten the stage, or raise its batch",
            )


def alone(stages: list[StageConfig], training: TrainingConfig, lora: LoraConfig | None) -> Problems:
    """What a run with stages does not have."""
    if not stages:
        return
    if training.batch_ramp is not None:
        yield "training.batch_ramp", "is not allowed with stages; give each stage its global_batch_size"
    if lora is not None:
        yield (
            "lora",
            "is not allowed with stages; give it to the stages that train adapters (stages.NAME.lora)",
        )


def moving_mixture(data: DataConfig, stages: list[StageConfig]) -> Problems:
    """Shares move only in an order of samples that has a position for each set."""
    ends = {"data": data.mixture_end, **{f"stages.{n}": stage.mixture_end for n, stage in enumerate(stages)}}
    for path, end in ends.items():
        if end is not None and data.order != "windows":
            yield (
                f"{path}.mixture_end",
                f"needs data.order: windows, but it is {data.order}; set it, or remove mixture_end",
            )


def stage_names(stages: list[StageConfig]) -> Problems:
    names = [stage.name for stage in stages]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield f"stages.{number}.name", f"duplicate name {name!r}; give each stage its own"


def stage_trains(stages: list[StageConfig], model: ModelConfig, training: TrainingConfig) -> Problems:
    for number, stage in enumerate(stages):
        if stage.trains is not None:
            for path, message in trains_problems(stage.trains, model, training.old_vocab_size):
                yield f"stages.{number}.trains{path}", message


def in_each_stage(check: Callable[..., Problems], needs: tuple[str, ...]) -> Callable[..., Problems]:
    """``check`` of the sections ``needs`` as each stage has them; its problems name the stage's own fields."""

    @wraps(check)
    def check_stages(
        stages: list[StageConfig], training: TrainingConfig, schedule: Schedule, *others: Any
    ) -> Problems:
        for number, stage in enumerate(stages):
            own = training_of(training, stage)
            if own.steps is None:
                continue  # stage_lengths reports it
            sections = {"training": own, "schedule": stage.schedule or schedule}
            sections.update(zip((name for name in needs if name not in sections), others))
            for path, message in check(*(sections[name] for name in needs)):
                section, _, field = path.partition(".")
                own_field = field if section == "training" else section
                is_own = hasattr(stage, own_field) and getattr(stage, own_field) is not None
                below = path if section == "schedule" else own_field
                where = f"stages.{number}.{below}" if is_own else path
                yield where, f"in stage {stage.name}: {message}"

    return check_stages


# --- resuming --------------------------------------------------------------------------------------------


def check_same_stages(start: Checkpoint, now: Config) -> None:
    """Raises CheckpointError unless a run with the stages of ``now`` can continue from the checkpoint.

    Stages that are finished, and what trains in the current one, may not change; lengths of the current stage may not
    fall below its position. Everything else, and later stages, may.
    """
    mark = start.stage
    remedy = "restore the stages of the checkpoint, or start a new run from its weights (checkpoint.initial_weights)"
    stages = stages_of(now)

    def refuse(path: str, message: str, rule: str) -> NoReturn:
        raise CheckpointError([Problem(str(start.folder), path, f"{message}; {remedy}", rule)])

    if mark is None:
        if now.stages:
            refuse(
                "stages",
                "the checkpoint is of a run without stages, the configuration has stages",
                "stages-added",
            )
        return
    if not now.stages:
        refuse(
            "stages",
            f"the checkpoint is in stage {mark.name}, the configuration has no stages",
            "stages-removed",
        )
    before = (start.config or {}).get("stages") or []
    if len(stages) <= mark.number or len(before) <= mark.number:
        refuse(
            "stages",
            f"the checkpoint is in stage {mark.number} ({mark.name}), which is missing",
            "stage-removed",
        )
    defaults = dataclasses.asdict(
        StageConfig(name="any")
    )  # of fields that a checkpoint of an earlier version lacks
    before = [{**defaults, **stage} for stage in before]
    for number in range(mark.number):
        if before[number] != dataclasses.asdict(now.stages[number]):
            refuse(
                f"stages.{number}",
                f"stage {before[number]['name']} is finished and was changed",
                "finished-stage-changed",
            )
    current = stages[mark.number]
    if current.first_step != start.step - mark.step:
        refuse(
            f"stages.{mark.number}",
            f"the stage begins at step {start.step - mark.step:,} in the checkpoint but at {current.first_step:,} in the "
            "configuration: a batch size or sequence length has changed the length of finished stages",
            "finished-stage-changed",
        )  # fmt: skip
    written = dataclasses.asdict(now.stages[mark.number])
    for name in ("name", "trains", "lora"):
        if before[mark.number][name] != written[name]:
            refuse(
                f"stages.{mark.number}.{name}",
                f"stage {mark.name} has begun and was changed",
                "current-stage-changed",
            )
    if current.steps < mark.step:
        refuse(
            f"stages.{mark.number}",
            f"stage {mark.name} has {current.steps:,} steps, but the checkpoint is at its step {mark.step:,}",
            "stage-too-short",
        )  # fmt: skip
