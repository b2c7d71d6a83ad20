"""Sets, signatures, digests and pairs against their plain definitions."""

import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.documents import utf8_buffer
from preprocessing.duplicates.numbering import _sorted_rows, part_of
from preprocessing.duplicates.signatures import canonical_digest, digests, sign, signature_matrix
from preprocessing.kernels import buckets, canonical, minhash
from preprocessing.kernels.shingles import sequence_sets
from tests.preprocessing.duplicates import plain_jaccard, plain_set, variants

SOME = [
    *variants(1, 4),
    "가나 다라",
    "",
    "!!! ...",
    "한글abc123 섞임, 끝.",
    "Same SAME same Same same same",
    "x_1 y",
]
TEXT = st.text(
    st.sampled_from("가나힣ㅋab_Z09 \n\t\u00a0\u2003\u3000é漢\u0301\u1100\u1161\u11a8.🙂"), max_size=40
)


def column(texts):
    return pa.array(texts, pa.large_string())


def buffers(texts):
    return utf8_buffer(column(texts))


def similarity_of(flat, starts, i, j):
    return minhash.jaccard(flat, starts[i], starts[i + 1], starts[j], starts[j + 1])


def test_sets_are_those_of_plain_python():
    flat, starts = sequence_sets(*buffers(SOME))
    assert np.diff(starts).tolist() == [len(plain_set(text)) for text in SOME]
    for i, a in enumerate(SOME):
        for j, b in enumerate(SOME):
            assert similarity_of(flat, starts, i, j) == pytest.approx(plain_jaccard(a, b))


def test_ideographs_are_words_of_their_own():
    flat, starts = sequence_sets(*buffers(["漢字漢字漢字", "漢 字 漢 字 漢 字", "漢字漢字漢自"]))
    assert similarity_of(flat, starts, 0, 1) == 1.0 > similarity_of(flat, starts, 0, 2)


def test_a_signature_is_the_minimum_over_the_set():
    """The kernel sees sequences with repetitions, four at a time; the set, one hash at a time, is equal."""
    texts = [*SOME, " ".join(["하나", "둘", "셋"] * 50)]
    seeds = minhash.hash_seeds(24, 3)
    words, signature = minhash.signatures(*buffers(texts), seeds)
    flat, starts = sequence_sets(*buffers(texts))
    addends, factors = seeds.astype(np.uint64)
    for row in range(len(texts)):
        values = flat[starts[row] : starts[row + 1], None] >> np.uint64(32)
        expected = ((values * factors + addends) % (1 << 32)).min(axis=0, initial=minhash.NONE)
        assert signature[row].tolist() == expected.tolist(), texts[row]
    assert [count == 0 for count in words] == [not plain_set(text) for text in texts]


def test_signatures_estimate_the_jaccard_similarity():
    texts = [text for seed in range(20) for text in variants(seed)]
    hashes = 128
    _, signature = minhash.signatures(*buffers(texts), minhash.hash_seeds(hashes, 7))
    left = np.arange(len(texts)) // 24 * 24
    equal = minhash.agreements(signature, left, np.arange(len(texts)))
    exact = np.array([plain_jaccard(texts[i], text) for i, text in zip(left, texts)])
    spread = (exact * (1 - exact) / hashes) ** 0.5
    errors = equal / hashes - exact
    assert (np.abs(errors) <= 4.5 * spread + 1e-9).all()
    assert abs(errors.mean()) < 0.01  # no bias
    graded = spread > 0
    assert 0.8 < (errors[graded] / spread[graded]).std() < 1.2  # as many independent hashes would


def test_bands_agree_where_all_their_hashes_agree():
    signature = np.arange(24, dtype=np.uint32).reshape(2, 12) % 12
    signature[1, 5] = 99
    bands = minhash.band_values(signature, 4)
    assert (bands[:, 0] == bands[:, 1]).tolist() == [True, False, True, True]
    assert len(set(bands[:, 0].tolist())) == 4  # the same hashes in another band are another value
    same = minhash.band_values(np.zeros((1, 12), np.uint32), 4)
    assert len(set(same[:, 0].tolist())) == 4


