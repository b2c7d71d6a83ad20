"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from megatron_ko.progress import ProgressBar
from megatron_ko.wording import format_count


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "file", "0 files"), (1, "file", "1 file"), (2, "file", "2 files"), (1234, "entry", "1,234 entries"),
        (1, "entry", "1 entry"), (2, "micro-batch", "2 micro-batches"), (3, "key", "3 keys"), (2, "pass", "2 passes"),
        (1, "new token", "1 new token"), (5, "bad record", "5 bad records"),
    ],
)  # fmt: skip
def test_nouns_follow_their_number(number, noun, text):
    assert format_count(number, noun) == text


@pytest.mark.parametrize(("total", "unit", "start"), [(1, "file", "0 of 1 file,"), (3, "entry", "0 of 3 entries,"),
                                                      (None, "batch", "0 batches,"), (1, "B", "0 of 1 B,")])  # fmt: skip
def test_progress_counts_in_words(total, unit, start):
    with ProgressBar("work", total, unit) as bar:
        assert bar.line().startswith(start)
