"""``tokenizer.json`` as data: tokens by id, merges, special tokens, and what is damaged in it.

Owns reading it strictly; what its parts mean for a base is in ``bases``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import read_json

Pair = tuple[str, str]


def read_description(path: Path) -> dict[str, Any]:
    """``tokenizer.json``; two pieces of the same name would be one to most readers of JSON."""
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return found

    found = read_json(path, object_pairs_hook=unique)
    if twice:
        raise DataError(
            f"{path}: {listed('names stand twice; each piece needs one id', twice)}; save the tokenizer again"
        )
    if not isinstance(found, dict):
        raise DataError(f"{path}: is no tokenizer.json: it holds no object; save the tokenizer again")
    return found


def pre_tokenizers_in(json: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The pre-tokenizer, and those that it is a sequence of."""
    step = (json or {}).get("pre_tokenizer") or {}
    return [step, *step.get("pretokenizers", ())]


def is_byte_level(json: dict[str, Any]) -> bool:
    return any(step.get("type") == "ByteLevel" for step in pre_tokenizers_in(json))


def adds_prefix_blank(json: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer puts a blank before a text."""
    return any(step.get("add_prefix_space") for step in pre_tokenizers_in(json))


def merges_in(json: dict[str, Any]) -> list[Pair]:
    """The merges of a ``tokenizer.json`` that is known to be sound."""
    merges = json["model"]["merges"]
    return [(left, right) for left, right in (m.split(" ", 1) if isinstance(m, str) else m for m in merges)]


def names_in(json: dict[str, Any], folder: Path) -> dict[int, str]:
    """Tokens of ``tokenizer.json`` by id, added ones included. Raises DataError when it is damaged."""
    try:
        vocab = json["model"]["vocab"]
        pairs = list(
            vocab.items() if isinstance(vocab, dict) else ((item[0], i) for i, item in enumerate(vocab))
        )
        pairs += [(token["content"], token["id"]) for token in json.get("added_tokens") or ()]
    except (KeyError, TypeError, IndexError, AttributeError):
        pairs = [(None, None)]
    found: dict[int, str] = {}
    for name, number in pairs:
        if not isinstance(name, str) or type(number) is not int or number < 0:
            raise DataError(
                f"{folder}: tokenizer.json holds no vocabulary of tokens and ids; save the tokenizer again"
            )
        found[number] = name
    return found


def pair_of(merge: Any, folder: Path) -> Pair:
    pair = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise DataError(
            f"{folder}: the merge {merge!r} of tokenizer.json is no pair; save the tokenizer again"
        )
    return pair[0], pair[1]


def special_tokens_in(folder: Path) -> set[str]:
    """Names of all special tokens that the folder gives, in ``special_tokens_map.json`` or ``tokenizer_config.json``."""
    config = _object_in(folder / "tokenizer_config.json")
    # add_bos_token is no name, but true or false
    named = [value for role, value in config.items() if role.endswith(("_token", "_special_tokens"))]
    return mapped_special_tokens(folder) | _names_of(named)


def mapped_special_tokens(folder: Path) -> set[str]:
    """Names of special tokens in ``special_tokens_map.json``: ours are no added tokens, so that text cannot spell them."""
    return _names_of(_object_in(folder / "special_tokens_map.json").values())


def _object_in(path: Path) -> dict[str, Any]:
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no object; save the tokenizer again")
    return found


def _names_of(values: Iterable[Any]) -> set[str]:
    """Of tokens or lists of them, each a name or an object with its ``content``."""
    tokens = [token for value in values for token in (value if isinstance(value, list) else [value])]
    names = (token.get("content") if isinstance(token, dict) else token for token in tokens)
    return {name for name in names if isinstance(name, str)}


def listed(what: str, items: Iterable[str], most: int = 5) -> str:
    items = list(items)
    shown = ", ".join(repr(item) for item in items[:most])
    return f"{len(items):,} {what}: {shown}{', ...' if len(items) > most else ''}"
