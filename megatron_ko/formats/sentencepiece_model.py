"""SentencePiece models (``tokenizer.model``): reads pieces and relevant options, and writes models with other pieces.

Owns the file, with the schema from the package sentencepiece (``sentencepiece_model_pb2``), which is imported only when
a model is read: protobuf takes 50 ms.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError, Problem
from megatron_ko.formats.vocabulary import BYTE, BYTE_PIECE, CONTROL, UNKNOWN, Piece, Spelling, Vocabulary

_ALGORITHMS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
LARGEST_CHARSMAP = 1 << 16  # bytes; that of nmt_nfkc has 240 kB
_FIELDS_OF_PIECES = attrgetter("piece", "score", "type")


@dataclass(frozen=True)
class SentencePieceModel:
    """A model and its options.

    ``dummy_prefix`` adds a blank before every text. ``removes_blanks`` reduces runs of blanks to one and removes those at
    both ends.
    """

    content: bytes
    vocabulary: Vocabulary
    byte_fallback: bool  # characters without a piece are encoded as bytes
    dummy_prefix: bool
    removes_blanks: bool
    escapes_blanks: bool  # blanks are written as U+2581
    blanks_behind: bool  # at the end of words instead of the beginning
    charsmap: bytes  # compiled replacements of the normalizer; empty if it has none


def read_model(content: bytes, where: Path | str) -> SentencePieceModel:
    """Raises DataError, which names ``where``, if the bytes are not a SentencePiece model."""
    proto = parse_model(content, where)
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    rows = list(map(_FIELDS_OF_PIECES, proto.pieces))
    texts, _, kinds = zip(*rows) if rows else ((), (), ())
    if problem := _problem_of(texts, kinds):
        raise _damaged(where, problem)
    if not (proto.HasField("trainer_spec") and proto.HasField("normalizer_spec")):
        # protobuf would fill in defaults, which are another tokenizer
        raise _damaged(where, "it ends after its pieces")
    special: dict[str, int | None] = {}
    for role in ("bos", "eos", "pad", "unk"):
        name, kind = getattr(trainer, f"{role}_piece"), UNKNOWN if role == "unk" else CONTROL
        number = texts.index(name) if name in texts else None
        special[f"{role}_id"] = number if number is not None and kinds[number] == kind else None
    pieces = list(map(functools.partial(tuple.__new__, Piece), rows))  # half the time of Piece(*row)
    algorithm = _ALGORITHMS.get(trainer.model_type, f"type {trainer.model_type}")
    return SentencePieceModel(
        content,
        Vocabulary(algorithm, pieces, Spelling(), special_ids=special),
        byte_fallback=trainer.byte_fallback,
        dummy_prefix=normalizer.add_dummy_prefix,
        removes_blanks=normalizer.remove_extra_whitespaces,
        escapes_blanks=normalizer.escape_whitespaces,
        blanks_behind=trainer.treat_whitespace_as_suffix,
        charsmap=normalizer.precompiled_charsmap,
    )


def _problem_of(texts: Sequence[str | bytes], kinds: Sequence[int]) -> str | None:
    for text, kind in zip(texts, kinds):
        if not isinstance(text, str):  # protobuf returns bytes for text that is not UTF-8
            return "a piece is not UTF-8"
        if not text:
            return "a piece is empty"
        if kind == BYTE and not BYTE_PIECE.fullmatch(text):
            return f"byte piece {text!r} is not one of <0x00> to <0xFF>"
    return None if texts else "it has no pieces"


def parse_model(content: bytes, where: Path | str) -> Any:
    """Returns the ``ModelProto``. Raises DataError if the bytes are not one."""
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    try:
        return sentencepiece_model_pb2.ModelProto.FromString(content)  # pyright: ignore[reportAttributeAccessIssue]
    except DecodeError as error:
        raise _damaged(where, str(error)) from None


def _damaged(where: Path | str, reason: str) -> DataError:
    message = f"is not a SentencePiece model or is damaged ({reason}); copy the file again"
    return DataError([Problem(str(where), "", message, "not-a-sentencepiece-model")])


def with_pieces(content: bytes, pieces: Iterable[Piece]) -> bytes:
    """Returns the model with these pieces and everything else unchanged.

    Leaves out the samples of its self-test: they contain old ids, and the schema does not define them.
    """
    from google.protobuf.any_pb2 import Any as Section

    old = parse_model(content, "the model")
    first, last = type(old)(), type(old)()
    for text, score, kind in pieces:
        first.pieces.add(piece=text, score=score, type=kind)
    for name in ("normalizer_spec", "denormalizer_spec"):
        if old.HasField(name):
            getattr(last, name).CopyFrom(getattr(old, name))
    trainer = b""
    if old.HasField("trainer_spec"):
        # concatenated bytes merge messages; the size comes last, so that the bytes of a model never change
        size = type(old.trainer_spec)(vocab_size=len(first.pieces))
        old.trainer_spec.ClearField("vocab_size")
        content = old.trainer_spec.SerializeToString() + size.SerializeToString()
        trainer = Section(value=content).SerializeToString()  # like trainer_spec, bytes in field 2
    return first.SerializeToString() + trainer + last.SerializeToString()


def without_dummy_prefix(content: bytes) -> bytes:
    """Returns the model without the blank before every text."""
    proto = parse_model(content, "the model")
    proto.normalizer_spec.add_dummy_prefix = False
    return proto.SerializeToString()


def replacements_of(charsmap: bytes) -> dict[str, str]:
    """Replacements of a compiled normalizer: a double array (Darts-clone) of keys, then texts that end with 0.

    Raises ValueError if it is damaged or larger than LARGEST_CHARSMAP (a general Unicode normalization).
    """
    if not charsmap:
        return {}
    if len(charsmap) > LARGEST_CHARSMAP:
        raise ValueError("normalizes text")
    try:
        return _read_charsmap(charsmap)
    except (IndexError, ValueError, struct.error):
        raise ValueError("has an unreadable normalizer") from None


def _read_charsmap(charsmap: bytes) -> dict[str, str]:
    (size,) = struct.unpack_from("<I", charsmap)
    units, texts = struct.unpack_from(f"<{size // 4}I", charsmap, 4), charsmap[4 + size :]
    rules: dict[str, str] = {}
    pending = [(0, b"")]
    while pending:
        node, key = pending.pop()
        unit = units[node]
        first = node ^ (unit >> 10) << ((unit & 1 << 9) >> 6)
        if key and unit & 1 << 8:
            begin = units[first] & 0x7FFFFFFF
            rules[key.decode("utf-8")] = texts[begin : texts.index(0, begin)].decode("utf-8")
        for byte in range(1, 256):
            if first ^ byte < len(units) and units[first ^ byte] & 0x800000FF == byte:
                pending.append((first ^ byte, key + bytes([byte])))
    return rules
