"""The vocabulary of a tokenizer folder, and the decomposition of new pieces into old ones.

Owns the check that one tokenizer extends another, and the decomposition. Only the old *model* cuts a piece (its merges,
or its Unigram scores), never the whole tokenizer: normalizer, dummy prefix, pre-tokenizer and special tokens have no
effect, and pieces that are not whole UTF-8 characters (byte-level BPE) are cut like all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from checkpoint_tools.formats.tokenizer_files import info_of
from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.files import read_json
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, fingerprint_hf_folder
from megatron_ko.formats.tokenizer_json import vocabulary_in
from megatron_ko.formats.vocabulary import BYTE, NORMAL, USER_DEFINED, Vocabulary

MAX_LISTED = 8
"""Differences that an error lists."""


@dataclass(frozen=True)
class FolderVocabulary:
    """The vocabulary in the ``tokenizer.json`` of a folder, and the description of that folder."""

    info: TokenizerInfo
    vocabulary: Vocabulary

    @property
    def folder(self) -> Path:
        return self.info.folder

    @property
    def size(self) -> int:
        return self.vocabulary.size

    @property
    def names(self) -> Sequence[str | None]:
        return self.vocabulary.names

    @property
    def byte_level(self) -> bool:
        return self.vocabulary.spelling.byte_level

    def spelling(self, number: int) -> str | None:
        """The piece as the model spells it; None where text is never encoded to it (special tokens, single bytes)."""
        piece = self.vocabulary.pieces[number]
        if piece.kind == USER_DEFINED:
            return self.vocabulary.spell(piece.text)
        return piece.text if piece.kind == NORMAL else None

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of text that each piece covers, at least 1."""
        return [max(len(content or b""), 1) for content in self.vocabulary.contents]

    @cached_property
    def model(self) -> Any:
        """The model of the ``tokenizers`` library; ``tokenize(spelling)`` only applies merges."""
        import tokenizers

        path = self.folder / "tokenizer.json"
        try:
            return tokenizers.Tokenizer.from_file(str(path)).model
        except Exception as error:  # the library raises no narrower type
            raise DataError(
                f"{path}: the tokenizers library cannot read it ({error}); write it again",
                rule="unreadable-tokenizer",
            ) from None


def read_vocabulary(folder: Path) -> FolderVocabulary:
    """Reads a megatron_ko or Hugging Face tokenizer folder. Raises DataError when it is missing or damaged."""
    if not folder.is_dir():
        found = "is a file, not a tokenizer folder" if folder.exists() else "no such tokenizer folder"
        raise DataError(f"{folder}: {found}; check the path", rule="missing-tokenizer")
    info = info_of(folder)
    assert info is not None
    if fingerprint_hf_folder(folder, info.fingerprint).fingerprint != info.fingerprint:
        raise DataError(
            f"{folder}: tokenizer.json does not match fingerprint.json; write the folder again",
            rule="fingerprint-mismatch",
        )
    roles = (number for number in info.special_ids.values() if number is not None)
    content = read_json(folder / "tokenizer.json")
    plain = vocabulary_in(content, folder)
    special = [name for number in roles if (name := plain.names[number]) is not None]
    return FolderVocabulary(info, vocabulary_in(content, folder, special))


def check_extends(old: FolderVocabulary, new: FolderVocabulary) -> None:
    """Raises CheckpointError unless ``new`` keeps the piece of every old id; lists the first differences."""
    count = old.size
    if new.size < count:
        raise CheckpointError(
            f"{new.folder}: has {new.size:,} tokens, but the old tokenizer {old.folder} has {count:,}; an extension "
            "keeps every old token (mko checkpoint prune-vocab removes tokens)",
            rule="fewer-tokens",
        )
    differ = [(i, a, b) for i, (a, b) in enumerate(zip(old.names, new.names)) if a != b]
    lines = [f"  id {i}: {a!r} (old), {b!r} (new)" for i, a, b in differ[:MAX_LISTED]]
    lines += [f"  ... and {len(differ) - MAX_LISTED:,} more"] if len(differ) > MAX_LISTED else []
    roles = [
        f"  {role}: {number} (old), {new.info.special_ids[role]} (new)"
        for role, number in old.info.special_ids.items()
        if number is not None and new.info.special_ids[role] != number
    ]
    if lines or roles:
        raise CheckpointError(
            f"{new.folder}: does not extend {old.folder}; every id of the old tokenizer must keep its piece and role\n"
            + "\n".join([*lines, *roles])
            + "\nextend the old tokenizer (mko tokenizer extend, mko tokenizer hybrid), or give the checkpoint of the "
            "tokenizer that was extended",
            rule="not-an-extension",
        )
    if old.byte_level != new.byte_level:
        raise CheckpointError(
            f"{new.folder} and {old.folder}: only one is byte-level, so they spell pieces differently; "
            "extend the old tokenizer itself",
            rule="not-an-extension",
        )


def decompose(old: FolderVocabulary, new: FolderVocabulary) -> list[list[int]]:
    """The old ids of each new piece, for ids from ``old.size``; empty where a piece cannot be cut."""
    unknown = old.vocabulary.special_ids["unk_id"]
    cut = []
    for number in range(old.size, new.size):
        spelling = new.spelling(number)
        tokens = old.model.tokenize(spelling) if spelling else []
        cut.append([token.id for token in tokens if token.id != unknown])
    return cut


def format_pieces(vocabulary: FolderVocabulary, ids: Sequence[int]) -> str:
    """Pieces as quoted text where they are whole characters, otherwise as bytes."""
    return " + ".join(_format_piece(vocabulary.vocabulary, number) for number in ids)


def _format_piece(vocabulary: Vocabulary, number: int) -> str:
    piece, content = vocabulary.pieces[number], vocabulary.contents[number]
    if piece.kind == BYTE or content is None:
        return piece.text
    try:
        return repr(content.decode("utf-8"))
    except UnicodeDecodeError:
        return " ".join(f"<0x{byte:02X}>" for byte in content)
