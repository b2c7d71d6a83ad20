"""``python -m preprocessing``."""

import sys

from preprocessing.running.supervision import supervise


def main() -> int:
    supervise()  # before the imports below, which take their time
    from preprocessing import cli
    from preprocessing.running.allocation import keep_freed_memory

    keep_freed_memory()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
