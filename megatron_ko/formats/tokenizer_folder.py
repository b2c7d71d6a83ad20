"""Tokenizer folders (``docs/formats.md``): reading, writing, copying, comparing, encoding.

Owns the files of a folder and its marker, which contains the fingerprint (``fingerprint.py``) and is written last.
Needs no torch; imports sentencepiece or tokenizers only to encode text.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file, read_json, write_json
from megatron_ko.formats.fingerprint import OLD_PREFIX, ROLES, fingerprint_of, rules_of
from megatron_ko.formats.tokenizer_json import object_in, tokens_in

FORMAT = "megatron_ko-tokenizer-2"
OLD_FORMAT = "megatron_ko-tokenizer-1"
"""Still readable; its fingerprints do not cover merges, scores and normalization."""
MARKER = "fingerprint.json"
MODEL = "tokenizer.model"
FILES = (MODEL, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
REMEDY = "run 'mko data train-tokenizer' again"


@dataclass(frozen=True)
class TokenizerInfo:
    """Facts about a tokenizer; every id is below ``vocab_size``. EOD is ``eos_id``."""

    folder: Path
    fingerprint: str
    vocab_size: int
    bos_id: int | None
    eos_id: int | None
    pad_id: int | None
    unk_id: int | None

    @property
    def special_ids(self) -> dict[str, int | None]:
        return {f"{role}_id": getattr(self, f"{role}_id") for role in ROLES}


def read_tokenizer_folder(path: Path | str) -> TokenizerInfo:
    """Raises DataError if the folder is missing, incomplete, or of another format. Reads only JSON."""
    folder = Path(path).expanduser()
    if folder.is_file():
        message = f"{folder}: is a file, but a tokenizer is a folder; name {folder.parent}"
        raise DataError(message, rule="not-a-folder")
    if not folder.is_dir():
        message = f"{folder}: there is no such tokenizer folder; check the path, or {REMEDY}"
        raise DataError(message, rule="missing-tokenizer")
    if not (folder / MARKER).is_file():
        message = (
            f"{folder}: has no {MARKER}, so it is incomplete or not a tokenizer of megatron_ko; {REMEDY}"
        )
        raise DataError(message, rule="incomplete-tokenizer")
    data = read_json(folder / MARKER)
    if not isinstance(data, dict) or data.get("format") not in (FORMAT, OLD_FORMAT):
        raise DataError(f"{folder / MARKER}: its format is not {FORMAT!r}; {REMEDY}", rule="unknown-format")
    try:
        info = TokenizerInfo(
            folder, data["fingerprint"], data["vocab_size"], *(data[f"{role}_id"] for role in ROLES)
        )
    except KeyError as error:
        message = f"{folder / MARKER}: key {error} is missing; {REMEDY}"
        raise DataError(message, rule="missing-key") from None
    if not (folder / "tokenizer.json").is_file():
        raise DataError(f"{folder}: has no tokenizer.json; {REMEDY}", rule="missing-file")
    return info


def fingerprint_hf_folder(path: Path | str, like: str | None = None) -> TokenizerInfo:
    """Computes the same facts for any Hugging Face folder with ``tokenizer.json`` (and ``tokenizer_config.json``).

    ``like`` is the fingerprint to compare the result with: for one of OLD_FORMAT, that format's is computed.
    """
    folder = Path(path).expanduser()
    if folder.is_file():
        message = f"{folder}: is a file, but a tokenizer is a folder; name {folder.parent}"
        raise DataError(message, rule="not-a-folder")
    if not (folder / "tokenizer.json").is_file():
        raise DataError(
            f"{folder}: has no tokenizer.json; save a fast tokenizer with AutoTokenizer(...).save_pretrained",
            rule="missing-file",
        )
    description = read_json(folder / "tokenizer.json")
    ids = tokens_in(description, folder)
    pieces = _in_order(ids)
    rules = None if like is not None and like.startswith(OLD_PREFIX) else rules_of(description)
    special: dict[str, int | None] = dict.fromkeys((f"{role}_id" for role in ROLES), None)
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        named = object_in(folder / name)
        for role in ROLES:
            token = named.get(f"{role}_token")
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str) and token in ids:
                special[f"{role}_id"] = ids[token]
    try:
        fingerprint = fingerprint_of(pieces, special, rules)
    except UnicodeEncodeError:
        raise DataError(
            f"{folder}: tokenizer.json is damaged (a text contains half a surrogate pair); save the tokenizer again",
            rule="invalid-text",
        ) from None
    return TokenizerInfo(folder, fingerprint, len(pieces), **special)


def _in_order(ids: Mapping[str, int]) -> list[str | None]:
    """Lists pieces by id; None for an unused id."""
    pieces: list[str | None] = [None] * (max(ids.values(), default=-1) + 1)
    for piece, number in ids.items():
        pieces[number] = piece
    return pieces


def write_tokenizer_folder(
    folder: Path | str,
    tokenizer_json: dict[str, Any],
    special_tokens: dict[str, str],
    model: bytes | None = None,
    other_special_tokens: Sequence[str] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> TokenizerInfo:
    """Writes a complete folder, its marker last. ``special_tokens`` by role: ``{"bos": "<s>", ...}``, at least "eos".

    ``other_special_tokens`` are pieces without a role, for chat or fill-in-the-middle; text is never encoded to them.
    ``settings`` are additional entries of ``tokenizer_config.json``, such as a chat template.
    """
    folder = Path(folder)
    (folder / MARKER).unlink(missing_ok=True)
    pieces = _in_order(tokens_in(tokenizer_json, folder))
    named: dict[str, Any] = {
        f"{role}_token": special_tokens[role] for role in ROLES if role in special_tokens
    }
    if other_special_tokens:
        named["additional_special_tokens"] = list(other_special_tokens)
    if model is not None:
        with atomic_file(folder / MODEL) as file:
            file.write(model)
    else:
        (folder / MODEL).unlink(missing_ok=True)
    write_json(folder / "tokenizer.json", tokenizer_json)
    # split_special_tokens: "</s>" in a text is encoded as text, as SentencePiece does
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **named,
            "split_special_tokens": True,
            "clean_up_tokenization_spaces": False,
            "add_prefix_space": False,
            "model_max_length": 1_000_000_000_000,
            **settings,
        },
    )
    write_json(folder / "special_tokens_map.json", named)
    special = {f"{r}_id": pieces.index(special_tokens[r]) if r in special_tokens else None for r in ROLES}
    fingerprint = fingerprint_of(pieces, special, rules_of(tokenizer_json))
    ids = {name: special[name] for name in ("bos_id", "eos_id", "pad_id", "unk_id")}
    write_json(
        folder / MARKER, {"format": FORMAT, "fingerprint": fingerprint, "vocab_size": len(pieces), **ids}
    )
    return read_tokenizer_folder(folder)


def copy_tokenizer_folder(source: Path | str, target: Path | str) -> TokenizerInfo:
    """Copies a complete folder, its marker last."""
    info, target = read_tokenizer_folder(source), Path(target)
    (target / MARKER).unlink(missing_ok=True)
    for name in (*FILES, MARKER):
        if (info.folder / name).is_file():
            with open(info.folder / name, "rb") as old, atomic_file(target / name) as new:
                shutil.copyfileobj(old, new)
        else:
            (target / name).unlink(missing_ok=True)
    return read_tokenizer_folder(target)


class Tokenizer:
    """Encodes text to ids and decodes ids. Adds no special ids, and never encodes text to a control token.

    Uses ``tokenizer.model`` if the folder has one, else ``tokenizer.json``; both return the same ids.
    """

    def __init__(self, folder: Path | str, *, prefer_json: bool = False):
        folder = Path(folder).expanduser()
        has_marker = (folder / MARKER).is_file()
        hugging_face = (folder / "tokenizer.json").is_file() and not has_marker
        self.info = fingerprint_hf_folder(folder) if hugging_face else read_tokenizer_folder(folder)
        self._sentencepiece = has_marker and not prefer_json and (folder / MODEL).is_file()

    @property
    def uses_sentencepiece(self) -> bool:
        return self._sentencepiece

    @functools.cached_property
    def _control_ids(self) -> set[int | None]:
        return set(self.info.special_ids.values())

    def surfaces(self) -> list[str]:
        """Returns the text of each id decoded alone; incomplete characters are U+FFFD."""
        return [self._decode([number]) for number in range(self.info.vocab_size)]

    @functools.cached_property
    def _backend(self) -> Any:
        if self._sentencepiece:
            import sentencepiece

            return sentencepiece.SentencePieceProcessor(model_file=str(self.info.folder / MODEL))
        import tokenizers

        backend = tokenizers.Tokenizer.from_file(str(self.info.folder / "tokenizer.json"))
        backend.encode_special_tokens = True
        backend.no_truncation()
        backend.no_padding()
        return backend

    def encode(self, text: str) -> list[int]:
        if self._sentencepiece:
            return self._backend.encode(text)
        return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str], threads: int = 1) -> tuple[Any, Any]:
        """Returns ``(ids: int32, offsets: [len(texts) + 1] int64)``; text i has ``ids[offsets[i]:offsets[i + 1]]``."""
        if self._sentencepiece:
            rows = self._backend.encode(list(texts), num_threads=threads)
        else:
            rows = [e.ids for e in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]
        return join_rows(rows)

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of ``ids``, skipping control ids (bos, eos, pad, unk)."""
        return self._decode([int(i) for i in ids if int(i) not in self._control_ids])

    def _decode(self, ids: list[int]) -> str:
        if self._sentencepiece:
            return self._backend.decode(ids)
        return self._backend.decode(ids, skip_special_tokens=False)


def join_rows(rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Returns ``(ids: int32, offsets: [len(rows) + 1] int64)``; row i is ``ids[offsets[i]:offsets[i + 1]]``."""
    import numpy as np

    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    ids = np.empty(int(offsets[-1]), np.int32)
    for row, start in zip(rows, offsets):
        ids[start : start + len(row)] = row
    return ids, offsets
