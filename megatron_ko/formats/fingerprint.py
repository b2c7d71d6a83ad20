"""The fingerprint of a tokenizer: equal where two give the same ids to every text.

Owns what decides the ids, in one spelling however ``tokenizer.json`` was saved. Reads no files.
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
    """SHA-256 of the compact, key-sorted JSON of pieces in id order, of special ids, and of ``rules_of`` the tokenizer.

    Without rules it is that of folders of format 1, which said nothing of them.
    """
    digest = hashlib.sha256(_compact(list(pieces)))
    digest.update(_compact({name: special_ids.get(name) for name in (f"{role}_id" for role in ROLES)}))
    if rules is None:
        return f"{OLD_PREFIX}{digest.hexdigest()}"
    digest.update(_compact(rules))
    return f"{PREFIX}{digest.hexdigest()}"


def rules_of(tokenizer_json: dict[str, Any]) -> dict[str, Any]:
    """What besides pieces decides the ids of a text, in one spelling however ``tokenizer.json`` was saved.

    Merges are pairs; special tokens, which no text becomes here, the decoder and values that say nothing are left out.
    """
    model = dict(tokenizer_json["model"])
    vocab, merges = model.pop("vocab", None), model.pop("merges", None) or ()
    model.pop("dropout", None)  # training only
    symbols = [token for token in tokenizer_json.get("added_tokens") or () if not token.get("special")]
    return {
        "model": _said(model),
        "merges": [merge.split(" ", 1) if isinstance(merge, str) else list(merge) for merge in merges],
        "scores": [item[1] for item in vocab] if isinstance(vocab, list) else [],
        "normalizer": _said(tokenizer_json.get("normalizer")),
        "pre_tokenizer": _said(tokenizer_json.get("pre_tokenizer")),
        "symbols": [_said(token) for token in sorted(symbols, key=lambda token: token["id"])],
    }


# steps of older files leave out what has these values
_DEFAULTS: dict[str, dict[str, Any]] = {"ByteLevel": {"add_prefix_space": True, "use_regex": True}}


def _said(value: Any) -> Any:
    """Without what is null, false or empty, and without offsets, which are no ids."""
    if isinstance(value, list):
        return [_said(item) for item in value]
    if not isinstance(value, dict):
        return value
    whole = {**_DEFAULTS.get(str(value.get("type")), {}), **value}
    return {
        name: _said(item)
        for name, item in whole.items()
        if name != "trim_offsets" and item is not None and item is not False and item != ""
    }


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8")
