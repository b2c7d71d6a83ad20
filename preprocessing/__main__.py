"""``python -m preprocessing``, which ``mko data`` and ``mko tokenizer`` call, too."""

import sys
from collections.abc import Sequence

from preprocessing.running.supervision import supervise


def main(arguments: Sequence[str] | None = None) -> int:
    supervise()  # before the imports below, which take their time
    from preprocessing import cli
    from preprocessing.running.allocation import keep_freed_memory

    keep_freed_memory()
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
