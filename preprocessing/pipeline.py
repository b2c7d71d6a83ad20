"""The steps in order: what each depends on, what is up to date, what must run.

Owns the keys of the steps and ``funnel.json``. A step whose key and outputs are unchanged is skipped.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import time
from collections.abc import Callable
from typing import Any

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from preprocessing.context import Context
from preprocessing.funnel import funnel_of, to_table
from preprocessing.markers import Marker, key_of
from preprocessing.schema import Config

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Task:
    """A step: its module, the steps before it, and the values of the configuration it depends on."""

    module: str
    upstream: tuple[str, ...]
    depends: Callable[[Context], list[Any]]


def _membership(context: Context) -> dict[str, Any]:
    domains = context.config.domains
    return {name: [domain.sources, domain.langs, domain.max_bytes] for name, domain in domains.items()}


def _shares(context: Context) -> list[Any]:
    balance = context.config.balance
    shares = [[name, domain.share] for name, domain in context.config.domains.items()]
    return [shares, balance.token_budget, balance.max_epochs]


TASKS = {
    "clean": Task(
        "preprocessing.clean",
        (),
        lambda c: [*c.part("clean", "inputs", "seed"), [c.identity(unit) for unit in c.units]],
    ),
    "deduplicate": Task("preprocessing.deduplicate", ("clean",), lambda c: c.part("deduplicate", "seed")),
    "balance": Task(
        "preprocessing.balance",
        ("deduplicate",),
        lambda c: [_membership(c), c.config.balance.valid_fraction, c.config.seed],
    ),
    "train-tokenizer": Task(
        "preprocessing.train_tokenizer", ("balance",), lambda c: [*c.part("tokenizer", "seed"), _shares(c)]
    ),
    "encode": Task("preprocessing.encode", ("balance", "train-tokenizer"), _shares),
    "validate": Task("preprocessing.validate", ("encode",), lambda c: []),
}
STEPS = tuple(TASKS)
# markers of other programs that a step makes wrong when it starts
_PROMISES = {"train-tokenizer": ("manifest.json", "tokenizer/fingerprint.json"), "encode": ("manifest.json",)}


def key(context: Context, step: str) -> str:
    task = TASKS[step]
    above = [key(context, name) for name in task.upstream]
    return key_of(step, context.code(task.module), task.depends(context), above)


def run(loaded: Loaded[Config], step: str) -> None:
    """``step`` alone (its upstream must be up to date), or all of them for ``run``."""
    context = Context(loaded)
    _ = context.units  # patterns without a file are reported before anything is touched
    with context.locked():
        keys = {name: key(context, name) for name in STEPS}
        context.save_hashes()
        if step == "run":
            for name in STEPS:
                _run_step(context, name, keys)
        else:
            _require(context, step, keys)
            _run_step(context, step, keys, again=step == "validate")
        _write_funnel(context, keys, show=step == "run")


def describe(loaded: Loaded[Config]) -> str:
    """What ``run`` would do; touches nothing."""
    context = Context(loaded)
    lines = [
        f"{unit.name}: {len(unit.files):,} files, {_size(unit.files) / 1e6:.2f} MB" for unit in context.units
    ]
    for name in STEPS:
        done = Marker(context.folder, name).read(key(context, name)) is not None
        lines.append(f"{name}: {'up to date' if done else 'would run'}")
    return "\n".join(lines)


def _size(files: tuple[Any, ...]) -> int:
    return sum(file.stat().st_size for file in files)


def _require(context: Context, step: str, keys: dict[str, str]) -> None:
    for name in TASKS[step].upstream:
        _require(context, name, keys)
        if Marker(context.folder, name).read(keys[name]) is None:
            raise DataError(
                f"step {step!r} needs {name!r}, which is not finished for this configuration in {context.folder}; "
                f"run 'python -m preprocessing run ...', or the steps in order: {', '.join(STEPS)}"
            )


def _run_step(context: Context, step: str, keys: dict[str, str], again: bool = False) -> None:
    marker = Marker(context.folder, step)
    if not again and marker.read(keys[step]) is not None:
        log.info("%s: up to date", step)
        return
    marker.remove()
    for promise in _PROMISES.get(step, ()):
        (context.folder / promise).unlink(missing_ok=True)
    start = time.monotonic()
    outcome = importlib.import_module(TASKS[step].module).run(context)
    marker.write(keys[step], outcome.outputs, outcome.summary)
    log.info("%s: done in %.1f s", step, time.monotonic() - start)


def _write_funnel(context: Context, keys: dict[str, str], show: bool) -> None:
    found = {name: Marker(context.folder, name).read(keys[name]) for name in STEPS}
    summaries = {name: summary for name, summary in found.items() if summary is not None}
    if "clean" not in summaries:
        return
    funnel = funnel_of(summaries)
    write_json(context.folder / "funnel.json", funnel)
    if show:
        encoded = summaries.get("encode", {})
        print(to_table(funnel, encoded.get("mixture", {}), encoded.get("epochs", {})))
        print(f"\n{context.folder / 'manifest.json'}")
