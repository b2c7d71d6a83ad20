"""Standard logging in one format: rank 0 logs from INFO on, the other ranks from WARNING on; a run keeps a file per rank."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any


class LinesAboveBars(logging.StreamHandler):
    """Writes each line above the progress bars of its terminal, which are drawn again below it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)  # without the module there is no bar
        if not getattr(tqdm, "_instances", None):
            super().emit(record)
            return
        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)


class RunFile(logging.FileHandler):
    """The file of a rank. If it cannot be written, such as to a full disk, one line reports that, without a traceback."""

    _failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (a method of logging.Handler)
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._failed:
            self._failed = True
            reason = f"cannot be written ({error.strerror}); its lines are only on the terminal"
            print(f"{self.baseFilename}: {reason}", file=sys.stderr, flush=True)


def set_up_logging(rank: int = 0, folder: Path | None = None) -> None:
    """Logs to stderr, and to ``folder``/rank_00000.log, which the first line creates."""
    level = logging.INFO if rank == 0 else logging.WARNING
    prefix = "" if rank == 0 else f"[rank {rank}] "
    screen = (LinesAboveBars if sys.stderr.isatty() else logging.StreamHandler)(sys.stderr)
    screen.setFormatter(logging.Formatter(f"%(asctime)s {prefix}%(message)s", "%H:%M:%S"))
    handlers: list[logging.Handler] = [screen]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        file = RunFile(folder / f"rank_{rank:05d}.log", encoding="utf-8", delay=True)
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    for library in ("torch", "megatron", "fsspec", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)


def record_error(error: BaseException) -> None:
    """Writes the traceback of ``error`` to this rank's file, if it has one, and not to the terminal."""
    record = logging.LogRecord(
        __name__,
        logging.ERROR,
        __file__,
        0,
        "%s",
        (type(error).__name__,),
        (type(error), error, error.__traceback__),
    )
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)
