"""Folders of tokenizers that are made from a base: its model or merges with other pieces, its special tokens kept.

Owns what is written: the SentencePiece model (of which everything but pieces is kept), ``tokenizer.json``, and the special
tokens. Which pieces there are is decided in ``appending`` and ``pruning``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats.fingerprint import ROLES, fingerprint_of, rules_of
from megatron_ko.formats.sentencepiece_model import SentencePieceModel, read_model, with_pieces
from megatron_ko.formats.tokenizer_folder import (
    MARKER,
    TokenizerInfo,
    fingerprint_hf_folder,
    read_tokenizer_folder,
    write_tokenizer_folder,
)
from megatron_ko.formats.tokenizer_json import adds_prefix_blank
from megatron_ko.formats.vocabulary import BLANK, BYTE, CONTROL, UNKNOWN, USER_DEFINED, Pair, Piece
from preprocessing.tokenizers.bases import Base, ByteLevelBase, SentencePieceBase
from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json


def backend_of(description: dict[str, Any], place: Path) -> tokenizers.Tokenizer:
    """The ``tokenizers`` library's reader; text that spells a special token stays text. Raises DataError."""
    try:
        made = tokenizers.Tokenizer.from_str(json.dumps(description))
    except Exception as error:  # the library raises no narrower type
        raise DataError(
            f"{place}: the tokenizers library cannot read it ({error}); save the tokenizer again"
        ) from None
    made.encode_special_tokens = True
    return made


# --- what a base is called ---------------------------------------------------------------------------------


def info_of(base: Base) -> TokenizerInfo:
    """Fingerprint and special ids of the base as it lies there."""
    if base.folder.is_dir() and (base.folder / MARKER).is_file():
        return read_tokenizer_folder(base.folder)
    if base.folder.is_dir() and (base.folder / "tokenizer.json").is_file():
        return fingerprint_hf_folder(base.folder)
    assert isinstance(base, SentencePieceBase)
    special = dict(base.vocabulary.special_ids)
    rules = rules_of(json_of(base, base.model))
    fingerprint = fingerprint_of(base.vocabulary.names, special, rules)
    return TokenizerInfo(base.folder, fingerprint, base.size, **special)


def special_tokens_of(base: Base) -> tuple[dict[str, str], list[str]]:
    """Special tokens by role, and those without one. Raises DataError when no token ends documents."""
    ids = {role: getattr(info_of(base), f"{role}_id") for role in ROLES}
    names = base.vocabulary.names
    found = {r: name for r, i in ids.items() if i is not None and (name := names[i]) is not None}
    if "eos" not in found:
        raise DataError(
            f"{base.folder}: names no token that ends documents; set eos_token in its tokenizer_config.json"
        )
    return found, [name for name in _special_names(base) if name not in found.values()]


def _special_names(base: Base) -> list[str]:
    if isinstance(base, SentencePieceBase):
        return [piece.text for piece in base.vocabulary.pieces if piece.kind in (CONTROL, UNKNOWN)]
    assert isinstance(base, ByteLevelBase)
    return [token["content"] for token in base.added_tokens if token.get("special")]


# --- SentencePiece -----------------------------------------------------------------------------------------


def write_pieces(base: SentencePieceBase, pieces: Sequence[Piece], folder: Path) -> TokenizerInfo:
    """The folder of the base with these pieces instead of its own; marker last."""
    special, others = special_tokens_of(base)
    model = read_model(with_pieces(base.model.content, pieces), base.folder)
    made = json_of(base, model)
    return write_tokenizer_folder(folder, made, special, model.content, others, settings_of(base))


