"""``python -m preprocessing``."""

import sys

from preprocessing.cli import main

if __name__ == "__main__":
    sys.exit(main())
