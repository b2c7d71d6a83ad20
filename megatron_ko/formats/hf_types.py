"""Types of the keys of Hugging Face's ``config.json`` that decide what a model computes and are no field of ``ModelConfig``.

A text where a flag belongs (``"use_parallel_residual": "false"``) would be true, and another model would be read. Fields of
``ModelConfig`` have their types there. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Check = Callable[[Any], bool]


def _is_flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _are_ids(value: Any) -> bool:
    return value is None or type(value) is int or _are_listed_ids(value)


def _are_listed_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


_KINDS: tuple[tuple[Check, str, tuple[str, ...]], ...] = (
    (
        _is_flag,
        "must be true, false or null",
        (
            "attention_bias", "mlp_bias", "qk_layernorm", "use_bidirectional_attention", "use_parallel_residual",
            "use_sliding_window",
        ),
    ),
    (_is_number, "must be a number", ("head_dim", "partial_rotary_factor", "rotary_pct")),
    (_is_text, "must be a text in quotes", ("hidden_act",)),
    (_are_texts, "must be a list of texts, or null", ("architectures", "layer_types")),
    (_are_ids, "must be a token id, a list of token ids, or null", ("bos_token_id", "eos_token_id", "pad_token_id")),
)  # fmt: skip


def find_wrong_types(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """``(key, message, rule)`` of each value of another type; keys in Llama's spelling."""
    for fits, what, keys in _KINDS:
        for key in keys:
            if key in config and not fits(config[key]):
                yield key, f"{config[key]!r:.60} {what}", "wrong-type"
