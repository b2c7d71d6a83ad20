"""The configuration of a training run: one frozen tree.

Owns names, types, bounds and the sentence that documents each field (printed by ``--help``).
Arithmetic over several fields is in ``planning/run_plan.py``, rules over several fields in ``planning/config_rules.py``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from megatron_ko.config.distillation import DistillationConfig, StageDistillationConfig
from megatron_ko.config.fields import (
    FilePath,
    Flag,
    Int32,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Timeout,
    configuration,
    section,
)
from megatron_ko.config.fp8 import Fp8, NoFp8
from megatron_ko.config.model import ModelConfig
from megatron_ko.config.optimizer import Optimizer, Schedule
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
    load_in_4bit: Flag = False
    """Whether the base is quantized to 4 bits (QLoRA). Refused: it needs a GPU and bitsandbytes, and is not supported."""


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
    distillation: StageDistillationConfig | None = Field(default_factory=StageDistillationConfig)
    """Fields that differ from those of the section distillation; none switches distillation off in this stage."""


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
    allow_teacher_change: Flag = False
    """Whether a run may continue with another teacher than that of its checkpoint, or without one, which is otherwise an error."""
    initial_weights: FilePath | None = None
    """Checkpoint folder, run folder (newest checkpoint) or Hugging Face folder from which a new run takes its weights, but no
    optimizer state. A Hugging Face folder is converted once, into the run folder."""


@section
class LoraConfig(AdapterConfig):
    initial_adapter: FilePath | None = None
    """Folder of an adapter in PEFT's format, which a new run trains on; rank, alpha and targets must be those of the adapter."""


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


@configuration
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
    distillation: DistillationConfig | None = None
    """Distillation: trains the model towards the distribution of a frozen teacher; without this section, towards the text alone."""
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
