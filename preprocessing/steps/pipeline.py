"""Running the steps in order, or one of them.

Owns what runs and what is skipped, and ``funnel.json``. A step whose key and outputs are unchanged is skipped; within a
step the tasks that are still good are.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import time
from collections.abc import Iterator

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from preprocessing.config.pipeline import Config
from preprocessing.report.funnel import funnel_of, to_table
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.running.tasks import Runner
from preprocessing.steps.kernel_groups import GROUPS, compile_for
from preprocessing.steps.order import StepKeys, module_of, reads_of, steps_of

log = logging.getLogger(__name__)
# markers of other programs that a step makes wrong when it starts
_PROMISES = {"train-tokenizer": ("manifest.json",), "encode": ("manifest.json",)}


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
        keys = StepKeys(context)
        if runner.leads:
            context.save_hashes()
        steps = steps_of(context.config) if step == "run" else [step]
        for number, name in enumerate(steps):
            _require(context, name, keys)
            if _is_finished(context, name, keys) and step != "validate":
                log.info("%s: up to date", name)
                continue
            if name in GROUPS:
                compile_for(steps[number:])
            _run_step(context, name, keys)
        if runner.leads:
            _write_funnel(context, keys, show=step == "run")
        return _bad_records(keys) if step in ("clean", "run") else 0


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


def _bad_records(keys: StepKeys) -> int:
    summary = keys.summary("clean") or {"sources": {}}
    return sum(entry["counts"]["bad_records"] for entry in summary["sources"].values())


def describe(loaded: Loaded[Config]) -> str:
    """What ``run`` would do; touches nothing."""
    context = Context(loaded)
    _check_models(loaded.config)
    lines = [f"{unit.name}: {len(unit.files):,} files, {unit.size / 1e6:.2f} MB" for unit in context.units]
    keys = StepKeys(context)
    for name in steps_of(context.config):
        done = keys.summary(name) is not None
        lines.append(f"{name}: {'up to date' if done else _would_run(keys, name)}")
        if name == "train-tokenizer" and not done:
            lines[-1] += f", {_of_training(context, keys)}"
    return "\n".join(lines)


def _would_run(keys: StepKeys, step: str) -> str:
    known = keys.of(step) is not None
    return "would run" if known else "would run, unless the steps before it write the same bytes again"


def _of_training(context: Context, keys: StepKeys) -> str:
    """Memory and time of the largest sample there can be: of the corpus, or where there is none yet, as configured."""
    from preprocessing.steps.train_tokenizer import sample_of
    from preprocessing.tokenizers.forecast import forecast, free_memory

    size = context.config.tokenizer.sample_bytes
    if keys.summary("balance") is not None:
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


def _require(context: Context, step: str, keys: StepKeys) -> None:
    for name in reads_of(context, step):
        _require(context, name, keys)
        if keys.summary(name) is None:
            order = ", ".join(steps_of(context.config))
            raise DataError(
                f"step {step!r} needs {name!r}, which is not finished for this configuration in {context.folder}; "
                f"run 'python -m preprocessing run ...', or the steps in order: {order}"
            )


def _is_finished(context: Context, step: str, keys: StepKeys) -> bool:
    key = keys.of(step)
    assert key is not None, "the steps before it are finished"
    return Marker(context.folder, step).read(key) is not None


def _run_step(context: Context, step: str, keys: StepKeys) -> None:
    marker, key = Marker(context.folder, step), keys.of(step)
    assert key is not None, "the steps before it are finished"
    if marker.is_of_other_format():
        log.info("%s: was finished by another version of the program, whose markers do not count", step)
    if context.runner.leads:
        marker.remove()
        for promise in _PROMISES.get(step, ()):
            (context.folder / promise).unlink(missing_ok=True)
    start = time.monotonic()
    outcome = module_of(step).run(context)
    if not context.runner.leads:
        context.runner.wait_for(context, marker, key)
        return
    context.finish_step(step, key, outcome)
    log.info("%s: done in %.1f s", step, time.monotonic() - start)


def _write_funnel(context: Context, keys: StepKeys, show: bool) -> None:
    found = {name: keys.summary(name) for name in steps_of(context.config)}
    summaries = {name: summary for name, summary in found.items() if summary is not None}
    if "clean" not in summaries:
        return
    funnel = funnel_of(summaries)
    write_json(context.folder / "funnel.json", funnel)
    if show:
        encoded = summaries.get("encode", {})
        print(to_table(funnel, encoded.get("mixture", {}), encoded.get("epochs", {})))
        print(f"\n{context.folder / 'manifest.json'}")
