"""All arithmetic of a run, computed once: ranks, batches, steps, parameters, FLOPs, memory, tokens of each set.

Owns ``Plan`` and its text. Checks nothing: ``megatron_ko.preflight`` does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config, DataConfig, TrainingConfig
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.formats.manifest import Manifest
from megatron_ko.planning import batch_ramp, document_spans, flops, gpu_lines, memory, stage_table
from megatron_ko.planning.adapters import adapter_parameters
from megatron_ko.planning.distillation import describe_teacher, needs_teacher
from megatron_ko.planning.hidden_states import projection_parameters
from megatron_ko.planning.pipeline import chunks_of_stage, describe_layers
from megatron_ko.planning.position import Position
from megatron_ko.planning.selection import trainable_parameters
from megatron_ko.planning.stage_table import NAME, PAGE
from megatron_ko.planning.stages import Stage, stages_of
from megatron_ko.planning.state_formats import formats_of
from megatron_ko.planning.weights import padded_vocab_size, parameter_count
from megatron_ko.tables import hang
from megatron_ko.wording import format_count


@dataclass(frozen=True)
class SetShare:
    """One training set in this run: share of the tokens, tokens drawn, passes over the set."""

    name: str
    share: float
    tokens: int
    epochs: float


@dataclass(frozen=True)
class Plan:
    """Arithmetic of a run. Batches in sequences (``samples``), memory in bytes."""

    world_size: int
    tensor: int
    pipeline: int
    context: int
    data: int
    micro_batches: int
    global_batch_size: int
    sequence_length: int
    steps: int
    training: TrainingConfig
    vocab_size: int
    padded_vocab_size: int
    parameters: int
    flops_per_token: float
    memory: memory.RankMemory
    """Of the fullest rank."""
    shares: tuple[SetShare, ...]
    tokenizer_size: int | None = None
    """Tokens of the data's tokenizer; the embedding may have more rows. None if the data does not exist yet."""
    max_epochs: float = math.inf
    """``data.max_epochs``; the plan warns of sets that are repeated more often."""
    adapter_parameters: int | None = None
    """Parameters of all adapters of the run, which alone are trained, or of the stage; None without adapters."""
    trainable: int = 0
    """Parameters that train."""
    stage: Stage | None = None
    """The stage that this is the plan of; in the plan of a run with stages, the first."""
    stages: tuple[tuple[Stage, Plan], ...] = ()
    """Each stage and its own plan; empty in a run without stages."""
    document_span: float | None = None
    """Tokens of a sequence that a token's document fills on average, which attention within documents is counted with; None
    where whole sequences are counted."""
    stage_memories: tuple[memory.RankMemory, ...] = ()
    """Memory of a rank of each pipeline stage; in a run with stages of training, of the one that needs most."""
    teacher_parameters: int = 0
    """Parameters of the teacher beside the model; 0 without one, or with its cache."""
    teacher_flops_per_token: float = 0.0
    """The part of ``flops_per_token`` that the teacher's forward pass takes, once for each token."""
    teacher_words: tuple[str, ...] = ()
    """In which the teacher differs from the model: its tensor-parallel ranks, FP8; or what its cache has."""
    projection_parameters: int = 0
    """Parameters that project hidden states of the model to the teacher's width, and train; a checkpoint of the stage has them."""
    model_source: str = ""
    """Where the fields of the model come from, if not from the configuration."""

    @property
    def tokens_per_step(self) -> int:
        return self.global_batch_size * self.sequence_length

    @property
    def total_samples(self) -> int:
        return sum(plan.total_samples for _, plan in self.stages) or batch_ramp.samples_of(
            self.training, 0, self.steps
        )

    @property
    def total_tokens(self) -> int:
        return sum(plan.total_tokens for _, plan in self.stages) or self.total_samples * self.sequence_length

    @property
    def total_flops(self) -> float:
        return sum(plan.total_flops for _, plan in self.stages) or self.total_tokens * self.flops_per_token

    def stages_from(self, number: int) -> Sequence[tuple[Stage, Plan]]:
        """The stages from ``number`` on, each with its plan; a run without stages is one."""
        assert self.stages or self.stage is not None
        return self.stages[number:] if self.stages else ((self.stage, self),)  # type: ignore[return-value]

    def batch_at(self, position: Position) -> int:
        """Sequences of the step that starts at ``position``."""
        return batch_ramp.batch_size_at(self.training, position.stage_samples)

    def micro_batches_of(self, batch_size: int) -> int:
        """Micro-batches of each data-parallel rank in a step of ``batch_size`` sequences."""
        return batch_size // (self.training.micro_batch_size * self.data)

    def tokens_after(self, position: Position) -> int:
        """Tokens from ``position`` to the end of the run."""
        if not self.stages:
            steps = self.steps - position.step
            return batch_ramp.samples_of(self.training, position.samples, steps) * self.sequence_length
        left = [(stage.end - max(position.step, stage.first_step), plan) for stage, plan in self.stages]
        return sum(max(0, steps) * plan.tokens_per_step for steps, plan in left)

    @property
    def repeated(self) -> tuple[SetShare, ...]:
        """Sets that the run repeats more often than ``max_epochs``."""
        return tuple(item for item in self.shares if item.epochs > self.max_epochs)

    @property
    def layout(self) -> dict[str, int]:
        names = ("world_size", "tensor", "pipeline", "context", "data")
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def of(
        config: Config,
        world_size: int,
        manifest: Manifest | None = None,
        teachers: Mapping[str, ModelConfig] | None = None,
    ) -> Plan:
        """Computes the plan of ``config``, which has passed ``layout_rules(world_size)``; ``teachers`` are by configured folder.

        Raises ConfigError if neither a manifest nor model.vocab_size gives the vocabulary. In a run with stages, batches
        are those of the first stage, memory is that of the stage that needs most, and shares are of all tokens.
        """
        if config.stages:
            return _plan_of_stages(config, world_size, manifest, teachers or {})
        return Plan._of_stage(stages_of(config)[0], world_size, manifest, teachers or {})

    @staticmethod
    def _of_stage(
        stage: Stage, world_size: int, manifest: Manifest | None, teachers: Mapping[str, ModelConfig]
    ) -> Plan:
        config = stage.config
        vocab_size = config.model.vocab_size or (manifest.vocab_size if manifest else None)
        if vocab_size is None:
            raise ConfigError(
                [
                    Problem(
                        "",
                        "model.vocab_size",
                        "missing; give the size of the vocabulary, because there is no data manifest",
                        "missing",
                    )
                ]
            )
        parallel, training = config.parallel, config.training
        data = world_size // (parallel.tensor * parallel.pipeline * parallel.context)
        padded = padded_vocab_size(vocab_size, config.model.vocab_multiple)
        micro_batches = training.global_batch_size // (training.micro_batch_size * data)
        adapters = _adapter_parameters(stage)
        selection = stage.selection(vocab_size)
        span = _document_span(config, manifest)
        attended = training.sequence_length if span is None else span
        taught = _teacher_of(stage, teachers)
        projections = projection_parameters(config.distillation, config.model, taught)
        of_student = flops.flops_per_token(config.model, padded, attended, adapters) + 6.0 * projections
        of_teacher = flops.forward_flops_per_token(taught, padded, attended) if taught else 0.0
        memories = memory.stage_memories(
            config.model,
            parallel,
            padded_vocab_size=padded,
            data_parallel=data,
            micro_batch_size=training.micro_batch_size,
            micro_batches=micro_batches,
            sequence_length=training.sequence_length,
            bytes_per_weight=2 if config.precision.dtype == "bf16" else 4,
            device=config.run.device,
            lora=stage.lora,
            selection=selection,
            formats=formats_of(config),
            muon=config.optimizer.type == "muon",
            distillation=config.distillation,
            teacher=taught,
            z_loss=config.loss.z_loss > 0,
        )
        return Plan(
            world_size=world_size,
            tensor=parallel.tensor,
            pipeline=parallel.pipeline,
            context=parallel.context,
            data=data,
            micro_batches=micro_batches,
            global_batch_size=training.global_batch_size,
            sequence_length=training.sequence_length,
            steps=stage.steps,
            training=training,
            vocab_size=vocab_size,
            padded_vocab_size=padded,
            parameters=parameter_count(config.model, vocab_size),
            flops_per_token=of_student + of_teacher,
            teacher_parameters=parameter_count(taught, vocab_size) if taught else 0,
            teacher_flops_per_token=of_teacher,
            teacher_words=describe_teacher(config.distillation, parallel, taught),
            projection_parameters=projections,
            memory=max(memories, key=lambda of_stage: of_stage.total_bytes),
            stage_memories=memories,
            stage=stage,
            trainable=trainable_parameters(selection, config.model, vocab_size)
            + (adapters or 0)
            + projections,
            shares=_shares(config, stage.steps, manifest) if manifest else (),
            tokenizer_size=manifest.vocab_size if manifest else None,
            max_epochs=config.data.max_epochs,
            adapter_parameters=adapters,
            document_span=span,
        )

    def text(self) -> str:
        """The plan in lines for people, without colors, at most PAGE columns wide."""
        gib = 2**30
        used = self.memory
        unused = self.vocab_size - (self.tokenizer_size or self.vocab_size)
        tokens = f", {unused:,} without a token" if unused else ""
        lines = [
            f"ranks        {self.world_size} = tensor {self.tensor} x pipeline {self.pipeline} x context {self.context} "
            f"x data {self.data}",
            f"model        {self.parameters:,} parameters, vocabulary {self.vocab_size:,}{tokens} (padded {self.padded_vocab_size:,})",
            *([f"             from {self.model_source}"] if self.model_source else []),
            *self._adapter_lines(),
            *([] if self.stages else [self._batch_line(), *self._ramp_lines()]),
            *self._packing_lines(),
            f"run          {format_count(self.steps, 'step')}, {self.total_tokens:,} tokens, "
            f"{self.total_flops:.3g} FLOPs",
            f"memory       {used.total_bytes / gib:.2f} GiB on the fullest rank, without buffers and fragmentation",
            f"             weights {used.weights_bytes / gib:.2f}, gradients {used.gradients_bytes / gib:.2f}, optimizer {used.optimizer_bytes / gib:.2f}, "
            f"activations {used.activations_bytes / gib:.2f}",
            *self._teacher_lines(),
            *self._pipeline_lines(),
        ]
        if self.stage is not None:
            lines += gpu_lines.lines_of(self.stage.config, self.padded_vocab_size, used)
        for number, item in enumerate(self.shares):
            head = "data        " if number == 0 else "            "
            lines.append(
                f"{head} {item.name:<12} {item.share:6.1%}  {item.tokens:>15,} tokens  {item.epochs:8.2f} epochs"
            )
        lines += [
            f"warning      set {item.name} is repeated {item.epochs:,.2f} times, more than data.max_epochs {self.max_epochs:g}; "
            "lower its share, add text, or raise the cap"
            for item in self.repeated
        ]
        lines = [part for line in lines for part in hang(line, NAME, PAGE)]
        return "\n".join([*lines, *stage_table.lines_of(self)]) + "\n"

    def _batch_line(self) -> str:
        return (
            f"batch        {format_count(self.global_batch_size, 'sequence')} x {format_count(self.sequence_length, 'token')} = "
            f"{self.tokens_per_step:,} tokens per step, {format_count(self.micro_batches, 'micro-batch')}"
        )

    def _ramp_lines(self) -> list[str]:
        """The growth of the batch, if it begins smaller."""
        sizes = list(batch_ramp.sizes_after(self.training, 0, self.steps))
        smaller = [(size, count) for size, count in sizes if size < self.global_batch_size]
        if not smaller:
            return []
        steps, samples = sum(count for _, count in smaller), sum(size * count for size, count in smaller)
        return [
            f"             grows from {smaller[0][0]:,} in {format_count(len(smaller), 'size')}: {format_count(steps, 'step')}, "
            f"{samples * self.sequence_length:,} tokens"
        ]

    def _packing_lines(self) -> list[str]:
        if self.stage is None:
            return []
        lines = document_spans.describe_packing(
            self.stage.config.data, self.sequence_length, self.document_span
        )
        return [f"{'' if number else 'packing':<12} {line}" for number, line in enumerate(lines)]

    def _teacher_lines(self) -> list[str]:
        """The teacher that needs most memory, with its part of the FLOPs of its stage."""
        own = max(
            (plan for _, plan in self.stages or ((None, self),)), key=lambda plan: plan.memory.teacher_bytes
        )
        if not own.teacher_parameters and not self.stages:  # the table of the stages has it otherwise
            return [f"teacher      {words}" for words in own.teacher_words]
        if not own.teacher_parameters:
            return []
        share = own.teacher_flops_per_token / own.flops_per_token
        count = max(plan.projection_parameters for _, plan in self.stages or ((None, self),))
        return [
            f"teacher      {own.teacher_parameters:,} parameters, weights {own.memory.teacher_bytes / 2**30:.2f} GiB, "
            f"{share:.1%} of the FLOPs",
            *(f"             {words}" for words in own.teacher_words),
            *(
                [f"             {count:,} more parameters train, which project hidden states"]
                if count
                else []
            ),
        ]

    def _pipeline_lines(self) -> list[str]:
        """Layers and memory of each pipeline stage, if there are several."""
        if self.pipeline == 1 or self.stage is None:
            return []
        config, lines = self.stage.config, []
        for number, used in enumerate(self.stage_memories):
            layers = describe_layers(chunks_of_stage(config.model.layers, config.parallel, number))
            head = "pipeline    " if number == 0 else "            "
            lines.append(
                f"{head} stage {number:<3} {layers}; {used.total_bytes / 2**30:.2f} GiB, of which activations "
                f"{used.activations_bytes / 2**30:.2f}"
            )
        return lines

    def _adapter_lines(self) -> list[str]:
        if self.adapter_parameters is None:
            return []
        share = self.adapter_parameters / self.parameters
        return [
            f"adapters     {self.adapter_parameters:,} parameters train ({share:.2%} of the model, which is frozen)"
        ]


