"""Compiles what the steps compile, at import: worker processes forked afterwards have it already.

Owns nothing else. Importing it costs seconds on a machine that never ran the kernels, tenths of a second later.
"""

from __future__ import annotations

import pyarrow as pa

from preprocessing.clean import clean_batch
from preprocessing.documents import DOCUMENT
from preprocessing.duplicates.signatures import sign
from preprocessing.measure import measure_batch
from preprocessing.sections.cleaning import CleanConfig
from preprocessing.sections.deduplication import DeduplicateConfig

_ROWS = [
    {"id": "1", "text": "두루미는 겨울에 철원 들판으로 날아온다ㅋㅋㅋㅋ. 카톡 hong@example.com", "source": "a", "lang": "ko", "meta": "{}"},
    {"id": "2", "text": "def f(x):\n    return x  # the same\n", "source": "a", "lang": "code", "meta": "{}"},
    {"id": "3", "text": "The crane lands on the frozen rice field.", "source": "a", "lang": "", "meta": "{}"},
]  # fmt: skip


def _compile() -> None:
    batch = pa.RecordBatch.from_pylist(_ROWS, schema=DOCUMENT)
    cleaned, _, _ = clean_batch(batch, CleanConfig())
    measure_batch(cleaned)
    sign(cleaned["text"], DeduplicateConfig(), 0)


_compile()
