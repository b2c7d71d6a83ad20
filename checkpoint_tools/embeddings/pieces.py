"""The pieces of a tokenizer folder, and new pieces cut into old ones.

Owns reading pieces and their kinds from ``tokenizer.json``, the proof that one tokenizer extends another, and the
decomposition. A piece is cut by the old *model* alone (its merges, or its Unigram scores), never by the whole tokenizer:
so no normaliser, dummy prefix, pre-tokenizer or special token takes part, and pieces that are no whole UTF-8
characters (byte-level BPE) are cut like all others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from checkpoint_tools.formats.tokenizer_files import info_of
from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.files import read_json
from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, fingerprint_hf_folder

BLANK = "\u2581"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
SHOWN = 8
"""Differences that an error lists."""


@dataclass(frozen=True)
class Vocabulary:
    """``pieces[id]`` as the files write them, None where an id is unused; ``added`` maps id to "is special"."""

    info: TokenizerInfo
    pieces: tuple[str | None, ...]
    added: dict[int, bool]
    content: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.info.folder

    @cached_property
    def byte_level(self) -> bool:
        """True for byte-level BPE, where a piece is spelled in 256 letters that stand for bytes."""
        parts = [self.content.get("pre_tokenizer"), self.content.get("decoder")]
        return '"ByteLevel"' in json.dumps(parts)

    @cached_property
    def _byte_pieces(self) -> bool:
        return bool(self.content["model"].get("byte_fallback"))

    def is_special(self, number: int) -> bool:
        """True for bos, eos, pad, unk and added tokens marked special: no text contains them."""
        return number in set(self.info.special_ids.values()) or self.added.get(number, False)

    def spelling(self, number: int) -> str | None:
        """The piece in the letters of the model; None where it has no text of its own (special tokens, single bytes)."""
        piece = self.pieces[number]
        if piece is None or self.is_special(number) or (self._byte_pieces and _BYTE.fullmatch(piece)):
            return None
        if number not in self.added:
            return piece
        if self.byte_level:
            return byte_alphabet.spelled(piece)
        return piece.replace(" ", BLANK)

    def size(self, number: int) -> int:
        """Bytes of text that the piece stands for, at least 1."""
        piece = self.pieces[number] or ""
        if number in self.added:
            return max(len(piece.encode()), 1)
        if self.byte_level:
            return max(len(piece), 1)
        if self._byte_pieces and _BYTE.fullmatch(piece):
            return 1
        return max(len(piece.replace(BLANK, " ").encode()), 1)

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


def read_vocabulary(folder: Path) -> Vocabulary:
    """Of a tokenizer folder of ours or of Hugging Face. Raises DataError when it is missing or damaged."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such tokenizer folder; check the path")
    info = info_of(folder)
    assert info is not None
    if fingerprint_hf_folder(folder, info.fingerprint).fingerprint != info.fingerprint:
        raise DataError(
            f"{folder}: tokenizer.json is not the one that fingerprint.json was written for; write the folder again"
        )
    content = read_json(folder / "tokenizer.json")
    vocab = content["model"]["vocab"]
    ids = dict(vocab) if isinstance(vocab, dict) else {item[0]: i for i, item in enumerate(vocab)}
    listed = content.get("added_tokens") or ()
    added = {token["id"]: bool(token.get("special")) for token in listed}
    ids.update({token["content"]: token["id"] for token in listed})
    pieces: list[str | None] = [None] * info.vocab_size
    for piece, number in ids.items():
        pieces[number] = piece
    return Vocabulary(info, tuple(pieces), added, content)


def check_extends(old: Vocabulary, new: Vocabulary) -> None:
    """Raises CheckpointError listing the first old ids whose piece is another one in ``new``."""
    count = len(old.pieces)
    if len(new.pieces) < count:
        raise CheckpointError(
            f"{new.folder}: has {len(new.pieces):,} tokens, the old tokenizer {old.folder} {count:,}; an extension keeps "
            "every old token (for a smaller vocabulary there is prune-vocab)"
        )
    differ = [(i, a, b) for i, (a, b) in enumerate(zip(old.pieces, new.pieces)) if a != b]
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


def decompose(old: Vocabulary, new: Vocabulary) -> list[list[int]]:
    """For every id of ``new`` after those of ``old`` the old ids it is cut into; empty where it cannot be cut."""
    unknown = old.info.unk_id
    if unknown is None and (token := old.content["model"].get("unk_token")) is not None:
        unknown = old.pieces.index(token)
    cut = []
    for number in range(len(old.pieces), len(new.pieces)):
        spelling = new.spelling(number)
        tokens = old.model.tokenize(spelling) if spelling else []
        cut.append([token.id for token in tokens if token.id != unknown])
    return cut


def shown(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    """For people: pieces as text where they are whole characters."""
    return " + ".join(_surface(vocabulary, number) for number in ids)


def _surface(vocabulary: Vocabulary, number: int) -> str:
    piece = vocabulary.pieces[number] or ""
    if vocabulary.byte_level and number not in vocabulary.added:
        text, raw = byte_alphabet.text_of(piece), byte_alphabet.bytes_of(piece)
        if text is not None:
            return repr(text)
        if raw is not None:
            return " ".join(f"<0x{byte:02X}>" for byte in raw)
    return piece if _BYTE.fullmatch(piece) else repr(piece.replace(BLANK, " "))
