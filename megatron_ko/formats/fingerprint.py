"""The fingerprint of a tokenizer: two tokenizers with equal fingerprints encode every text to the same ids.

Owns the normal form of everything that determines the ids, however ``tokenizer.json`` was saved. Reads no files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

ROLES = ("bos", "eos", "pad", "unk")
PREFIX = "sha256-2:"
OLD_PREFIX = "sha256:"


def fingerprint_of(
    pieces: Sequence[str | None], special_ids: dict[str, int | None], rules: dict[str, Any] | None = None
) -> str:
    """SHA-256 of the compact, key-sorted JSON of pieces in id order, of special ids, and of the result of ``rules_of``.

    Without ``rules`` it is the fingerprint of format 1, which does not cover them.
    """
    digest = hashlib.sha256(_compact(list(pieces)))
    digest.update(_compact({name: special_ids.get(name) for name in (f"{role}_id" for role in ROLES)}))
    if rules is None:
        return f"{OLD_PREFIX}{digest.hexdigest()}"
    digest.update(_compact(rules))
    return f"{PREFIX}{digest.hexdigest()}"


def rules_of(tokenizer_json: dict[str, Any]) -> dict[str, Any]:
    """Everything except pieces that determines the ids of a text, in a normal form.

    Merges are pairs. Special tokens (text is never encoded to them), the decoder and values without effect are left out.
    """
    model = dict(tokenizer_json["model"])
    vocab, merges = model.pop("vocab", None), model.pop("merges", None) or ()
    model.pop("dropout", None)  # training only
    symbols = [token for token in tokenizer_json.get("added_tokens") or () if not token.get("special")]
    return {
        "model": _normalize(model),
        "merges": [merge.split(" ", 1) if isinstance(merge, str) else list(merge) for merge in merges],
        "scores": [item[1] for item in vocab] if isinstance(vocab, list) else [],
        "normalizer": _normalize(tokenizer_json.get("normalizer")),
        "pre_tokenizer": _normalize(tokenizer_json.get("pre_tokenizer")),
        "symbols": [_normalize(token) for token in sorted(symbols, key=lambda token: token["id"])],
    }


# older files omit these fields where they have these values
_DEFAULTS: dict[str, dict[str, Any]] = {"ByteLevel": {"add_prefix_space": True, "use_regex": True}}


def _normalize(value: Any) -> Any:
    """Removes values that are null, false or empty, and ``trim_offsets``, which does not change ids."""
    if isinstance(value, list):
        return [_normalize(item) for item in value]
    if not isinstance(value, dict):
        return value
    complete = {**_DEFAULTS.get(str(value.get("type")), {}), **value}
    return {
        name: _normalize(item)
        for name, item in complete.items()
        if name != "trim_offsets" and item is not None and item is not False and item != ""
    }


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8")
