"""``tokenizer.json`` of the library tokenizers: strict reading, and its content as a Vocabulary.

Owns the structure of that file and of the files beside it that name special tokens. ``tokens_in`` and
``read_description`` check the types of all values read here (``check_shape``). Callers reject content that is readable
but unsupported.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import read_json
from megatron_ko.formats.vocabulary import (
    BYTE,
    BYTE_PIECE,
    CONTROL,
    MAX_ID,
    NO_PIECE,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    Pair,
    Piece,
    Spelling,
    Vocabulary,
)


def read_description(path: Path) -> dict[str, Any]:
    """Reads ``tokenizer.json``. Raises DataError also for duplicate names, which most readers of JSON drop silently."""
    duplicates: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            duplicates.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return content

    description = read_json(path, object_pairs_hook=collect)
    if duplicates:
        message = f"{path}: {format_names('duplicate names', duplicates)}; each piece needs one id, save the tokenizer again"
        raise DataError(message, rule="duplicate-name")
    if not isinstance(description, dict):
        message = f"{path}: is not a tokenizer.json (not a JSON object); save the tokenizer again"
        raise DataError(message, rule="not-an-object")
    check_shape(description, path.parent)
    return description


# --- types of values -------------------------------------------------------------------------------------

_TYPES = {str: "text", int: "an integer", list: "a list", dict: "an object"}
_MODEL = {
    "type": str,
    "merges": list,
    "unk_token": str,
    "unk_id": int,
    "continuing_subword_prefix": str,
    "end_of_word_suffix": str,
}
_TOKEN = {"content": str, "id": int}
_STEPS = {"normalizer": dict, "pre_tokenizer": dict, "decoder": dict}
_SEQUENCES = ("normalizers", "pretokenizers", "decoders")
_STEP_FIELDS = {"Metaspace": {"replacement": str}, "Replace": {"pattern": dict, "content": str}}


def check_shape(description: Any, where: Path | str) -> None:
    """Raises DataError for the first value of a wrong type, so that other functions here need not check types."""
    model = description.get("model") if isinstance(description, dict) else None
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not (isinstance(vocab, dict) or (isinstance(vocab, list) and all(map(_is_scored_piece, vocab)))):
        raise _no_vocabulary(where)
    for path, message in _wrong_types(description):
        raise _damaged(where, path, message, "wrong-type")


def _damaged(where: Path | str, path: str, message: str, rule: str) -> DataError:
    remedy = "tokenizer.json is damaged, save the tokenizer again"
    return DataError([Problem(str(where), path, f"{message}; {remedy}", rule)])


def _is_scored_piece(item: Any) -> bool:
    return (
        isinstance(item, list) and len(item) == 2 and type(item[0]) is str and type(item[1]) in (int, float)
    )


def _wrong_types(description: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields path and message of wrong types. Only the first is reliable: the code after it assumes correct types."""
    model, added = description["model"], description.get("added_tokens")
    yield from _wrong(model, _MODEL, "model.", optional=True)
    if isinstance(model["vocab"], list) != (type_in(description) == "Unigram"):
        yield "model.vocab", "must be a list for type Unigram and an object for all other types"
    for merge in model.get("merges") or ():
        if not isinstance(merge, (str, list)):
            yield "model.merges", f"{_format(merge)} is not a pair"
    yield from _wrong(description, {"added_tokens": list} | _STEPS, "", optional=True)
    for number, token in enumerate(added or ()):
        path = f"added_tokens[{number}]"
        yield from _wrong({path: token}, {path: dict}, "")
        yield from _wrong(token, _TOKEN, f"{path}.")
    pending = [(name, description[name]) for name in _STEPS if description.get(name) is not None]
    while pending:
        name, step = pending.pop()
        yield from _wrong(step, {"type": str}, f"{name}.", optional=True)
        yield from _wrong(step, _STEP_FIELDS.get(step.get("type"), {}), f"{name}.")
        if step.get("type") == "Replace":
            yield from _wrong(step["pattern"], {"String": str}, f"{name}.pattern.", optional=True)
        for inner in _SEQUENCES:
            if inner in step:
                yield from _wrong(step, {inner: list}, f"{name}.")
                for number, one in enumerate(step[inner]):
                    path = f"{name}.{inner}[{number}]"
                    yield from _wrong({path: one}, {path: dict}, "")
                    pending.append((path, one))


def _wrong(
    values: dict[str, Any], types: dict[str, type], prefix: str, optional: bool = False
) -> Iterator[tuple[str, str]]:
    """Yields path and message of values of wrong types in one object. ``optional`` also allows null and missing keys."""
    for name, required in types.items():
        value = values.get(name)
        if type(value) is not required and not (optional and value is None):
            yield f"{prefix}{name}", f"must be {_TYPES[required]}, not {_format(value)}"


def _format(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]


def type_in(description: dict[str, Any]) -> str:
    """``BPE``, ``Unigram``, ``WordPiece`` or ``WordLevel``; inferred if an old file omits it."""
    model = description["model"]
    return model.get("type") or ("Unigram" if isinstance(model["vocab"], list) else "BPE")


# --- contents --------------------------------------------------------------------------------------------


