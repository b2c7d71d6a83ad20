"""Both engines find the rows that Python's re finds in each row alone."""

import multiprocessing
import pickle
import random
import re
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.text import matching
from preprocessing.text.matching import STRETCH_BYTES, Matcher, available_engine

PATTERNS = {
    "number": r"[0-9]{3}-[0-9]{4}",
    "word": r"(?i:kelvin|speed) ?[가-힣]?[0-9]{1,2}",
    "syllable": r"[가-힣]@",
    "not": r"계좌[^0-9\n]{0,4}[0-9]",
    "dash": "[0-9][-–－][0-9]",
    "dot": r"a.b\.c|\n\t",
    "lazy": r"x[a-z]{0,3}?y",
}
PARTS = ["123", "-", "4567", "–", "－", "kelvin", "KELVIN", "ſpeed", "speed", "가", "나", "@", "계좌", "\n", "\t", "a", "b", ".c", "x", "y", "1", " ", "é", "𠮷"]  # fmt: skip
ENGINES = ["re2", *(["hyperscan"] if available_engine() == "hyperscan" else [])]
TEXTS = st.lists(st.lists(st.sampled_from(PARTS), max_size=12).map("".join), max_size=12)


def column(texts):
    return pa.array(texts, pa.large_string())


def match_plainly(texts):
    return {
        name: [row for row, text in enumerate(texts) if re.search(p, text)] for name, p in PATTERNS.items()
    }


def match_rows(matcher, texts):
    return {name: rows.tolist() for name, rows in matcher.rows(column(texts)).items()}


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_rows_are_those_of_python(engine, texts):
    assert match_rows(Matcher(PATTERNS, engine), texts) == match_plainly(texts)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_match_across_two_rows_does_not_count(engine):
    assert match_rows(Matcher(PATTERNS, engine), ["123-", "4567", "", "x", "y"])["number"] == []
    assert match_rows(Matcher(PATTERNS, engine), ["", "0123-4567"])["number"] == [1]


@pytest.mark.parametrize("engine", ENGINES)
def test_stretches_end_between_rows_of_any_length(engine):
    filler = "가나다 " * (STRETCH_BYTES[-1] // 40)
    texts = [
        filler,
        "123-4567",
        filler * 9,
        "",
        filler * 90,
        filler + "123-4567",
        "",
        filler,
        filler + "가@",
        "1-1",
    ] * 3
    assert match_rows(Matcher(PATTERNS, engine), texts) == match_plainly(texts)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("share", [0.001, 0.05, 0.7])
def test_rare_and_frequent_matches_among_many_rows(engine, share):
    rng = random.Random(1)
    texts = [
        "".join(rng.choices(PARTS, k=rng.randrange(9)))
        if rng.random() < share
        else "가나다 " * rng.randrange(200)
        for _ in range(3000)
    ]
    assert match_rows(Matcher(PATTERNS, engine), texts) == match_plainly(texts)


@pytest.mark.parametrize("engine", ENGINES)
def test_slices_nulls_and_empty_columns(engine):
    matcher = Matcher(PATTERNS, engine)
    assert match_rows(matcher, []) == {name: [] for name in PATTERNS}
    part = column(["123-4567", "a", None, "1-1 가@", ""]).slice(1, 3)
    rows = matcher.rows(part)
    assert rows["dash"].tolist() == rows["syllable"].tolist() == [2]
    assert rows["number"].tolist() == [] and rows["number"].dtype == "int64"


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (r"\bword", r"\b"),
        ("^a", "^"),
        ("a$", "$"),
        ("(?=a)b", "(?"),
        ("(?<!a)b", "(?"),
        (r"(a)\1", r"\1"),
        (r"\d+x", r"\d"),
        (r"[\w]x", r"\w"),
        ("(?P<n>a)", "(?"),
        ("a*", "a*"),
        ("a(", "a("),
    ],
)
def test_patterns_that_engines_read_differently_are_rejected(pattern, part):
    with pytest.raises(ValueError, match=re.escape(repr(part))):
        Matcher({"mine": pattern})


def test_escaped_signs_and_signs_in_a_class_are_not_assertions():
    matcher = Matcher({"a": r"[$^]\$[\]\^]x\.\n?"})
    assert matcher.rows(column(["$$]x.", "^$^x.\n", "$$$x."]))["a"].tolist() == [0, 1]


def test_re2_is_the_engine_without_hyperscan(monkeypatch):
    available_engine.cache_clear()
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    try:
        assert Matcher(PATTERNS).engine == "re2"
    finally:
        available_engine.cache_clear()


SHARED = Matcher(PATTERNS)


def _count(matcher):
    return len(matcher.rows(column(["123-4567"] * 50))["number"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_used_matcher_works_in_other_processes(method):
    assert _count(SHARED) == 50
    assert matching._compile.cache_info().currsize
    assert _count(pickle.loads(pickle.dumps(SHARED))) == 50
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_count, [SHARED] * 4) == [50] * 4
