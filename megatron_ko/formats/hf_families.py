"""The families of models in Hugging Face's ``config.json``: what each has, what it cannot express, what it alone writes.

Owns one entry per family, with its spelling of keys and names of weights where they are not Llama's; ``hf_config`` has what
all of them share. A new family is an entry here, rows in
``megatron_ko.planning.weights`` if it has other weights, and a model in ``tests/checkpoint_tools/conftest.py``. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from megatron_ko.config.model import ModelConfig, head_size

UNSUPPORTED = "unsupported-setting"
Refusal = tuple[str, str, str]
"""``(key, message, rule)``."""


FIXED = ("qkv_bias", "qk_norm", "norm", "linear_bias", "output_bias", "embedding_scale")
"""Fields of a model that are the same in all models of a family."""


@dataclass(frozen=True)
class Family:
    """``find_problems(config, longest)`` yields the settings that would compute something else for sequences of up to
    ``longest`` tokens; ``settings(model)`` are the keys that only this family has.

    ``example`` names published models, for the table in the conversion guide.
    """

    model_type: str
    architecture: str
    example: str
    find_problems: Callable[[dict[str, Any], int], Iterator[Refusal]]
    settings: Callable[[ModelConfig], dict[str, Any]] = field(default=lambda model: {})
    qkv_bias: bool = False
    qk_norm: bool = False
    norm: Literal["rms", "rms_shifted", "layer"] = "rms"
    linear_bias: bool = False
    output_bias: bool = False
    embedding_scale: bool = False
    has_caps: bool = False
    """Whether logits and scores of attention may have soft caps, and scores another scale than that of the head size."""
    windows_of_layers: bool = False
    """Whether some layers see only a window, which must not be shorter than the longest sequence."""
    activations: dict[str, str] = field(default_factory=lambda: {"silu": "swiglu"})
    """``feed_forward`` of the model by ``hidden_act``; the first is the one of transformers without that key."""
    residuals: tuple[str, ...] = ("sequential",)
    residual_of: Callable[[dict[str, Any]], str] = field(default=lambda config: "sequential")
    """Which of ``residuals`` a configuration has."""
    rotates_a_part: bool = False
    """Whether ``partial_rotary_factor`` may be below 1."""
    groups_queries: bool = True
    """Whether there may be fewer heads of keys than of queries."""
    heads_must_divide: bool = False
    """Whether transformers refuses a hidden size that is not a multiple of the number of heads."""
    required: tuple[str, ...] = ("num_key_value_heads",)
    """Keys for which transformers would take a number of its own if they were missing."""
    omitted: tuple[str, ...] = ()
    """Llama's keys that an export does not have."""
    unused: tuple[str, ...] = ()
    """Ends of names of tensors that files contain and no model reads, such as masks."""
    tied_by_default: bool = False
    """Whether the embeddings are tied without the key ``tie_word_embeddings``."""
    one_head_size: bool = False
    """Whether heads always have hidden_size / heads numbers, whatever ``head_dim`` is."""
    in_transformers: bool = True
    """Whether transformers runs it without code from the folder; otherwise it is run as a Llama, which computes the same."""
    keys: dict[str, str] = field(default_factory=dict)
    """The family's spelling of a key of ``config.json``, by Llama's."""
    parts_of_names: tuple[tuple[str, str], ...] = ()
    """What replaces each part of Llama's names of weights, in the order of replacement.

    Query, key and value under one name are one tensor: for each head its query, key and value.
    """

    def name_of(self, name: str) -> str:
        """The family's name of a weight (or of the start of a name), from Llama's."""
        for ours, theirs in self.parts_of_names:
            name = name.replace(ours, theirs)
        return name

    def expresses(self, model: ModelConfig) -> bool:
        """Whether it computes the same as ``model`` in every version of transformers."""
        divides = model.hidden_size % model.heads == 0
        if any(getattr(self, name) != getattr(model, name) for name in FIXED):
            return False
        if model.feed_forward not in self.activations.values() or model.residual not in self.residuals:
            return False
        if model.rope.fraction != 1.0 and not self.rotates_a_part:
            return False
        if not self.has_caps and (model.attention_cap or model.logit_cap or model.attention_size):
            return False
        if model.kv_groups != model.heads and not self.groups_queries:
            return False
        if self.one_head_size and not (divides and head_size(model) == model.hidden_size // model.heads):
            return False
        return divides or not self.heads_must_divide


def _find_biases(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    if config.get("attention_bias"):
        yield "attention_bias", "a bias on o_proj is not supported, only on q, k and v (qwen2)", UNSUPPORTED
    if config.get("mlp_bias"):
        yield "mlp_bias", "a bias in the feed-forward layers is not supported", UNSUPPORTED


def _find_short_window(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    """Mistral's attention sees the last ``sliding_window`` tokens; without the key, transformers takes 4,096."""
    window = config.get("sliding_window", 4096)
    if window is not None and not (type(window) is int and window >= longest):
        message = (
            f"{window!r} is shorter than the longest sequence, {longest:,} tokens, and only full attention is supported; "
            f"with model.max_sequence_length (from-hf: --max-sequence-length) {window} or less it is exact"
        )
        yield "sliding_window", message, "sliding-window"


def _find_qwen_windows(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    if config.get("use_sliding_window"):
        yield "use_sliding_window", "sliding windows are not supported, only full attention", UNSUPPORTED


def _find_qwen3_settings(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    yield from _find_qwen_windows(config, longest)
    yield from _find_biases(config, longest)


def _find_exaone_settings(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    yield from _find_biases(config, longest)
    hidden, heads, width = (config.get(key) for key in ("hidden_size", "num_attention_heads", "head_dim"))
    if width is not None and isinstance(hidden, int) and isinstance(heads, int) and width * heads != hidden:
        message = f"{width!r} is not hidden_size / num_attention_heads, which EXAONE computes; remove it"
        yield "head_dim", message, UNSUPPORTED
    if config.get("rotary_pct", 1.0) != 1.0:
        yield "rotary_pct", "must be 1; rotating a part of the head is not supported", UNSUPPORTED


def _find_neox_settings(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    if config.get("attention_bias", True) is not True:
        yield (
            "attention_bias",
            "must be true; GPT-NeoX without biases in attention alone is not supported",
            UNSUPPORTED,
        )


def _find_phi_settings(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    if config.get("qk_layernorm"):
        yield "qk_layernorm", "must be false; LayerNorms of queries and keys are not supported", UNSUPPORTED


def _find_gemma2_settings(config: dict[str, Any], longest: int) -> Iterator[Refusal]:
    yield from _find_short_window(config, longest)
    yield from _find_biases(config, longest)
    if config.get("use_bidirectional_attention"):
        yield "use_bidirectional_attention", "must be false; only causal attention is supported", UNSUPPORTED


def _gemma2_settings(model: ModelConfig) -> dict[str, Any]:
    """Windows of the longest sequence are none; they are written because older versions of transformers need a number."""
    kinds = ("sliding_attention", "full_attention")
    return {
        "query_pre_attn_scalar": model.attention_size or head_size(model),
        "attn_logit_softcapping": model.attention_cap,
        "final_logit_softcapping": model.logit_cap,
        "sliding_window": model.max_sequence_length,
        "layer_types": [kinds[layer % 2] for layer in range(model.layers)],
        "attention_bias": False,
    }


def _neox_settings(model: ModelConfig) -> dict[str, Any]:
    return {
        "use_parallel_residual": model.residual == "parallel",
        "attention_bias": True,
        "hidden_dropout": 0.0,
    }


def _no_windows(model: ModelConfig) -> dict[str, Any]:
    return {"use_sliding_window": False, "sliding_window": None, "max_window_layers": model.layers}


_EXAONE_KEYS = {
    "num_hidden_layers": "num_layers", "hidden_act": "activation_function", "rms_norm_eps": "layer_norm_epsilon",
}  # fmt: skip
_EXAONE_NAMES = (
    ("model.embed_tokens", "transformer.wte"), ("model.layers", "transformer.h"), ("model.norm", "transformer.ln_f"),
    ("input_layernorm", "ln_1"), ("post_attention_layernorm", "ln_2"), ("self_attn.o_proj", "attn.attention.out_proj"),
    ("self_attn", "attn.attention"), ("gate_proj", "c_fc_0"), ("up_proj", "c_fc_1"), ("down_proj", "c_proj"),
)  # fmt: skip

_TANH = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh"}
_NEOX_KEYS = {
    "rms_norm_eps": "layer_norm_eps", "rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct",
}  # fmt: skip
_NEOX_NAMES = (
    ("model.embed_tokens", "gpt_neox.embed_in"), ("model.layers", "gpt_neox.layers"),
    ("model.norm", "gpt_neox.final_layer_norm"), ("lm_head", "embed_out"),
    *((f"self_attn.{part}_proj", "attention.query_key_value") for part in "qkv"),
    ("self_attn.o_proj", "attention.dense"), ("mlp.up_proj", "mlp.dense_h_to_4h"),
    ("mlp.down_proj", "mlp.dense_4h_to_h"),
)  # fmt: skip
_GEMMA2_NAMES = (
    ("post_attention_layernorm", "pre_feedforward_layernorm"), ("self_attn.output_norm", "post_attention_layernorm"),
    ("mlp.output_norm", "post_feedforward_layernorm"),
)  # fmt: skip
_PHI_NAMES = (
    ("model.norm", "model.final_layernorm"), ("self_attn.o_proj", "self_attn.dense"), ("mlp.up_proj", "mlp.fc1"),
    ("mlp.down_proj", "mlp.fc2"),
)  # fmt: skip

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        Family(
            "llama", "LlamaForCausalLM", "LLaMA 2 and 3, SOLAR, EEVE 10.8B, GECKO, Kanana", _find_biases,
            lambda model: {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}, heads_must_divide=True,
            required=(),
        ),
        Family(
            "mistral", "MistralForCausalLM", "Mistral 7B and NeMo", _find_short_window,
            lambda model: {"sliding_window": None},
        ),
        Family("qwen2", "Qwen2ForCausalLM", "Qwen2, Qwen2.5", _find_qwen_windows, _no_windows, qkv_bias=True),
        Family(
            "qwen3", "Qwen3ForCausalLM", "Qwen3 (dense)", _find_qwen3_settings,
            lambda model: {**_no_windows(model), "attention_bias": False}, qk_norm=True,
            required=("num_key_value_heads", "head_dim"),
        ),
        Family(
            "exaone", "ExaoneForCausalLM", "EXAONE 3.0 and 3.5", _find_exaone_settings,
            lambda model: {"embed_dropout": 0.0}, required=(), tied_by_default=True, one_head_size=True,
            in_transformers=False, keys=_EXAONE_KEYS, parts_of_names=_EXAONE_NAMES,
        ),
        Family(
            "gpt_neox", "GPTNeoXForCausalLM", "Polyglot-Ko, Pythia", _find_neox_settings, _neox_settings,
            qkv_bias=True, norm="layer", linear_bias=True, activations={"gelu": "gelu", **_TANH},
            residuals=("parallel", "sequential"),
            residual_of=lambda config: "parallel" if config.get("use_parallel_residual", True) else "sequential",
            rotates_a_part=True, groups_queries=False, heads_must_divide=True, required=(), one_head_size=True,
            omitted=("num_key_value_heads", "head_dim"), unused=(".attention.bias", ".attention.masked_bias"),
            keys=_NEOX_KEYS, parts_of_names=_NEOX_NAMES,
        ),
        Family(
            "phi", "PhiForCausalLM", "Phi-2, EEVE 2.8B", _find_phi_settings,
            lambda model: {"qk_layernorm": False, "resid_pdrop": 0.0, "embd_pdrop": 0.0},
            qkv_bias=True, norm="layer", linear_bias=True, output_bias=True, activations={**_TANH, "gelu": "gelu"},
            residuals=("parallel_one_norm",), residual_of=lambda config: "parallel_one_norm",
            rotates_a_part=True, heads_must_divide=True, required=(), one_head_size=True, omitted=("head_dim",),
            keys={"rms_norm_eps": "layer_norm_eps"}, parts_of_names=_PHI_NAMES,
        ),
        Family(
            "gemma2", "Gemma2ForCausalLM", "Gemma 2", _find_gemma2_settings, _gemma2_settings, norm="rms_shifted",
            embedding_scale=True, has_caps=True, windows_of_layers=True, activations={"gelu_pytorch_tanh": "geglu_tanh"},
            residuals=("sandwich",), residual_of=lambda config: "sandwich", heads_must_divide=True,
            required=("num_key_value_heads", "head_dim", "query_pre_attn_scalar"), tied_by_default=True,
            keys={"hidden_act": "hidden_activation"}, parts_of_names=_GEMMA2_NAMES,
        ),
    )
}  # fmt: skip
"""In the order of preference for an export: the first that expresses a model."""

REFUSED: dict[str, str] = {
    "phi3": "Phi-3: fused projections under other names, sliding windows",
    "gemma": "Gemma 1: its files name an activation that its programs do not use",
    "gemma3_text": "Gemma 3: sliding windows, two rotary bases",
    "exaone4": "EXAONE 4: norms after each block alone, sliding windows",
    "gpt2": "GPT-2: learned positions",
    "mixtral": "Mixtral: experts",
    "qwen2_moe": "Qwen2 MoE: experts",
    "qwen3_moe": "Qwen3 MoE: experts",
    "deepseek_v3": "DeepSeek V3: experts, latent attention",
}
"""What well-known families need that is not there."""


def family_for(model: ModelConfig, preferred: str | None = None) -> Family | None:
    """The family that computes the same as ``model``: ``preferred``, or else the first; None without one."""
    families = [family for family in FAMILIES.values() if family.expresses(model)]
    return next((f for f in families if f.model_type == preferred), families[0] if families else None)
