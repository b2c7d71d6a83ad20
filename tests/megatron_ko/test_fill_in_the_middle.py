"""Fill-in-the-middle: the text comes back when the parts are put in order; rates; samples depend on nothing but their window."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.formats.manifest import Manifest, read_manifest
from megatron_ko.planning.fill_in_the_middle import SHORTEST, FillInTheMiddle
from megatron_ko.planning.mixing import Mixing
from megatron_ko.training.window_samples import WindowSamples
from tests.tiny_data import DOMAINS, write_tiny_data

PREFIX, SUFFIX, MIDDLE, EOD = 1, 3, 0, 2
FILL_IN = FillInTheMiddle({"code": 1.0}, 0.5, PREFIX, SUFFIX, MIDDLE, EOD, seed=1)


def documents(tokens: list[int]) -> list[list[int]]:
    """The parts between EOD tokens, without them."""
    parts: list[list[int]] = [[]]
    for token in tokens:
        parts.append([]) if token == EOD else parts[-1].append(token)
    return parts


def restored(document: list[int]) -> list[int]:
    """The text of a document: of either order, prefix and middle are before and after what follows the suffix token."""
    if PREFIX not in document:
        return document
    suffix, middle = document.index(SUFFIX), document.index(MIDDLE)
    assert document[0] == PREFIX and 0 < suffix < middle
    assert sum(document.count(token) for token in (PREFIX, SUFFIX, MIDDLE)) == 3
    return document[1:suffix] + document[middle + 1 :] + document[suffix + 1 : middle]


@given(
    st.lists(st.integers(EOD, 12).filter(lambda token: token != SUFFIX), min_size=1, max_size=60),
    st.sampled_from([0.3, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 99),
)
def test_the_text_comes_back(tokens, rate, spm_rate, window):
    fill_in = dataclasses.replace(FILL_IN, rates={"code": rate}, spm_rate=spm_rate)
    result = fill_in.rearrange(np.array(tokens), "code", window).tolist()
    assert len(result) == len(tokens)
    parts = documents(result)
    text = [token for part in parts for token in (*restored(part), EOD)][:-1]
    assert text == tokens[: len(text)]
    assert len(tokens) - len(text) == 3 * sum(PREFIX in part for part in parts)
    if rate == 1:  # EOD stays behind its document; only documents without room or tokens stay as they are
        assert all(PREFIX in part or len(part) < SHORTEST for part in parts[:-1])


def test_both_orders():
    tokens = np.arange(10, 20)
    for spm_rate in (0.0, 1.0):
        fill_in = dataclasses.replace(FILL_IN, spm_rate=spm_rate)
        for window in range(50):
            result = fill_in.rearrange(np.append(tokens, [EOD, 9, 9, 9]), "code", window).tolist()
            assert result[13] == EOD and result[0] == PREFIX
            if spm_rate:
                assert result[1] == SUFFIX
                rest = result[result.index(MIDDLE) + 1 : 13]
                assert rest == list(range(10, 10 + len(rest)))
            else:
                prefix = result[1 : result.index(SUFFIX)]
                assert prefix == list(range(10, 10 + len(prefix)))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    return read_manifest(write_tiny_data(tmp_path_factory.mktemp("data")))


def samples_of(manifest: Manifest, fill_in: FillInTheMiddle | None, **more) -> WindowSamples:
    return WindowSamples(
        manifest, Mixing(DOMAINS, seed=1), seed=1, sequence_length=256, fill_in=fill_in, **more
    )


def test_the_rates_of_sets_and_orders(manifest):
    """Windows of the token files of three sets; those of the third are not named."""
    fill_in = dataclasses.replace(FILL_IN, rates={"code": 0.5, "ko": 0.1}, spm_rate=0.25)
    plain, arranged = samples_of(manifest, None), samples_of(manifest, fill_in)
    counts = {
        name: np.zeros(4) for name in DOMAINS
    }  # documents, rearranged ones, long ones of them, those in the order SPM
    for number in range(800):
        row, original = arranged[number], plain[number]
        assert (row["labels"][:-1] == row["tokens"][1:]).all()
        name = plain._names[plain._mixing.source(number)[0]]
        parts = documents(row["tokens"].tolist())
        eligible = [part for part in parts[:-1] if len(part) >= SHORTEST]
        chosen = [part for part in eligible if PREFIX in part]
        long = [part for part in chosen if len(part) > 20]  # shorter ones often have an empty prefix
        spm = [part for part in long if part[1] == SUFFIX]
        counts[name] += len(eligible), len(chosen), len(long), len(spm)
        text = [token for part in parts[:-1] for token in (*restored(part), EOD)]
        assert text == original["tokens"].tolist()[: len(text)]
        if name == "en":
            assert (row["tokens"] == original["tokens"]).all()
    for name, rate in (("code", 0.5), ("ko", 0.1), ("en", 0.0)):
        total, chosen, long, spm = counts[name]
        assert total > 300
        assert chosen / total == pytest.approx(rate, abs=4 * (rate * (1 - rate) / total) ** 0.5)
        if rate == 0.5:
            assert spm / long == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / long) ** 0.5)


def test_a_sample_depends_on_its_window_alone(manifest):
    samples = samples_of(manifest, FILL_IN)
    rows = [samples[number]["tokens"] for number in range(30)]
    again = pickle.loads(pickle.dumps(samples))
    later = samples_of(manifest, FILL_IN, first=20, begin=samples.counters_after(20))
    for number in (29, 3, 21):
        assert (again[number]["tokens"] == rows[number]).all()
    for number in range(20, 30):
        assert (later[number]["tokens"] == rows[number]).all()
    other = samples_of(manifest, dataclasses.replace(FILL_IN, seed=2))
    assert any((other[number]["tokens"] != rows[number]).any() for number in range(30))
