"""Builds units of input for tests and reads them."""

import types
from pathlib import Path

from megatron_ko.config.loading import Loaded
from preprocessing.readers.input_units import Unit, find_units
from preprocessing.readers.reading import read_unit

SEED = 1


def unit(path, name="in", part=None, root=None):
    label = str(Path(path).relative_to(root)) if root else str(path)
    return Unit(name, name, (Path(path),), (label,), (part,), root=root)


def units_of(item, hashes=None, name="in"):
    """The units of a configuration with one input."""
    return find_units(Loaded(types.SimpleNamespace(inputs={name: item}, seed=SEED), {}), hashes)  # type: ignore[arg-type]


def read(path, item, part=None, root=None):
    """``(rows, bad records)`` of one file."""
    return read_units([unit(path, part=part, root=root)], item)


def read_units(units, item):
    """``(rows, bad records)`` of units in their order."""
    bad = []
    rows = [
        row for one in units for batch in read_unit(one, item, bad.append, SEED) for row in batch.to_pylist()
    ]
    return rows, bad
