"""Why a checkpoint could not be written: the text of the operating system, which megatron-core only logs.

Its writer thread raises an error that names the class of the first one (``OSError``) and logs its text on the rank that failed.
Owns the record of that text and the sentence for the user.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

import torch.distributed as dist

from megatron_ko.errors import first_line

_LOGGER = "megatron.core.dist_checkpointing.strategies.filesystem_async"
_TEXT = re.compile(r"encountered an error: (.+)")
_CLASS = re.compile(r"error: <class '(?:\w+\.)*(\w+)'>")
SHORT_ARCHIVE = "a file is shorter than what was written to it, as on a full disk"


class WriterErrors(logging.Handler):
    """Keeps the first error that the writer of this rank logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        match = _TEXT.search(record.getMessage())
        if match and self._text is None:
            # torch's archive reports a full disk as a position that it did not expect
            self._text = SHORT_ARCHIVE if "inline_container" in match[1] else match[1]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)

    def reason_of(self, error: BaseException) -> str:
        """The first failure of a rank, where torch has collected them, or the first line of ``error``."""
        failures = getattr(error, "failures", None)
        if not isinstance(failures, dict) or not failures:
            if failures is None:
                return SHORT_ARCHIVE if "inline_container" in str(error) else first_line(error)
            return f"this rank: {self._text}" if self._text else "another rank could not write"
        rank, failure = min(failures.items())
        text = first_line(failure[0])
        if rank == dist.get_rank() and self._text:
            text = self._text
        elif match := _CLASS.search(text):
            text = f"{match[1]} while writing; its log has the text"
        return f"rank {rank}: {text}"
