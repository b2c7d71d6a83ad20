"""The table of the example: bits per byte of each language before, after the expansion, and after the training.

Owns its arithmetic. All numbers are validations of the trainer over whole validation sets:

    bits per byte = loss / ln 2 * tokens / bytes

``loss`` is the mean over all tokens of the set in nats, with the token that ends each document; ``tokens`` counts them with the
tokenizer of the model, ``bytes`` is the UTF-8 size of the text. All rows are about the same documents, so tokenizers compare.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import read_json, write_json, write_text
from megatron_ko.tables import format_table

LANGUAGES = {"en": "English", "ko": "Korean"}


@dataclass(frozen=True)
class Row:
    """A model and its tokenizer: ``bits_per_byte`` and ``bytes_per_token`` of the validation sets by name."""

    name: str
    bits_per_byte: dict[str, float]
    bytes_per_token: dict[str, float]


def summarize(runs: Path) -> str:
    """Writes ``results.json`` and ``results.md`` into ``runs`` and returns the text to print."""
    rows = rows_of(runs)
    base, last = rows[0].bits_per_byte, rows[-1].bits_per_byte
    changes = {name: last[name] - base[name] for name in base}
    text = "\n".join(
        [
            "bits per byte of the validation text, lower is better:",
            "",
            *format_table(_cells(rows)),
            "",
            *(
                f"{LANGUAGES.get(name, name)}: {change:+.3f} bits per byte"
                for name, change in changes.items()
            ),
        ]
    )
    write_json(runs / "results.json", {"rows": [vars(row) for row in rows], "changes": changes})
    write_text(runs / "results.md", f"```\n{text}\n```\n")
    return f"\n{text}\n\nwrote {runs / 'results.md'} and results.json"


def rows_of(runs: Path) -> list[Row]:
    """Base, expanded and continued model. Raises DataError if their validation texts differ."""
    old, new = (_validation_sets(runs / name / "manifest.json") for name in ("base_data", "data"))
    expansion = read_json(runs / "expanded" / "expansion.json")
    base, continued = (_validations(runs / name) for name in ("base", "train"))
    _check_same_text(old, new)
    expanded = f"with {expansion['new_tokens']:,} new tokens ({expansion['init']})"
    trained = f"after {continued[-1]['step']:,} steps"
    return [
        Row("the base", base[-1]["bits_per_byte"], _bytes_per_token(old)),
        Row(expanded, continued[0]["bits_per_byte"], _bytes_per_token(new)),
        Row(trained, continued[-1]["bits_per_byte"], _bytes_per_token(new)),
    ]


def _validations(run: Path) -> list[dict[str, Any]]:
    """The validations of a run; for a run that starts from weights the first is before the first step."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == "valid"]


def _validation_sets(manifest: Path) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in read_json(manifest)["sets"] if item["split"] == "valid"}


def _bytes_per_token(sets: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {name: item["text_bytes"] / item["tokens"] for name, item in sets.items()}


def _check_same_text(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> None:
    texts = [
        {name: (item["documents"], item["text_bytes"]) for name, item in sets.items()} for sets in (old, new)
    ]
    if texts[0] != texts[1]:
        raise DataError(
            f"validation texts differ: {texts[0]} (documents, bytes) for the base, {texts[1]} for the continued model; run both "
            "pipelines with the same inputs",
            rule="other-validation-text",
        )


def _cells(rows: list[Row]) -> list[tuple[str, ...]]:
    names = list(rows[0].bits_per_byte)
    titles = [LANGUAGES.get(name, name) for name in names]
    header = ("model", *titles, *(f"bytes/token\n{title}" for title in titles))
    return [
        header,
        *(
            (
                row.name,
                *(f"{row.bits_per_byte[name]:.3f}" for name in names),
                *(f"{row.bytes_per_token[name]:.2f}" for name in names),
            )
            for row in rows
        ),
    ]
