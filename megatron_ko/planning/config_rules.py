"""Rules over several fields of the configuration, such as impossible layouts, checked before anything starts.

Each check yields ``(dotted path, "what is wrong; what to do")``; the loader adds file, line and the name of the check. No
torch.
"""

from __future__ import annotations

import difflib
import importlib.util
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from megatron_ko.config.loading import Rule
from megatron_ko.config.model import ModelConfig, head_size, rotated_size
from megatron_ko.config.optimizer import MultiStepSchedule, OptimizerConfig, Schedule, WsdSchedule
from megatron_ko.config.training import (
    CheckpointConfig,
    DataConfig,
    ParallelConfig,
    ReportingConfig,
    RunConfig,
    StageConfig,
    TrainingConfig,
)
from megatron_ko.planning import stages
from megatron_ko.planning.distillation_rules import DISTILLATION_RULES
from megatron_ko.planning.family_rules import FAMILY_RULES
from megatron_ko.planning.fp8_rules import FP8_RULES, fp8_tokens
from megatron_ko.planning.hidden_state_rules import HIDDEN_STATE_RULES
from megatron_ko.planning.lora_rules import LORA_RULES
from megatron_ko.planning.muon_rules import MUON_RULES
from megatron_ko.planning.packing_rules import PACKING_RULES
from megatron_ko.planning.pipeline_rules import PIPELINE_RULES, fill_pipeline
from megatron_ko.planning.speed import SPEED_RULES
from megatron_ko.planning.transformer_fields import transformer_config_fields, value_problem
from megatron_ko.wording import format_count

if TYPE_CHECKING:  # no rule of a configuration reads files
    from megatron_ko.formats.manifest import Manifest

Problems = Iterator[tuple[str, str]]
MAX_TOKENS_PER_STEP = 2**31 - 1  # megatron-core counts the tokens of a step in int32
GPU_ONLY_FIELDS = {
    "cpu_offloading", "enable_cuda_graph", "fine_grained_activation_offloading", "fp4", "masked_softmax_fusion",
    "persist_layer_norm", "use_kitchen", "use_te_rng_tracker",
}  # fmt: skip


def layout_rules(world_size: int | None) -> list[Rule]:
    """Rules over whole sections; without ``world_size``, rules that depend on the number of ranks are skipped."""

    def layout_divides_ranks(parallel: ParallelConfig) -> Problems:
        size = parallel.tensor * parallel.pipeline * parallel.context
        if world_size is not None and world_size % size:
            yield (
                "parallel",
                f"the number of ranks {world_size} must be a multiple of {size} (tensor {parallel.tensor} x pipeline "
                f"{parallel.pipeline} x context {parallel.context}); give another number (--ranks, for a plan --world-size) or change the layout",
            )

    def batch_divides_ranks(parallel: ParallelConfig, training: TrainingConfig) -> Problems:
        size = parallel.tensor * parallel.pipeline * parallel.context
        if world_size is None or world_size % size:
            return
        data = world_size // size
        unit = training.micro_batch_size * data
        if training.global_batch_size % unit:
            yield (
                "training.global_batch_size",
                f"{training.global_batch_size} must be a multiple of {unit} (micro_batch_size {training.micro_batch_size} x "
                f"{data} data-parallel ranks); change it or micro_batch_size",
            )
        for name, size in _ramp_sizes(training):
            if size % unit:
                yield (
                    f"training.batch_ramp.{name}",
                    f"{size} must be a multiple of {unit} (micro_batch_size {training.micro_batch_size} x {data} data-parallel "
                    f"ranks), like every size of the batch; write {max(unit, size // unit * unit)}, or change micro_batch_size",
                )

    micro_batches_fill_pipeline = fill_pipeline(world_size)
    return [
        Rule(("model",), _model_shape),
        Rule(("model", "parallel"), _model_split),
        Rule(("model", "parallel", "training"), _sequence_split),
        Rule(("parallel",), layout_divides_ranks),
        Rule(("parallel", "training"), batch_divides_ranks),
        Rule(("parallel", "training"), micro_batches_fill_pipeline),
        Rule(("training",), _ramp_reaches_batch),
        Rule(("training", "schedule"), _schedule_fits),
        Rule(("optimizer",), _decay_below_one),
        Rule(("training", "stages"), stages.missing),
        Rule(("training", "stages"), stages.stage_lengths),
        Rule(("stages", "training", "lora"), stages.alone),
        Rule(("stages",), stages.stage_names),
        Rule(("stages", "model", "training"), stages.stage_trains),
        *(
            Rule(("stages", "training", "schedule", *more), stages.in_each_stage(check, needs))
            for check, needs, more in (
                (_sequence_split, ("model", "parallel", "training"), ("model", "parallel")),
                (batch_divides_ranks, ("parallel", "training"), ("parallel",)),
                (micro_batches_fill_pipeline, ("parallel", "training"), ("parallel",)),
                (_schedule_fits, ("training", "schedule"), ()),
                (fp8_tokens, ("parallel", "training", "precision"), ("parallel", "precision")),
            )
        ),
        Rule(("run", "model"), _extra_fields),
        Rule(("checkpoint",), _permanent_checkpoints),
        Rule(("checkpoint",), _averages_of_checkpoints),
        Rule(("data", "stages"), stages.moving_mixture),
        Rule(("reporting",), _packages_installed),
        *PIPELINE_RULES,
        *LORA_RULES,
        *PACKING_RULES,
        *FP8_RULES,
        *SPEED_RULES,
        *MUON_RULES,
        *FAMILY_RULES,
        *DISTILLATION_RULES,
        *HIDDEN_STATE_RULES,
    ]


