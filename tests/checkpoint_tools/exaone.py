"""A Llama as an EXAONE folder: the same tensors under the names of ``ExaoneForCausalLM``, as its publisher writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

NAMES = {
    r"model\.embed_tokens\.weight": r"transformer.wte.weight",
    r"model\.layers\.(\d+)\.input_layernorm\.weight": r"transformer.h.\1.ln_1.weight",
    r"model\.layers\.(\d+)\.self_attn\.([qkv])_proj\.weight": r"transformer.h.\1.attn.attention.\2_proj.weight",
    r"model\.layers\.(\d+)\.self_attn\.o_proj\.weight": r"transformer.h.\1.attn.attention.out_proj.weight",
    r"model\.layers\.(\d+)\.post_attention_layernorm\.weight": r"transformer.h.\1.ln_2.weight",
    r"model\.layers\.(\d+)\.mlp\.gate_proj\.weight": r"transformer.h.\1.mlp.c_fc_0.weight",
    r"model\.layers\.(\d+)\.mlp\.up_proj\.weight": r"transformer.h.\1.mlp.c_fc_1.weight",
    r"model\.layers\.(\d+)\.mlp\.down_proj\.weight": r"transformer.h.\1.mlp.c_proj.weight",
    r"model\.norm\.weight": r"transformer.ln_f.weight",
    r"lm_head\.weight": r"lm_head.weight",
}


def exaone_name(name: str) -> str:
    (found,) = [re.sub(ours, theirs, name) for ours, theirs in NAMES.items() if re.fullmatch(ours, name)]
    return found


def exaone_config(llama: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """``config.json`` as transformers 4 writes it for EXAONE 3.5; ``llama`` is one in the spelling of transformers 5."""
    rope = dict(llama["rope_parameters"])
    theta = rope.pop("rope_theta")
    same = ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
            "max_position_embeddings", "initializer_range", "tie_word_embeddings")  # fmt: skip
    config = {
        "activation_function": "silu", "architectures": ["ExaoneForCausalLM"], "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_exaone.ExaoneConfig"}, "bos_token_id": 1, "embed_dropout": 0.0,
        "eos_token_id": 361, "layer_norm_epsilon": llama["rms_norm_eps"], "model_type": "exaone",
        "num_layers": llama["num_hidden_layers"], "pad_token_id": 0, "rope_theta": theta,
        "rope_scaling": rope if rope["rope_type"] != "default" else None, "torch_dtype": "float32", "use_cache": True,
        **{key: llama[key] for key in same},
    }  # fmt: skip
    return {key: value for key, value in {**config, **changes}.items() if value != "absent"}


def write_exaone(llama: Path, folder: Path, **changes: Any) -> Path:
    """Writes the model of the folder ``llama``; a change ``"absent"`` removes a key."""
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True)
    tensors = {
        exaone_name(name): tensor
        for file in llama.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = exaone_config(json.loads((llama / "config.json").read_text()), **changes)
    (folder / "config.json").write_text(json.dumps(config))
    return folder