def _adapter_parameters(stage: Stage) -> int | None:
    if stage.lora is None:
        return None
    return adapter_parameters(stage.config.model, stage.lora.rank, stage.lora.targets)


def _document_span(config: Config, manifest: Manifest | None) -> float | None:
    packing = config.data.packing
    if manifest is None or packing.attention != "within_documents":
        return None
    mixture = average_mixture_of(config.data, manifest.mixture)
    return document_spans.span_of_mixture(
        manifest, mixture, config.training.sequence_length // packing.stretches
    )


def _teacher_of(stage: Stage, teachers: Mapping[str, ModelConfig]) -> ModelConfig | None:
    """The teacher that runs beside the model in a stage."""
    settings = stage.config.distillation
    if settings is None or settings.teacher is None or not needs_teacher(settings):
        return None
    return teachers.get(settings.teacher)


def _plan_of_stages(
    config: Config, world_size: int, manifest: Manifest | None, teachers: Mapping[str, ModelConfig]
) -> Plan:
    plans = tuple(
        (stage, Plan._of_stage(stage, world_size, manifest, teachers)) for stage in stages_of(config)
    )
    fullest = max((plan for _, plan in plans), key=lambda plan: plan.memory.total_bytes)
    tokens = sum(plan.total_tokens for _, plan in plans)
    sets: dict[str, list[SetShare]] = {}
    for _, plan in plans:
        for share in plan.shares:
            sets.setdefault(share.name, []).append(share)
    shares = (
        SetShare(
            name, sum(s.tokens for s in of) / tokens, sum(s.tokens for s in of), sum(s.epochs for s in of)
        )
        for name, of in sorted(sets.items())
    )
    return dataclasses.replace(
        plans[0][1],
        steps=sum(plan.steps for _, plan in plans),
        memory=fullest.memory,
        stage_memories=fullest.stage_memories,
        adapter_parameters=None,
        shares=tuple(shares),
        stages=plans,
    )


