"""The configuration of a training run: one frozen tree.

Owns names, types, bounds and the sentence that documents each field (printed by ``--help``).
Arithmetic over several fields is in ``planning/run_plan.py``, rules over several fields in ``planning/config_rules.py``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from megatron_ko.config.fields import (
    FilePath,
    Flag,
    Fraction,
    Int32,
    NonNegativeFloat,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
    Seed,
    Timeout,
    Width,
    add_file_field,
    section,
)
from megatron_ko.config.fp8 import Fp8, NoFp8
from megatron_ko.config.packing import FillInTheMiddleConfig, PackingConfig
from megatron_ko.config.recompute import NoRecompute, Recompute
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.trains import TrainsConfig


@section
class RunConfig:
    folder: FilePath
    """Run folder: contains config.yaml, plan.txt, metrics.jsonl, logs/ and checkpoints/."""
    device: Literal["cpu", "cuda"] = "cuda"
    """Device of all ranks: cuda (communication over NCCL) or cpu (over gloo)."""
    seed: Seed = 1234
    """Seed of the weights and of the data order."""
    timeout_s: Timeout = 1800.0
    """Seconds after which a collective operation that has not finished ends the run, at most 30 days."""


@section
class NoRopeScaling:
    type: Literal["none"] = "none"
    """Plain rotary frequencies."""


@section
class Llama3RopeScaling:
    type: Literal["llama3"]
    """Llama 3 frequency scaling: stretches long wavelengths, leaves short ones unchanged, with a ramp in between."""
    factor: PositiveFloat
    """Factor by which long wavelengths are stretched."""
    low_freq_factor: PositiveFloat
    """Wavelengths above original_max_sequence_length / low_freq_factor are stretched fully."""
    high_freq_factor: PositiveFloat
    """Wavelengths below original_max_sequence_length / high_freq_factor are unchanged."""
    original_max_sequence_length: Int32
    """Maximum sequence length, in tokens, of the model before scaling."""


RopeScaling = Annotated[Union[NoRopeScaling, Llama3RopeScaling], Field(discriminator="type")]


@section
class RopeConfig:
    base: PositiveFloat = 500_000.0
    """Base of the rotary wavelengths."""
    fraction: PositiveFloat = Field(default=1.0, le=1)
    """Share of each head, from its first dimension on, that is rotated: 1 is the whole head, Phi-2 has 0.4."""
    scaling: RopeScaling = Field(default_factory=NoRopeScaling)
    """Frequency scaling: none or llama3."""


@section
class ModelConfig:
    layers: PositiveInt = Field(le=10_000)
    """Number of transformer layers."""
    hidden_size: Width
    """Width of the residual stream."""
    ffn_hidden_size: Width
    """Width of the feed-forward layer: outputs of the up projection and, with swiglu, of the gate."""
    feed_forward: Literal["swiglu", "geglu_tanh", "gelu", "gelu_tanh"] = "swiglu"
    """Feed-forward layer: swiglu (SiLU of a gate times the up projection), geglu_tanh (GELU of a gate in its tanh form, Gemma), gelu
    (GPT-NeoX) or gelu_tanh (Phi-2) of the up projection."""
    heads: Width
    """Number of attention (query) heads."""
    kv_groups: Width
    """Number of key/value heads (KV groups); equal to heads for multi-head attention."""
    head_size: Width | None = None
    """Width of one attention head; by default hidden_size / heads."""
    max_sequence_length: Int32
    """Maximum sequence length of the model, in tokens (max_position_embeddings on export)."""
    vocab_size: Int32 | None = None
    """Rows of the embedding without padding; by default one per token of the data manifest's tokenizer. May be more."""
    vocab_multiple: Width = 128
    """The embedding is padded to a multiple of this number of rows; padding rows get no probability."""
    tied_embeddings: Flag = False
    """Whether the input and output embeddings share their weights."""
    norm_epsilon: PositiveFloat = Field(default=1e-5, le=1)
    """Epsilon of the norms."""
    norm: Literal["rms", "rms_shifted", "layer"] = "rms"
    """Norms: rms (RMSNorm), rms_shifted (RMSNorm that multiplies by 1 + weight, as in Gemma) or layer (LayerNorm with biases, as in
    GPT-NeoX and Phi-2)."""
    residual: Literal["sequential", "parallel", "parallel_one_norm", "sandwich"] = "sequential"
    """sequential: the feed-forward layer reads what attention wrote. parallel: both read the input of the layer, each after a norm
    of its own (GPT-NeoX). parallel_one_norm: both after the same norm (Phi-2). sandwich: sequential, with a norm of what each adds
    (Gemma 2)."""
    qkv_bias: Flag = False
    """Whether the query, key and value projections have biases (Qwen2)."""
    linear_bias: Flag = False
    """Whether the output of attention and the feed-forward layer have biases, too (GPT-NeoX, Phi-2); needs qkv_bias."""
    output_bias: Flag = False
    """Whether the projection to the vocabulary has a bias (Phi-2)."""
    embedding_scale: Flag = False
    """Whether embeddings are multiplied by the square root of hidden_size (Gemma)."""
    attention_size: Width | None = None
    """Scores of attention are divided by the square root of this number; by default the head size (Gemma 2: query_pre_attn_scalar)."""
    attention_cap: PositiveFloat | None = None
    """Soft cap of the scores of attention: s becomes cap x tanh(s / cap) (Gemma 2: 50)."""
    logit_cap: PositiveFloat | None = None
    """Soft cap of the logits (Gemma 2: 30)."""
    qk_norm: Flag = False
    """Whether an RMSNorm over each head normalizes queries and keys before the rotation (Qwen3)."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of the initial weights; init_std / sqrt(2 layers) for projections back to the residual stream."""
    rope: RopeConfig = Field(default_factory=RopeConfig)
    """Rotary position embedding."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Other fields of megatron-core's TransformerConfig, by name."""


