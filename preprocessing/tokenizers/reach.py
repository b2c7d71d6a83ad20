"""Finds new pieces that become unreachable when another piece is removed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from megatron_ko.formats.tokenizer_json import is_byte_level, merges_in
from preprocessing.tokenizers.cutting import piece_of, tokenizer_of_words


def unreachable_without(description: dict[str, Any], removed: str, surfaces: Iterable[str]) -> list[str]:
    """Surfaces that contain ``removed`` and are unreachable without it."""
    piece = piece_of(removed, is_byte_level(description))
    model = dict(description["model"])
    model["vocab"] = {name: number for name, number in model["vocab"].items() if name != piece}
    model["merges"] = [pair for pair in merges_in(description) if piece not in (*pair, "".join(pair))]
    tokenizer = tokenizer_of_words(json.loads(json.dumps({**description, "model": model})))
    containing = [surface for surface in surfaces if removed in surface and surface != removed]
    rows = tokenizer.encode_batch_fast(containing, add_special_tokens=False)
    return [surface for surface, row in zip(containing, rows) if len(row.ids) > 1]
