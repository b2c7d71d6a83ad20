"""Which weights train in a stage, and how many parameters they have: arithmetic over the table of weights.

Owns the meaning of the section ``trains``. ``megatron_ko.training.freezing`` applies it to a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.trains import TrainsConfig, numbers_of
from megatron_ko.planning.weights import Entry, Weight, input_weight, output_weight, stage_entries

Ranges = tuple[range, ...]


@dataclass(frozen=True)
class Selection:
    """What trains: layers by part, all norms, all biases, and rows of each embedding, sorted and disjoint."""

    attention: frozenset[int]
    mlp: frozenset[int]
    norms: bool
    biases: bool
    rows: dict[str, Ranges | None]
    """Rows by name of the weight: None is the whole matrix with its padding, an empty tuple nothing."""

    @staticmethod
    def of(
        trains: TrainsConfig, model: ModelConfig, vocab_size: int, old_vocab_size: int | None
    ) -> Selection:
        """The selection of ``trains`` in this model, after ``trains_problems`` found nothing."""
        layers = _layers(trains.layers, model.layers)
        rows = {input_weight().name: _rows(trains.embedding, vocab_size, old_vocab_size)}
        if not model.tied_embeddings:
            rows[output_weight(model).name] = _rows(trains.output, vocab_size, old_vocab_size)
        return Selection(
            attention=layers | _layers(trains.attention, model.layers),
            mlp=layers | _layers(trains.mlp, model.layers),
            norms=trains.norms,
            biases=trains.biases,
            rows=rows,
        )

    def trains(self, weight: Weight, layer: int | None) -> bool:
        """Whether the weight trains, at least some of its rows."""
        if weight.has_row_per_token and weight.name in self.rows:
            return self.rows[weight.name] != ()
        if (self.norms and weight.start == "ones") or (self.biases and weight.start == "zeros"):
            return True
        return layer is not None and layer in (self.mlp if _is_mlp(weight) else self.attention)

    def rows_of(self, weight: Weight) -> Ranges | None:
        """Rows that train, or None for all; only of weights that train."""
        return self.rows.get(weight.name) if weight.has_row_per_token else None

    def size_of(self, entry: Entry) -> int:
        """Parameters of ``entry`` that train."""
        if not self.trains(entry.weight, entry.layer):
            return 0
        rows = self.rows_of(entry.weight)
        return entry.size if rows is None else sum(map(len, rows)) * entry.shape[1]


def trainable_parameters(selection: Selection | None, model: ModelConfig, vocab_size: int) -> int:
    """Parameters that train, without padding; None selects everything."""
    entries = stage_entries(model, vocab_size, 0, 1)
    return sum(entry.size if selection is None else selection.size_of(entry) for entry in entries)


def trains_problems(
    trains: TrainsConfig, model: ModelConfig, old_vocab_size: int | None
) -> Iterator[tuple[str, str]]:
    """Yields ``(path below trains, message)`` for each field that does not fit the model."""
    for name in ("layers", "attention", "mlp"):
        highest = _highest(getattr(trains, name))
        if highest >= model.layers:
            message = f"layer {highest} does not exist: the model has layers 0 to {model.layers - 1}; correct the numbers"
            yield f".{name}", message
    for name in ("embedding", "output"):
        choice, highest = getattr(trains, name), _highest(getattr(trains, name))
        if choice in ("old", "new") and old_vocab_size is None:
            message = (
                f"{choice} needs training.old_vocab_size, the number of tokens before the extension; set it"
            )
            yield f".{name}", message
            return
        if model.vocab_size is not None and highest >= model.vocab_size:
            message = f"token {highest} does not exist: the vocabulary has {model.vocab_size:,} tokens; correct the ids"
            yield f".{name}", message
    if model.tied_embeddings and trains.output != "none":
        message = (
            f"{trains.output!r}: the embeddings are tied, so the output has no rows of its own; use embedding"
        )
        yield ".output", message
    vocab_size = model.vocab_size or 2**31
    if not trainable_parameters(Selection.of(trains, model, vocab_size, old_vocab_size), model, vocab_size):
        yield "", f"{describe(trains)} selects no weight of this model; name what trains"


def describe(trains: TrainsConfig | None) -> str:
    """The choice in a few words, such as ``embedding new, layers odd``."""
    if trains is None:
        return "everything"
    words = [f"{n} {_spell(getattr(trains, n))}" for n in _CHOICES if getattr(trains, n) != "none"]
    return ", ".join(words + [name for name in ("norms", "biases") if getattr(trains, name)]) or "nothing"


_CHOICES = ("embedding", "output", "layers", "attention", "mlp")


def _spell(choice: Any) -> str:
    return "+".join(map(str, choice)) if isinstance(choice, list) else str(choice)


def _highest(choice: Any) -> int:
    return max((item.stop - 1 for item in numbers_of(choice) or []), default=-1)


def _layers(choice: Any, count: int) -> frozenset[int]:
    words = {"all": range(count), "none": range(0), "odd": range(1, count, 2), "even": range(0, count, 2)}
    if isinstance(choice, str) and choice in words:
        return frozenset(words[choice])
    return frozenset(number for item in numbers_of(choice) or [] for number in item)


def _rows(choice: Any, vocab_size: int, old: int | None) -> Ranges | None:
    if choice == "all":
        return None
    if choice == "none":
        return ()
    if choice in ("old", "new"):
        border = min(old or 0, vocab_size)
        span = range(border) if choice == "old" else range(border, vocab_size)
        return (span,) if len(span) else ()
    merged: list[range] = []
    for item in numbers_of(choice) or []:
        if merged and item.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, item.stop))
        else:
            merged.append(item)
    return tuple(merged)


def _is_mlp(weight: Weight) -> bool:
    return ".mlp." in weight.name or ".post_attention_layernorm." in weight.name
