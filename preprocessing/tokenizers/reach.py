"""Which new pieces merges cannot make any more when one of them goes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from megatron_ko.formats.tokenizer_json import is_byte_level, merges_in
from preprocessing.tokenizers.cutting import piece_of, tokenizer_of_words


def unreachable_without(description: dict[str, Any], gone: str, surfaces: Iterable[str]) -> list[str]:
    """Those of the surfaces that contain ``gone`` and that the tokenizer makes only with it."""
    piece = piece_of(gone, is_byte_level(description))
    model = dict(description["model"])
    model["vocab"] = {name: number for name, number in model["vocab"].items() if name != piece}
    model["merges"] = [pair for pair in merges_in(description) if piece not in (*pair, "".join(pair))]
    tokenizer = tokenizer_of_words(json.loads(json.dumps({**description, "model": model})))
    asked = [surface for surface in surfaces if gone in surface and surface != gone]
    rows = tokenizer.encode_batch_fast(asked, add_special_tokens=False)
    return [surface for surface, row in zip(asked, rows) if len(row.ids) > 1]
