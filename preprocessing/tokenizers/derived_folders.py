"""Writes tokenizer folders derived from a base: other pieces, the same special tokens.

Owns the SentencePiece model (only its pieces change), ``tokenizer.json``, and the special tokens. ``appending`` and
``pruning`` decide the pieces.
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


def backend_of(description: dict[str, Any], path: Path) -> tokenizers.Tokenizer:
    """The ``tokenizers`` library's reader; text that spells a special token stays text. Raises DataError."""
    try:
        backend = tokenizers.Tokenizer.from_str(json.dumps(description))
    except Exception as error:  # the library raises no narrower type
        raise DataError(
            f"{path}: the tokenizers library cannot read it ({error}); save the tokenizer again",
            rule="not-a-tokenizers-file",
        ) from None
    backend.encode_special_tokens = True
    return backend


# --- identity of a base ------------------------------------------------------------------------------------


def info_of(base: Base) -> TokenizerInfo:
    """Fingerprint and special ids of the base as stored."""
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
    """Special tokens by role, and those without a role. Raises DataError when there is no end-of-document token."""
    ids = {role: getattr(info_of(base), f"{role}_id") for role in ROLES}
    names = base.vocabulary.names
    special = {r: name for r, i in ids.items() if i is not None and (name := names[i]) is not None}
    if "eos" not in special:
        raise DataError(
            f"{base.folder}: no token ends documents; set eos_token in its tokenizer_config.json",
            rule="no-eos-token",
        )
    return special, [name for name in _special_names(base) if name not in special.values()]


def _special_names(base: Base) -> list[str]:
    if isinstance(base, SentencePieceBase):
        return [piece.text for piece in base.vocabulary.pieces if piece.kind in (CONTROL, UNKNOWN)]
    assert isinstance(base, ByteLevelBase)
    return [token["content"] for token in base.added_tokens if token.get("special")]


# --- SentencePiece -----------------------------------------------------------------------------------------


def write_pieces(base: SentencePieceBase, pieces: Sequence[Piece], folder: Path) -> TokenizerInfo:
    """Writes the folder of the base with these pieces instead of its own, the marker last."""
    special, others = special_tokens_of(base)
    model = read_model(with_pieces(base.model.content, pieces), base.folder)
    description = json_of(base, model)
    return write_tokenizer_folder(folder, description, special, model.content, others, settings_of(base))


def json_of(base: SentencePieceBase, model: SentencePieceModel) -> dict[str, Any]:
    """A ``tokenizer.json`` with the ids of ``model`` and the options of ``base``.

    Converts the model; the base's own ``tokenizer.json`` may differ, and only its ``post_processor`` is copied.
    """
    description = describe_model(model, base.folder)
    description["post_processor"] = _remap_base_processor(base, model.vocabulary.pieces)
    return description


def describe_model(model: SentencePieceModel, path: Path) -> dict[str, Any]:
    """A ``tokenizer.json`` with the ids of ``model``, which ``path`` contains, without a post-processor."""
    vocabulary, dummy_prefix, removes_blanks = model.vocabulary, model.dummy_prefix, model.removes_blanks
    symbols = vocabulary.numbers(USER_DEFINED)
    if symbols and (dummy_prefix or removes_blanks):
        raise DataError(
            f"{path}: adds a dummy prefix or removes extra blanks, and has user-defined symbols such as "
            f"{vocabulary.pieces[symbols[0]].text!r}; tokenizer.json would do so after each symbol too; use a model without one "
            "of the two",
            rule="symbols-and-blanks",
        )
    description = to_tokenizer_json(model)
    description["model"]["byte_fallback"] = bool(vocabulary.numbers(BYTE))
    parts = description["normalizer"].get("normalizers", [description["normalizer"]])
    if removes_blanks:
        parts = [_replace(r"\A +", ""), _replace(" {2,}", " "), *parts]
    if dummy_prefix:
        parts = [*parts, {"type": "Prepend", "prepend": BLANK}]
        description["decoder"]["decoders"].append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    if removes_blanks:
        parts = [*parts, _replace(rf"{BLANK}+\z", "")]
    if len(parts) > 1:
        description["normalizer"] = {"type": "Sequence", "normalizers": parts}
    return description


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _remap_base_processor(base: SentencePieceBase, pieces: Sequence[Piece]) -> Any:
    new = {piece.text: number for number, piece in enumerate(pieces)}
    moved = {n: new[piece.text] for n, piece in enumerate(base.vocabulary.pieces) if piece.text in new}
    return remap_post_processor((base.json or {}).get("post_processor"), moved, base.folder)


