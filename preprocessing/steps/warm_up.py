"""Compiles what the steps compile, at import: worker processes forked afterwards have it already.

Owns nothing else. Importing it costs seconds on a machine that never ran the kernels, tenths of a second later.
"""

from __future__ import annotations

import gc

import pyarrow as pa

import preprocessing.running.context  # noqa: F401 - or each worker imports it
from megatron_ko.formats.sentencepiece_model import SentencePieceModel
from megatron_ko.formats.vocabulary import BYTE, Piece, Spelling, Vocabulary
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.config.inputs import JsonlInput
from preprocessing.documents import DOCUMENT
from preprocessing.duplicates.signatures import sign
from preprocessing.readers.fields import Fields
from preprocessing.readers.json_columns import JsonColumns
from preprocessing.steps import encode  # noqa: F401 - or each worker imports it
from preprocessing.steps.clean import clean_batch
from preprocessing.steps.measure import measure_batch
from preprocessing.tokenizers import bpe_tables
from preprocessing.tokenizers.bpe_encoder import BpeEncoder

_ROWS = [
    {"id": "1", "text": "두루미는 겨울에 철원 들판으로 날아온다ㅋㅋㅋㅋ. 카톡 hong@example.com", "source": "a", "lang": "ko", "meta": "{}"},
    {"id": "2", "text": "def f(x):\n    return x  # the same\n", "source": "a", "lang": "code", "meta": "{}"},
    {"id": "3", "text": "The crane lands on the frozen rice field.", "source": "a", "lang": "", "meta": "{}"},
]  # fmt: skip


def _compile() -> None:
    lines = JsonlInput(type="jsonl", paths=["a"], lang="ko")
    JsonColumns(lines, Fields(lines, "a", "a", 0, 100), 100).read(b'{"text": "a"}\n', 1)
    batch = pa.RecordBatch.from_pylist(_ROWS, schema=DOCUMENT)
    cleaned, _, _ = clean_batch(batch, CleanConfig())
    measure_batch(cleaned)
    sign(cleaned["text"], DeduplicateConfig(), 0)
    BpeEncoder.from_tables(bpe_tables.tables_of(_model())).encode_column(cleaned["text"])


def _model() -> SentencePieceModel:
    """Of the bytes and a few pieces."""
    pieces = [Piece(f"<0x{byte:02X}>", kind=BYTE) for byte in range(256)]
    pieces += map(Piece, ("\u2581", "a", "b", "ab"))
    return SentencePieceModel(
        content=b"",
        vocabulary=Vocabulary("bpe", pieces, Spelling()),
        byte_fallback=True,
        dummy_prefix=False,
        removes_blanks=False,
        escapes_blanks=True,
        blanks_behind=False,
        charsmap=b"",
    )


_compile()
gc.collect()
gc.freeze()  # or the first collection of each worker walks all of this, and copies its pages