def _ramp_sizes(training: TrainingConfig) -> list[tuple[str, int]]:
    ramp = training.batch_ramp
    return [("start", ramp.start), ("increment", ramp.increment)] if ramp else []


def _ramp_reaches_batch(training: TrainingConfig) -> Problems:
    ramp, full = training.batch_ramp, training.global_batch_size
    if ramp is None:
        return
    if ramp.start >= full:
        yield (
            "training.batch_ramp.start",
            f"{ramp.start} must be below training.global_batch_size {full}; lower it or remove training.batch_ramp",
        )
    elif (full - ramp.start) % ramp.increment:
        yield (
            "training.batch_ramp.increment",
            f"{ramp.increment} must divide global_batch_size {full} - start {ramp.start} = {full - ramp.start}; change one of "
            "them",
        )


def _decay_below_one(optimizer: OptimizerConfig) -> Problems:
    if optimizer.decoupled == "independent" and optimizer.weight_decay >= 1:
        yield (
            "optimizer.weight_decay",
            f"{optimizer.weight_decay} must be below 1 with optimizer.decoupled independent, because at the peak each step "
            "multiplies a weight by 1 - weight_decay; Kanana uses 1e-4",
        )


def _permanent_checkpoints(checkpoint: CheckpointConfig) -> Problems:
    if checkpoint.keep_every is not None and checkpoint.keep_every % checkpoint.every_steps:
        yield (
            "checkpoint.keep_every",
            f"{checkpoint.keep_every} must be a multiple of checkpoint.every_steps {checkpoint.every_steps}, because only then a "
            "checkpoint is saved there; change either",
        )


def _averages_of_checkpoints(checkpoint: CheckpointConfig) -> Problems:
    average = checkpoint.average
    if average is not None and average.every_steps % checkpoint.every_steps:
        yield (
            "checkpoint.average.every_steps",
            f"{average.every_steps} must be a multiple of checkpoint.every_steps {checkpoint.every_steps}, because only then a "
            "checkpoint is saved there; change either",
        )


def _model_shape(model: ModelConfig) -> Problems:
    if model.heads % model.kv_groups:
        yield (
            "model.kv_groups",
            f"{model.kv_groups} must divide model.heads {model.heads}, because all groups have equally many heads; "
            "change either",
        )
    if model.head_size is None and model.hidden_size % model.heads:
        yield (
            "model.heads",
            f"{model.heads} must divide model.hidden_size {model.hidden_size}; change either or set model.head_size",
        )
    elif head_size(model) % 2:
        yield (
            "model.head_size",
            f"{head_size(model)} must be even, because rotary embedding rotates pairs of dimensions; change the head size",
        )
    elif rotated_size(model) < 2 or rotated_size(model) % 2:
        yield (
            "model.rope.fraction",
            f"{model.rope.fraction} of a head of {head_size(model)} dimensions rotates {rotated_size(model)}, which must be an "
            "even number above 0; change either",
        )
    scaling = model.rope.scaling
    if scaling.type == "llama3" and scaling.low_freq_factor >= scaling.high_freq_factor:
        yield (
            "model.rope.scaling.high_freq_factor",
            f"{scaling.high_freq_factor} must be above low_freq_factor {scaling.low_freq_factor}; change either",
        )


def _model_split(model: ModelConfig, parallel: ParallelConfig) -> Problems:
    for name, value in (
        ("heads", model.heads),
        ("kv_groups", model.kv_groups),
        ("ffn_hidden_size", model.ffn_hidden_size),
        ("vocab_multiple", model.vocab_multiple),
    ):
        if value % parallel.tensor:
            yield (
                f"model.{name}",
                f"{value} must be a multiple of parallel.tensor {parallel.tensor}, whose ranks split it; change either",
            )
    if parallel.sequence and parallel.tensor == 1:
        yield (
            "parallel.sequence",
            "true needs parallel.tensor above 1, but it is 1; set parallel.sequence: false or raise parallel.tensor",
        )