add_file_field(
    ModelConfig,
    "from",
    FilePath | None,
    "Folder of a model, such as models/Qwen2.5-0.5B or runs/base: a Hugging Face folder (config.json), a checkpoint folder, or a "
    "run folder (newest checkpoint). Gives every field of this section that is not written. A written field must equal that of "
    "the folder, except init_std, vocab_multiple, extra, a shorter max_sequence_length, and vocab_size without "
    "checkpoint.initial_weights.",
)


def head_size(model: ModelConfig) -> int:
    """Width of one attention head."""
    return model.head_size or model.hidden_size // model.heads


def has_gate(model: ModelConfig) -> bool:
    """Whether the feed-forward layer multiplies by a gate."""
    return model.feed_forward in ("swiglu", "geglu_tanh")


def rotated_size(model: ModelConfig) -> int:
    """Dimensions of each head that the rotary embedding rotates."""
    return int(head_size(model) * model.rope.fraction)


@section
class ParallelConfig:
    tensor: Int32 = 1
    """Tensor-parallel ranks, which split attention heads, feed-forward layers and vocabulary."""
    pipeline: Int32 = 1
    """Pipeline-parallel stages, which split the layers."""
    virtual_pipeline: Int32 = 1
    """Parts of each pipeline stage, far apart in the model, which take turns: less idle time, more communication and memory.
    Above 1, the micro-batches of a step must be a multiple of pipeline."""
    first_stage_layers: PositiveInt | None = None
    """Layers of the first pipeline stage, which also has the embedding; by default all stages have equally many layers."""
    last_stage_layers: PositiveInt | None = None
    """Layers of the last pipeline stage, which also has the output and its logits; by default equally many."""
    context: Int32 = 1
    """Context-parallel ranks, which split each sequence."""
    sequence: Flag = False
    """Sequence parallelism: tensor-parallel ranks also split norms and residuals along the sequence."""
    recompute: Recompute = Field(default_factory=NoRecompute)
    """Activations that are computed again in the backward pass: none, selective or full; less memory, more time."""


