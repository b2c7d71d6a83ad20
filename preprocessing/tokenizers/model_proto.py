"""A SentencePiece ``.model`` as its pieces and the settings that decide about ids.

Owns the reading of the file: no package for protocol buffers is needed, and the Python interface of SentencePiece says
neither which pieces are user symbols nor how text is changed. Field numbers: sentencepiece_model.proto of SentencePiece.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from megatron_ko.errors import DataError
from preprocessing.kernels import bpe_build
from preprocessing.kernels.utf8 import are_utf8

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BPE = 2
_PIECE, _TRAINER, _NORMALIZER = 1, 2, 3


@dataclass(frozen=True)
class ModelProto:
    """Piece i, in the order of ids, is ``data[begins[i]:ends[i]]``."""

    data: np.ndarray  # uint8
    begins: np.ndarray  # [pieces] int64
    ends: np.ndarray
    scores: np.ndarray  # [pieces] float32
    kinds: np.ndarray  # [pieces] int64
    type: int
    byte_fallback: bool
    blank_behind: bool  # treat_whitespace_as_suffix
    charsmap: bytes  # what the normaliser replaces, compiled; empty for nothing
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool

    def piece(self, number: int) -> str:
        return self.data[self.begins[number] : self.ends[number]].tobytes().decode("utf-8")


def read_model(content: bytes, name: str) -> ModelProto:
    """Raises DataError when the bytes are not a model."""
    data = np.frombuffer(content + bytes(8), np.uint8)
    fields = bpe_build.read_fields(data, 0, len(content))
    begins, ends, scores, kinds = bpe_build.read_pieces(
        data, np.ascontiguousarray(fields[fields[:, 0] == _PIECE, 2:])
    )
    whole = len(begins) and (fields[:, 0] >= 0).all() and (kinds >= 0).all() and are_utf8(data, begins, ends)
    settings = {
        number: _settings(content, data, begin, end)
        for number, _, begin, end in fields[np.isin(fields[:, 0], (_TRAINER, _NORMALIZER))].tolist()
    }
    trainer, normalizer = settings.get(_TRAINER, {}), settings.get(_NORMALIZER, {})
    charsmap = normalizer.get(2, b"")
    if not whole or not isinstance(charsmap, bytes):
        raise DataError(f"{name}: not a whole SentencePiece model; write it again")
    return ModelProto(
        data,
        begins,
        ends,
        scores.view(np.float32),
        kinds,
        type=int(trainer.get(3, 1)),
        byte_fallback=bool(trainer.get(35, 0)),
        blank_behind=bool(trainer.get(24, 0)),
        charsmap=charsmap,
        add_dummy_prefix=bool(normalizer.get(3, 1)),
        remove_extra_whitespaces=bool(normalizer.get(4, 1)),
        escape_whitespaces=bool(normalizer.get(5, 1)),
    )


def _settings(content: bytes, data: np.ndarray, begin: int, end: int) -> dict[int, int | bytes]:
    """Fields of a message: numbers as they are, everything else as bytes; the last one of each number."""
    found: dict[int, int | bytes] = {}
    for number, wire, first, last in bpe_build.read_fields(data, begin, end).tolist():
        value = content[first:last]
        found[number] = sum((byte & 127) << 7 * i for i, byte in enumerate(value)) if wire == 0 else value
    return found


def charsmap_rules(charsmap: bytes) -> dict[str, str]:
    """What a compiled normaliser replaces by what: a double array (Darts-clone) of keys, then texts that end with 0."""
    if not charsmap:
        return {}
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
