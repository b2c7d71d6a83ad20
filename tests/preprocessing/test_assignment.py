"""Where documents go, against plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.mixture import BalanceConfig, DomainConfig
from preprocessing.corpus import assignment

DOMAINS = {
    "news": DomainConfig(sources=["news"]),
    "ko": DomainConfig(langs=["ko"]),
    "rest": DomainConfig(langs=["en", "code"]),
}


def test_the_first_domain_that_matches_takes_a_document():
    rows = [("news", "ko"), ("web", "ko"), ("web", "code"), ("web", "mixed"), ("news", "mixed")]
    numbers = assignment.domain_numbers(*(pa.array(column, pa.string()) for column in zip(*rows)), DOMAINS)
    assert numbers.tolist() == [0, 1, 2, assignment.NO_DOMAIN, 0]
    names = list(DOMAINS)
    for number, (source, lang) in zip(numbers, rows):
        assert assignment.domain_of(source, lang, DOMAINS) == (None if number < 0 else names[number])


def test_positions_of_a_column_are_those_of_its_ids():
    ids = ["a", "가나", ""]
    positions = assignment.positions(pa.array(ids), 7)
    assert [value / 2**64 for value in positions.tolist()] == [assignment.position(name, 7) for name in ids]


def plain_split(positions, sizes, fraction):
    order = sorted(range(len(sizes)), key=lambda row: positions[row])
    valid, taken = set(), 0
    for row in order[:-1]:
        if fraction <= 0 or taken >= fraction * sum(sizes):
            break
        valid.add(row)
        taken += sizes[row]
    return valid


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.floats(0, 0.9), st.integers(0, 9))
def test_validation_takes_its_share_of_the_bytes(sizes, fraction, seed):
    where = np.random.default_rng(seed).permutation(len(sizes))
    valid = assignment.split_of(where, np.array(sizes), fraction)
    assert not valid.all()
    if sum(sizes):
        assert set(np.flatnonzero(valid).tolist()) == plain_split(where.tolist(), sizes, fraction)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 90))
def test_files_are_cut_where_a_document_starts_in_the_next_slot(sizes, most):
    numbers = assignment.file_numbers(np.array(sizes, np.int64), most).tolist()
    number, slot, before = 0, 0, 0
    for size, shard in zip(sizes, numbers):
        if before // most > slot:
            number, slot = number + 1, before // most
        assert shard == number
        before += size


def test_repeats_follow_the_largest_size_that_is_reached():
    where = np.array([0, 2**31, 2**32 - 1, 5, 5], np.uint64)
    sizes = np.array([1, 2, 9, 10, 300])
    assert assignment.repeats_of(sizes, where, {}).tolist() == [1] * 5
    assert assignment.repeats_of(sizes, where, {2: 2.0, 10: 3.0}).tolist() == [1, 2, 2, 3, 3]
    many = np.random.default_rng(0).integers(0, 2**64, 10_000, np.uint64)
    repeats = assignment.repeats_of(np.full(10_000, 5), many, {2: 1.3})
    assert set(repeats.tolist()) == {1, 2}
    assert repeats.mean() == pytest.approx(1.3, abs=0.02)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=60))
def test_every_document_is_placed_once_or_has_a_reason(rows):
    domain, sizes, repeats = (np.array(column) for column in zip(*rows))
    domains = {**DOMAINS, "ko": DomainConfig(langs=["ko"], max_bytes=20)}
    where = np.random.default_rng(1).permutation(len(rows)).astype(np.uint64)
    assigned = assignment.assign(
        domain, where, sizes, repeats, domains, BalanceConfig(valid_fraction=0.3, shard_bytes=10)
    )
    gone = domain == assignment.GONE
    assert (assigned.set_number[gone] == assignment.NO_SET).all() and not assigned.reason[gone].any()
    assert ((assigned.set_number >= 0) ^ (assigned.reason > 0))[~gone].all()
    assert ((assigned.repeats > 0) == (assigned.set_number >= 0)).all()
    kept = assigned.set_number >= 0
    assert (assigned.set_number[kept] // 2 == domain[kept]).all()
    valid = kept & (assigned.set_number % 2 == 1)
    assert (assigned.repeats[valid] == 1).all() and (
        assigned.repeats[kept & ~valid] == repeats[kept & ~valid]
    ).all()
    for number in range(6):
        shards = assigned.shard[assigned.set_number == number]
        assert (np.diff(shards) >= 0).all(), "rows of a file are consecutive in the order of the corpus"
        assert set(shards.tolist()) == set(range(len(set(shards.tolist()))))
    assert sizes[domain == 1][assigned.reason[domain == 1] == 0].sum() <= 20