@section
class PrecisionConfig:
    dtype: Literal["bf16", "fp32"] = "bf16"
    """Number format of weights and activations; gradients and optimizer state are fp32."""
    fp8: Fp8 = Field(default_factory=NoFp8)
    """FP8 recipe of the layers' matrix products: none, tensorwise, delayed, blockwise or mxfp8; needs a GPU and Transformer Engine.
    The word alone, such as fp8: tensorwise, means its type with all defaults."""


@section
class SkipConfig:
    steps: Literal["none", "non_finite", "spikes"] = "none"
    """Steps that do not update the weights: none (a loss or gradient that is not finite ends the run, before the update),
    non_finite (such steps are skipped), or spikes (steps far above the window, too). Their samples are in quarantine.jsonl."""
    sigma: PositiveFloat = 6.0
    """A loss or gradient norm above the mean of the window by more than this number of standard deviations is a spike."""
    window: PositiveInt = Field(default=128, ge=2, le=1_000_000)
    """Number of accepted steps that spikes are compared with; before there are as many, no step is a spike."""
    max_in_a_row: PositiveInt = 10
    """Maximum skipped steps in a row; one more ends the run."""


@section
class BatchRampConfig:
    start: PositiveInt
    """Sequences of the first step."""
    increment: PositiveInt
    """Sequences by which the batch grows each time; divides training.global_batch_size minus start."""
    samples: PositiveInt
    """Samples after which the batch has its full size; each smaller size lasts for an equal share of them."""


@section
class LossConfig:
    z_loss: NonNegativeFloat = 0.0
    """Coefficient of the z-loss, such as 5e-6: adds it times the squared logarithm of the softmax denominator of each token,
    which keeps logits small; 0 disables it."""


@section
class TrainingConfig:
    steps: Int32 | None = None
    """Optimizer steps of the whole run; required without stages, and not allowed with stages, which give their own lengths."""
    global_batch_size: Int32
    """Sequences per optimizer step over all ranks."""
    batch_ramp: BatchRampConfig | None = None
    """Smaller batches at the beginning, which grow to global_batch_size; by default none. Steps of the schedule count as full
    batches."""
    micro_batch_size: Int32
    """Sequences per forward pass of a data-parallel rank."""
    sequence_length: Int32
    """Tokens per sequence."""
    skip: SkipConfig = Field(default_factory=SkipConfig)
    """Steps whose gradients are not used."""
    old_vocab_size: Int32 | None = None
    """Tokens of the vocabulary before it was extended: in stages, rows below this id are old and the others new."""


@section
class OptimizerConfig:
    type: Literal["adamw"] = "adamw"
    """AdamW trains every weight; its state is divided among data-parallel ranks."""
    learning_rate: PositiveFloat
    """Peak learning rate of AdamW."""
    embedding_learning_rate: PositiveFloat | None = None
    """Peak learning rate of the input and output embeddings, on the same schedule; by default learning_rate."""
    beta1: OpenFraction = 0.9
    """Decay rate of AdamW's first moment."""
    beta2: OpenFraction = 0.95
    """Decay rate of AdamW's second moment."""
    epsilon: PositiveFloat = 1e-8
    """Epsilon of AdamW."""
    weight_decay: NonNegativeFloat = 0.1
    """Decoupled weight decay of matrices and embeddings; norms and biases are not decayed."""
    decoupled: Literal["learning_rate", "independent"] = "learning_rate"
    """What a step multiplies weight_decay by: learning_rate (AdamW of PyTorch), or independent: the schedule alone, a fraction of
    the peak (Kanana: weight_decay 1e-4)."""
    clip_grad_norm: NonNegativeFloat = 1.0
    """Maximum global L2 norm of the gradients, which are scaled down to it; 0 disables clipping."""


