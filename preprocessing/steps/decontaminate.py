"""Step ``decontaminate``: finds documents that contain text of evaluation sets.

Owns the columns ``contaminated_ngrams`` (int32), ``contaminated_share`` (float32, share of the document's words),
``contaminated_set`` and ``contaminated_item`` (the item with the most shared n-grams); the report belongs to
``decontamination_report``. ``filter`` drops the whole document; cutting only the matched words would leave the question
around them. N-grams in very many documents are boilerplate: they are ignored and listed in the report. The method is that
of GPT-3 (arXiv:2005.14165, appendix C), with other lengths for Korean.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_ko.files import atomic_file, sha256_file
from preprocessing.config.scoring import DecontaminateConfig
from preprocessing.documents import new_shard, read_batches, utf8_buffer
from preprocessing.kernels import ngrams as kernels
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.scoring.decontamination_report import report_of, write
from preprocessing.scoring.evaluation_sets import Index, build
from preprocessing.scoring.training_text import existing_files

log = logging.getLogger(__name__)
STEP = "decontaminate"
VERSION = 1
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("contaminated_ngrams", pa.int32()),
        ("contaminated_share", pa.float32()),
        ("contaminated_set", pa.string()),
        ("contaminated_item", pa.string()),
    ]
)
HITS = pa.schema([(name, pa.int64()) for name in ("row", "ngram", "word", "words")])
MAX_EXAMPLES = 5
EXAMPLE_CHARACTERS = 300
INDEX, COMMON = "index/all", "common/all"


def run(context: Context) -> Outcome:
    """Indexes the sets, searches every unit, counts common n-grams, judges every unit, and writes the report."""
    config: DecontaminateConfig = context.config.decontaminate
    judging = ("max_documents", "min_ngrams", "min_share")
    indexing = {name: value for name, value in context.as_data(config).items() if name not in judging}
    context.finish(STEP, [Task(INDEX, index_sets, (), [indexing, set_keys(config)])], VERSION)
    above = [context.upstream(STEP, INDEX)]
    context.finish(
        STEP,
        [
            Task(
                f"hits/{unit.name}",
                search_unit,
                (n,),
                [*above, config.min_words, _text_key(context, n)],
                unit.size,
            )
            for n, unit in enumerate(context.units)
        ],
        VERSION,
    )
    hits = [context.upstream(STEP, f"hits/{unit.name}") for unit in context.units]
    context.finish(STEP, [Task(COMMON, find_common, (), [*above, hits, config.max_documents])], VERSION)
    above += [context.upstream(STEP, COMMON), config.max_documents]
    summaries = context.finish(
        STEP,
        [
            Task(unit.name, judge_unit, (n,), [above, hits[n], _text_key(context, n)])
            for n, unit in enumerate(context.units)
        ],
        VERSION,
    )
    context.finish(STEP, [Task("report/all", write_report, (summaries,), [above, hits, summaries])], VERSION)
    contaminated = sum(summary["contaminated"] for summary in summaries)
    outputs = [context.folder / "decontamination.json", context.folder / "decontamination.txt"]
    return Outcome(
        outputs, {"documents": sum(s["documents_in"] for s in summaries), "with_shared_ngrams": contaminated}
    )


def set_keys(config: DecontaminateConfig) -> dict[str, list[str]]:
    """SHA-256 of the files of each set. Raises DataError for a pattern that matches no file."""
    return {
        name: [sha256_file(path) for path in existing_files(item.paths)] for name, item in config.sets.items()
    }


def _text_key(context: Context, number: int) -> str:
    return context.upstream(context.text_step, context.units[number].name)


def index_sets(context: Context) -> Outcome:
    path = context.path(STEP, INDEX, ".npz")
    index = build(context.config.decontaminate)
    index.save(path)
    return Outcome([path], {"ngrams": len(index.keys), "items": len(index.identities)})


def write_report(context: Context, summaries: list[dict[str, Any]]) -> Outcome:
    hits = (_hits(context, unit.name) for unit in context.units)
    return Outcome(write(context.folder, report_of(_index(context), _common(context), hits, summaries)), {})


def _index(context: Context) -> Index:
    path = context.path(STEP, INDEX, ".npz")
    return _load(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _load(path: Path, modified_ns: int) -> Index:
    """Loaded once per process, with its tables."""
    return Index.load(path)


# --- searching -------------------------------------------------------------------------------------------


def search_unit(context: Context, number: int) -> Outcome:
    """Writes each occurrence of an n-gram of the index in a unit: row, n-gram, first word, words of the row."""
    unit = context.units[number]
    tables = _index(context).tables
    path = context.path(STEP, f"hits/{unit.name}")
    start = 0
    with new_shard(path, HITS) as shard:
        for batch in read_batches(context.documents_path(unit), ["text"]):
            matches = kernels.find_ngrams(
                *utf8_buffer(batch["text"]), context.config.decontaminate.min_words, *tables
            )
            matches[:, 0] += start
            shard.write(pa.RecordBatch.from_arrays([pa.array(column) for column in matches.T], schema=HITS))
            start += batch.num_rows
        hits = shard.rows
    return Outcome([path], {"documents_in": start, "documents_out": start, "hits": hits})


def _hits(context: Context, name: str) -> np.ndarray:
    """``[hits, 4] int64`` of a unit, columns as in HITS."""
    table = pq.read_table(context.path(STEP, f"hits/{name}"))
    return np.stack([table[column].to_numpy() for column in HITS.names], axis=1)


def find_common(context: Context) -> Outcome:
    """Counts the documents that contain each n-gram; n-grams above ``max_documents`` are ignored. Takes 8 bytes each."""
    index = _index(context)
    documents = np.zeros(len(index.keys), np.int64)
    for unit in context.units:
        pairs = np.unique(_hits(context, unit.name)[:, :2], axis=0)
        documents += np.bincount(pairs[:, 1], minlength=len(documents))
    path = context.path(STEP, COMMON, ".npy")
    with atomic_file(path) as file:
        np.save(file, documents)
    ignored = np.flatnonzero(documents > context.config.decontaminate.max_documents)
    if len(ignored):
        log.warning(
            "%s: %s n-grams occur in more than %s documents and are ignored",
            STEP,
            f"{len(ignored):,}",
            f"{context.config.decontaminate.max_documents:,}",
        )
    return Outcome([path], {"ignored": len(ignored)})


# --- judging ---------------------------------------------------------------------------------------------


def judge_unit(context: Context, number: int) -> Outcome:
    """Writes the columns of a unit; the summary has examples with their text."""
    unit = context.units[number]
    index = _index(context)
    common = _common(context)
    hits = _hits(context, unit.name)
    hits = hits[~common[hits[:, 1]]]
    path = context.path(STEP, unit.name)
    examples: dict[str, list[dict[str, Any]]] = {}
    start = contaminated = 0
    with new_shard(path, COLUMNS) as shard:
        for batch in read_batches(context.documents_path(unit), ["id", "text"]):
            first, last = np.searchsorted(hits[:, 0], [start, start + batch.num_rows])
            documents = list(_documents(hits[first:last], index, start))
            contaminated += len(documents)
            shard.write(_columns(batch["id"], documents, index))
            for document in documents:
                _add_example(examples, batch, document, index)
            start += batch.num_rows
    return Outcome(
        [path],
        {"documents_in": start, "documents_out": start, "contaminated": contaminated, "examples": examples},
    )


def _common(context: Context) -> np.ndarray:
    """``[n-grams] bool``: whether an n-gram is ignored."""
    return (
        np.load(context.path(STEP, COMMON, ".npy"), allow_pickle=False)
        > context.config.decontaminate.max_documents
    )


Document = dict[str, Any]


def _documents(hits: np.ndarray, index: Index, start: int) -> Iterator[Document]:
    """Rows with hits: number of n-grams, words they cover, the item with the most n-grams."""
    rows, begins = np.unique(hits[:, 0], return_index=True)
    for row, mine in zip(rows, np.split(hits, begins[1:])):
        covered = np.zeros(mine[0, 3], bool)
        for _, ngram, word, _ in mine:
            covered[word : word + index.lengths[ngram]] = True
        items = np.concatenate(
            [index.items[index.starts[n] : index.starts[n + 1]] for n in np.unique(mine[:, 1])]
        )
        yield {
            "row": int(row) - start,
            "ngrams": len(mine),
            "share": float(covered.mean()),
            "item": int(np.argmax(np.bincount(items))),
            "covered": covered,
        }


def _columns(ids: pa.Array, documents: list[Document], index: Index) -> pa.RecordBatch:
    ngrams, share = np.zeros(len(ids), np.int32), np.zeros(len(ids), np.float32)
    sets: list[str | None] = [None] * len(ids)
    items: list[str | None] = [None] * len(ids)
    for document in documents:
        row, item = document["row"], document["item"]
        ngrams[row], share[row] = document["ngrams"], document["share"]
        sets[row], items[row] = index.set_of(item), str(index.identities[item])
    arrays = [
        ids,
        pa.array(ngrams),
        pa.array(share),
        pa.array(sets, pa.string()),
        pa.array(items, pa.string()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=COLUMNS)


def _add_example(
    examples: dict[str, list[Document]], batch: pa.RecordBatch, document: Document, index: Index
) -> None:
    of_set = examples.setdefault(index.set_of(document["item"]), [])
    if len(of_set) < MAX_EXAMPLES:
        row = document["row"]
        of_set.append(
            {
                "id": batch["id"][row].as_py(),
                "item": str(index.identities[document["item"]]),
                "ngrams": document["ngrams"],
                "share": round(document["share"], 4),
                "text": matched_text(batch["text"][row].as_py(), document["covered"])[:EXAMPLE_CHARACTERS],
            }
        )


def matched_text(text: str, covered: np.ndarray) -> str:
    """The first run of covered words (``covered: [words] bool``), exactly as in the text."""
    data = text.encode("utf-8")
    spans = kernels.word_spans(np.frombuffer(data, np.uint8), np.array([0, len(data)], np.int64))
    first = int(np.argmax(covered))
    rest = np.flatnonzero(~covered[first:])
    last = first + int(rest[0]) if len(rest) else len(covered)
    return data[spans[first, 0] : spans[last - 1, 1]].decode("utf-8")