def test_columns_of_a_batch_are_those_of_its_rows():
    config = DeduplicateConfig(num_hashes=12, bands=3)
    whole = sign(column(SOME), config, 5)
    assert whole.schema.names == ["digest", "words", "signature", "band_00", "band_01", "band_02"]
    assert whole["signature"].type == pa.binary(48)
    parts = [sign(column(SOME)[start : start + 3], config, 5) for start in range(0, len(SOME), 3)]
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([whole]))
    sliced = signature_matrix(whole["signature"][4:7])
    assert sliced.tolist() == signature_matrix(whole["signature"])[4:7].tolist()
    assert sign(column([]), config, 5).num_rows == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_digests_are_those_of_the_plain_definition(texts):
    assert digests(column(texts)) == [canonical_digest(text) for text in texts]


def test_whitespace_is_what_python_splits_at():
    white = [c for c in range(sys.maxunicode + 1) if chr(c).isspace()]
    assert [c for c in range(0x3100) if canonical.is_white(c)] == white


def test_a_composed_character_changes_in_no_surroundings():
    """Whatever ``is_composed`` passes is its own composition and is not the second part of a pair that composes."""
    second = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    for c in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(c)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second.add(int(parts[1], 16))
    for c in range(0x30000):
        if canonical.is_composed(c) and not 0xD800 <= c < 0xE000:
            char = chr(c)
            assert unicodedata.normalize("NFC", char) == char and not unicodedata.combining(char), hex(c)
            assert c not in second, hex(c)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 5))
def test_a_member_of_a_bucket_meets_the_first_ones_before_it(values, most):
    numbers = np.random.default_rng(0).permutation(len(values)).astype(np.uint32)
    values = np.array(values, np.uint64)
    order = np.lexsort((numbers, values))
    pairs = buckets.bucket_pairs(values[order], numbers[order], most)
    expected = set()
    for value in set(values.tolist()):
        members = sorted(numbers[values == value].tolist())
        expected |= {(m << 32) | e for k, m in enumerate(members) for e in members[: min(k, most)]}
    assert sorted(pairs.tolist()) == sorted(expected)


@settings(max_examples=200, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=40), st.integers(1, 9))
def test_stars_are_greedy_and_may_be_cut(edges, cut):
    pairs = np.array(sorted((max(e) << 32) | min(e) for e in edges if e[0] != e[1]), np.uint64)
    similarity = np.linspace(0.7, 1, len(pairs), dtype=np.float32)
    center, alike = np.arange(16, dtype=np.uint32), np.zeros(16, np.float32)
    for start in range(0, len(pairs), cut):
        buckets.stars(pairs[start : start + cut], similarity[start : start + cut], center, alike)
    expected = {}
    for later in range(16):
        near = [e for e in range(later) if ((later << 32) | e) in set(pairs.tolist()) and expected[e] == e]
        expected[later] = near[0] if near else later
    assert center.tolist() == [expected[i] for i in range(16)]
    assert ((alike > 0) == (center != np.arange(16))).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=30), st.integers(1, 60))
def test_passes_hold_what_fits(edges, limit):
    left, right = (np.array(side) for side in zip(*edges))
    costs = np.arange(1, 9) * 3
    bounds = buckets.passes(left, right, costs, limit).tolist()
    assert bounds[0] == 0 and bounds[-1] == len(edges) and bounds == sorted(set(bounds))
    for start, end in zip(bounds, bounds[1:]):
        members = {*left[start:end].tolist(), *right[start:end].tolist()}
        assert end - start == 1 or sum(costs[m] for m in members) <= limit
    assert len(buckets.passes(left, right, costs, 10**6)) == 2


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_parts_of_hashes_are_a_partition(parts):
    values = np.array(
        [0, 1, 1 << 63, (1 << 64) - 1, *np.random.default_rng(1).integers(0, 1 << 63, 50)], np.uint64
    )
    parts_of_values = [part_of(values, part, parts) for part in range(parts)]
    assert np.sum(parts_of_values, axis=0).tolist() == [1] * len(values)
    assert part_of(values, parts - 1, parts)[3] and part_of(values, 0, parts)[0]


@pytest.mark.parametrize("memory", [1, 300, 10**9])
def test_order_of_ids_is_that_of_code_points_whatever_the_memory(memory, monkeypatch):
    monkeypatch.setattr("preprocessing.duplicates.numbering.SAMPLE_EVERY", 3)
    names = ["b", "a", "가", "é", "🙂", "b", "", "B", "\ufb01", "aa", "a", "힣", "z" * 40, "10", "9"]
    batches = [
        (np.arange(i, min(i + 4, 15), dtype=np.uint32), column(names[i : i + 4])) for i in range(0, 15, 4)
    ]
    rows = np.concatenate(list(_sorted_rows(lambda: iter(batches), memory)))
    assert rows.tolist() == sorted(range(15), key=lambda row: (names[row], row))
