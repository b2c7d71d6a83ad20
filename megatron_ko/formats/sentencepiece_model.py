"""SentencePiece models (``tokenizer.model``): read as a Vocabulary with the options that matter, written with other pieces.

Owns the file, by the schema that the package sentencepiece brings (``sentencepiece_model_pb2``). It is imported when a
model is read: protobuf costs 50 ms.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.formats.vocabulary import BYTE, BYTE_PIECE, CONTROL, UNKNOWN, Piece, Spelling, Vocabulary

_ALGORITHMS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
LARGEST_CHARSMAP = 1 << 16  # that of nmt_nfkc has 240 kB
_FIELDS_OF_PIECES = attrgetter("piece", "score", "type")


@dataclass(frozen=True)
class SentencePieceModel:
    """``dummy_prefix``: a blank goes before every text; ``removes_blanks``: runs of blanks become one, outer ones none."""

    content: bytes
    vocabulary: Vocabulary
    byte_fallback: bool  # characters without a piece become bytes
    dummy_prefix: bool
    removes_blanks: bool
    escapes_blanks: bool  # blanks are written as U+2581
    blanks_behind: bool  # at the end of words, not at the beginning
    charsmap: bytes  # what the normalizer replaces, compiled; empty for nothing


def read_model(content: bytes, place: Path | str) -> SentencePieceModel:
    """Raises DataError when the bytes are not a SentencePiece model; ``place`` is for that message."""
    proto = parsed(content, place)
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    rows = list(map(_FIELDS_OF_PIECES, proto.pieces))
    texts, _, kinds = zip(*rows) if rows else ((), (), ())
    if problem := _problem_of(texts, kinds):
        raise _damaged(place, problem)
    if not (proto.HasField("trainer_spec") and proto.HasField("normalizer_spec")):
        raise _damaged(place, "it ends after its pieces")  # defaults of protobuf would be another tokenizer
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
        if not isinstance(text, str):  # protobuf gives bytes where the text is not UTF-8
            return "a piece is not UTF-8"
        if not text:
            return "a piece is empty"
        if kind == BYTE and not BYTE_PIECE.fullmatch(text):
            return f"the byte piece {text!r} is not written as <0x00> to <0xFF>"
    return None if texts else "it has no pieces"


def parsed(content: bytes, place: Path | str) -> Any:
    """The ``ModelProto``. Raises DataError when the bytes are none."""
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    try:
        return sentencepiece_model_pb2.ModelProto.FromString(content)  # pyright: ignore[reportAttributeAccessIssue]
    except DecodeError as error:
        raise _damaged(place, str(error)) from None


def _damaged(place: Path | str, reason: str) -> DataError:
    return DataError(f"{place}: is not a SentencePiece model, or damaged ({reason}); copy it again")


def with_pieces(content: bytes, pieces: Iterable[Piece]) -> bytes:
    """The model with these pieces; everything else is kept.

    Samples of its self-test name old ids and are left out: the schema does not know them.
    """
    from google.protobuf.any_pb2 import Any as Section

    old = parsed(content, "the model")
    first, last = type(old)(), type(old)()
    for text, score, kind in pieces:
        first.pieces.add(piece=text, score=score, type=kind)
    for name in ("normalizer_spec", "denormalizer_spec"):
        if old.HasField(name):
            getattr(last, name).CopyFrom(getattr(old, name))
    trainer = b""
    if old.HasField("trainer_spec"):
        # messages are merged by joining their bytes; the size goes last, so that a model has the same bytes as ever
        size = type(old.trainer_spec)(vocab_size=len(first.pieces))
        old.trainer_spec.ClearField("vocab_size")
        content = old.trainer_spec.SerializeToString() + size.SerializeToString()
        trainer = Section(value=content).SerializeToString()  # like trainer_spec, bytes in field 2
    return first.SerializeToString() + trainer + last.SerializeToString()


def without_dummy_prefix(content: bytes) -> bytes:
    """The model that puts no blank before a text."""
    proto = parsed(content, "the model")
    proto.normalizer_spec.add_dummy_prefix = False
    return proto.SerializeToString()


def replacements_of(charsmap: bytes) -> dict[str, str]:
    """What a compiled normalizer replaces by what: a double array (Darts-clone) of keys, then texts that end with 0.

    Raises ValueError when it is damaged, or has so many rules that nobody here would use them.
    """
    if not charsmap:
        return {}
    if len(charsmap) > LARGEST_CHARSMAP:
        raise ValueError("normalises text")
    try:
        return _read_charsmap(charsmap)
    except (IndexError, ValueError, struct.error):
        raise ValueError("has a normaliser that cannot be read") from None


def _read_charsmap(charsmap: bytes) -> dict[str, str]:
    (size,) = struct.unpack_from("<I", charsmap)
    units, texts = struct.unpack_from(f"<{size // 4}I", charsmap, 4), charsmap[4 + size :]
    rules: dict[str, str] = {}
    todo = [(0, b"")]
    while todo:
        node, key = todo.pop()
        unit = units[node]
        first = node ^ (unit >> 10) << ((unit & 1 << 9) >> 6)
        if key and unit & 1 << 8:
            begin = units[first] & 0x7FFFFFFF
            rules[key.decode("utf-8")] = texts[begin : texts.index(0, begin)].decode("utf-8")
        for byte in range(1, 256):
            if first ^ byte < len(units) and units[first ^ byte] & 0x800000FF == byte:
                todo.append((first ^ byte, key + bytes([byte])))
    return rules
