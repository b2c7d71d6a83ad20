"""Hugging Face data sets: saved folders are read directly, data sets of the Hub are streamed with the library ``datasets``.

Code that a data set contains never runs.
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
from preprocessing.readers.bad_records import Quarantine, RecordError
from preprocessing.readers.fields import Fields, Row

SPLITS = ("train", "validation", "valid", "val", "dev", "test")


def find_local_files(folder: Path, split: str) -> list[Path]:
    """The .arrow and .parquet files of a split, in order. Raises DataError when ``state.json`` is damaged."""
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
            raise DataError(
                f"{state}: does not list the data files; save the data set again", rule="damaged-state-file"
            ) from None
        return [folder / name for name in names]
    files = sorted(
        path for path in folder.rglob("*") if path.suffix in (".arrow", ".parquet") and path.is_file()
    )
    splits = {path: _split_of(str(path.relative_to(folder)), split) for path in files}
    if not any(splits.values()):
        return files if split == "train" else []
    return [path for path in files if splits[path] == split]


def _split_of(name: str, split: str) -> str | None:
    """The split in the name of a path, such as ``data/train-00000-of-00002.parquet``."""
    known = "|".join(map(re.escape, dict.fromkeys((split, *SPLITS))))
    match = re.search(rf"(?:^|[/_.-])({known})(?=[/_.-])", name)
    return match[1] if match else None


def read_from_hub(item: HuggingfaceInput, fields: Fields, quarantine: Quarantine) -> Iterator[Row]:
    """The documents of a data set of the Hub. Raises DataError when it cannot be streamed."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise DataError(
            f"inputs: {item.path!r} is not a local folder, and data sets of the Hub need the library datasets; "
            "pip install 'megatron_ko[datasets]', or set path to a local folder",
            rule="missing-library",
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
            except RecordError as error:
                quarantine(error.record(item.path, number, orjson.dumps(record, default=repr)))
    except Exception as error:  # the library and the network raise errors of any class
        raise DataError(
            f"{item.path} ({item.split}, revision {item.revision}): cannot be streamed ({first_line(error)}); "
            "check name, configuration, split, revision and network, then run again",
            rule="unreadable-dataset",
        ) from error
