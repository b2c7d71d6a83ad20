"""The order of samples without an index: permutations, shares, and windows through any change of the sequence length."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.formats.data_record import SetPosition
from megatron_ko.planning.mixing import SEGMENT, Mixing
from megatron_ko.planning.permutation import Permutation
from megatron_ko.planning.set_windows import Grain, SetWindows

# --- permutations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 255, 256, 257, 1000, 65_536, 99_991])
def test_a_permutation_is_a_bijection(size):
    assert sorted(Permutation(size, 5)(np.arange(size)).tolist()) == list(range(size))


def test_a_permutation_looks_random():
    """A random permutation moves a number by a third of the size on average, and neighbors are unrelated."""
    size = 99_991
    numbers = np.arange(size)
    for key in range(3):
        moved = Permutation(size, key)(numbers)
        assert np.abs(moved - numbers).mean() / size == pytest.approx(1 / 3, abs=0.01)
        assert abs(np.corrcoef(moved[:-1], moved[1:])[0, 1]) < 0.02
    assert (Permutation(size, 1)(numbers) != Permutation(size, 2)(numbers)).mean() > 0.999


def test_a_permutation_of_a_huge_range_stays_inside():
    size = 2_441_406_250_001
    moved = Permutation(size, 3)(np.arange(1000) + size - 1000)
    assert len(set(moved.tolist())) == 1000 and moved.min() >= 0 and moved.max() < size


# --- shares -------------------------------------------------------------------------------------------------


def draws(mixing: Mixing, first: int, last: int) -> list[tuple[int, int]]:
    return [mixing.source(sample) for sample in range(first, last)]


MIXTURES = {
    "fixed": Mixing({"a": 0.5, "b": 0.3, "c": 0.2}, seed=1),
    "rare": Mixing({"a": 1.0, "b": 1e-4}, seed=1),
    "moving": Mixing({"a": 0.9, "b": 0.1}, {"b": 0.7, "c": 0.3}, 3000, seed=1),
    "many": Mixing({f"{n}": 1 + n % 7 for n in range(500)}, seed=1),
    "many, moving": Mixing({f"{n}": 1.0 for n in range(300)}, {"0": 1.0}, 2000, seed=1),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_numbers_of_a_set_count_up_and_counts_are_in_closed_form(name):
    mixing = MIXTURES[name]
    seen = np.zeros(len(mixing.names), np.int64)
    for sample in range(4000):
        if sample % 97 == 0:
            assert mixing.counts(sample).tolist() == seen.tolist()
        source, number = mixing.source(sample)
        assert number == seen[source]
        seen[source] += 1


def test_segments_join_without_a_gap():
    mixing = MIXTURES["fixed"]
    before = mixing.counts(SEGMENT - 50)
    for sample in range(SEGMENT - 50, SEGMENT + 50):
        source, number = mixing.source(sample)
        assert number == before[source]
        before[source] += 1
    assert mixing.counts(SEGMENT + 50).tolist() == before.tolist()


def test_counts_follow_the_shares_at_any_sample():
    mixing = MIXTURES["fixed"]
    for sample in (1, 10, 1000, 10**6 + 3, 10**12 + 7):
        assert np.abs(mixing.counts(sample) - np.array([0.5, 0.3, 0.2]) * sample).max() <= 2
    many = MIXTURES["many"]
    shares = np.array([1 + int(name) % 7 for name in many.names], float)
    assert np.abs(many.counts(123_456) - shares / shares.sum() * 123_456).max() <= 2


def test_a_share_of_one_in_ten_million_is_drawn():
    mixing = Mixing({"a": 1.0, "b": 1e-7}, seed=3)
    assert [int(mixing.counts(k)[1]) for k in (10**8, 2 * 10**8)] == [
        pytest.approx(n, abs=1) for n in (10, 20)
    ]


def test_moving_shares_are_the_integral_of_a_line():
    total = 100_000
    mixing = Mixing({"a": 0.8, "b": 0.2}, {"a": 0.4, "b": 0.6}, total, seed=1)
    for fraction in (0.1, 0.5, 0.9, 1.0):
        expected = total * (0.8 * fraction - 0.4 * fraction**2 / 2)
        assert mixing.counts(int(total * fraction))[0] == pytest.approx(expected, abs=2)
    late = mixing.counts(2 * total) - mixing.counts(total)  # after the end shares stay
    assert late[0] == pytest.approx(0.4 * total, abs=2)


def test_the_order_depends_on_seed_and_stage():
    shares = {f"{n}": 1.0 for n in range(9)}
    orders = {
        tuple(draws(Mixing(shares, seed=seed, stage=stage), 0, 50)) for seed in (1, 2) for stage in (0, 1)
    }
    assert len(orders) == 4
    assert draws(Mixing(shares, seed=1), 0, 50) == draws(Mixing(shares, seed=1), 0, 50)


# --- windows ------------------------------------------------------------------------------------------------

SMALL = Grain(block_tokens=16, group_blocks=4)


def walk(windows: SetWindows, steps: list[tuple[int, int]]) -> tuple[dict[int, Counter[int]], SetPosition]:
    """How often each epoch covers each token, in ``steps`` of (length, number of windows), and the last position."""
    covered: dict[int, Counter[int]] = {}
    position = SetPosition()
    for length, count in steps:
        for number in range(count):
            here = windows.at(position, length, number)
            pieces = windows.pieces(here, length)
            assert sum(taken for _, taken in pieces) == length
            tokens = (
                token % windows.tokens for start, taken in pieces for token in range(start, start + taken)
            )
            covered.setdefault(here.epoch, Counter()).update(tokens)
        position = windows.after(position, length, count)
    return covered, position


@settings(max_examples=40)
@given(
    tokens=st.integers(64, 700),
    steps=st.lists(st.tuples(st.sampled_from([1, 3, 7, 8, 16, 24, 64]), st.integers(0, 60)), max_size=6),
    seed=st.integers(0, 5),
)
def test_no_token_is_repeated_in_an_epoch_and_few_are_left_out(tokens, steps, seed):
    """At most one window, less a token, in each group; its length is at most the longest so far."""
    windows = SetWindows("ko", tokens, seed, SMALL)
    covered, position = walk(windows, steps)
    assert all(set(counts.values()) == {1} for counts in covered.values())
    groups, longest = max(1, tokens // 16 // 4), max((length for length, _ in steps), default=1)
    for epoch, counts in covered.items():
        if epoch < position.epoch:
            assert tokens - len(counts) <= groups * (longest - 1)
    assert position.tokens == sum(length * count for length, count in steps)


def test_lengths_that_divide_the_group_cover_every_token_exactly_once():
    """Four changes in one epoch of 512 tokens in groups of 64, each within a group."""
    windows = SetWindows("ko", 512, 1, SMALL)
    steps = [(8, 20), (32, 2), (4, 18), (16, 1)]
    left = 512 - sum(length * count for length, count in steps)
    covered, position = walk(windows, [*steps, (8, left // 8)])
    assert covered == {0: Counter(range(512))}
    assert position == SetPosition(0, 7, ((8, 8),), 512)
    assert windows.at(position, 8, 0) == SetPosition(1, 0, (), 512)


@given(
    tokens=st.integers(1, 500), length=st.sampled_from([1, 5, 16, 40]), other=st.sampled_from([3, 16, 32]),
    counts=st.tuples(*[st.integers(0, 90)] * 3),
)  # fmt: skip
def test_positions_add_up(tokens, length, other, counts):
    windows = SetWindows("ko", tokens, 0, SMALL)
    begin = windows.after(SetPosition(), other, counts[0])
    between = windows.after(begin, length, counts[1])
    assert windows.after(between, length, counts[2]) == windows.after(begin, length, counts[1] + counts[2])


def test_a_set_shorter_than_a_window_fills_it_by_repetition():
    windows = SetWindows("ko", 10, 0)
    for number in range(3):
        position = windows.at(SetPosition(), 32, number)
        ((start, taken),) = windows.pieces(position, 32)
        assert position.epoch == number and 0 <= start < 10 and taken == 32


def test_a_longer_length_meets_whole_text_in_the_next_group():
    windows = SetWindows("ko", 16 * 4 * 8, 0, SMALL)
    begin = windows.after(SetPosition(), 8, 3)
    later = windows.after(
        begin, 16, 3
    )  # 64 tokens of the first group: 24, then 2 windows of 16 and 8 left out
    assert (later.group, later.windows) == (1, ((16, 1),))
    assert len(windows.pieces(windows.at(later, 16, 0), 16)) == 1


def test_epochs_cut_and_order_anew():
    windows = SetWindows("ko", 4000, 0)
    orders = [
        [windows.pieces(windows.at(SetPosition(epoch=epoch), 16, n), 16)[0][0] for n in range(250)]
        for epoch in range(2)
    ]
    assert len({start % 16 for start in orders[0]}) <= 2  # a turned circle: the border moves, too
    assert set(orders[0]) != set(orders[1]) and orders[0] != sorted(orders[0])


def test_positions_of_a_huge_set_are_found_at_once():
    """6.6e12 tokens, far into the third epoch."""
    windows = SetWindows("ko", 6_600_000_000_123, 0)
    position = windows.at(SetPosition(), 4096, 4_000_000_000)
    assert position.epoch == 2 and position.tokens == 4096 * 4_000_000_000
    assert sum(taken for _, taken in windows.pieces(position, 4096)) == 4096
