"""The vocabulary of a tokenizer folder, and new pieces cut into old ones.

Owns the proof that one tokenizer extends another, and the decomposition. A piece is cut by the old *model* alone (its
merges, or its Unigram scores), never by the whole tokenizer: so no normalizer, dummy prefix, pre-tokenizer or special
token takes part, and pieces that are no whole UTF-8 characters (byte-level BPE) are cut like all others.
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

SHOWN = 8
"""Differences that an error lists."""


@dataclass(frozen=True)
class FolderVocabulary:
    """The vocabulary in the ``tokenizer.json`` of a folder, and the facts of that folder."""

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
        """The piece in the letters of the model; None where no text becomes it (special tokens, single bytes)."""
        piece = self.vocabulary.pieces[number]
        if piece.kind == USER_DEFINED:
            return self.vocabulary.spell(piece.text)
        return piece.text if piece.kind == NORMAL else None

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of text that each piece stands for, at least 1."""
        return [max(len(content or b""), 1) for content in self.vocabulary.contents]

    @cached_property
    def model(self) -> Any:
        """The model of the ``tokenizers`` library: ``tokenize(spelling)`` applies merges and nothing else."""
        import tokenizers

        path = self.folder / "tokenizer.json"
        try:
            return tokenizers.Tokenizer.from_file(str(path)).model
        except Exception as error:  # the library raises no narrower type
            raise DataError(
                f"{path}: the tokenizers library cannot read it ({error}); write it again"
            ) from None


def read_vocabulary(folder: Path) -> FolderVocabulary:
    """Of a tokenizer folder of ours or of Hugging Face. Raises DataError when it is missing or damaged."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such tokenizer folder; check the path")
    info = info_of(folder)
    assert info is not None
    if fingerprint_hf_folder(folder, info.fingerprint).fingerprint != info.fingerprint:
        raise DataError(
            f"{folder}: tokenizer.json is not the one that fingerprint.json was written for; write the folder again"
        )
    roles = (number for number in info.special_ids.values() if number is not None)
    content = read_json(folder / "tokenizer.json")
    plain = vocabulary_in(content, folder)
    special = [name for number in roles if (name := plain.names[number]) is not None]
    return FolderVocabulary(info, vocabulary_in(content, folder, special))


def check_extends(old: FolderVocabulary, new: FolderVocabulary) -> None:
    """Raises CheckpointError listing the first old ids whose piece is another one in ``new``."""
    count = old.size
    if new.size < count:
        raise CheckpointError(
            f"{new.folder}: has {new.size:,} tokens, the old tokenizer {old.folder} {count:,}; an extension keeps "
            "every old token (for a smaller vocabulary there is prune-vocab)"
        )
    differ = [(i, a, b) for i, (a, b) in enumerate(zip(old.names, new.names)) if a != b]
    lines = [f"  id {i}: {a!r} in the old one, {b!r} in the new one" for i, a, b in differ[:SHOWN]]
    lines += [f"  ... and {len(differ) - SHOWN:,} more"] if len(differ) > SHOWN else []
    roles = [
        f"  {role}: {number} in the old one, {new.info.special_ids[role]} in the new one"
        for role, number in old.info.special_ids.items()
        if number is not None and new.info.special_ids[role] != number
    ]
    if lines or roles:
        raise CheckpointError(
            f"{new.folder}: does not extend {old.folder}: ids of the old tokenizer must keep their meaning\n"
            + "\n".join([*lines, *roles])
            + "\nextend that tokenizer (extend-tokenizer, hybrid-tokenizer), or give the checkpoint it was extended from"
        )
    if old.byte_level != new.byte_level:
        raise CheckpointError(
            f"{new.folder} and {old.folder}: only one is byte-level, so their pieces are spelled in different letters; "
            "extend the old tokenizer itself"
        )


def decompose(old: FolderVocabulary, new: FolderVocabulary) -> list[list[int]]:
    """For every id of ``new`` after those of ``old`` the old ids it is cut into; empty where it cannot be cut."""
    unknown = old.vocabulary.special_ids["unk_id"]
    cut = []
    for number in range(old.size, new.size):
        spelling = new.spelling(number)
        tokens = old.model.tokenize(spelling) if spelling else []
        cut.append([token.id for token in tokens if token.id != unknown])
    return cut


def shown(vocabulary: FolderVocabulary, ids: Sequence[int]) -> str:
    """For people: pieces as text where they are whole characters."""
    return " + ".join(_surface(vocabulary.vocabulary, number) for number in ids)


def _surface(vocabulary: Vocabulary, number: int) -> str:
    piece, content = vocabulary.pieces[number], vocabulary.contents[number]
    if piece.kind == BYTE or content is None:
        return piece.text
    try:
        return repr(content.decode("utf-8"))
    except UnicodeDecodeError:
        return " ".join(f"<0x{byte:02X}>" for byte in content)
