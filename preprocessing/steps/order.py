"""The steps in order, and what is up to date.

Owns the table of steps: what each reads, and the values of the configuration it depends on; and their keys, of version,
configuration, and the content of what is read. A step that ran again and wrote the same bytes leaves later keys alone.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from preprocessing.config.pipeline import Config
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker, key_of

TEXT = "text"
"""Stands in ``reads`` for the last step that changes text."""


@dataclasses.dataclass(frozen=True)
class Step:
    """``module`` holds ``VERSION`` and ``run``; ``reads`` names every step whose files or summary this one
    reads; ``depends`` gives the values it depends on besides."""

    module: str
    reads: tuple[str, ...]
    depends: Callable[[Context], list[Any]]
    enabled: Callable[[Config], bool] = lambda config: True


def _membership(context: Context) -> list[Any]:
    """In the order of the domains: a document belongs to the first that matches."""
    domains = context.config.domains
    return [[name, domain.sources, domain.langs, domain.max_bytes] for name, domain in domains.items()]


def _shares(context: Context, *without: str) -> list[Any]:
    """What shares are made from; how documents are placed is of ``balance`` itself."""
    placing = {"valid_fraction", "shard_bytes", "rehydrate", *without}
    balance = {name: value for name, value in context.part("balance")[0].items() if name not in placing}
    domains = context.config.domains.items()
    return [
        [[name, domain.share, domain.tokens, domain.group, domain.langs] for name, domain in domains],
        balance,
    ]


def _placing(context: Context) -> list[Any]:
    balance = context.config.balance
    repeats = sorted(balance.rehydrate.items())
    return [_membership(context), balance.valid_fraction, balance.shard_bytes, repeats, context.config.seed]


def _models(context: Context) -> list[Any]:
    """A model that was exchanged for another of the same name is another model."""
    from preprocessing.steps.score import identities_of

    return [*context.part("score"), identities_of(context.config.score)]


def _evaluation_sets(context: Context) -> list[Any]:
    from preprocessing.steps.decontaminate import set_keys

    return [*context.part("decontaminate"), set_keys(context.config.decontaminate)]


def _thresholds(context: Context) -> list[Any]:
    from preprocessing.judging.presets.values import resolve_thresholds

    return [resolve_thresholds(context.config.filter), *context.part("score", "decontaminate")]


STEPS = {
    "clean": Step(
        "preprocessing.steps.clean",
        (),
        lambda c: [*c.part("clean", "inputs", "seed"), [c.identity(unit) for unit in c.units]],
    ),
    "lines": Step(
        "preprocessing.steps.lines",
        ("clean",),
        lambda c: c.part("lines"),
        lambda config: config.lines.enabled,
    ),
    "measure": Step(
        "preprocessing.steps.measure",
        (TEXT,),
        lambda c: [c.config.deduplicate.of_signatures, c.config.seed, [c.watched(unit) for unit in c.units]],
    ),
    "score": Step(
        "preprocessing.steps.score",
        (TEXT,),
        _models,
        lambda config: config.score.enabled,
    ),
    "decontaminate": Step(
        "preprocessing.steps.decontaminate",
        (TEXT,),
        _evaluation_sets,
        lambda config: config.decontaminate.enabled,
    ),
    "filter": Step(
        "preprocessing.steps.filter",
        ("clean", TEXT, "measure", "score", "decontaminate"),
        _thresholds,
    ),
    "deduplicate": Step(
        "preprocessing.steps.deduplicate",
        (TEXT, "measure", "filter"),
        lambda c: c.part("deduplicate", "seed"),
    ),
    "balance": Step("preprocessing.steps.balance", (TEXT, "measure", "filter", "deduplicate"), _placing),
    "train-tokenizer": Step(
        "preprocessing.steps.train_tokenizer",
        ("balance",),
        lambda c: [*c.part("tokenizer", "seed"), _shares(c, "stages")],
    ),
    "encode": Step(
        "preprocessing.steps.encode",
        ("balance", "train-tokenizer"),
        lambda c: [_shares(c), *c.part("encode"), str(c.folder)],  # lists of files name the folder
    ),
    "validate": Step("preprocessing.steps.validate", ("balance", "train-tokenizer", "encode"), lambda c: []),
}


def steps_of(config: Config) -> list[str]:
    """The steps that are on, in order."""
    return [name for name, step in STEPS.items() if step.enabled(config)]


def reads_of(context: Context, step: str) -> list[str]:
    """The steps that are on and whose files ``step`` opens, in order."""
    reads = {context.text_step if name == TEXT else name for name in STEPS[step].reads}
    return [name for name in steps_of(context.config) if name in reads]


def module_of(step: str) -> Any:
    return importlib.import_module(STEPS[step].module)


def versions_of(config: Config) -> dict[str, int]:
    """The version of every step that is on."""
    return {name: module_of(name).VERSION for name in steps_of(config)}


class StepKeys:
    """Keys of the steps of one context. Raises DataError for models and evaluation sets that are missing."""

    def __init__(self, context: Context):
        self._context = context
        versions = versions_of(context.config)
        self.own = {name: key_of(number, STEPS[name].depends(context)) for name, number in versions.items()}
        """What a result depends on beside the files of other steps, as a hash."""
        self._keys: dict[str, str] = {}

    def of(self, step: str) -> str | None:
        """None while a step that it reads is not finished for this configuration."""
        if step not in self._keys:
            contents = [self._content(name) for name in reads_of(self._context, step)]
            if None in contents:
                return None
            self._keys[step] = key_of(step, self.own[step], contents)
        return self._keys[step]

    def summary(self, step: str) -> dict[str, Any] | None:
        """None when ``step`` is not finished for this configuration."""
        key = self.of(step)
        return None if key is None else Marker(self._context.folder, step).read(key)

    def _content(self, step: str) -> str | None:
        if self.summary(step) is None:
            return None
        return Marker(self._context.folder, step).content()
