"""Short inputs with what a Korean editor expects (``normalization_cases.jsonl``): jamo, code pages, entities, tags, runs, ends.

The expected texts were written before the code was read; ``(decided)`` marks those that follow a decision of the guide instead.
"""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import Counts
from preprocessing.steps.text_operations import normalize_column, operations_for

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "normalization_cases.jsonl").read_text("utf-8").split("\n")
    if line
]


@pytest.mark.parametrize("lang", ["ko", "en", "code"])
def test_the_column_and_the_plain_functions_give_what_is_expected(lang):
    cases = [case for case in CASES if case["lang"] == lang]
    ids = pa.array(map(str, range(len(cases))), pa.string())
    texts = pa.array([case["input"] for case in cases], pa.large_string())
    column = normalize_column(texts, ids, lang, "html", CleanConfig(), Counts()).to_pylist()
    expected = [case["expected"] for case in cases]
    assert cases and [pair for pair in zip(cases, column) if pair[0]["expected"] != pair[1]] == []
    for case in cases:
        text = case["input"]
        for operation in operations_for(lang, "html", CleanConfig()):
            text = operation.apply(text)
        assert text == case["expected"], case
    again = normalize_column(
        pa.array(expected, pa.large_string()), ids, lang, "html", CleanConfig(), Counts()
    )
    assert again.to_pylist() == expected
