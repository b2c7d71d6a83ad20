"""The configuration of a training run: one frozen tree.

Owns names, types, bounds and the sentence that documents each field (shown by ``--help``).
Arithmetic over several fields lives in ``megatron_ko.plan``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
    Seed,
    section,
)


@section
class RunConfig:
    folder: FilePath
    """Run folder; holds config.yaml, plan.txt, metrics.jsonl, logs/ and checkpoints/."""
    device: Literal["cpu", "cuda"] = "cuda"
    """Device of every rank: cuda (NCCL) or cpu (gloo)."""
    seed: Seed = 1234
    """Seed of the weights and of the data order."""
    timeout_s: PositiveFloat = 1800.0
    """Seconds after which a collective that does not finish ends the run."""


@section
class NoRopeScaling:
    type: Literal["none"] = "none"
    """Plain rotary frequencies."""


@section
class Llama3RopeScaling:
    type: Literal["llama3"]
    """Llama 3 frequency scaling: long wavelengths are stretched, short ones kept, between them a ramp."""
    factor: PositiveFloat
    """How many times the long wavelengths are stretched."""
    low_freq_factor: PositiveFloat
    """Wavelengths above original_max_sequence_length / low_freq_factor are stretched fully."""
    high_freq_factor: PositiveFloat
    """Wavelengths below original_max_sequence_length / high_freq_factor are kept."""
    original_max_sequence_length: PositiveInt
    """Sequence length in tokens before the scaling."""


RopeScaling = Annotated[Union[NoRopeScaling, Llama3RopeScaling], Field(discriminator="type")]


@section
class RopeConfig:
    base: PositiveFloat = 500_000.0
    """Base of the rotary wavelengths."""
    scaling: RopeScaling = Field(default_factory=NoRopeScaling)
    """Frequency scaling: none or llama3."""


@section
class ModelConfig:
    layers: PositiveInt
    """Number of transformer layers."""
    hidden_size: PositiveInt
    """Width of the residual stream."""
    ffn_hidden_size: PositiveInt
    """Width of the SwiGLU feed-forward, of gate and up each."""
    heads: PositiveInt
    """Number of attention (query) heads."""
    kv_groups: PositiveInt
    """Number of key/value heads (KV groups); equal to heads for multi-head attention."""
    head_size: PositiveInt | None = None
    """Width of one head; hidden_size / heads when not given."""
    max_sequence_length: PositiveInt
    """Longest sequence in tokens the model is meant for (max_position_embeddings on export)."""
    vocab_size: PositiveInt | None = None
    """Number of tokens without padding; taken from the data manifest's tokenizer when not given."""
    vocab_multiple: PositiveInt = 128
    """The embedding is padded with rows that are never predicted to a multiple of this number."""
    tied_embeddings: Flag = False
    """Input and output embedding share their weights."""
    norm_epsilon: PositiveFloat = 1e-5
    """Epsilon of RMSNorm."""
    qkv_bias: Flag = False
    """Bias on the query, key and value projections (Qwen2)."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of the initial weights; output projections get init_std / sqrt(2 layers)."""
    rope: RopeConfig = Field(default_factory=RopeConfig)
    """Rotary position embedding."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of megatron-core's TransformerConfig, by name."""


def head_size(model: ModelConfig) -> int:
    """Width of one attention head."""
    return model.head_size or model.hidden_size // model.heads


@section
class ParallelConfig:
    tensor: PositiveInt = 1
    """Tensor-parallel ranks: attention heads, feed-forward and vocabulary are split over them."""
    pipeline: PositiveInt = 1
    """Pipeline-parallel stages: layers are split over them."""
    context: PositiveInt = 1
    """Context-parallel ranks: the sequence is split over them."""
    sequence: Flag = False
    """Sequence parallel: norms and residuals are split over the tensor-parallel ranks."""


@section
class PrecisionConfig:
    dtype: Literal["bf16", "fp32"] = "bf16"
    """Number format of weights and activations; gradients and optimizer state are fp32."""
    fp8: Literal["none", "tensorwise", "delayed", "blockwise", "mxfp8"] = "none"
    """FP8 recipe of the matrix products (Transformer Engine on a GPU only)."""


@section
class TrainingConfig:
    steps: PositiveInt
    """Optimizer steps of the whole run."""
    global_batch_size: PositiveInt
    """Sequences per optimizer step over all ranks."""
    micro_batch_size: PositiveInt
    """Sequences per forward pass of one data-parallel rank."""
    sequence_length: PositiveInt
    """Tokens per sequence."""


