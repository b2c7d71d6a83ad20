"""What a step is given: the configuration, the output folder, and what it may ask of them.

Owns where shards lie and the lock of the output folder. Knows no step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.files import locked_folder
from preprocessing.files_found import KnownHashes, Unit, find_units
from preprocessing.markers import Marker, code_of
from preprocessing.schema import Config


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a step wrote, and the summary for its marker and the funnel."""

    outputs: list[Path]
    summary: dict[str, Any]


class Context:
    """One configuration and its output folder."""

    def __init__(self, loaded: Loaded[Config]):
        self.loaded = loaded
        self.config = loaded.config
        self.folder = Path(self.config.output.folder).expanduser()
        self._hashes = KnownHashes(self.folder / "steps" / "input_hashes.json")

    @functools.cached_property
    def units(self) -> list[Unit]:
        return find_units(self.loaded)

    def identity(self, unit: Unit) -> list[Any]:
        """Name, size and SHA-256 of each file of a unit."""
        found = [[label, *self._hashes.of(file)] for file, label in zip(unit.files, unit.labels)]
        return [unit.name, found]

    def save_hashes(self) -> None:
        self._hashes.save()

    def code(self, module: str) -> str:
        return code_of(module)

    def part(self, *names: str) -> list[Any]:
        return [self.as_data(getattr(self.config, name)) for name in names]

    @staticmethod
    def as_data(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: Context.as_data(item) for name, item in value.items()}
        return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]

    def summary_of(self, step: str) -> dict[str, Any]:
        """What an earlier step wrote into its marker. Raises DataError when it is not finished."""
        summary = Marker(self.folder, step).read()
        if summary is None:
            raise DataError(
                f"{self.folder}: step {step!r} is not finished; run 'python -m preprocessing {step} ...'"
            )
        return summary

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time; leftovers of a killed one are removed."""
        with locked_folder(self.folder):
            for leftover in self.folder.rglob(".*.tmp"):
                leftover.unlink()
            yield


def shard_paths(folder: Path, step: str, unit: str) -> tuple[Path, Path]:
    """Where a step keeps its result for a unit, and its dropped documents."""
    return folder / "steps" / step / f"{unit}.parquet", folder / "dropped" / f"{step}-{unit}.parquet"
