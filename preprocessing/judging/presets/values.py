"""Which threshold each rule has: the user's own, else that of the preset.

Owns reading the presets. A language that a preset names is judged by what stands there and nothing else, unless it
says ``base: PRESET``; a language that it does not name is judged by ``default``.
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
    """The thresholds of a language by field, of the rules that are on."""
    if lang not in LANGUAGES:
        raise DataError(
            f"a document is in language {lang!r}, which has no rules; known: {', '.join(LANGUAGES)}"
        )
    given = getattr(config, lang)
    values = dict(preset(given.preset or config.preset, lang))
    for field in dataclasses.fields(given):
        own = getattr(given, field.name)
        if field.name != "preset" and own is not None:
            values[field.name] = own
    return {name: value for name, value in values.items() if value != OFF and value is not False}


def resolve_thresholds(config: FilterConfig) -> dict[str, Thresholds]:
    """All thresholds by language: what a verdict depends on."""
    return {lang: thresholds(config, lang) for lang in LANGUAGES}


def preset(name: str, lang: str) -> Thresholds:
    """What a preset says of a language, ``off`` included."""
    said = read(name)
    if lang not in said:
        return preset("default", lang)
    own = said[lang]
    under = preset(own[BASE], lang) if BASE in own else {}
    return {**under, **{field: value for field, value in own.items() if field != BASE}}


@functools.cache
def read(name: str) -> dict[str, Thresholds]:
    """A preset's file: rules by language."""
    tree = Tree()
    tree.add_file(str(FOLDER / f"{name}.yaml"))
    assert not tree.problems, tree.problems
    return tree.data