@section
class MuonConfig(OptimizerConfig):
    type: Literal["muon"] = Field()  # type: ignore[assignment]  # required: not the default of the class above
    """Muon trains the matrices of the layers, AdamW all other weights. Every data-parallel rank has the whole state. Needs
    megatron-core 0.19 and the package emerging-optimizers (pip install -e '.[muon]')."""
    muon_learning_rate: PositiveFloat | None = None
    """Peak learning rate of the matrices, on the same schedule; by default learning_rate."""
    momentum: OpenFraction = 0.95
    """Decay rate of Muon's momentum, a moving average of the gradients."""
    nesterov: Flag = True
    """Whether Muon orthogonalizes the gradient mixed with the momentum (Nesterov), not the momentum alone."""
    newton_schulz_steps: PositiveInt = Field(default=5, le=100)
    """Iterations that orthogonalize a matrix; in bf16 where precision.dtype is bf16."""
    coefficients: Literal["simple", "quintic", "polar_express"] = "quintic"
    """Polynomials of the iterations: simple (the same in each, arXiv:2502.16982), quintic or polar_express (arXiv:2505.16932)."""
    scale: Literal["spectral", "shape_scaling", "unit_rms_norm"] = "spectral"
    """Factor of an update of shape [outputs, inputs]: the square root of the larger side (spectral), of outputs / inputs but at
    least 1 (shape_scaling), or of outputs / inputs (unit_rms_norm)."""
    scale_factor: PositiveFloat = 0.2
    """Further factor of every update; with spectral, 0.2 gives updates as large as AdamW's, so that learning rates carry over
    (arXiv:2502.16982)."""
    split_over_ranks: Literal["gather", "distribute", "blockwise"] = "gather"
    """How tensor-parallel ranks orthogonalize a matrix that they split: each one the whole matrix (gather), together (distribute),
    both as on one rank, or each its own part (blockwise): faster, but another algorithm."""


def _name_adamw(section: Any) -> Any:
    """AdamW is the type of a section that names none, as in configurations of earlier versions."""
    return {"type": "adamw", **section} if isinstance(section, dict) else section


Optimizer = Annotated[
    Union[OptimizerConfig, MuonConfig], Field(discriminator="type"), BeforeValidator(_name_adamw)
]


@section
class ConstantSchedule:
    type: Literal["constant"]
    """Stays at the peak learning rate after the warm-up."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""


@section
class LinearSchedule:
    type: Literal["linear"]
    """Falls linearly from the peak to the final learning rate."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    final_ratio: Fraction = 0.0
    """Final learning rate as a fraction of the peak."""


@section
class CosineSchedule:
    type: Literal["cosine"]
    """Falls along half a cosine from the peak to the final learning rate."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    final_ratio: Fraction = 0.1
    """Final learning rate as a fraction of the peak."""


@section
class WsdSchedule:
    type: Literal["wsd"]
    """Warm-up, stable, decay: stays at the peak, then falls during the last decay_steps."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    decay_steps: PositiveInt
    """Steps of the final decay."""
    decay: Literal["linear", "cosine", "exponential", "minus_sqrt"] = "minus_sqrt"
    """Shape of the decay; minus_sqrt is 1 - sqrt(fraction of the decay done)."""
    final_ratio: Fraction = 0.0
    """Final learning rate as a fraction of the peak."""


@section
class MultiStepSchedule:
    type: Literal["multistep"]
    """Drops to fixed fractions of the peak at fixed points of the run (DeepSeek LLM)."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear warm-up from 0."""
    milestones: list[Fraction] = Field(default_factory=lambda: [0.8, 0.9])
    """Points of the run where the learning rate drops: increasing fractions of all samples."""
    ratios: list[Fraction] = Field(default_factory=lambda: [0.316, 0.1])
    """Learning rate after each milestone, as a fraction of the peak."""


Schedule = Annotated[
    Union[ConstantSchedule, LinearSchedule, CosineSchedule, WsdSchedule, MultiStepSchedule],
    Field(discriminator="type"),
]


