"""Progress and log lines on a terminal of 80 columns, and without one."""

from __future__ import annotations

import fcntl
import logging
import os
import pty
import struct
import subprocess
import sys
import termios
import time

from megatron_ko import progress as module
from megatron_ko.progress import ProgressBar, progress
from megatron_ko.tables import width_of
from preprocessing.running.progress import StepProgress

COLUMNS = 80
BAR_AND_LINES = """
import logging, time
from megatron_ko.logs import set_up_logging
from preprocessing.running.progress import StepProgress
set_up_logging()
bar = StepProgress("decontaminate", 400, 40_000_000_000)
for number in range(5):
    bar.add(8_000_000_000, {"documents_in": 12_345_678, "documents_out": 12_000_000})
    bar._bar.refresh()
    logging.info("line %d is whole", number)
bar.close()
logging.info("after the bar")
"""


def on_terminal(script: str, columns: int = COLUMNS) -> bytes:
    """Everything that ``script`` writes to a terminal."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = subprocess.Popen([sys.executable, "-c", script], stdout=end, stderr=end, stdin=end)
    os.close(end)
    written = b""
    try:
        while block := os.read(terminal, 65536):
            written += block
    except OSError:  # Linux ends a terminal without writers like this
        pass
    os.close(terminal)
    assert program.wait(timeout=300) == 0, written.decode()
    return written


def frames(written: bytes) -> list[list[str]]:
    """What each line of the screen showed, one text per return of the cursor."""
    return [line.split("\r") for line in written.decode().replace("\r\n", "\n").split("\n")]


def screen(written: bytes) -> list[str]:
    """The screen at the end: text after a return of the cursor overwrites what was there."""
    shown = []
    for parts in frames(written):
        line = ""
        for part in parts:
            line = part + line[len(part) :]
        shown.append(line.rstrip())
    return shown


def test_log_lines_are_written_above_the_bar_and_the_bar_fits_the_terminal():
    written = on_terminal(BAR_AND_LINES)
    lines = [line.partition(" ")[2] for line in screen(written) if line]
    assert lines == [*(f"line {number} is whole" for number in range(5)), "after the bar"]
    drawn = [part for parts in frames(written) for part in parts if part.startswith("decontaminate:")]
    assert any("100%" in part and "40.0G/40.0G" in part for part in drawn)
    assert any("61.7M" in part and part.rstrip().endswith("97% kept") for part in drawn)
    assert max(map(width_of, drawn)) <= COLUMNS


def test_without_a_terminal_logging_and_progress_do_not_import_tqdm():
    script = (
        "import sys; from megatron_ko.logs import set_up_logging; from megatron_ko.progress import progress\n"
        "set_up_logging(); list(progress(range(3), 'x')); sys.exit('tqdm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, check=False).returncode == 0


def test_a_long_unit_of_work_is_logged_before_it_ends(monkeypatch, caplog):
    monkeypatch.setattr(module, "LOG_EVERY_S", 0.02)
    caplog.set_level(logging.INFO)
    with ProgressBar("work", 3, "task") as bar:
        deadline = time.monotonic() + 30
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
        bar.update()
    assert caplog.records[0].getMessage().startswith("work: 0 of 3 tasks, ")


def test_items_are_yielded_in_order_and_closing_twice_is_allowed():
    assert list(progress(iter("abc"), "letters")) == ["a", "b", "c"]
    bar = ProgressBar("work")
    bar.close()
    bar.close()


def test_line_of_a_step():
    bar = StepProgress("clean", 4, 400_000_000, finished_bytes=100_000_000)
    bar.add(100_000_000, {"documents_in": 1_000, "documents_out": 900})
    bar.close()
    for value in ("1 of 4", "200 of 400 MB", "1,000", "90.0 %", "s left"):
        assert value in bar.line()


def test_documents_without_a_verdict_have_no_share():
    bar = StepProgress("balance", 4, 0)
    bar.add(0, {"documents_in": 1_000})
    bar.close()
    assert "1,000" in bar.line() and "%" not in bar.line()