def json_of(base: SentencePieceBase, model: SentencePieceModel) -> dict[str, Any]:
    """``tokenizer.json`` that gives the ids of a model with the options of ``base``.

    It is made from the model, not from the base's own file, which may differ; only how a base adds special tokens
    (``post_processor``) is taken over.
    """
    vocabulary, dummy_prefix, removes_blanks = model.vocabulary, model.dummy_prefix, model.removes_blanks
    symbols = vocabulary.numbers(USER_DEFINED)
    if symbols and (dummy_prefix or removes_blanks):
        raise DataError(
            f"{base.folder}: puts a blank before every text or joins blanks, and has symbols such as "
            f"{vocabulary.pieces[symbols[0]].text!r}; tokenizer.json would do that after each symbol too: give a model without "
            "one of the two"
        )
    made = to_tokenizer_json(model)
    made["model"]["byte_fallback"] = bool(vocabulary.numbers(BYTE))
    steps = made["normalizer"].get("normalizers", [made["normalizer"]])
    if removes_blanks:
        steps = [_replace(r"\A +", ""), _replace(" {2,}", " "), *steps]
    if dummy_prefix:
        steps = [*steps, {"type": "Prepend", "prepend": BLANK}]
        made["decoder"]["decoders"].append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    if removes_blanks:
        steps = [*steps, _replace(rf"{BLANK}+\z", "")]
    if len(steps) > 1:
        made["normalizer"] = {"type": "Sequence", "normalizers": steps}
    made["post_processor"] = _moved_processor(base, vocabulary.pieces)
    return made


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _moved_processor(base: SentencePieceBase, pieces: Sequence[Piece]) -> Any:
    new = {piece.text: number for number, piece in enumerate(pieces)}
    moved = {n: new[piece.text] for n, piece in enumerate(base.vocabulary.pieces) if piece.text in new}
    return moved_step((base.json or {}).get("post_processor"), moved, base.folder)


# --- byte-level --------------------------------------------------------------------------------------------


def write_merges(
    base: ByteLevelBase,
    vocab: dict[str, int],
    merges: Sequence[Pair],
    folder: Path,
    moved: Mapping[int, int] | None = None,
) -> TokenizerInfo:
    """The folder of the base with this vocabulary; ``moved`` maps old ids to new ones where they change."""
    special, others = special_tokens_of(base)
    made = copy.deepcopy(base.json)
    old = base.json["model"]["merges"]
    as_text = bool(old) and isinstance(old[0], str)
    # tokenizers counts on from the vocabulary for added tokens that are not in it, whatever their ids say
    added = {token["content"]: (moved or {}).get(token["id"], token["id"]) for token in base.added_tokens}
    made["model"]["vocab"] = dict(sorted({**vocab, **added}.items(), key=lambda item: item[1]))
    made["model"]["merges"] = [" ".join(pair) if as_text else list(pair) for pair in merges]
    if moved is not None:
        tokens = [token for token in base.added_tokens if token["id"] in moved]
        made["added_tokens"] = [{**token, "id": moved[token["id"]]} for token in tokens]
        made["post_processor"] = moved_step(made.get("post_processor"), moved, base.folder)
    return write_tokenizer_folder(folder, made, special, None, others, settings_of(base))


def moved_step(step: dict[str, Any] | None, moved: Mapping[int, int], place: Path) -> dict[str, Any] | None:
    """A post-processor with other ids. Raises DataError for one whose ids are not known here."""
    if step is None or step["type"] == "ByteLevel":
        return step
    if step["type"] == "Sequence":
        return {**step, "processors": [moved_step(inner, moved, place) for inner in step["processors"]]}
    try:
        if step["type"] == "TemplateProcessing":
            tokens = step["special_tokens"].items()
            named = {name: {**token, "ids": [moved[i] for i in token["ids"]]} for name, token in tokens}
            return {**step, "special_tokens": named}
        if step["type"] in ("RobertaProcessing", "BertProcessing"):
            pairs = {side: [step[side][0], moved[step[side][1]]] for side in ("sep", "cls")}
            return {**step, **pairs}
    except KeyError as error:
        raise DataError(
            f"{place}: its post-processor names the id {error}, which is gone; keep that token"
        ) from None
    raise DataError(
        f"{place}: the post-processor {step['type']} is not known here; save the tokenizer without it"
    )


def settings_of(base: Base) -> dict[str, Any]:
    """What the base's ``tokenizer_config.json`` says beside special tokens and classes: length, chat template."""
    found = {}
    path = base.folder / "tokenizer_config.json"
    if base.folder.is_dir() and path.is_file():
        kept = ("model_max_length", "chat_template", "padding_side", "truncation_side")
        found = {name: value for name, value in read_json(path).items() if name in kept}
    if adds_prefix_blank(base.json):
        found["add_prefix_space"] = True
    return found