@section
class DataConfig:
    manifest: FilePath
    """Path of the manifest.json that preprocessing wrote: token files, tokenizer, domains."""
    mixture: Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    """Weight of each training set by name, scaled to sum to 1; by default the manifest's mixture."""
    mixture_end: Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    """Weights at the end of the run, such as {ko: 8, en: 2}: the share of each set moves linearly from data.mixture to this
    one, from or to 0 for a set that only one names; by default shares do not move. Needs order: windows."""
    order: Literal["windows", "megatron"] = "windows"
    """windows draws windows of the token files, permuted anew in each epoch, and keeps a position for each set, so that mixture,
    steps, batch and length may change at a resume without repeating or losing a sample. megatron is the order of megatron-core's
    GPTDataset, which depends on all of them."""
    packing: PackingConfig = Field(default_factory=PackingConfig)
    """How documents share a sequence."""
    fill_in_the_middle: FillInTheMiddleConfig | None = None
    """Documents rearranged so that the model learns to fill in the middle of code; without this section, none is."""
    max_epochs: PositiveFloat = 4.0
    """Passes over a training set in the run above which the plan warns; up to four epochs, repeated text is about as good
    as new text (arXiv:2305.16264)."""
    workers: NonNegativeInt = Field(default=1, le=1024)
    """Processes per rank that prefetch batches; 0 reads them in the training process."""


LoraTarget = Literal["qkv", "q", "k", "v", "proj", "fc1", "gate", "up", "fc2"]


@section
class AdapterConfig:
    rank: PositiveInt
    """Rank of each adapter: rows of its factor A, columns of its factor B."""
    alpha: PositiveFloat
    """Scale of the adapters: the product of the factors is multiplied by alpha / rank."""
    targets: Annotated[list[LoraTarget], Field(min_length=1)] = Field(
        default_factory=lambda: ["qkv", "proj", "fc1", "fc2"]
    )
    """Matrices with an adapter: qkv (or q, k, v), proj (the output of attention), fc1 (or gate, up) and fc2 (down)."""


@section
class StageConfig:
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
    """Name of the stage, unique in the run; overrides may use it: stages.NAME.steps=100."""
    steps: Int32 | None = None
    """Length in optimizer steps. A stage gives exactly one of steps, samples and tokens."""
    samples: PositiveInt | None = None
    """Length in samples (sequences), rounded up to whole steps."""
    tokens: PositiveInt | None = None
    """Length in tokens, rounded up to whole steps."""
    trains: TrainsConfig | None = None
    """What trains: only what is named here. Without this section everything trains, or with lora only the adapters."""
    lora: AdapterConfig | None = None
    """LoRA, such as {rank: 64, alpha: 128}: trains adapters beside frozen weights and beside what trains names. The next stage
    trains the same adapters on if its lora is equal, and otherwise begins with the adapters merged into the weights."""
    mixture: Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    """Weight of each training set by name, scaled to sum to 1; by default that of the section data."""
    mixture_end: Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    """Weights at the end of the stage: shares move linearly to them, as in data.mixture_end."""
    learning_rate: PositiveFloat | None = None
    """Peak learning rate; by default that of the section optimizer."""
    schedule: Schedule | None = None
    """Learning rate over the course of the stage; by default that of the section schedule, which starts anew."""
    sequence_length: Int32 | None = None
    """Tokens per sequence; by default that of the section training."""
    global_batch_size: Int32 | None = None
    """Sequences per optimizer step; by default that of the section training."""
    micro_batch_size: Int32 | None = None
    """Sequences per forward pass of a data-parallel rank; by default that of the section training."""
    rope_base: PositiveFloat | None = None
    """Base of the rotary wavelengths; by default that of the section model."""


@section
class EvaluationConfig:
    every_steps: PositiveInt = 500
    """Steps between validations; the last step always validates."""
    max_sequences: PositiveInt | None = None
    """Maximum sequences read from each validation set; by default all."""


@section
class AverageConfig:
    last: PositiveInt = Field(ge=2, le=1000)
    """Number of checkpoints in an average: those of the last multiples of checkpoint.every_steps."""
    every_steps: PositiveInt
    """Steps between averages; a multiple of checkpoint.every_steps."""
    keep: PositiveInt | None = None
    """Number of averages to keep, newest first; by default all."""


