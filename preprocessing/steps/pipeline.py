"""Runs the steps in order, or one of them.

Owns the decision which steps run, and ``funnel.json``. A step whose key and outputs are unchanged is skipped; within a
step, so are tasks whose markers are valid.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import time
from collections.abc import Iterator, Sequence

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError
from megatron_ko.files import write_json, write_text
from megatron_ko.wording import format_count
from preprocessing.config.pipeline import Config
from preprocessing.config.running import KEPT_CONFIGURATION
from preprocessing.config.tokens import AnyTokenizerConfig, ExistingTokenizerConfig
from preprocessing.report.funnel import funnel_of, to_table
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.running.tasks import Runner
from preprocessing.steps.kernel_groups import GROUPS, compile_for
from preprocessing.steps.order import StepKeys, module_of, reads_of, steps_of, steps_until

log = logging.getLogger(__name__)
# files for other programs that are outdated as soon as the step starts
_OUTDATED = {"train-tokenizer": ("manifest.json",), "encode": ("manifest.json",)}


def run(loaded: Loaded[Config], step: str, runner: Runner, until: str | None = None) -> int:
    """Runs ``step`` alone (the steps it reads must be up to date), or for ``run`` all steps, the last of which is ``until``.

    Returns the number of input records that could not be read; 0 for steps that do not read inputs.
    """
    context = Context(loaded, runner)
    _ = context.units  # reports patterns that match no file before anything is written
    _check_enabled(loaded, until or step)
    last = until if step == "run" else step
    steps = steps_until(loaded.config, last) if step == "run" else [step]
    if step == "run":
        _check_models(loaded.config, steps)
    with context.locked(), _report_full_disk(context):
        keys = StepKeys(context, last)
        if runner.leads:
            context.save_hashes()
            _keep_configuration(context)
        try:
            for number, name in enumerate(steps):
                _require(context, name, keys)
                if step != "validate" and keys.summary(name) is not None:
                    log.info("%s: up to date", name)
                    continue
                if name in GROUPS:
                    compile_for(steps[number:])
                _run_step(context, name, keys)
        finally:
            if runner.leads:
                _write_funnel(context, keys)  # also of the steps before one that failed
        if runner.leads and step == "run":
            _print_funnel(context, keys)
        return _bad_records(keys) if step in ("clean", "run") else 0


def _keep_configuration(context: Context) -> None:
    """Writes the configuration unless the folder has it."""
    path, text = context.folder / KEPT_CONFIGURATION, context.loaded.text
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


@contextlib.contextmanager
def _report_full_disk(context: Context) -> Iterator[None]:
    """Reports a full disk with the folder's name, which the system's error lacks."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        if error.errno == errno.EFBIG:
            raise DataError(
                f"{context.folder}: a file would be larger than the file system or 'ulimit -f' allows; finished work is "
                "kept: raise the limit and run the same command again",
                rule="file-too-large",
            ) from None
        free = shutil.disk_usage(context.folder).free
        raise DataError(
            f"{context.folder}: no space left ({error.strerror}, {free / 1e6:,.0f} MB free); finished work is kept: free "
            "some space and run the same command again",
            rule="disk-full",
        ) from None


def _bad_records(keys: StepKeys) -> int:
    summary = keys.summary("clean") or {"sources": {}}
    return sum(entry["counts"]["bad_records"] for entry in summary["sources"].values())


def describe(loaded: Loaded[Config], until: str | None = None) -> str:
    """Text of what ``run`` would do, to its end or up to the step ``until``; writes nothing."""
    context = Context(loaded)
    _check_enabled(loaded, until or "run")
    steps = steps_until(loaded.config, until)
    _check_models(loaded.config, steps)
    lines = [
        f"{unit.name}: {format_count(len(unit.files), 'file')}, {unit.size / 1e6:.2f} MB"
        for unit in context.units
    ]
    keys = StepKeys(context, until)
    finished = keys.summaries()
    for name in steps:
        done = name in finished
        lines.append(f"{name}: {'up to date' if done else _describe_pending(keys, name)}")
        settings = loaded.config.tokenizer
        if name == "train-tokenizer" and not done:
            lines[-1] += f", {_describe_tokenizer(context, keys, settings)}"
    return "\n".join(lines)


def _describe_pending(keys: StepKeys, step: str) -> str:
    known = keys.of(step) is not None
    return "would run" if known else "would run, unless earlier steps write the same bytes again"


def _describe_tokenizer(context: Context, keys: StepKeys, settings: AnyTokenizerConfig) -> str:
    """The folder of an existing tokenizer; memory and time of training on the largest possible sample.

    The sample is that of the corpus or, before there is one, as configured.
    """
    from preprocessing.steps.train_tokenizer import sample_of
    from preprocessing.tokenizers.forecast import forecast, free_memory

    if isinstance(settings, ExistingTokenizerConfig):
        return f"takes {settings.folder}"
    size = settings.sample_bytes
    if keys.summary("balance") is not None:
        size = sample_of(context)
    expected, free = forecast(settings, size), free_memory()
    enough = "" if expected.memory_bytes <= free else ": not enough memory, lower tokenizer.sample_bytes"
    return f"at most {size / 1e6:.1f} MB of text, {expected} ({free / 2**30:.1f} GiB free{enough})"


def _check_enabled(loaded: Loaded[Config], step: str) -> None:
    if step != "run" and step not in steps_of(loaded.config):
        raise DataError(
            f"step {step!r} is off in this configuration; section '{step}' enables it", rule="step-off"
        )


def _check_models(config: Config, steps: Sequence[str]) -> None:
    """Raises DataError for a missing model or tokenizer at once: the step that needs it may start hours later."""
    if "score" in steps:
        from preprocessing.steps.score import model_keys

        model_keys(config.score)
    if isinstance(config.tokenizer, ExistingTokenizerConfig) and "train-tokenizer" in steps:
        from preprocessing.tokenizers.existing import read_existing

        read_existing(config.tokenizer.folder, config.tokenizer.eos_token)


def _require(context: Context, step: str, keys: StepKeys) -> None:
    for name in reads_of(context, step):
        _require(context, name, keys)
        if keys.summary(name) is None:
            order = ", ".join(steps_of(context.config))
            raise DataError(
                f"step {step!r} needs step {name!r}, which is not finished for this configuration in {context.folder}; "
                f"run 'mko data run ...', or the steps in order: {order}",
                rule="step-not-finished",
            )


def _run_step(context: Context, step: str, keys: StepKeys) -> None:
    marker, key = Marker(context.folder, step), keys.of(step)
    assert key is not None, "the steps that it reads are finished"
    if marker.is_of_other_format():
        log.info("%s: runs again, because another version of the program wrote its marker", step)
    if context.runner.leads:
        marker.remove()
        for name in _OUTDATED.get(step, ()):
            (context.folder / name).unlink(missing_ok=True)
    start = time.monotonic()
    outcome = module_of(step).run(context)
    if not context.runner.leads:
        context.runner.wait_for(context, marker, key)
        return
    context.finish_step(step, key, outcome)
    log.info("%s: done in %.1f s", step, time.monotonic() - start)


def _write_funnel(context: Context, keys: StepKeys) -> None:
    summaries = keys.summaries()
    if "clean" in summaries:
        write_json(context.folder / "funnel.json", funnel_of(summaries))


def _print_funnel(context: Context, keys: StepKeys) -> None:
    summaries = keys.summaries()
    encoded = summaries.get("encode", {})
    print(to_table(funnel_of(summaries), encoded.get("mixture", {}), encoded.get("epochs", {})))
    if "encode" in summaries:
        print(f"\n{context.folder / 'manifest.json'}")