@section
class OptimizerConfig:
    learning_rate: PositiveFloat
    """Peak learning rate of AdamW."""
    beta1: OpenFraction = 0.9
    """Decay of the first moment."""
    beta2: OpenFraction = 0.95
    """Decay of the second moment."""
    epsilon: PositiveFloat = 1e-8
    """Epsilon of AdamW."""
    weight_decay: NonNegativeFloat = 0.1
    """Decoupled weight decay of matrices; norms and biases get none."""
    clip_grad_norm: NonNegativeFloat = 1.0
    """Gradients are scaled down to this global L2 norm; 0 switches clipping off."""


@section
class ConstantSchedule:
    type: Literal["constant"]
    """Peak learning rate after the warm-up."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""


@section
class LinearSchedule:
    type: Literal["linear"]
    """Falls linearly from the peak to the final rate."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    final_ratio: Fraction = 0.0
    """Final learning rate as a fraction of the peak."""


@section
class CosineSchedule:
    type: Literal["cosine"]
    """Falls along half a cosine from the peak to the final rate."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    final_ratio: Fraction = 0.1
    """Final learning rate as a fraction of the peak."""


@section
class WsdSchedule:
    type: Literal["wsd"]
    """Warm-up, stable, decay: constant at the peak, then falls within the last decay_steps."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    decay_steps: PositiveInt
    """Steps of the final decay."""
    decay: Literal["linear", "cosine", "exponential", "minus_sqrt"] = "minus_sqrt"
    """Shape of the decay; minus_sqrt is 1 - sqrt(fraction done)."""
    final_ratio: Fraction = 0.0
    """Final learning rate as a fraction of the peak."""


@section
class MultiStepSchedule:
    type: Literal["multistep"]
    """Drops to given fractions of the peak at given points of the run (DeepSeek LLM)."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    milestones: list[Fraction] = Field(default_factory=lambda: [0.8, 0.9])
    """Points of the run, as fractions of all samples, increasing."""
    ratios: list[Fraction] = Field(default_factory=lambda: [0.316, 0.1])
    """Learning rate from each milestone on, as a fraction of the peak."""


Schedule = Annotated[
    Union[ConstantSchedule, LinearSchedule, CosineSchedule, WsdSchedule, MultiStepSchedule],
    Field(discriminator="type"),
]


@section
class DataConfig:
    manifest: FilePath
    """manifest.json written by preprocessing: token files, tokenizer, domains."""
    mixture: Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    """Share of each training set by name; the manifest's mixture when not given."""
    workers: NonNegativeInt = 1
    """Processes per rank that read batches ahead; 0 reads in the training process."""


@section
class EvaluationConfig:
    every_steps: PositiveInt = 500
    """Steps between validations; the last step is always validated."""
    max_sequences: PositiveInt | None = None
    """Sequences per validation set; all of them when not given."""


@section
class CheckpointConfig:
    every_steps: PositiveInt = 1000
    """Steps between checkpoints; the last step is always saved."""
    keep: PositiveInt | None = None
    """Newest checkpoints kept; all of them when not given."""
    resume: Literal["auto", "never"] = "auto"
    """auto continues from the newest complete checkpoint of the run folder, if there is one."""
    initial_weights: FilePath | None = None
    """Checkpoint folder, or run folder (its newest checkpoint), whose weights without optimizer start a new run."""


@section
class ReportingConfig:
    every_steps: PositiveInt = 10
    """Steps between report lines."""
    peak_tflops: PositiveFloat | None = None
    """TFLOP/s of one device that MFU is measured against; looked up or measured when not given."""
    tensorboard: Flag = False
    """Also writes TensorBoard events to the run folder (needs the package tensorboard)."""
    wandb_project: str | None = None
    """Also logs to this Weights & Biases project (needs the package wandb; rank 0 only)."""


@section
class Config:
    run: RunConfig
    """Where and on what the run happens."""
    model: ModelConfig
    """Shape of the model (LLaMA family: RMSNorm, SwiGLU, RoPE, grouped-query attention)."""
    parallel: ParallelConfig = Field(default_factory=ParallelConfig)
    """How the model is split over the ranks; the rest of the ranks is data parallel."""
    precision: PrecisionConfig = Field(default_factory=PrecisionConfig)
    """Number formats."""
    training: TrainingConfig
    """Length of the run and its batches."""
    optimizer: OptimizerConfig
    """AdamW."""
    schedule: Schedule
    """Learning rate over the run."""
    data: DataConfig
    """What is trained on."""
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """Validation loss per domain."""
    checkpoint: CheckpointConfig = Field(default_factory=CheckpointConfig)
    """Saving and resuming."""
    reporting: ReportingConfig = Field(default_factory=ReportingConfig)
    """Report lines, metrics.jsonl, TensorBoard, Weights & Biases."""
