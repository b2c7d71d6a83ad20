"""``tokenizer.json`` of the library tokenizers: read strictly, and what it holds as a Vocabulary.

Owns the layout of that file and of the names of special tokens beside it. ``tokens_in`` and ``read_description`` check
the types of all values that are read here (``check_shape``). What is odd in one, but readable, is for those who use it to
refuse.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
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
    check_shape(found, path.parent)
    return found


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


def check_shape(description: Any, place: Path | str) -> None:
    """Raises DataError for the first value that has another type than its key, so that all others here need not ask."""
    model = description.get("model") if isinstance(description, dict) else None
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not (isinstance(vocab, dict) or (isinstance(vocab, list) and all(map(_is_scored_piece, vocab)))):
        raise _no_vocabulary(place)
    for problem in _wrong_types(description):
        raise DataError(f"{place}: tokenizer.json is damaged: {problem}; save the tokenizer again")


def _is_scored_piece(item: Any) -> bool:
    return (
        isinstance(item, list) and len(item) == 2 and type(item[0]) is str and type(item[1]) in (int, float)
    )


def _wrong_types(description: dict[str, Any]) -> Iterator[str]:
    """Only the first is certain: what follows it may be of any type."""
    model, added = description["model"], description.get("added_tokens")
    yield from _wrong(model, _MODEL, "model.", optional=True)
    if isinstance(model["vocab"], list) != (type_in(description) == "Unigram"):
        yield "model.vocab must be a list for the type Unigram, and an object for others"
    for merge in model.get("merges") or ():
        if not isinstance(merge, (str, list)):
            yield f"the merge {_shown(merge)} is not a pair"
    yield from _wrong(description, {"added_tokens": list} | _STEPS, "", optional=True)
    for number, token in enumerate(added or ()):
        yield from _wrong({"token": token}, {"token": dict}, f"added_tokens[{number}]: the ")
        yield from _wrong(token, _TOKEN, f"added_tokens[{number}].")
    waiting = [(name, description[name]) for name in _STEPS if description.get(name) is not None]
    while waiting:
        name, step = waiting.pop()
        yield from _wrong(step, {"type": str}, f"{name}.", optional=True)
        yield from _wrong(step, _STEP_FIELDS.get(step.get("type"), {}), f"{name}.")
        if step.get("type") == "Replace":
            yield from _wrong(step["pattern"], {"String": str}, f"{name}.pattern.", optional=True)
        for inner in _SEQUENCES:
            if inner in step:
                yield from _wrong(step, {inner: list}, f"{name}.")
                for number, one in enumerate(step[inner]):
                    yield from _wrong({"step": one}, {"step": dict}, f"{name}.{inner}[{number}]: the ")
                    waiting.append((f"{name}.{inner}[{number}]", one))


def _wrong(
    values: dict[str, Any], types: dict[str, type], where: str, optional: bool = False
) -> Iterator[str]:
    """``optional``: null, or without the key, is right too."""
    for name, wanted in types.items():
        value = values.get(name)
        if type(value) is not wanted and not (optional and value is None):
            yield f"{where}{name} must be {_TYPES[wanted]}, not {_shown(value)}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]


def type_in(description: dict[str, Any]) -> str:
    """``BPE``, ``Unigram``, ``WordPiece`` or ``WordLevel``; old files leave it out."""
    model = description["model"]
    return model.get("type") or ("Unigram" if isinstance(model["vocab"], list) else "BPE")


# --- contents --------------------------------------------------------------------------------------------


def vocabulary_in(description: dict[str, Any], place: Path, special: Iterable[str] = ()) -> Vocabulary:
    """The vocabulary; ``special``: names of tokens that no text becomes, beside those that are marked so.

    Raises DataError when the description is damaged.
    """
    ids = tokens_in(description, place)
    model, added = description["model"], description.get("added_tokens") or ()
    kinds = {token["content"]: CONTROL if token.get("special") else USER_DEFINED for token in added}
    kinds |= dict.fromkeys(special, CONTROL)
    unknown = model.get("unk_id") if "unk_id" in model else ids.get(model.get("unk_token"))
    falls_back = bool(model.get("byte_fallback"))
    pieces = [NO_PIECE] * (max(ids.values(), default=-1) + 1)
    if unknown is not None and not 0 <= unknown < len(pieces):
        raise DataError(
            f"{place}: tokenizer.json is damaged: no token has the unk_id {unknown}; save the tokenizer again"
        )
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
        merges_in(description, place) if algorithm == "bpe" else None,
        {"unk_id": unknown},
    )


def tokens_in(description: Any, place: Path | str) -> dict[str, int]:
    """Tokens by name, added ones included. Raises DataError when the description is damaged."""
    check_shape(description, place)
    vocab = description["model"]["vocab"]
    found = dict(vocab) if isinstance(vocab, dict) else {item[0]: i for i, item in enumerate(vocab)}
    added = [(token["content"], token["id"]) for token in description.get("added_tokens") or ()]
    for number in itertools.chain(found.values(), (number for _, number in added)):
        if type(number) is not int or number < 0:
            raise _no_vocabulary(place)
        if number >= MAX_ID:
            raise DataError(
                f"{place}: tokenizer.json is damaged: the id {number} is not below {MAX_ID}; save the tokenizer again"
            )
    return found | dict(added)


def _no_vocabulary(place: Path | str) -> DataError:
    return DataError(
        f"{place}: tokenizer.json holds no vocabulary of tokens and ids; save the tokenizer again"
    )


def merges_in(description: dict[str, Any], place: Path | str = "tokenizer.json") -> list[Pair]:
    """The merges, as pairs. Raises DataError for one that is no pair."""
    pairs = []
    for merge in description["model"].get("merges") or ():
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise DataError(
                f"{place}: the merge {merge!r} of tokenizer.json is no pair; save the tokenizer again"
            )
        pairs.append((pair[0], pair[1]))
    return pairs


def pre_tokenizers_in(description: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The pre-tokenizer, and those that it is a sequence of."""
    step = (description or {}).get("pre_tokenizer") or {}
    return [step, *step.get("pretokenizers", ())]


