"""Resolves the threshold of each rule: the user's own, otherwise that of the preset.

Owns reading the presets. A preset replaces all thresholds of the languages that it contains, unless it adds to another
one with ``base: PRESET``; other languages have the thresholds of ``default``.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any, get_args

from megatron_ko.config.yaml_tree import Tree
from megatron_ko.errors import DataError
from preprocessing.config.languages import LANGUAGES
from preprocessing.config.rules import OFF, FilterConfig, Preset

NAMES: tuple[str, ...] = get_args(Preset)
FOLDER = Path(__file__).parent
BASE = "base"

Thresholds = dict[str, Any]


def thresholds(config: FilterConfig, lang: str) -> Thresholds:
    """Thresholds of a language by field, without rules that are off. Raises DataError for an unknown language."""
    if lang not in LANGUAGES:
        raise DataError(
            f"a document has the language {lang!r}, which has no rules; use one of {', '.join(LANGUAGES)}",
            rule="unknown-language",
        )
    section = getattr(config, lang)
    values = dict(read_preset(section.preset or config.preset, lang))
    for field in dataclasses.fields(section):
        own = getattr(section, field.name)
        if field.name != "preset" and own is not None:
            values[field.name] = own
    return {name: value for name, value in values.items() if value != OFF and value is not False}


def resolve_thresholds(config: FilterConfig) -> dict[str, Thresholds]:
    """The thresholds of all languages, on which every verdict depends."""
    return {lang: thresholds(config, lang) for lang in LANGUAGES}


def read_preset(name: str, lang: str) -> Thresholds:
    """The thresholds of a language in a preset and its bases, with rules that are off."""
    languages = read_file(name)
    if lang not in languages:
        return read_preset("default", lang)
    own = languages[lang]
    base = read_preset(own[BASE], lang) if BASE in own else {}
    return {**base, **{field: value for field, value in own.items() if field != BASE}}


@functools.cache
def read_file(name: str) -> dict[str, Thresholds]:
    """The thresholds by language in the file of a preset."""
    tree = Tree()
    tree.add_file(str(FOLDER / f"{name}.yaml"))
    assert not tree.problems, tree.problems
    return tree.data
