"""Writes ``ModelConfig`` as Hugging Face's ``config.json``, for transformers 4 and 5. No torch.

``megatron_ko.formats.hf_config`` reads it and owns the names of its keys.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.config.model import Llama3RopeScaling, ModelConfig, head_size
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.hf_config import LLAMA3, SPECIAL_IDS
from megatron_ko.formats.hf_families import FIXED, Family, family_for
from megatron_ko.planning.config_rules import keeps_architecture

TORCH_NAMES = {"bf16": "bfloat16", "fp32": "float32", "fp16": "float16"}


def exported_family(origin: str, model: ModelConfig, preferred: str | None = None) -> Family:
    """The family that an export has: ``preferred`` if it expresses the model, or else the first that does.

    Raises CheckpointError when every model of transformers would compute something else.
    """
    unknown = [name for name in model.extra if not keeps_architecture(name)]
    if unknown:
        raise CheckpointError(
            f"{origin}: model.extra sets {', '.join(unknown)}, which may change the model's results, but Llama's "
            "config.json has no such setting; this model cannot be exported",
            rule="setting-without-hugging-face-form",
        )
    family = family_for(model, preferred)
    if family is None:
        names = ("residual", "feed_forward", *FIXED)
        chosen = ", ".join(f"{name} {getattr(model, name)}" for name in names)
        raise CheckpointError(
            f"{origin}: no supported model of transformers combines {chosen}, {model.heads} heads on {model.kv_groups} groups and "
            f"rope.fraction {model.rope.fraction:g}; this model cannot be exported",
            rule="no-hugging-face-model",
        )
    return family


def config_json(
    family: Family, model: ModelConfig, vocab_size: int, dtype: str, special_ids: dict[str, Any]
) -> dict[str, Any]:
    """A complete ``config.json`` for transformers from 4.45 to 5, in the spelling of ``family``."""
    scaling = model.rope.scaling
    part = {"partial_rotary_factor": model.rope.fraction} if family.rotates_a_part else {}
    rope: dict[str, Any] = {"rope_type": "default"}
    if isinstance(scaling, Llama3RopeScaling):
        rope = {"rope_type": "llama3", **{theirs: getattr(scaling, ours) for ours, theirs in LLAMA3.items()}}
    config = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "vocab_size": vocab_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.ffn_hidden_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_groups,
        "head_dim": head_size(model),
        "hidden_act": next(a for a, kind in family.activations.items() if kind == model.feed_forward),
        "max_position_embeddings": model.max_sequence_length,
        "initializer_range": model.init_std,
        "rms_norm_eps": model.norm_epsilon,
        "tie_word_embeddings": model.tied_embeddings,
        "rope_theta": model.rope.base,
        "rope_scaling": rope if rope["rope_type"] != "default" else None,
        "rope_parameters": {**rope, "rope_theta": model.rope.base, **part},
        **part,
        **family.settings(model),
        "attention_dropout": 0.0,
        "use_cache": True,
        **{name: special_ids.get(name) for name in SPECIAL_IDS},
        "torch_dtype": TORCH_NAMES[dtype],
        "dtype": TORCH_NAMES[dtype],
    }
    return {family.keys.get(key, key): value for key, value in config.items() if key not in family.omitted}


def generation_config_json(special_ids: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    """``generation_config.json``: that of the source (``published``), or only the special ids."""
    ids = {name: value for name, value in special_ids.items() if value is not None}
    return {**ids, **published} if published else {"_from_model_config": True, **ids}
