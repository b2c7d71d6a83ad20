"""``python -m preprocessing``."""

import sys

from preprocessing import cli
from preprocessing.allocation import keep_freed_memory


def main() -> int:
    keep_freed_memory()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
