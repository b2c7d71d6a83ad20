"""The model: megatron-core's ``GPTModel``, with two modules of our own where Transformer Engine is missing.

Owns the translation of the configuration to ``TransformerConfig`` (only here), the layer spec, and the number of real rows of
the padded vocabulary.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from megatron_ko.config.fp8 import Fp8, NoFp8
from megatron_ko.config.model import Llama3RopeScaling, ModelConfig, has_gate, head_size, rotated_size
from megatron_ko.config.speed import SpeedConfig
from megatron_ko.config.training import ParallelConfig, PrecisionConfig
from megatron_ko.errors import ConfigError, Problem
from megatron_ko.planning.family_rules import needs_plain_layers
from megatron_ko.planning.installed import find_apex
from megatron_ko.planning.megatron_version import missing_for
from megatron_ko.planning.pipeline import is_virtual
from megatron_ko.planning.speed import Switches, decide
from megatron_ko.planning.weights import padded_vocab_size
from megatron_ko.training import engine, liveness
from megatron_ko.training.attention import CausalAttention
from megatron_ko.training.chunks import (
    chunks_of,
    join_chunks,
    pipeline_fields,
    prepare_recompute,
    recompute_fields,
)
from megatron_ko.training.local_weights import initialize, stored_weights
from megatron_ko.training.megatron_fields import data_parallel_fields, transformer_fields
from megatron_ko.training.vocabulary import token_losses

_ROPE_BASE = "megatron_ko_rope_base"  # attribute of a GPT: the base of its rotary frequencies
_ACTIVATIONS = {
    "swiglu": nn.functional.silu,
    "geglu_tanh": partial(nn.functional.gelu, approximate="tanh"),
    "gelu": nn.functional.gelu,
    "gelu_tanh": partial(nn.functional.gelu, approximate="tanh"),
}


class RMSNorm(nn.Module):
    """Root mean square norm over the last dim that also supports a slice of the sequence.

    Sequence parallelism splits the sequence over tensor-parallel ranks, so the weight's gradient is a partial sum; the flag
    on the weight makes megatron-core sum it. Input and output: [sequence, batch, hidden].
    """

    def __init__(self, config: Any, hidden_size: int, eps: float = 1e-5, **_: Any) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype))
        setattr(self.weight, "sequence_parallel", config.sequence_parallel)  # noqa: B010

    def forward(self, hidden: Tensor) -> Tensor:
        return nn.functional.rms_norm(hidden, self.weight.shape, self.weight, self.eps)


def transformer_config(
    model: ModelConfig,
    parallel: ParallelConfig,
    precision: PrecisionConfig,
    device: str,
    switches: Switches | None = None,
) -> Any:
    """Builds megatron-core's ``TransformerConfig`` for this model; ``switches`` by default those of this machine."""
    from megatron.core.transformer import TransformerConfig

    dtype = torch.bfloat16 if precision.dtype == "bf16" else torch.float32
    switches = switches or _default_switches(model, precision, device)
    fields: dict[str, Any] = dict(
        num_layers=model.layers,
        hidden_size=model.hidden_size,
        ffn_hidden_size=model.ffn_hidden_size,
        num_attention_heads=model.heads,
        num_query_groups=model.kv_groups,
        kv_channels=head_size(model),
        normalization="LayerNorm" if model.norm == "layer" else "RMSNorm",
        layernorm_epsilon=model.norm_epsilon,
        gated_linear_unit=has_gate(model),
        activation_func=_ACTIVATIONS[model.feed_forward],
        add_bias_linear=model.linear_bias,
        add_qkv_bias=model.qkv_bias,
        qk_layernorm=model.qk_norm,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        softmax_scale=model.attention_size**-0.5 if model.attention_size else None,
        init_method_std=model.init_std,
        tensor_model_parallel_size=parallel.tensor,
        pipeline_model_parallel_size=parallel.pipeline,
        context_parallel_size=parallel.context,
        sequence_parallel=parallel.sequence,
        **pipeline_fields(parallel),
        **recompute_fields(parallel.recompute),
        params_dtype=dtype,
        pipeline_dtype=dtype,
        bf16=precision.dtype == "bf16",
        autocast_dtype=dtype,
        calculate_per_token_loss=True,
        masked_softmax_fusion=False,
        perform_initialization=False,
        use_cpu_initialization=device == "cpu",
        **transformer_fields(precision.fp8, switches, apex=device == "cuda" and find_apex() == "compiled"),
    )
    # megatron-core's fused GELU is the tanh form, for every GELU, and its fused RoPE rotates whole heads
    fields["bias_activation_fusion"] &= model.feed_forward == "swiglu"
    fields["apply_rope_fusion"] &= model.rope.fraction == 1.0
    with warnings.catch_warnings():
        # caused by a default of megatron-core itself
        warnings.filterwarnings("ignore", message="full scope is deprecated")
        warnings.filterwarnings("ignore", message="If you are using transformer_engine")
        try:
            return TransformerConfig(**{**fields, **model.extra})
        except (AssertionError, TypeError, ValueError) as error:
            message = f"megatron-core rejects {model.extra}: {error}; correct or remove these fields"
            raise ConfigError([Problem("", "model.extra", message, "rejected-by-megatron-core")]) from error


