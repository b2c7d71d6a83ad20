"""Evaluation sets as an index of n-grams.

Owns reading the items, which sequences of words stand for them, and the file of the index. Words are those of
``kernels.shingles``. A text is all its sequences of n words; one that is shorter is looked for as a whole, and one of
fewer than ``min_words`` words not at all, since it stands in honest text too. Sequences of one repeated word and of
numbers only are left out for the same reason.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from preprocessing.config.scoring import DecontaminateConfig, EvaluationSet
from preprocessing.kernels import ngrams as kernels
from preprocessing.kernels.tables import new_table
from preprocessing.scoring.training_text import existing_files, lines_of, records_of

HANGUL, DIGITS = 1, 3


@dataclass(frozen=True)
class Item:
    """One question of a set."""

    set_name: str
    identity: str
    texts: list[str]


def items_of(config: DecontaminateConfig) -> Iterator[Item]:
    """Every item in the order of the configuration. Raises DataError for sets and fields that are not there."""
    for name, given in config.sets.items():
        empty = True
        missing = set(given.fields)
        for item, present in _items(name, given):
            empty = False
            missing -= present
            yield item
        if empty:
            raise DataError(
                f"decontaminate.sets.{name}: {', '.join(given.paths)} holds no item; check the files"
            )
        if missing:
            raise DataError(
                f"decontaminate.sets.{name}: no item has text in the field {', '.join(sorted(missing))}; correct 'fields'"
            )


def _items(name: str, given: EvaluationSet) -> Iterator[tuple[Item, set[str]]]:
    """Items, and the fields each has."""
    for path in existing_files(given.paths):
        if given.format == "txt":
            for number, line in lines_of(path):
                yield Item(name, f"{path.name}:{number}", [line]), set()
            continue
        fields = [*given.fields, *([given.id_field] if given.id_field else [])]
        for number, record in records_of(path, given.format, fields):
            texts = {field: list(_texts(record.get(field))) for field in given.fields}
            identity = record.get(given.id_field) if given.id_field else f"{path.name}:{number}"
            if identity is None:
                raise DataError(
                    f"{path}:{number}: has no {given.id_field!r}; correct id_field of decontaminate.sets.{name}"
                )
            present = {field for field, found in texts.items() if found}
            yield Item(name, str(identity), [text for found in texts.values() for text in found]), present


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
    """N-gram ``i`` has the key ``keys[i]``, ``lengths[i]`` words, and stands first in item ``items[starts[i]]``.

    ``items[starts[i]:starts[i + 1]]`` are all its items, by number; ``item_sets`` and ``identities`` are by item.
    ``set_names``, ``searched`` and ``too_short`` (texts) are by set.
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
        """What ``kernels.find_ngrams`` searches with."""
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
        with np.load(path, allow_pickle=False) as found:
            return cls(**{name: found[name] for name in found.files})


def build(config: DecontaminateConfig) -> Index:
    """The index of all sets. Raises DataError when a set has nothing that can be looked for."""
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
                f"decontaminate.sets.{name}: no text has {config.min_words} words or more; lower min_words, or check 'fields'"
            )
    distinct, first, of = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    pairs = np.unique(np.stack([of.reshape(-1), np.concatenate(owners)], axis=1), axis=0)
    return Index(
        distinct, np.concatenate(lengths)[first], np.concatenate(anchors)[first], pairs[:, 1].astype(np.int32),
        np.searchsorted(pairs[:, 0], np.arange(len(distinct) + 1)), np.array(sets, np.int32), np.array(identities, str),
        np.array(names, str), searched, too_short,
    )  # fmt: skip


def ngrams_of(text: str, config: DecontaminateConfig, ngram: int | None) -> tuple[np.ndarray, ...] | None:
    """``(keys, anchors, lengths)`` of the sequences of a text; None when it is too short to be looked for."""
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
    """By the share of Hangul among the words that are not numbers."""
    words = np.count_nonzero(scripts != DIGITS)
    return config.ngram_ko if np.count_nonzero(scripts == HANGUL) * 2 > words else config.ngram
