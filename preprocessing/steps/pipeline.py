"""The steps in order: what each depends on, what is up to date, what must run.

Owns the keys of the steps and ``funnel.json``. A step whose key and outputs are unchanged is skipped; within a step the
tasks that are still good are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from preprocessing.config.pipeline import Config
from preprocessing.report.funnel import funnel_of, to_table
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker, key_of
from preprocessing.running.tasks import Runner

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Task:
    """A step: its module, the steps before it, the values of the configuration it depends on, and whether it is on."""

    module: str
    upstream: tuple[str, ...]
    depends: Callable[[Context], list[Any]]
    enabled: Callable[[Config], bool] = lambda config: True


def _membership(context: Context) -> dict[str, Any]:
    domains = context.config.domains
    return {name: [domain.sources, domain.langs, domain.max_bytes] for name, domain in domains.items()}


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
    from preprocessing.judging.presets.values import resolved

    return [resolved(context.config.filter), *context.part("score", "decontaminate")]


TASKS = {
    "clean": Task(
        "preprocessing.steps.clean",
        (),
        lambda c: [*c.part("clean", "inputs", "seed"), [c.identity(unit) for unit in c.units]],
    ),
    "lines": Task(
        "preprocessing.steps.lines",
        ("clean",),
        lambda c: c.part("lines"),
        lambda config: config.lines.enabled,
    ),
    "measure": Task(
        "preprocessing.steps.measure",
        ("clean", "lines"),
        lambda c: [c.config.deduplicate.of_signatures, c.config.seed],
    ),
    "score": Task(
        "preprocessing.steps.score",
        ("clean", "lines"),
        _models,
        lambda config: config.score.enabled,
    ),
    "decontaminate": Task(
        "preprocessing.steps.decontaminate",
        ("clean", "lines"),
        _evaluation_sets,
        lambda config: config.decontaminate.enabled,
    ),
    "filter": Task(
        "preprocessing.steps.filter",
        ("measure", "score", "decontaminate"),
        _thresholds,
    ),
    "deduplicate": Task(
        "preprocessing.steps.deduplicate", ("measure", "filter"), lambda c: c.part("deduplicate", "seed")
    ),
    "balance": Task("preprocessing.steps.balance", ("deduplicate",), _placing),
    "train-tokenizer": Task(
        "preprocessing.steps.train_tokenizer",
        ("balance",),
        lambda c: [*c.part("tokenizer", "seed"), _shares(c, "stages")],
    ),
    "encode": Task(
        "preprocessing.steps.encode",
        ("balance", "train-tokenizer"),
        lambda c: [_shares(c), *c.part("encode")],
    ),
    "validate": Task("preprocessing.steps.validate", ("encode",), lambda c: []),
}
STEPS = tuple(TASKS)
# markers of other programs that a step makes wrong when it starts
_PROMISES = {"train-tokenizer": ("manifest.json", "tokenizer/fingerprint.json"), "encode": ("manifest.json",)}


def steps_of(config: Config) -> list[str]:
    """The steps that are on, in order."""
    return [name for name, task in TASKS.items() if task.enabled(config)]


def upstream_of(config: Config, step: str) -> list[str]:
    return [name for name in TASKS[step].upstream if TASKS[name].enabled(config)]


def keys_of(context: Context) -> dict[str, str]:
    """What each step's result depends on, as a hash."""
    keys: dict[str, str] = {}
    for name in steps_of(context.config):
        task = TASKS[name]
        above = [keys[upper] for upper in upstream_of(context.config, name)]
        keys[name] = key_of(name, context.code(task.module), task.depends(context), above)
    return keys


def run(loaded: Loaded[Config], step: str, runner: Runner) -> int:
    """``step`` alone (its upstream must be up to date), or all of them for ``run``.

    Returns how many records of the inputs could not be read, where the step reads them.
    """
    context = Context(loaded, runner)
    _ = context.units  # patterns without a file are reported before anything is touched
    _check_on(loaded, step)
    if step == "run":
        _check_models(loaded.config)
    with context.locked(), _room_asked_for(context):
        keys = keys_of(context)
        if runner.leads:
            context.save_hashes()
        for name in steps_of(context.config) if step == "run" else [step]:
            _require(context, name, keys)
            _run_step(context, name, keys, again=step == "validate")
        if runner.leads:
            _write_funnel(context, keys, show=step == "run")
        return _bad_records(context, keys) if step in ("clean", "run") else 0