def is_byte_level(description: dict[str, Any]) -> bool:
    return any(step.get("type") == "ByteLevel" for step in pre_tokenizers_in(description))


def adds_prefix_blank(description: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer puts a blank before a text."""
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
    """Every normalizer, pre-tokenizer and decoder, those inside sequences too."""
    waiting = [description.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    while waiting:
        part = waiting.pop()
        if part:
            yield part
            for name in ("normalizers", "pretokenizers", "decoders"):
                waiting += part.get(name) or []


def _blanks(parts: Iterable[dict[str, Any]]) -> set[str]:
    """Signs written for a blank."""
    found = set()
    for part in parts:
        if part.get("type") == "Metaspace":
            found.add(part["replacement"])
        elif part.get("type") == "Replace":
            old, new = part["pattern"].get("String"), part["content"]
            found |= {new} if old == " " else {old} if old and new == " " else set()
    return found - {" ", ""}


def special_tokens_in(folder: Path) -> set[str]:
    """Names of all special tokens that the folder gives, in ``special_tokens_map.json`` or ``tokenizer_config.json``."""
    config = object_in(folder / "tokenizer_config.json")
    # add_bos_token is no name, but true or false
    named = [value for role, value in config.items() if role.endswith(("_token", "_special_tokens"))]
    return mapped_special_tokens(folder) | _names_of(named)


def mapped_special_tokens(folder: Path) -> set[str]:
    """Names of special tokens in ``special_tokens_map.json``: ours are no added tokens, so that text cannot spell them."""
    return _names_of(object_in(folder / "special_tokens_map.json").values())


def object_in(path: Path) -> dict[str, Any]:
    """Of a file of JSON; empty when there is none. Raises DataError for any other value."""
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
