"""The order of the steps, and their keys.

Owns the table of steps (for each, the steps it reads and the configuration values it depends on) and the keys of steps,
made of version, configuration, and content of the files read. A step that runs again and writes the same bytes leaves
later keys unchanged.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from megatron_ko.errors import DataError
from preprocessing.config.pipeline import Config
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker, key_of

TEXT = "text"
"""In ``reads``: the last step that changes text."""


@dataclasses.dataclass(frozen=True)
class Step:
    """``module`` contains ``VERSION`` and ``run``; ``reads`` lists every step whose files or summary this step reads;
    ``depends`` returns the other values it depends on."""

    module: str
    reads: tuple[str, ...]
    depends: Callable[[Context], list[Any]]
    enabled: Callable[[Config], bool] = lambda config: True


def _membership(context: Context) -> list[Any]:
    """Domains in order: a document belongs to the first that matches."""
    domains = context.config.domains
    return [[name, domain.sources, domain.langs, domain.max_bytes] for name, domain in domains.items()]


def _shares(context: Context, *without: str) -> list[Any]:
    """Values that shares depend on; the assignment of documents to files concerns ``balance`` only."""
    assignment = {"valid_fraction", "shard_bytes", "rehydrate", *without}
    balance = {
        name: value for name, value in context.sections("balance")[0].items() if name not in assignment
    }
    domains = context.config.domains.items()
    return [
        [[name, domain.share, domain.tokens, domain.group, domain.langs] for name, domain in domains],
        balance,
    ]


def _assignment(context: Context) -> list[Any]:
    balance = context.config.balance
    repeats = sorted(balance.rehydrate.items())
    return [_membership(context), balance.valid_fraction, balance.shard_bytes, repeats, context.config.seed]


def _models(context: Context) -> list[Any]:
    """Configuration and content of the models: a replaced file of the same name is another model."""
    from preprocessing.steps.score import identities_of

    return [*context.sections("score"), identities_of(context.config.score)]


def _tokenizer(context: Context) -> list[Any]:
    """Configuration of the tokenizer, and the content of an existing one."""
    from preprocessing.config.tokens import ExistingTokenizerConfig
    from preprocessing.tokenizers.existing import identity_of

    settings = context.config.tokenizer
    files = [identity_of(settings.folder)] if isinstance(settings, ExistingTokenizerConfig) else []
    return [*context.sections("tokenizer", "seed"), *files]


def _evaluation_sets(context: Context) -> list[Any]:
    from preprocessing.steps.decontaminate import set_keys

    return [*context.sections("decontaminate"), set_keys(context.config.decontaminate)]


def _thresholds(context: Context) -> list[Any]:
    from preprocessing.judging.presets.values import resolve_thresholds

    return [resolve_thresholds(context.config.filter), *context.sections("score", "decontaminate")]


STEPS = {
    "clean": Step(
        "preprocessing.steps.clean",
        (),
        lambda c: [*c.sections("clean", "inputs", "seed"), [c.identity(unit) for unit in c.units]],
    ),
    "lines": Step(
        "preprocessing.steps.lines",
        ("clean",),
        lambda c: c.sections("lines"),
        lambda config: config.lines.enabled,
    ),
    "measure": Step(
        "preprocessing.steps.measure",
        (TEXT,),
        lambda c: [
            c.config.deduplicate.of_signatures,
            c.config.seed,
            [c.watched_identity(unit) for unit in c.units],
        ],
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
        lambda c: c.sections("deduplicate", "seed"),
    ),
    "balance": Step("preprocessing.steps.balance", (TEXT, "measure", "filter", "deduplicate"), _assignment),
    "train-tokenizer": Step(
        "preprocessing.steps.train_tokenizer",
        ("balance",),
        lambda c: [*_tokenizer(c), _shares(c, "stages")],
    ),
    "encode": Step(
        "preprocessing.steps.encode",
        ("balance", "train-tokenizer"),
        lambda c: [_shares(c), *c.sections("encode"), str(c.folder)],  # lists of files contain the folder
    ),
    "validate": Step("preprocessing.steps.validate", ("balance", "train-tokenizer", "encode"), lambda c: []),
}


def steps_of(config: Config) -> list[str]:
    """The enabled steps, in order."""
    return [name for name, step in STEPS.items() if step.enabled(config)]


def steps_until(config: Config, last: str | None) -> list[str]:
    """The enabled steps up to ``last``, or all."""
    steps = steps_of(config)
    return steps[: steps.index(last) + 1] if last else steps


def reads_of(context: Context, step: str) -> list[str]:
    """The enabled steps whose files ``step`` opens, in order."""
    reads = {context.text_step if name == TEXT else name for name in STEPS[step].reads}
    return [name for name in steps_of(context.config) if name in reads]


def module_of(step: str) -> Any:
    return importlib.import_module(STEPS[step].module)


def versions_of(config: Config) -> dict[str, int]:
    """The version of every enabled step."""
    return {name: module_of(name).VERSION for name in steps_of(config)}


class StepKeys:
    """Keys of the steps of one context. Raises DataError for models, evaluation sets and tokenizers that are missing.

    Only those that steps up to ``last`` need: a later step without its files is not finished.
    """

    def __init__(self, context: Context, last: str | None = None):
        self._context = context
        self.own = self._own_keys(last)
        """Hash of everything a step's result depends on besides the files of other steps."""
        self._keys: dict[str, str] = {}

    def _own_keys(self, last: str | None) -> dict[str, str]:
        config, keys = self._context.config, {}
        needed = steps_until(config, last)
        for name, number in versions_of(config).items():
            try:
                keys[name] = key_of(number, STEPS[name].depends(self._context))
            except DataError:
                if name in needed:
                    raise
        return keys

    def of(self, step: str) -> str | None:
        """Key of ``step``; None while a step it reads is not finished for this configuration."""
        if step not in self.own:
            return None
        if step not in self._keys:
            contents = [self._content(name) for name in reads_of(self._context, step)]
            if None in contents:
                return None
            self._keys[step] = key_of(step, self.own[step], contents)
        return self._keys[step]

    def summary(self, step: str) -> dict[str, Any] | None:
        """Summary of ``step``; None if it is not finished for this configuration."""
        found = self._read(step)
        return None if found is None else found[0]

    def summaries(self) -> dict[str, dict[str, Any]]:
        """Summaries of all steps that are finished for this configuration, in order; every marker is read once."""
        summaries, contents = {}, {}
        for step in steps_of(self._context.config):
            reads = reads_of(self._context, step)
            if step not in self.own or not all(name in contents for name in reads):
                continue
            key = key_of(step, self.own[step], [contents[name] for name in reads])
            if found := Marker(self._context.folder, step).read_with_content(key):
                summaries[step], contents[step] = found
        return summaries

    def _content(self, step: str) -> str | None:
        found = self._read(step)
        return None if found is None else found[1]

    def _read(self, step: str) -> tuple[dict[str, Any], str] | None:
        """Summary and hash of the content of ``step``; None if it is not finished for this configuration."""
        key = self.of(step)
        return None if key is None else Marker(self._context.folder, step).read_with_content(key)
