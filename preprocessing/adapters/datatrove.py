"""Cleaning and filtering as one step of a datatrove pipeline.

Owns the conversion between datatrove's documents and record batches: documents are gathered into batches, processed like
in ``mko data``, and returned in order. Readers, writers and executors remain datatrove's; deduplication of the whole
corpus is not included. Requires datatrove (extra ``[datatrove]``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.batching import batched

from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.rules import FilterConfig
from preprocessing.documents import DOCUMENT
from preprocessing.judging import rules
from preprocessing.steps.clean import clean_batch
from preprocessing.steps.measure import measure_batch


class CleanAndFilter(PipelineStep):
    """Normalizes text, masks personal data and drops documents by rule; ``lang`` is a language or ``detect``.

    Kept documents have ``metadata["language"]``. Dropped documents are counted by reason and, if there is an
    ``exclusion_writer``, written to it with ``metadata["filter_reason"]``.
    """

    name = "megatron_ko: clean and filter"
    type = "FILTER"

    def __init__(
        self,
        clean: CleanConfig | None = None,
        filter: FilterConfig | None = None,
        *,
        lang: str = "detect",
        source: str = "datatrove",
        markup: str = "none",
        batch_documents: int = 2048,
        exclusion_writer: Any = None,
    ):
        super().__init__()
        self.clean, self.filter = clean or CleanConfig(), filter or FilterConfig()
        self.lang, self.source, self.markup = lang, source, markup
        self.batch_documents, self.exclusion_writer = batch_documents, exclusion_writer

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        with self.exclusion_writer or contextlib.nullcontext() as writer:
            for documents in batched(data, self.batch_documents):
                with self.track_time("batch"):
                    texts, langs, reasons = self._judge(documents)
                for document, text, lang, reason in zip(documents, texts, langs, reasons):
                    self.stat_update("total")
                    document.text = text
                    document.metadata["language"] = lang
                    if reason is None:
                        self.stat_update("forwarded")
                        self.update_doc_stats(document)
                        yield document
                        continue
                    self.stat_update("dropped", f"dropped_{reason}")
                    if writer is not None:
                        document.metadata["filter_reason"] = reason
                        writer.write(document, rank)

    def _judge(self, documents: list[Document]) -> tuple[list[str], list[str], list[str | None]]:
        cleaned, _, _ = clean_batch(self._batch(documents), self.clean, self.markup)
        reasons = rules.find_reasons(measure_batch(cleaned), self.filter)
        return cleaned["text"].to_pylist(), cleaned["lang"].to_pylist(), list(reasons)

    def _batch(self, documents: list[Document]) -> pa.RecordBatch:
        rows = len(documents)
        columns: list[list[str]] = [
            [document.id for document in documents],
            [document.text for document in documents],
            [self.source] * rows,
            ["" if self.lang == "detect" else self.lang] * rows,
            [orjson.dumps(_facts(document)).decode() for document in documents],
        ]
        return pa.RecordBatch.from_arrays(
            [pa.array(values, field.type) for values, field in zip(columns, DOCUMENT)], schema=DOCUMENT
        )


def _facts(document: Document) -> dict[str, Any]:
    """The part of the metadata that measures read."""
    known = {"file": document.metadata.get("file_path"), "url": document.metadata.get("url")}
    return {name: str(value) for name, value in known.items() if value is not None}