@contextlib.contextmanager
def _room_asked_for(context: Context) -> Iterator[None]:
    """A full disk said with the folder: the system's error has no name in it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        free = shutil.disk_usage(context.folder).free
        raise DataError(
            f"{context.folder}: no room left ({error.strerror}, {free / 1e6:,.0f} MB free); what is finished is kept: make "
            "room and give the same command again"
        ) from None


def _bad_records(context: Context, keys: dict[str, str]) -> int:
    summary = Marker(context.folder, "clean").read(keys["clean"]) or {"sources": {}}
    return sum(entry["counts"]["bad_records"] for entry in summary["sources"].values())


def describe(loaded: Loaded[Config]) -> str:
    """What ``run`` would do; touches nothing."""
    context = Context(loaded)
    _check_models(loaded.config)
    lines = [f"{unit.name}: {len(unit.files):,} files, {unit.size / 1e6:.2f} MB" for unit in context.units]
    keys = keys_of(context)
    for name, key in keys.items():
        done = Marker(context.folder, name).read(key) is not None
        lines.append(f"{name}: {'up to date' if done else 'would run'}")
        if name == "train-tokenizer" and not done:
            lines[-1] += f", {_of_training(context, keys)}"
    return "\n".join(lines)


def _of_training(context: Context, keys: dict[str, str]) -> str:
    """Memory and time of the largest sample there can be: of the corpus, or where there is none yet, as configured."""
    from preprocessing.steps.train_tokenizer import sample_of
    from preprocessing.tokenizers.forecast import forecast, free_memory

    size = context.config.tokenizer.sample_bytes
    if Marker(context.folder, "balance").read(keys["balance"]) is not None:
        size = sample_of(context)
    expected, free = forecast(context.config.tokenizer, size), free_memory()
    enough = "" if expected.memory_bytes <= free else ": too little memory, lower tokenizer.sample_bytes"
    return f"at most {size / 1e6:.1f} MB of text, {expected} ({free / 2**30:.1f} GiB are free{enough})"


def _check_on(loaded: Loaded[Config], step: str) -> None:
    if step != "run" and step not in steps_of(loaded.config):
        raise DataError(f"step {step!r} is off in this configuration; fill its section '{step}' to use it")


def _check_models(config: Config) -> None:
    """Raises DataError for a model that is not there yet: hours may lie before the step that needs it."""
    if config.score.enabled:
        from preprocessing.steps.score import model_keys

        model_keys(config.score)


def _require(context: Context, step: str, keys: dict[str, str]) -> None:
    for name in upstream_of(context.config, step):
        _require(context, name, keys)
        if Marker(context.folder, name).read(keys[name]) is None:
            order = ", ".join(steps_of(context.config))
            raise DataError(
                f"step {step!r} needs {name!r}, which is not finished for this configuration in {context.folder}; "
                f"run 'python -m preprocessing run ...', or the steps in order: {order}"
            )


def _run_step(context: Context, step: str, keys: dict[str, str], again: bool = False) -> None:
    marker = Marker(context.folder, step)
    if not again and marker.read(keys[step]) is not None:
        log.info("%s: up to date", step)
        return
    if context.runner.leads:
        marker.remove()
        for promise in _PROMISES.get(step, ()):
            (context.folder / promise).unlink(missing_ok=True)
    start = time.monotonic()
    outcome = importlib.import_module(TASKS[step].module).run(context)
    if not context.runner.leads:
        context.runner.wait_for(context, marker, keys[step])
        return
    context.remove_others(step)
    marker.write(keys[step], outcome.outputs, outcome.summary)
    log.info("%s: done in %.1f s", step, time.monotonic() - start)


def _write_funnel(context: Context, keys: dict[str, str], show: bool) -> None:
    found = {name: Marker(context.folder, name).read(key) for name, key in keys.items()}
    summaries = {name: summary for name, summary in found.items() if summary is not None}
    if "clean" not in summaries:
        return
    funnel = funnel_of(summaries)
    write_json(context.folder / "funnel.json", funnel)
    if show:
        encoded = summaries.get("encode", {})
        print(to_table(funnel, encoded.get("mixture", {}), encoded.get("epochs", {})))
        print(f"\n{context.folder / 'manifest.json'}")
