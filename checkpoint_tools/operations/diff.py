"""Operation ``diff``: what differs between two models and how much, by kind of weight and by layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from checkpoint_tools import verify
from checkpoint_tools.formats.store import BLOCK, Store
from checkpoint_tools.options.comparison import Diff
from checkpoint_tools.prefetch import map_ahead
from megatron_ko.files import write_json
from megatron_ko.progress import progress_bytes
from megatron_ko.tables import format_table
from megatron_ko.wording import format_count

BAR = 40
_LAYER = re.compile(r"\.layers\.(\d+)\.")


@dataclass(frozen=True)
class Change:
    """Differences of one weight. ``square`` and ``base`` are sums of squares: of the difference, and of the first model.

    Of embeddings with another number of rows, the rows that both have are compared; of other shapes nothing is.
    """

    name: str
    largest: float
    square: float
    base: float
    note: str = ""
    compared: bool = True

    @property
    def layer(self) -> int | None:
        match = _LAYER.search(self.name)
        return int(match.group(1)) if match else None

    @property
    def kind(self) -> str:
        return _LAYER.sub(".layers.*.", self.name)


def relative(changes: Iterable[Change]) -> float:
    """Norm of the difference divided by the norm of the first model, over all of ``changes``."""
    changes = list(changes)
    square, base = sum(change.square for change in changes), sum(change.base for change in changes)
    return (square / base) ** 0.5 if base else float("inf") if square else 0.0


def run(options: Diff) -> int:
    a, b = verify.open_store(options.a), verify.open_store(options.b)
    changes = compare(a, b)
    settings = verify.compare_settings(a, b)
    missing = [name for name in a.names() if name not in b.entries]
    extra = [name for name in b.names() if name not in a.entries]
    print(f"first   {a.origin}\nsecond  {b.origin}\n")
    lines = [f"setting {text}" for text in settings]
    lines += [f"only in the first: {name}" for name in missing] + [
        f"only in the second: {name}" for name in extra
    ]
    lines += [f"{change.name}: {change.note}" for change in changes if change.note]
    if lines:
        print("\n".join([*lines, ""]))
    changed = [change for change in changes if change.square or change.note]
    if any(change.square for change in changed):
        print("\n".join([*_by_kind(changes), "", *_by_layer(changes), ""]))
    compared = [change for change in changes if change.compared]
    summary = f"{len(changed):,} of {format_count(len(changes), 'weight')} differ"
    if compared:
        largest = max(change.largest for change in compared)
        summary += f"; relative difference {relative(compared):.3g}, largest {largest:.3g}"
    if others := len(changes) - len(compared):
        summary += f"; {others:,} of another shape not compared"
    print(summary)
    if options.out is not None:
        write_json(Path(options.out).expanduser(), _report(a, b, changes, settings, missing, extra))
    return 0


def compare(a: Store, b: Store) -> list[Change]:
    """Differences of the weights that both have, in fp32, block by block."""
    shared = [name for name in a.names() if name in b.entries]
    names = progress_bytes(shared, "comparing", map(a.size, shared))
    pairs = map_ahead(lambda name: (a.tensor(name), b.tensor(name)), shared)
    return [
        _change(name, *pair, a.entries[name].weight.has_row_per_token)
        for name, pair in zip(names, pairs, strict=True)
    ]


def _change(name: str, x: Tensor, y: Tensor, by_token: bool) -> Change:
    note = ""
    if x.shape != y.shape:
        note = f"{'x'.join(map(str, x.shape))} / {'x'.join(map(str, y.shape))}"
        if x.shape[1:] != y.shape[1:] or not by_token:  # other rows are other channels
            return Change(name, 0.0, 0.0, 0.0, f"{note}: not compared", compared=False)
        rows = min(len(x), len(y))
        x, y, note = x[:rows], y[:rows], f"{note}: the first {rows:,} rows are compared"
    largest = square = base = 0.0
    for first, second in zip(x.reshape(-1).split(BLOCK), y.reshape(-1).split(BLOCK)):
        first, second = first.float(), second.float()
        difference = second - first
        difference[first == second] = 0.0
        largest = max(largest, float(difference.abs().max()))
        square += float(difference.double().square().sum())
        base += float(first.double().square().sum())
    return Change(name, largest, square, base, note)


def _by_kind(changes: list[Change]) -> list[str]:
    rows = [["weight", "tensors", "changed", "relative difference", "largest"]]
    for kind, members in _grouped(changes, lambda change: change.kind).items():
        changed = sum(bool(change.square) for change in members)
        largest = max(change.largest for change in members)
        rows.append([kind, str(len(members)), str(changed), f"{relative(members):.3g}", f"{largest:.3g}"])
    return format_table(rows)


def _by_layer(changes: list[Change]) -> list[str]:
    """A line and a bar for each layer, and for the weights outside layers."""
    groups = _grouped(changes, lambda c: "others" if c.layer is None else f"layer {c.layer}")
    values = {name: relative(members) for name, members in groups.items()}
    finite = [value for value in values.values() if value != float("inf")]
    highest, width = max(finite, default=0.0), max(map(len, values))
    return [
        f"{name:<{width}}  {value:<9.3g}{'█' * round(BAR * min(value / highest, 1.0) if highest else 0)}".rstrip()
        for name, value in values.items()
    ]


def _grouped(changes: list[Change], key: Callable[[Change], str]) -> dict[str, list[Change]]:
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(key(change), []).append(change)
    return groups


def _report(
    a: Store, b: Store, changes: list[Change], settings: list[str], missing: list[str], extra: list[str]
) -> dict[str, object]:
    weights = {c.name: {"relative": relative([c]), "largest": c.largest, "note": c.note} for c in changes}
    return {
        "a": a.origin, "b": b.origin, "relative": relative(changes), "settings": settings, "missing": missing,
        "extra": extra, "weights": weights,
    }  # fmt: skip