def vocabulary_in(description: dict[str, Any], where: Path, special: Iterable[str] = ()) -> Vocabulary:
    """Returns the vocabulary. ``special`` names control tokens in addition to those marked in the file.

    Raises DataError, which names ``where``, if the description is damaged.
    """
    ids = tokens_in(description, where)
    model, added = description["model"], description.get("added_tokens") or ()
    kinds = {token["content"]: CONTROL if token.get("special") else USER_DEFINED for token in added}
    kinds |= dict.fromkeys(special, CONTROL)
    unknown = model.get("unk_id") if "unk_id" in model else ids.get(model.get("unk_token"))
    falls_back = bool(model.get("byte_fallback"))
    pieces = [NO_PIECE] * (max(ids.values(), default=-1) + 1)
    if unknown is not None and not 0 <= unknown < len(pieces):
        raise _damaged(where, "model.unk_id", f"no token has id {unknown}", "unknown-id")
    for name, number in ids.items():
        if number == unknown:
            kind = UNKNOWN
        elif name in kinds:
            kind = kinds[name]
        else:
            kind = BYTE if falls_back and BYTE_PIECE.fullmatch(name) else NORMAL
        pieces[number] = Piece(name, 0.0, kind)
    if isinstance(model["vocab"], list):
        for number, (name, score) in enumerate(model["vocab"][: len(pieces)]):
            if pieces[number].text == name:  # an added token may have taken the id
                pieces[number] = pieces[number]._replace(score=score)
    algorithm = type_in(description).lower()
    return Vocabulary(
        algorithm,
        pieces,
        _spelling_in(description),
        merges_in(description, where) if algorithm == "bpe" else None,
        {"unk_id": unknown},
    )


def tokens_in(description: Any, where: Path | str) -> dict[str, int]:
    """Returns ids by token, including added tokens. Raises DataError if the description is damaged."""
    check_shape(description, where)
    vocab = description["model"]["vocab"]
    ids = dict(vocab) if isinstance(vocab, dict) else {item[0]: i for i, item in enumerate(vocab)}
    added = [(token["content"], token["id"]) for token in description.get("added_tokens") or ()]
    for number in itertools.chain(ids.values(), (number for _, number in added)):
        if type(number) is not int or number < 0:
            raise _no_vocabulary(where)
        if number >= MAX_ID:
            raise _damaged(where, "", f"id {number} must be below {MAX_ID}", "id-too-large")
    return ids | dict(added)


def _no_vocabulary(where: Path | str) -> DataError:
    message = "tokenizer.json contains no vocabulary of tokens and ids; save the tokenizer again"
    return DataError([Problem(str(where), "", message, "no-vocabulary")])


def merges_in(description: dict[str, Any], where: Path | str = "tokenizer.json") -> list[Pair]:
    """Returns merges as pairs. Raises DataError for a merge that is not a pair."""
    pairs = []
    for merge in description["model"].get("merges") or ():
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise _damaged(where, "model.merges", f"{merge!r} is not a pair", "wrong-type")
        pairs.append((pair[0], pair[1]))
    return pairs


def pre_tokenizers_in(description: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Returns the pre-tokenizer, followed by its members if it is a sequence."""
    step = (description or {}).get("pre_tokenizer") or {}
    return [step, *step.get("pretokenizers", ())]


def is_byte_level(description: dict[str, Any]) -> bool:
    return any(step.get("type") == "ByteLevel" for step in pre_tokenizers_in(description))


def adds_prefix_blank(description: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer adds a blank before a text."""
    return any(step.get("add_prefix_space") for step in pre_tokenizers_in(description))


def _spelling_in(description: dict[str, Any]) -> Spelling:
    model, parts = description["model"], list(_parts(description))
    return Spelling(
        any(part.get("type") == "ByteLevel" for part in parts),
        tuple(sorted(_blanks(parts))),
        model.get("continuing_subword_prefix") or "",
        model.get("end_of_word_suffix") or "",
        literal=True,
    )


def _parts(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields all normalizers, pre-tokenizers and decoders, including those inside sequences."""
    pending = [description.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    while pending:
        part = pending.pop()
        if part:
            yield part
            for name in ("normalizers", "pretokenizers", "decoders"):
                pending += part.get(name) or []


def _blanks(parts: Iterable[dict[str, Any]]) -> set[str]:
    """Characters written for a blank."""
    signs = set()
    for part in parts:
        if part.get("type") == "Metaspace":
            signs.add(part["replacement"])
        elif part.get("type") == "Replace":
            old, new = part["pattern"].get("String"), part["content"]
            signs |= {new} if old == " " else {old} if old and new == " " else set()
    return signs - {" ", ""}


def special_tokens_in(folder: Path) -> set[str]:
    """Names of all special tokens in ``special_tokens_map.json`` and ``tokenizer_config.json`` of the folder."""
    config = object_in(folder / "tokenizer_config.json")
    # add_bos_token is true or false, not a name
    named = [value for role, value in config.items() if role.endswith(("_token", "_special_tokens"))]
    return mapped_special_tokens(folder) | _names_of(named)


def mapped_special_tokens(folder: Path) -> set[str]:
    """Names of special tokens in ``special_tokens_map.json``. Ours are not added tokens, so text is never encoded to them."""
    return _names_of(object_in(folder / "special_tokens_map.json").values())


def object_in(path: Path) -> dict[str, Any]:
    """Reads a JSON object; returns {} if there is no file. Raises DataError for any other value."""
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise DataError(f"{path}: is not a JSON object; save the tokenizer again", rule="not-an-object")
    return content


def _names_of(values: Iterable[Any]) -> set[str]:
    """Names of tokens or lists of tokens; a token is a name or an object with its name in ``content``."""
    tokens = [token for value in values for token in (value if isinstance(value, list) else [value])]
    names = (token.get("content") if isinstance(token, dict) else token for token in tokens)
    return {name for name in names if isinstance(name, str)}


def format_names(what: str, items: Iterable[str], limit: int = 5) -> str:
    """Formats the number of items and the first ``limit`` of them, for messages."""
    items = list(items)
    names = ", ".join(repr(item) for item in items[:limit])
    return f"{len(items):,} {what}: {names}{', ...' if len(items) > limit else ''}"
