"""``python -m preprocessing``."""

import signal
import sys

from preprocessing import cli
from preprocessing.running.allocation import keep_freed_memory


def main() -> int:
    keep_freed_memory()
    for number in (signal.SIGTERM, signal.SIGUSR1):  # as SIGINT: Slurm's, before the time limit
        signal.signal(number, signal.default_int_handler)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