@section
class CheckpointConfig:
    every_steps: PositiveInt = 1000
    """Steps between checkpoints; the last step always saves one."""
    keep: PositiveInt | None = None
    """Number of checkpoints to keep, newest first, besides permanent ones; by default all. After a rise of the loss, the newest
    checkpoint before it is kept, too."""
    keep_every: PositiveInt | None = None
    """Checkpoints at multiples of this number of steps are permanent: keep does not remove them. A multiple of every_steps."""
    average: AverageConfig | None = None
    """Averages of the weights of the last checkpoints, such as {last: 6, every_steps: 2000}, written to averages/ in the run
    folder; training goes on with its own weights. keep does not remove a checkpoint that the next average needs."""
    resume: FilePath = "auto"
    """auto continues from the newest complete checkpoint of the run folder, if any; never refuses such a folder. A checkpoint
    folder, such as runs/base/checkpoints/step_00002000, or a run folder (newest checkpoint) continues from there once;
    newer checkpoints of the run are moved to set_aside/ in the run folder."""
    allow_data_change: Flag = False
    """Whether a run may continue with other training data than that of its checkpoint, which is otherwise an error."""
    initial_weights: FilePath | None = None
    """Checkpoint folder, run folder (newest checkpoint) or Hugging Face folder from which a new run takes its weights, but no
    optimizer state. A Hugging Face folder is converted once, into the run folder."""


@section
class LoraConfig(AdapterConfig):
    initial_adapter: FilePath | None = None
    """Folder of an adapter in PEFT's format, which a new run trains on; rank, alpha and targets must be those of the adapter."""
    load_in_4bit: Flag = False
    """Whether the base is quantized to 4 bits (QLoRA). Refused: it needs a GPU and bitsandbytes, and is not supported."""


@section
class ReportingConfig:
    every_steps: PositiveInt = 10
    """Steps between report lines."""
    peak_tflops: PositiveFloat | None = None
    """Peak TFLOP/s of one device, the reference of MFU; by default NVIDIA's data sheet or a measurement."""
    tensorboard: Flag = False
    """Whether TensorBoard events are written to the run folder, too (needs the package tensorboard)."""
    wandb_project: str | None = None
    """Weights & Biases project that rank 0 logs to, too (needs the package wandb); by default none."""


@section
class Config:
    run: RunConfig
    """Folder, device and seed of the run."""
    model: ModelConfig
    """Architecture of the model (by default the LLaMA family's: RMSNorm, SwiGLU, RoPE, grouped-query attention)."""
    parallel: ParallelConfig = Field(default_factory=ParallelConfig)
    """How ranks split the model; remaining ranks are data parallel."""
    precision: PrecisionConfig = Field(default_factory=PrecisionConfig)
    """Number formats."""
    speed: SpeedConfig = Field(default_factory=SpeedConfig)
    """Kernels, overlap of communication, and formats of the optimizer's state; none of them changes the model."""
    training: TrainingConfig
    """Length and batch sizes of the run."""
    loss: LossConfig = Field(default_factory=LossConfig)
    """What training minimizes: the cross-entropy over the real vocabulary, and terms added to it."""
    optimizer: Optimizer
    """Optimizer, by default AdamW, and its hyperparameters."""
    schedule: Schedule
    """Learning rate over the course of the run."""
    data: DataConfig
    """Training and validation data."""
    stages: list[StageConfig] = Field(default_factory=list)
    """Stages of the run, in order; what a stage does not give comes from the sections. By default one stage of
    training.steps in which everything trains."""
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """Validation loss of each domain."""
    checkpoint: CheckpointConfig = Field(default_factory=CheckpointConfig)
    """Saving and resuming."""
    lora: LoraConfig | None = None
    """LoRA: trains adapters beside the frozen checkpoint.initial_weights; without this section, all weights train."""
    reporting: ReportingConfig = Field(default_factory=ReportingConfig)
    """Report lines, metrics.jsonl, TensorBoard, Weights & Biases."""
