"""Data sets of Hugging Face: saved folders without their library, data sets of the hub streamed through it.

No code of a data set is ever run.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from megatron_ko.errors import DataError, first_line
from preprocessing.config.inputs import HuggingfaceInput
from preprocessing.readers.bad_records import BadRecord, Quarantine, RecordError
from preprocessing.readers.fields import Fields, Row

SPLITS = ("train", "validation", "valid", "val", "dev", "test")


def local_files(folder: Path, split: str) -> list[Path]:
    """The .arrow and .parquet files of a split, in order. Raises DataError when the folder's index is damaged."""
    if folder.is_file():
        return [folder]
    if (folder / "dataset_dict.json").is_file():
        folder = folder / split
    state = folder / "state.json"
    if state.is_file():  # written by save_to_disk
        try:
            names = [
                entry["filename"] for entry in json.loads(state.read_text(encoding="utf-8"))["_data_files"]
            ]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{state}: names no data files; save the data set again") from None
        return [folder / name for name in names]
    files = sorted(
        path for path in folder.rglob("*") if path.suffix in (".arrow", ".parquet") and path.is_file()
    )
    named = {path: _split_of(str(path.relative_to(folder)), split) for path in files}
    if not any(named.values()):
        return files if split == "train" else []
    return [path for path in files if named[path] == split]


def _split_of(name: str, split: str) -> str | None:
    """The split a path names, as ``data/train-00000-of-00002.parquet`` does."""
    known = "|".join(map(re.escape, dict.fromkeys((split, *SPLITS))))
    match = re.search(rf"(?:^|[/_.-])({known})(?=[/_.-])", name)
    return match[1] if match else None


def read_from_hub(item: HuggingfaceInput, fields: Fields, quarantine: Quarantine) -> Iterator[Row]:
    """The documents of a data set of the hub. Raises DataError when it cannot be had."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise DataError(
            f"inputs: {item.path!r} is no folder here, and data sets of the hub need the library datasets; "
            "pip install 'megatron_ko[datasets]', or give a local folder"
        ) from None
    options = {}
    if "trust_remote_code" in inspect.signature(datasets.load_dataset).parameters:
        options["trust_remote_code"] = False
    try:
        records = datasets.load_dataset(
            item.path, item.configuration, split=item.split, revision=item.revision, streaming=True, **options
        )
        for number, record in enumerate(records, 1):
            try:
                yield fields.row(record, number)
            except RecordError as bad:
                raw = orjson.dumps(record, default=repr)
                quarantine(BadRecord(item.path, number, str(bad), raw))
    except (
        Exception
    ) as error:  # whatever the library and the network raise: the run stops, nothing is lost silently
        raise DataError(
            f"{item.path} ({item.split}, revision {item.revision}): cannot be streamed ({first_line(error)}); "
            "check name, configuration, split, revision and network, then run again"
        ) from error