def _default_switches(model: ModelConfig, precision: PrecisionConfig, device: str) -> Switches:
    own = needs_plain_layers(model) is not None
    return decide(SpeedConfig(), device, precision.fp8, own_layers=own)


def _block_spec(
    config: Any, model: ModelConfig, switches: Switches, within_documents: bool, chunk: int | None
) -> Any:
    """Layers of Transformer Engine, or megatron-core's with our modules."""
    from megatron.core.models.gpt import gpt_layer_specs
    from megatron.core.transformer.spec_utils import ModuleSpec
    from megatron.core.transformer.transformer_block import (
        TransformerBlockSubmodules,
        get_num_layers_to_build,
    )

    from megatron_ko.training.gemma_layer import CappedAttention, SandwichLayer, ShiftedRMSNorm
    from megatron_ko.training.parallel_layer import IdentityOp, LayerNorm, ParallelLayer

    layers = {"parallel": ParallelLayer, "parallel_one_norm": ParallelLayer, "sandwich": SandwichLayer}
    if switches.layers == "engine":
        spec = engine.engine_spec(config, switches, within_documents)
        spec.module = layers.get(model.residual, spec.module)
        return spec
    layer: Any = gpt_layer_specs.get_gpt_layer_local_spec(normalization="RMSNorm")
    layer.module = layers.get(model.residual, layer.module)
    norm: Any = {"rms": RMSNorm, "rms_shifted": ShiftedRMSNorm, "layer": LayerNorm}[model.norm]
    layer.submodules.input_layernorm = norm
    layer.submodules.pre_mlp_layernorm = IdentityOp if model.residual == "parallel_one_norm" else norm
    attention = layer.submodules.self_attention.submodules
    attention.core_attention = CausalAttention
    if model.attention_cap is not None:
        attention.core_attention = ModuleSpec(CappedAttention, params={"cap": model.attention_cap})
    if config.qk_layernorm:
        attention.q_layernorm = attention.k_layernorm = norm
    count = get_num_layers_to_build(config, chunk)
    return TransformerBlockSubmodules(layer_specs=[layer] * count, layer_norm=norm)


@liveness.working()
def build_gpt(
    model: ModelConfig,
    parallel: ParallelConfig,
    precision: PrecisionConfig,
    *,
    vocab_size: int,
    device: torch.device,
    seed: int | None = None,
    switches: Switches | None = None,
    within_documents: bool = False,
    groups: Any = None,
) -> Any:
    """Builds this rank's part of the GPT in the layout of ``distributed.start``: a ``GPTModel``, or the ``Chunks`` of a virtual
    pipeline.

    ``vocab_size`` is the number of tokens without padding; logits of padding are computed, too, and mean nothing. A loss
    reads it as ``real_vocab_size``. Without ``seed``, weights are not initialized (to be loaded).
    ``switches`` are by default those of this machine; adapters need own layers.
    ``within_documents``: batches come with ``documents.STARTS``. ``groups``: those of ``distributed.groups_of_fewer`` for a layout of
    fewer tensor-parallel ranks.
    """
    switches = switches or _default_switches(model, precision, device.type)
    config = transformer_config(model, parallel, precision, device.type, switches)
    numbers = range(parallel.virtual_pipeline) if is_virtual(parallel) else (None,)
    build = partial(_build_chunk, config, model, vocab_size, device, switches, within_documents, groups)
    gpt = join_chunks([build(number) for number in numbers])
    if missing_for("0.19"):
        _mark_split_weights(gpt, model)
    if seed is not None:
        initialize(gpt, model, vocab_size, seed)
    for part in chunks_of(gpt):
        engine.finish_layers(part, switches)
    return gpt


def _build_chunk(
    config: Any,
    model: ModelConfig,
    vocab_size: int,
    device: torch.device,
    switches: Switches,
    within_documents: bool,
    groups: Any,
    chunk: int | None,
) -> Any:
    """The whole part of this rank, or one chunk of it."""
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel

    from megatron_ko.training.gemma_layer import add_hooks

    gpt = GPTModel(
        config,
        _block_spec(config, model, switches, within_documents, chunk),
        vocab_size=padded_vocab_size(vocab_size, model.vocab_multiple),
        max_sequence_length=model.max_sequence_length,
        pre_process=parallel_state.is_pipeline_first_stage(ignore_virtual=False, vp_stage=chunk),
        post_process=parallel_state.is_pipeline_last_stage(ignore_virtual=False, vp_stage=chunk),
        share_embeddings_and_output_weights=model.tied_embeddings,
        position_embedding_type="rope",
        rotary_base=model.rope.base,  # type: ignore[arg-type]
        rotary_percent=model.rope.fraction,
        pg_collection=groups,
        vp_stage=chunk,
    )
    if model.output_bias and gpt.post_process:
        _add_output_bias(gpt.output_layer, config.params_dtype)
    add_hooks(gpt, model)
    gpt.to(device)
    if isinstance(model.rope.scaling, Llama3RopeScaling):
        gpt.rotary_pos_emb.inv_freq = llama3_frequencies(gpt.rotary_pos_emb.inv_freq, model.rope.scaling)
    setattr(gpt, "real_vocab_size", vocab_size)  # noqa: B010
    setattr(gpt, "own_groups", groups)  # noqa: B010
    setattr(gpt, _ROPE_BASE, model.rope.base)
    gpt.compute_language_model_loss = partial(token_losses, vocab_size)  # padding takes no probability
    prepare_recompute(gpt)
    return gpt


