"""Stopping on request: SIGTERM, SIGINT and SIGUSR1 ask the run to save and to end with exit code 75."""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# A terminal sends Ctrl-C to every process, and the launcher passes it on: within this time it is the same request.
SAME_REQUEST_S = 1.0


class StopRequest:
    """Remembers the first signal; Ctrl-C once more ends the program at once."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._since = 0.0
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.reason is None:
            self.reason, self._since = signal.Signals(number).name, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._since > SAME_REQUEST_S:
            raise KeyboardInterrupt
