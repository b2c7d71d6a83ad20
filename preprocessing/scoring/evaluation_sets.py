"""Builds an n-gram index of evaluation sets.

Owns reading the items, the choice of their n-grams, and the index file. Words are those of ``kernels.shingles``. A text
contributes all its sequences of n words; a shorter text is one sequence, and a text with fewer than ``min_words`` words
is not searched, since ordinary text contains it too. For the same reason, sequences of one repeated word or of numbers
only are left out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import atomic_file
from preprocessing.config.scoring import DecontaminateConfig, EvaluationSet
from preprocessing.kernels import ngrams as kernels
from preprocessing.kernels.tables import new_table
from preprocessing.scoring.training_text import existing_files, lines_of, records_of

HANGUL, DIGITS = 1, 3


@dataclass(frozen=True)
class Item:
    """One question of an evaluation set."""

    set_name: str
    identity: str
    texts: list[str]


def items_of(config: DecontaminateConfig) -> Iterator[Item]:
    """Every item in the order of the configuration. Raises DataError for an empty set or a missing field."""
    for name, evaluation in config.sets.items():
        empty = True
        missing = set(evaluation.fields)
        for item, present in _items(name, evaluation):
            empty = False
            missing -= present
            yield item
        if empty:
            raise DataError(
                f"decontaminate.sets.{name}: {', '.join(evaluation.paths)} contains no item; check the files",
                rule="empty-evaluation-set",
            )
        if missing:
            raise DataError(
                f"decontaminate.sets.{name}: no item has text in the field {', '.join(sorted(missing))}; correct 'fields'",
                rule="missing-field",
            )


def _items(name: str, evaluation: EvaluationSet) -> Iterator[tuple[Item, set[str]]]:
    """Items, and the fields in which each has text."""
    for path in existing_files(evaluation.paths):
        if evaluation.format == "txt":
            for number, line in lines_of(path):
                yield Item(name, f"{path.name}:{number}", [line]), set()
            continue
        fields = [*evaluation.fields, *([evaluation.id_field] if evaluation.id_field else [])]
        for number, record in records_of(path, evaluation.format, fields):
            texts = {field: list(_texts(record.get(field))) for field in evaluation.fields}
            identity = record.get(evaluation.id_field) if evaluation.id_field else f"{path.name}:{number}"
            if identity is None:
                message = f"has no {evaluation.id_field!r}; correct id_field of decontaminate.sets.{name}"
                raise DataError([Problem(f"{path}:{number}", "", message, "missing-field")])
            present = {field for field, values in texts.items() if values}
            yield Item(name, str(identity), [text for values in texts.values() for text in values]), present


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)


@dataclass(frozen=True)
class Index:
    """N-gram ``i`` has the key ``keys[i]`` and ``lengths[i]`` words; it occurs in ``items[starts[i]:starts[i + 1]]``.

    ``item_sets`` and ``identities`` are by item; ``set_names``, ``searched`` (items) and ``too_short`` (texts) by set.
    """

    keys: np.ndarray
    lengths: np.ndarray
    anchors: np.ndarray  # key of its first words
    items: np.ndarray
    starts: np.ndarray
    item_sets: np.ndarray
    identities: np.ndarray
    set_names: np.ndarray
    searched: np.ndarray
    too_short: np.ndarray

    @functools.cached_property
    def tables(self) -> tuple[np.ndarray, ...]:
        """The tables of ``kernels.find_ngrams``."""
        anchors, of = np.unique(self.anchors, return_inverse=True)
        lengths = np.zeros(len(anchors), np.uint64)
        np.bitwise_or.at(lengths, of.reshape(-1), np.uint64(1) << self.lengths.astype(np.uint64))
        anchor_table, anchor_places = new_table(anchors)
        table, places = new_table(self.keys)
        spread_lengths, numbers = np.zeros(len(anchor_table), np.uint64), np.zeros(len(table), np.int64)
        spread_lengths[anchor_places] = lengths
        numbers[places] = np.arange(len(self.keys))
        return kernels.bits_of(anchors), anchor_table, spread_lengths, table, numbers

    def set_of(self, item: int) -> str:
        return str(self.set_names[self.item_sets[item]])

    def save(self, path: Path) -> None:
        with atomic_file(path) as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: Path) -> Index:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})


def build(config: DecontaminateConfig) -> Index:
    """The index of all sets. Raises DataError when no text of a set can be searched."""
    names = list(config.sets)
    keys: list[np.ndarray] = []
    anchors: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    sets: list[int] = []
    identities: list[str] = []
    searched, too_short = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    for number, item in enumerate(items_of(config)):
        sets.append(names.index(item.set_name))
        identities.append(item.identity)
        before = len(keys)
        for text in item.texts:
            grams = ngrams_of(text, config, config.sets[item.set_name].ngram)
            if grams is None:
                too_short[sets[-1]] += 1
                continue
            for column, part in zip((keys, anchors, lengths), grams):
                column.append(part)
            owners.append(np.full(len(grams[0]), number, np.int32))
        searched[sets[-1]] += len(keys) > before
    for name, count in zip(names, searched):
        if not count:
            raise DataError(
                f"decontaminate.sets.{name}: no text has {config.min_words} words or more; lower min_words, or check 'fields'",
                rule="texts-too-short",
            )
    distinct, first, of = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    pairs = np.unique(np.stack([of.reshape(-1), np.concatenate(owners)], axis=1), axis=0)
    return Index(
        distinct, np.concatenate(lengths)[first], np.concatenate(anchors)[first], pairs[:, 1].astype(np.int32),
        np.searchsorted(pairs[:, 0], np.arange(len(distinct) + 1)), np.array(sets, np.int32), np.array(identities, str),
        np.array(names, str), searched, too_short,
    )  # fmt: skip


def ngrams_of(text: str, config: DecontaminateConfig, ngram: int | None) -> tuple[np.ndarray, ...] | None:
    """``(keys, anchors, lengths)`` of the sequences of a text; None if it is too short."""
    data = np.frombuffer(text.encode("utf-8") or b" ", np.uint8)
    bounds = np.array([0, len(data)], np.int64)
    hashes, scripts = kernels.hash_words(data, bounds), kernels.word_spans(data, bounds)[:, 2]
    if len(hashes) < config.min_words:
        return None
    length = min(ngram or ngram_for(scripts, config), len(hashes))
    keys = kernels.windows(hashes, length)
    windows = np.lib.stride_tricks.sliding_window_view
    several = (windows(hashes, length) != hashes[: len(keys), None]).any(axis=1)
    used = several & (windows(scripts, length) != DIGITS).any(axis=1)
    return (
        keys[used],
        kernels.windows(hashes, config.min_words)[: len(keys)][used],
        np.full(used.sum(), length, np.int64),
    )


def ngram_for(scripts: np.ndarray, config: DecontaminateConfig) -> int:
    """Length of the n-grams, by the share of Hangul among the words that are not numbers."""
    words = np.count_nonzero(scripts != DIGITS)
    return config.ngram_ko if np.count_nonzero(scripts == HANGUL) * 2 > words else config.ngram
