"""Averages of the last checkpoints at a period (``checkpoint.average``), beside a run that goes on with its own weights.

Owns ``averages/`` of a run folder. An average appears whole: ``mko checkpoint average`` writes and verifies it in a temporary folder,
which is then renamed. It depends on the run's checkpoints alone, at multiples of ``checkpoint.every_steps``, so a run that was killed
and resumed has the same averages.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError, UserError
from megatron_ko.files import fsync_folder, read_json, write_json
from megatron_ko.formats.checkpoint_folder import MARKER, STEP, Checkpoint
from megatron_ko.formats.run_folder import average_folder, checkpoint_folder, step_of, steps_of_average
from megatron_ko.preflight import Preflight
from megatron_ko.wording import format_count

log = logging.getLogger(__name__)
TEMPORARY = ".unfinished"


def average_if_due(checked: Preflight, step: int, world: Any) -> None:
    """Writes the average of ``step`` if there is to be one and it is missing. Rank 0 writes, the others wait. Collective.

    Call it after a save, and where a run continues: a kill may have come between both. Raises CheckpointError on every
    rank if the average cannot be written.
    """
    from megatron_ko.training.main_rank import on_main_rank

    settings = checked.config.checkpoint
    if settings.average is None or step == 0 or step % settings.average.every_steps:
        return
    average = settings.average

    def write() -> None:
        _write(checked.run_folder, step, steps_of_average(average, settings.every_steps, step))
        _remove_old(checked.run_folder, average.keep)

    done, error = on_main_rank(write, (UserError, OSError), world.device)
    if not done:
        raise CheckpointError(
            f"{average_folder(checked.run_folder, step)}: the average cannot be written"
            f"{f' ({error})' if error else ', see the error of rank 0'}; the checkpoints are complete: solve the problem and start "
            "the run again, or remove checkpoint.average",
            rule="average-not-written",
        ) from error


def _write(run: Path, step: int, steps: list[int]) -> None:
    """Averages the checkpoints of ``steps``; none if the run has not saved all of them."""
    from checkpoint_tools.operations.average import REPORT, describe_sources, write_average

    folders = [checkpoint_folder(run, number) for number in steps]
    if missing := [folder.name for folder in folders if not (folder / MARKER).is_file()]:
        log.info("no average after step %s: %s", f"{step:,}", f"{', '.join(missing)} does not exist")
        return
    target, report = average_folder(run, step), describe_sources([Checkpoint.read(path) for path in folders])
    if (target / REPORT).is_file() and read_json(target / REPORT, error=CheckpointError) == report:
        return
    begin, temporary = time.monotonic(), target.parent / TEMPORARY
    for leftover in (temporary, target):  # of a killed run; of a run that went back
        if leftover.exists():
            shutil.rmtree(leftover)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            write_average(folders, str(temporary))
        verification = read_json(temporary / "verification.json", error=CheckpointError)
        verification["weights"]["b"] = str(target)
        write_json(temporary / "verification.json", verification)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    fsync_folder(target.parent)
    log.info(
        "wrote %s, the mean of %s, in %.1f s",
        target,
        format_count(len(steps), "checkpoint"),
        time.monotonic() - begin,
    )


def _remove_old(run: Path, keep: int | None) -> None:
    """Removes all averages but the newest ``keep``, markers first."""
    parent = average_folder(run, 0).parent
    if keep is None or not parent.is_dir():
        return
    complete = sorted((path for path in parent.iterdir() if STEP.match(path.name)), key=step_of)
    for folder in complete[:-keep]:
        (folder / MARKER).unlink(missing_ok=True)
        shutil.rmtree(folder)
