"""Keys of work: code counts by what it does."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys

import pytest

from preprocessing.running import markers

NUMBERS = itertools.count()  # a module is looked at once
CODE = '''
"""What it is."""
from preprocessing.kernels import tables  # a comment
WORDS = ("alpha", "beta", "gamma", "delta")
def judge(word, least=3):
    return word in {"alpha", "beta", "gamma"} and len(word) >= least
'''


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def of(source):
        name = f"judged_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return markers.code_of(name)

    return of


def test_comments_and_formatting_do_not_count(hash_of):
    first = hash_of(CODE)
    assert first == hash_of(CODE)
    assert first == hash_of(
        CODE.replace("# a comment", "").replace("def judge", "\n\n# more\ndef judge").replace(" >= ", ">=")
    )


@pytest.mark.parametrize(
    "old, new",
    [
        (">= least", "> least"), ("least=3", "least=4"), ('"gamma"}', '"delta"}'), ("len(word)", "abs(word)"),
        ('"alpha", "beta"', '"beta", "alpha"'), (" and ", " or "), ("import tables", "import lines"),
        ("from preprocessing.kernels import tables", "import os"),
    ],
)  # fmt: skip
def test_what_code_does_counts(hash_of, old, new):
    assert old in CODE
    assert hash_of(CODE) != hash_of(CODE.replace(old, new, 1))


def test_what_is_imported_counts(monkeypatch):
    before = markers.code_of("preprocessing.steps.encode")
    real = markers._module

    def changed(name):
        found = real(name)
        return ("other", found[1]) if name == "preprocessing.kernels.bpe_merge" else found

    markers.code_of.cache_clear()
    monkeypatch.setattr(markers, "_module", changed)
    try:
        assert markers.code_of("preprocessing.steps.encode") != before
    finally:
        markers.code_of.cache_clear()


def test_every_process_finds_the_same_hash():
    shown = {
        subprocess.run(
            [sys.executable, "-c", "from preprocessing.running.markers import code_of; print(code_of('preprocessing.steps.measure'))"],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(shown) == 1


def test_imports_of_every_form_are_followed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "forms.py").write_text(
        "from preprocessing.kernels import (\n    tables as t,  # why\n    lines,\n)\n"
        "def later():\n    from preprocessing.text import hangul as h\n    return h, t, lines\n"
    )
    importlib.invalidate_caches()
    found = markers._module("forms")
    assert found is not None
    assert set(found[1]) == {
        "preprocessing.kernels", "preprocessing.kernels.tables", "preprocessing.kernels.lines",
        "preprocessing.text", "preprocessing.text.hangul",
    }  # fmt: skip
