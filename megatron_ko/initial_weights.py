"""Initial weights from a Hugging Face folder: converted once into the run folder, before ranks start.

Owns ``initial_weights/`` of a run folder. It appears whole: converted and verified by ``mko checkpoint from-hf`` in a
temporary folder, described in ``source.json``, then renamed. It is converted again when the files of the source change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError, exit_code_of, shell_exit_code
from megatron_ko.files import fsync_folder, read_json, write_json
from megatron_ko.formats.checkpoint_folder import Checkpoint, check_fits
from megatron_ko.formats.hugging_face import HfModel, files_of
from megatron_ko.formats.lora_record import check_base
from megatron_ko.formats.run_folder import INITIAL_WEIGHTS
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.preflight import Preflight
from megatron_ko.processes import die_with_parent

FORMAT = "megatron_ko-initial-weights-1"
SOURCE = "source.json"
TEMPORARY = f".{INITIAL_WEIGHTS}.tmp"
WAIT_S = 6 * 3600.0
"""Longest time in seconds for which other ranks wait for the conversion by rank 0."""


def convert(checked: Preflight, rank: int = 0) -> Preflight:
    """The run with its initial weights as a checkpoint. Rank 0, which holds the lock of the run folder, converts them.

    Raises CheckpointError, or SystemExit with the code of a conversion that has printed its error.
    """
    base = checked.initial
    if not isinstance(base, HfModel):
        return checked
    initial = convert_once(base, checked.run_folder / INITIAL_WEIGHTS, rank)
    check_fits(initial, checked.config.model, checked.plan.vocab_size, checked.manifest.tokenizer_fingerprint)
    check_loadable(initial)
    if checked.start is not None:
        check_base(checked.start, initial)
    return dataclasses.replace(checked, initial=initial)


def convert_once(base: HfModel, target: Path, rank: int) -> Checkpoint:
    """The conversion of ``base`` in ``target``, unless its files have changed; other ranks wait for rank 0."""
    source = describe(base)
    if rank != 0:
        _wait(target, source)
    elif not is_converted(target, source):
        _convert_in_process(base, target, source)
    return Checkpoint.read(target)


def describe(base: HfModel) -> dict[str, Any]:
    """Content of ``source.json``: everything the conversion depends on."""
    settings = {name: getattr(base.model, name) for name in ("vocab_multiple", "max_sequence_length")}
    files = files_of(base.folder)
    return {"format": FORMAT, "folder": str(base.folder.resolve()), "settings": settings, "files": files}


def is_converted(target: Path, source: dict[str, Any]) -> bool:
    """Whether ``target`` contains the whole conversion of ``source``."""
    return (target / SOURCE).is_file() and read_json(target / SOURCE, error=CheckpointError) == source


def _wait(target: Path, source: dict[str, Any]) -> None:
    """Looks every few seconds: hundreds of ranks look at one file of a shared disk."""
    end, pause = time.monotonic() + WAIT_S, 0.2
    while not is_converted(target, source):
        if time.monotonic() > end:
            raise CheckpointError(
                f"{target}: rank 0 has not converted the weights within {WAIT_S / 3600:.0f} h; check that all hosts see "
                "the same run folder",
                rule="conversion-timeout",
            )
        time.sleep(pause)
        pause = min(1.5 * pause, 5.0)


def _convert_in_process(base: HfModel, target: Path, source: dict[str, Any]) -> None:
    """Converts in a process of its own: one that has computed with torch must not be forked into ranks."""
    temporary = target.parent / TEMPORARY
    if temporary.exists():
        shutil.rmtree(temporary)  # leftover of a killed conversion
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_convert, args=(base, temporary, target, source, os.getpid()))
    process.start()
    process.join()
    if temporary.exists():
        shutil.rmtree(temporary)  # a failed conversion must not keep a disk full
    if process.exitcode:
        raise SystemExit(shell_exit_code(process.exitcode))


def _convert(base: HfModel, temporary: Path, target: Path, source: dict[str, Any], parent: int) -> None:
    """Main function of the process; it dies with its parent, which handles all signals."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def work() -> int:
        _write(base, temporary, target)
        write_json(temporary / SOURCE, source)
        fsync_folder(temporary)
        if target.exists():  # of another source, or an earlier state of this one
            (target / SOURCE).unlink(missing_ok=True)
            shutil.rmtree(target)
        temporary.rename(target)
        fsync_folder(target.parent)
        return 0

    raise SystemExit(exit_code_of(work))


def _write(base: HfModel, temporary: Path, target: Path) -> None:
    """Runs ``from-hf`` into ``temporary``; its text and its verification name ``target``."""
    from checkpoint_tools.formats import hf
    from checkpoint_tools.operations import from_hf
    from checkpoint_tools.options.conversion import FromHf

    length = base.model.max_sequence_length
    stored = hf.open_hf(base.folder, length).dtype
    options = FromHf(
        src=str(base.folder),
        dst=str(temporary),
        dtype=None if stored in ("bf16", "fp32") else "fp32",  # fp32 keeps every value of fp16
        vocab_multiple=base.model.vocab_multiple,
        max_sequence_length=length,
    )
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            from_hf.run(options)
    finally:
        print(printed.getvalue().replace(str(temporary), str(target)), end="", flush=True)
    verification = read_json(temporary / "verification.json", error=CheckpointError)
    verification["weights"]["b"] = str(target)
    write_json(temporary / "verification.json", verification)