def _sequence_split(model: ModelConfig, parallel: ParallelConfig, training: TrainingConfig) -> Problems:
    length = training.sequence_length
    if length > model.max_sequence_length:
        yield (
            "training.sequence_length",
            f"{length} exceeds model.max_sequence_length {model.max_sequence_length}; lower it or raise the maximum",
        )
    chunks = 2 * parallel.context if parallel.context > 1 else 1
    if length % chunks:
        yield (
            "training.sequence_length",
            f"{length} must be a multiple of {chunks} (2 x parallel.context {parallel.context}), because every context rank "
            "takes two chunks; change either",
        )
    elif parallel.sequence and (length // parallel.context) % parallel.tensor:
        yield (
            "training.sequence_length",
            f"{length} must be a multiple of {math.lcm(chunks, parallel.context * parallel.tensor)}, because "
            f"parallel.sequence splits the {length // parallel.context} tokens of each context rank over parallel.tensor "
            f"{parallel.tensor}; change it or set parallel.sequence: false",
        )
    tokens = training.global_batch_size * length
    if tokens > MAX_TOKENS_PER_STEP:
        yield (
            "training.global_batch_size",
            f"{training.global_batch_size} x sequence_length {length} = {tokens:,} tokens per step exceed "
            f"{MAX_TOKENS_PER_STEP:,}, the most that megatron-core can count; lower it",
        )


def _schedule_fits(training: TrainingConfig, schedule: Schedule) -> Problems:
    used = schedule.warmup_steps + (schedule.decay_steps if isinstance(schedule, WsdSchedule) else 0)
    if training.steps is not None and used > training.steps:
        yield (
            "schedule",
            f"warm-up and decay take {format_count(used, 'step')}, more than training.steps {training.steps}; shorten them or raise "
            "the steps",
        )
    if isinstance(schedule, MultiStepSchedule):
        if len(schedule.milestones) != len(schedule.ratios) or not schedule.milestones:
            yield (
                "schedule.ratios",
                f"has {len(schedule.ratios)} ratios for {len(schedule.milestones)} milestones; write at least one milestone "
                "and one ratio for each",
            )
        if sorted(set(schedule.milestones)) != schedule.milestones:
            yield (
                "schedule.milestones",
                f"{schedule.milestones} must increase; sort them and remove duplicates",
            )


def _packages_installed(reporting: ReportingConfig) -> Problems:
    if reporting.tensorboard and importlib.util.find_spec("tensorboard") is None:
        yield (
            "reporting.tensorboard",
            "true needs the package tensorboard, which is not installed; pip install tensorboard",
        )
    if reporting.wandb_project and importlib.util.find_spec("wandb") is None:
        yield (
            "reporting.wandb_project",
            f"{reporting.wandb_project} needs the package wandb, which is not installed; pip install wandb",
        )


def _extra_fields(run: RunConfig, model: ModelConfig) -> Problems:
    if not model.extra:
        return
    known = transformer_config_fields()
    for name in model.extra:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean '{near[0]}'?" if near else "check its name or remove it"
            yield f"model.extra.{name}", f"is not a field of megatron-core's TransformerConfig; {remedy}"
        elif name in OWNED_FIELDS:
            owner = OWNED_FIELDS[name]
            remedy = "remove it" if owner.endswith(")") else "set it there"
            yield f"model.extra.{name}", f"is set by {owner}; {remedy}"
        elif not keeps_architecture(name):
            yield (
                f"model.extra.{name}",
                "would change the architecture of the model, which megatron_ko does not support; remove it",
            )
        elif (
            run.device == "cpu" and name in GPU_ONLY_FIELDS and model.extra[name] not in (None, False, "none")
        ):
            yield (
                f"model.extra.{name}",
                f"{model.extra[name]!r} needs a GPU, but run.device is cpu; remove it or set run.device: cuda",
            )
        elif problem := value_problem(name, model.extra[name], model.layers):
            yield f"model.extra.{name}", problem


OWNED_FIELDS = {
    "num_layers": "model.layers", "hidden_size": "model.hidden_size", "ffn_hidden_size": "model.ffn_hidden_size",
    "num_attention_heads": "model.heads", "num_query_groups": "model.kv_groups", "kv_channels": "model.head_size",
    "layernorm_epsilon": "model.norm_epsilon", "add_qkv_bias": "model.qkv_bias", "qk_layernorm": "model.qk_norm",
    "init_method_std": "model.init_std", "normalization": "model.norm", "add_bias_linear": "model.linear_bias",
    "activation_func": "model.feed_forward", "gated_linear_unit": "model.feed_forward",
    "softmax_scale": "model.attention_size",
    "tensor_model_parallel_size": "parallel.tensor", "pipeline_model_parallel_size": "parallel.pipeline",
    "context_parallel_size": "parallel.context", "sequence_parallel": "parallel.sequence",
    "virtual_pipeline_model_parallel_size": "parallel.virtual_pipeline",
    "microbatch_group_size_per_vp_stage": "parallel.pipeline", "overlap_p2p_comm": "parallel.virtual_pipeline",
    "batch_p2p_comm": "parallel.virtual_pipeline",
    "num_layers_in_first_pipeline_stage": "parallel.first_stage_layers",
    "num_layers_in_last_pipeline_stage": "parallel.last_stage_layers",
    "account_for_embedding_in_pipeline_split": "parallel.first_stage_layers",
    "account_for_loss_in_pipeline_split": "parallel.last_stage_layers",
    "pipeline_model_parallel_layout": "parallel.first_stage_layers and last_stage_layers",
    "recompute_granularity": "parallel.recompute.type", "recompute_method": "parallel.recompute.method",
    "recompute_num_layers": "parallel.recompute.layers", "recompute_modules": "parallel.recompute.modules",
    "bf16": "precision.dtype", "params_dtype": "precision.dtype", "pipeline_dtype": "precision.dtype",
    "fp8": "precision.fp8", "fp8_recipe": "precision.fp8.type", "fp8_param": "precision.fp8.parameter_gather",
    "first_last_layers_bf16": "precision.fp8.bf16_first_layers and bf16_last_layers",
    "num_layers_at_start_in_bf16": "precision.fp8.bf16_first_layers",
    "num_layers_at_end_in_bf16": "precision.fp8.bf16_last_layers",
    "fp8_amax_history_len": "precision.fp8.history_steps", "fp8_amax_compute_algo": "precision.fp8 (largest of the history)",
    "apply_rope_fusion": "speed.fused_rope", "bias_activation_fusion": "speed.fused_swiglu",
    "bias_dropout_fusion": "speed.fused_residual", "tp_comm_overlap": "speed.overlap_tensor_parallel",
    "gradient_accumulation_fusion": "speed.fused_gradient_accumulation", "attention_backend": "speed.attention",
    "cuda_graph_impl": "speed.cuda_graphs",
    "calculate_per_token_loss": "the trainer (always on)",
    "autocast_dtype": "precision.dtype", "fp16": "precision.dtype",
    "cross_entropy_loss_fusion": "the trainer (its own cross-entropy)",
    "cross_entropy_fusion_impl": "the trainer (its own cross-entropy)",
    "attention_dropout": "the model family (no dropout in attention)",
}  # fmt: skip


# Fields that change only the speed and memory of the same model.
RUNTIME_PREFIXES = (
    "tp_comm_", "overlap_", "fp8_", "cpu_offloading", "fine_grained_activation_offloading", "batch_p2p_sync", "cuda_graph_", "enable_cuda_graph",
    "attention_backend", "hidden_dropout", "deterministic_mode", "distribute_saved_activations",
    "memory_efficient_layer_norm", "persist_layer_norm", "num_layers_at_start_in_bf16", "num_layers_at_end_in_bf16",
    "first_last_layers_bf16", "barrier_with_", "deallocate_pipeline_outputs", "use_ring_exchange_p2p", "async_tensor_",
    "use_te_rng_tracker",
)  # fmt: skip


def keeps_architecture(name: str) -> bool:
    """Whether a model with this field of TransformerConfig computes the same."""
    return name.startswith(RUNTIME_PREFIXES) or name.endswith("_fusion")


def data_problems(
    data: DataConfig, model: ModelConfig, manifest: Manifest, stages: Sequence[StageConfig] = ()
) -> Iterator[tuple[str, str, str]]:
    """Yields ``(path, message, rule)`` for each field of the configuration that does not match the data."""
    train = manifest.of_split("train")
    sections = {"data": data, **{f"stages.{number}": stage for number, stage in enumerate(stages)}}
    for path, section in sections.items():
        for field in ("mixture", "mixture_end"):
            for name in getattr(section, field) or {}:
                if name not in train:
                    yield (
                        f"{path}.{field}.{name}",
                        f"is not a training set of {manifest.path}; use one of {', '.join(sorted(train))}",
                        "unknown-set",
                    )
    if model.vocab_size is not None and model.vocab_size < manifest.vocab_size:
        yield (
            "model.vocab_size",
            f"{model.vocab_size} rows are fewer than the {manifest.vocab_size} tokens of the tokenizer in {manifest.path}; add "
            "rows to the weights with 'mko checkpoint expand-vocab', or remove the field in a run that starts from random weights",
            "vocabulary-mismatch",
        )
