"""The name that a user probably meant: spelling, abbreviations, and what other training programs call it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Names that Megatron-LM, Hugging Face, DeepSpeed and NeMo use for what is called otherwise here.
SYNONYMS = {
    "betas": "beta1",
    "bfloat16": "bf16",
    "context_parallel_size": "context",
    "cp": "context",
    "ffn_size": "ffn_hidden_size",
    "float32": "fp32",
    "gbs": "global_batch_size",
    "gpu": "cuda",
    "grad_clip": "clip_grad_norm",
    "gradient_clipping": "clip_grad_norm",
    "head_dim": "head_size",
    "hidden_dim": "hidden_size",
    "intermediate_size": "ffn_hidden_size",
    "kv_channels": "head_size",
    "lr": "learning_rate",
    "max_position_embeddings": "max_sequence_length",
    "max_steps": "steps",
    "mbs": "micro_batch_size",
    "min_lr": "final_ratio",
    "n_heads": "heads",
    "n_layers": "layers",
    "num_attention_heads": "heads",
    "num_hidden_layers": "layers",
    "num_key_value_heads": "kv_groups",
    "num_layers": "layers",
    "num_layers_in_first_pipeline_stage": "first_stage_layers",
    "num_layers_in_last_pipeline_stage": "last_stage_layers",
    "num_query_groups": "kv_groups",
    "pipeline_model_parallel_size": "pipeline",
    "pp": "pipeline",
    "recompute_granularity": "recompute",
    "rms_norm_eps": "norm_epsilon",
    "rope_theta": "base",
    "rotary_base": "base",
    "save_interval": "every_steps",
    "seq_len": "sequence_length",
    "seq_length": "sequence_length",
    "sequence_parallel": "sequence",
    "tensor_model_parallel_size": "tensor",
    "tie_word_embeddings": "tied_embeddings",
    "total_steps": "steps",
    "tp": "tensor",
    "train_iters": "steps",
    "train_steps": "steps",
    "virtual_pipeline_model_parallel_size": "virtual_pipeline",
    "vp": "virtual_pipeline",
    "vpp": "virtual_pipeline",
    "warmup": "warmup_steps",
    "warmup_iters": "warmup_steps",
}


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Name among ``known`` that ``name`` probably stands for, or None.

    A synonym comes first, then the closest spelling, then the only name with these initials (``gbs``), then the only one
    that contains the word.
    """
    names = list(dict.fromkeys(known))
    plain = name.lower().replace("-", "_")
    if SYNONYMS.get(plain) in names:
        return SYNONYMS[plain]
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return close[0]
    for matches in (_same_initials, _contains):
        found = [other for other in names if matches(plain, other.lower().replace("-", "_"))]
        if len(found) == 1:
            return found[0]
    return None


def _same_initials(name: str, other: str) -> bool:
    return len(name) > 1 and name == "".join(word[0] for word in other.split("_") if word)


def _contains(name: str, other: str) -> bool:
    return len(name) > 3 and (name in other or other in name and len(other) > 3)