def mixture_of(data: DataConfig, default: Mapping[str, float]) -> dict[str, float]:
    """Share of each training set (at the beginning, if shares move), sorted by name; they sum to 1.

    ``default`` is the manifest's mixture.
    """
    return _scale(data.mixture or default)


def average_mixture_of(data: DataConfig, default: Mapping[str, float]) -> dict[str, float]:
    """Share of each training set in the whole run, sorted by name: of one that moves linearly, the mean of both ends."""
    begin = mixture_of(data, default)
    if data.mixture_end is None:
        return begin
    end = _scale(data.mixture_end)
    return {name: (begin.get(name, 0.0) + end.get(name, 0.0)) / 2 for name in sorted({*begin, *end})}


def _scale(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weights[name] / total for name in sorted(weights)}


def mixture_until(config: Config, stage: int, manifest: Manifest) -> dict[str, float]:
    """The mixture of stage number ``stage``, and 0 for sets that only earlier stages draw from: their positions are kept."""
    mixtures = [average_mixture_of(s.config.data, manifest.mixture) for s in stages_of(config)[: stage + 1]]
    return {
        name: mixtures[-1].get(name, 0.0) for name in sorted({n for mixture in mixtures for n in mixture})
    }


def _shares(config: Config, steps: int, manifest: Manifest) -> tuple[SetShare, ...]:
    train = manifest.of_split("train")
    total = batch_ramp.samples_of(config.training, 0, steps) * config.training.sequence_length
    return tuple(
        SetShare(name, share, round(share * total), share * total / train[name].tokens)
        for name, share in average_mixture_of(config.data, manifest.mixture).items()
    )
