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


def is_byte_level(json: dict[str, Any]) -> bool:
    steps = json.get("pre_tokenizer") or {}
    return any(step.get("type") == "ByteLevel" for step in (steps, *steps.get("pretokenizers", ())))


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
    found: set[str] = set()
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        for role, value in read_json(path).items() if path.is_file() else ():
            if role.endswith(("_token", "_special_tokens")):  # add_bos_token is no name, but true or false
                for token in value if isinstance(value, list) else [value]:
                    content = token.get("content") if isinstance(token, dict) else token
                    found |= {content} if isinstance(content, str) else set()
    return found


def listed(what: str, items: Iterable[str], most: int = 5) -> str:
    items = list(items)
    shown = ", ".join(repr(item) for item in items[:most])
    return f"{len(items):,} {what}: {shown}{', ...' if len(items) > most else ''}"