# --- byte-level --------------------------------------------------------------------------------------------


def write_merges(
    base: ByteLevelBase,
    vocab: dict[str, int],
    merges: Sequence[Pair],
    folder: Path,
    moved: Mapping[int, int] | None = None,
) -> TokenizerInfo:
    """Writes the folder of the base with this vocabulary; ``moved``: old id to new id, where ids change."""
    special, others = special_tokens_of(base)
    description = copy.deepcopy(base.json)
    old = base.json["model"]["merges"]
    as_text = bool(old) and isinstance(old[0], str)
    # tokenizers ignores the ids of added tokens outside the vocabulary and numbers them after it
    added = {token["content"]: (moved or {}).get(token["id"], token["id"]) for token in base.added_tokens}
    description["model"]["vocab"] = dict(sorted({**vocab, **added}.items(), key=lambda item: item[1]))
    description["model"]["merges"] = [" ".join(pair) if as_text else list(pair) for pair in merges]
    if moved is not None:
        tokens = [token for token in base.added_tokens if token["id"] in moved]
        description["added_tokens"] = [{**token, "id": moved[token["id"]]} for token in tokens]
        processor = remap_post_processor(description.get("post_processor"), moved, base.folder)
        description["post_processor"] = processor
    return write_tokenizer_folder(folder, description, special, None, others, settings_of(base))


def remap_post_processor(
    processor: dict[str, Any] | None, moved: Mapping[int, int], path: Path
) -> dict[str, Any] | None:
    """The post-processor with new ids. Raises DataError for an unsupported type or an id without a new one."""
    if processor is None or processor["type"] == "ByteLevel":
        return processor
    if processor["type"] == "Sequence":
        inner = [remap_post_processor(part, moved, path) for part in processor["processors"]]
        return {**processor, "processors": inner}
    try:
        if processor["type"] == "TemplateProcessing":
            tokens = processor["special_tokens"].items()
            named = {name: {**token, "ids": [moved[i] for i in token["ids"]]} for name, token in tokens}
            return {**processor, "special_tokens": named}
        if processor["type"] in ("RobertaProcessing", "BertProcessing"):
            pairs = {side: [processor[side][0], moved[processor[side][1]]] for side in ("sep", "cls")}
            return {**processor, **pairs}
    except KeyError as error:
        raise DataError(
            f"{path}: the post-processor uses id {error}, which was removed; keep that token",
            rule="post-processor-token-removed",
        ) from None
    raise DataError(
        f"{path}: the post-processor {processor['type']} is not supported; save the tokenizer without it",
        rule="unsupported-post-processor",
    )


def settings_of(base: Base) -> dict[str, Any]:
    """Settings of the base's ``tokenizer_config.json`` other than special tokens and classes: length, chat template."""
    return settings_in(base.folder, base.json)


def settings_in(folder: Path, description: dict[str, Any] | None) -> dict[str, Any]:
    """``settings_of`` for a folder with this ``tokenizer.json``, or for a file, which has no settings beside it."""
    settings = {}
    path, template = folder / "tokenizer_config.json", folder / "chat_template.jinja"
    if folder.is_dir() and path.is_file():
        names = ("model_max_length", "chat_template", "padding_side", "truncation_side")
        settings = {name: value for name, value in read_json(path).items() if name in names}
    if folder.is_dir() and template.is_file():  # transformers 5 keeps it in a file of its own
        settings["chat_template"] = template.read_text(encoding="utf-8")
    if adds_prefix_blank(description):
        settings["add_prefix_space"] = True
    return settings
