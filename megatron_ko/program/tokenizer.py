"""``mko tokenizer COMMAND``: the commands about tokenizers that live in ``preprocessing``."""

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    from preprocessing.__main__ import main as run_preprocessing

    return run_preprocessing(["tokenizer", *arguments])
