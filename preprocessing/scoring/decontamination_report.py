"""Reports the search for evaluation sets: ``decontamination.json`` and, for people, ``decontamination.txt``.

Owns the numbers per evaluation set (items found, documents that contain them, ignored n-grams) and their table.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.files import write_json, write_text
from preprocessing.scoring.evaluation_sets import Index

MAX_EXAMPLES = 5


def report_of(
    index: Index, common: np.ndarray, hits: Iterable[np.ndarray], summaries: list[dict[str, Any]]
) -> dict[str, Any]:
    """``common`` [n-grams] bool: ignored n-grams; ``hits``: results of ``kernels.ngrams.find_ngrams``, one per task."""
    documents = np.zeros(len(index.set_names), np.int64)
    occurs = np.zeros(len(common), bool)
    for task_hits in hits:
        counted = task_hits[~common[task_hits[:, 1]]]
        occurs[counted[:, 1]] = True
        documents += _documents_by_set(index, counted)
    items = np.unique(index.items[np.repeat(occurs, np.diff(index.starts))])
    return {
        "sets": {
            str(name): {
                "items": int(np.count_nonzero(index.item_sets == number)),
                "items_searched": int(index.searched[number]),
                "texts_too_short": int(index.too_short[number]),
                "items_found": int(np.count_nonzero(index.item_sets[items] == number)),
                "documents": int(documents[number]),
                "ngrams_ignored": _count_ignored(index, common, number),
                "examples": _examples(summaries, str(name)),
            }
            for number, name in enumerate(index.set_names)
        }
    }


def _documents_by_set(index: Index, hits: np.ndarray) -> np.ndarray:
    """``[sets]``: number of documents with an n-gram of each set."""
    pairs = np.unique(hits[:, :2], axis=0)
    counts = np.diff(index.starts)[pairs[:, 1]]
    rows = np.repeat(pairs[:, 0], counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    sets = index.item_sets[index.items[np.repeat(index.starts[pairs[:, 1]], counts) + within]]
    distinct = np.unique(np.stack([rows, sets], axis=1), axis=0)
    return np.bincount(distinct[:, 1], minlength=len(index.set_names))


def _count_ignored(index: Index, common: np.ndarray, number: int) -> dict[str, Any]:
    """The number of n-grams of a set that are too common, and some items that contain them."""
    mine = np.repeat(common, np.diff(index.starts)) & (index.item_sets[index.items] == number)
    ngrams = np.repeat(np.arange(len(common)), np.diff(index.starts))[mine]
    items = np.unique(index.items[mine])[:MAX_EXAMPLES]
    return {"count": len(np.unique(ngrams)), "items": [str(index.identities[item]) for item in items]}


def _examples(summaries: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [example for summary in summaries for example in summary["examples"].get(name, [])][:MAX_EXAMPLES]


def write(folder: Path, data: dict[str, Any]) -> list[Path]:
    paths = [folder / "decontamination.json", folder / "decontamination.txt"]
    write_json(paths[0], data)
    write_text(paths[1], as_text(data))
    return paths


def as_text(data: dict[str, Any]) -> str:
    """The table for people, followed by examples."""
    rows: list[tuple[str, ...]] = [("set", "items", "searched", "found", "documents", "ignored n-grams")]
    for name, entry in data["sets"].items():
        numbers = (entry["items"], entry["items_searched"], entry["items_found"], entry["documents"])
        rows.append((name, *(f"{number:,}" for number in numbers), f"{entry['ngrams_ignored']['count']:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    for name, entry in data["sets"].items():
        for example in entry["examples"]:
            lines += [
                "",
                f"{name} {example['item']} in {example['id']} ({example['ngrams']} n-grams, {example['share']:.0%})",
            ]
            lines.append(f"  {example['text']}")
    return "\n".join(lines) + "\n"