def _add_output_bias(layer: Any, dtype: torch.dtype) -> None:
    """Gives the output layer, which megatron-core's GPT builds without one, a bias: a number for each of its rows."""
    from megatron.core.tensor_parallel.layers import set_tensor_model_parallel_attributes

    layer.bias = nn.Parameter(torch.zeros(layer.output_size_per_partition, dtype=dtype))
    set_tensor_model_parallel_attributes(layer.bias, True, 0, 1)


def _mark_split_weights(gpt: Any, model: ModelConfig) -> None:
    """Marks weights that are split over tensor-parallel ranks, so that the gradient norm includes every part.

    megatron-core 0.19 and Transformer Engine mark their own; 0.16 marks a weight only while it initializes it, which we do
    ourselves.
    """
    from megatron.core.tensor_parallel.layers import set_tensor_model_parallel_attributes

    for stored, value in stored_weights(gpt, model):
        dim, parameter = stored.first.tensor_parallel_dim, value.data
        if dim is not None and not getattr(parameter, "tensor_model_parallel", False):
            set_tensor_model_parallel_attributes(parameter, True, dim, 1)


def set_rope_base(gpt: Any, model: ModelConfig) -> None:
    """Gives a built GPT the rotary frequencies of ``model.rope``, as ``build_gpt`` does."""
    for chunk in chunks_of(gpt):
        if getattr(chunk, _ROPE_BASE) == model.rope.base:
            continue
        rope, dim = chunk.rotary_pos_emb, rotated_size(model)
        exponents = torch.arange(0, dim, 2, dtype=torch.float32, device=rope.inv_freq.device) / dim
        rope.inv_freq = 1.0 / (model.rope.base**exponents)
        if isinstance(model.rope.scaling, Llama3RopeScaling):
            rope.inv_freq = llama3_frequencies(rope.inv_freq, model.rope.scaling)
        type(rope).forward.cache_clear()  # megatron-core caches the embedding of each length
        setattr(chunk, _ROPE_BASE, model.rope.base)


def llama3_frequencies(frequencies: Tensor, scaling: Llama3RopeScaling) -> Tensor:
    """Llama 3.1's scaling of rotary frequencies [head_size / 2], with all constants from the configuration.

    Frequencies of wavelengths above original / low_freq_factor are divided by factor, those below original /
    high_freq_factor are unchanged, and those in between interpolate linearly in original / wavelength.
    """
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    turns = scaling.original_max_sequence_length * frequencies / (2 * math.pi)
    keep = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return (1.0 - keep) * frequencies / scaling.factor + keep * frequencies


# --- wrapping --------------------------------------------------------------------------------------------


def wrap(
    gpt: Any, switches: Switches | None = None, fp8: Fp8 | None = None, distributed_optimizer: bool = True
) -> Any:
    """Wraps the GPT in megatron-core's mixed precision and distributed data parallel, ready for its optimizer; chunks remain
    chunks."""
    switches = switches or Switches()
    fields = data_parallel_fields(fp8 or NoFp8(), switches)
    fields["use_distributed_optimizer"] = distributed_optimizer
    wrapped = [_wrap_chunk(chunk, number, fields) for number, chunk in enumerate(chunks_of(gpt))]
    if switches.compile and switches.overlap_param_gather:
        for chunk, ddp_model in zip(chunks_of(gpt), wrapped):
            engine.wait_by_layer(ddp_model, chunk.decoder.layers)
    return join_chunks(wrapped)


def _wrap_chunk(gpt: Any, number: int, fields: dict[str, Any]) -> Any:
    from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
    from megatron.core.transformer.module import Float16Module

    config = gpt.config
    module = Float16Module(config, gpt) if config.bf16 else gpt
    settings = DistributedDataParallelConfig(**fields)
    ddp_model = DistributedDataParallel(config, settings, module, disable_bucketing=number > 0)
    ddp_model.broadcast_params()
    return ddp_model


def unwrap(ddp_model: Any) -> Any:
    """Returns the ``GPTModel`` inside, or the ``Chunks`` of them."""
    from megatron.core.models.gpt import GPTModel

    if len(chunks := chunks_of(ddp_model)) > 1:
        return join_chunks([unwrap(chunk) for chunk in chunks])
    while not isinstance(ddp_model, GPTModel):
        ddp_model = ddp_model.module
    return ddp_model
