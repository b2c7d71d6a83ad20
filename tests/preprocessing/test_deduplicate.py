"""Our MinHash against an exact Jaccard, our decisions against all pairs, our balance against its definition."""

import random
import re

import numpy as np
import pyarrow as pa
import pytest

from preprocessing import minhash
from preprocessing.balance import capped, domain_of, epochs_of, mixture_of, position, split_of
from preprocessing.deduplicate import canonical_digest, decide
from preprocessing.documents import DOCUMENT, new_shard, utf8_buffer
from preprocessing.schema import BalanceConfig, DeduplicateConfig, DomainConfig
from preprocessing.text_kernels import sequence_sets

WORDS = [
    "바람",
    "나무",
    "hello",
    "사람",
    "world",
    "하늘",
    "물고기",
    "데이터",
    "model",
    "학습",
    "2024",
    "train",
    "구름",
    "dream",
    "바다",
    "산책",
    "token",
]


def sets_of(texts):
    flat, starts = sequence_sets(*utf8_buffer(pa.array(texts, pa.large_string())))
    return flat, starts


def plain_set(text):
    """Five-word sequences in plain Python."""
    words = re.findall(r"[가-힣]+|[a-z_]+|\d+", text.lower())
    length = min(5, len(words))
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)} if words else set()


def variants(seed, count=24, words=150):
    """A text and copies with more and more words replaced."""
    random.seed(seed)
    base = [random.choice(WORDS) + random.choice("가나다라마바") for _ in range(words)]
    made = []
    for i in range(count):
        copy = list(base)
        for _ in range(i * 2):
            copy[random.randrange(words)] = random.choice(WORDS) + str(random.randrange(99))
        made.append(" ".join(copy))
    return made


def test_sets_are_those_of_plain_python():
    texts = [
        *variants(1, 4),
        "가나 다라",
        "",
        "!!! ...",
        "한글abc123 섞임, 끝.",
        "Same SAME same Same same same",
        "漢字漢字",
    ]
    flat, starts = sets_of(texts)
    sizes = np.diff(starts)
    assert sizes[:-1].tolist() == [len(plain_set(t)) for t in texts[:-1]]
    for i in range(4):
        for j in range(4):
            a, b = plain_set(texts[i]), plain_set(texts[j])
            exact = minhash.jaccard(flat, starts[i], starts[i + 1], starts[j], starts[j + 1])
            assert exact == pytest.approx(len(a & b) / len(a | b))


def test_signatures_estimate_the_jaccard_similarity():
    texts = variants(2)
    hashes = 400
    signature = minhash.signatures(*sets_of(texts), minhash.hash_seeds(hashes, 7))
    errors = []
    for i in range(1, len(texts)):
        a, b = plain_set(texts[0]), plain_set(texts[i])
        exact = len(a & b) / len(a | b)
        estimate = float((signature[0] == signature[i]).mean())
        assert (
            abs(estimate - exact) < 4.5 * (exact * (1 - exact) / hashes) ** 0.5 + 1e-9
        )  # 4.5 standard deviations
        errors.append(estimate - exact)
    assert abs(np.mean(errors)) < 0.02  # no bias


def shard(tmp_path, rows):
    path = tmp_path / "a.parquet"
    with new_shard(path, DOCUMENT) as out:
        for start in range(0, len(rows), 7):
            part = rows[start : start + 7]
            columns = [
                [i for i, _ in part],
                [t for _, t in part],
                ["s"] * len(part),
                ["ko"] * len(part),
                ["{}"] * len(part),
            ]
            arrays = [pa.array(v, f.type) for v, f in zip(columns, DOCUMENT)]
            out.write(pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT))
    return path


def test_decisions_are_those_of_comparing_all_pairs(tmp_path):
    texts = [t for seed in range(6) for t in variants(seed, 12)]
    random.seed(0)
    ids = [f"d{i:03d}" for i in range(len(texts))]
    random.shuffle(ids)
    config = DeduplicateConfig(threshold=0.7)
    decisions = decide([shard(tmp_path, list(zip(ids, texts)))], config, 1)
    survivors = []
    for row in sorted(range(len(texts)), key=lambda r: ids[r]):
        mine = plain_set(texts[row])
        alike = [
            s for s in survivors if len(mine & plain_set(texts[s])) / len(mine | plain_set(texts[s])) >= 0.7
        ]
        assert (decisions.reasons[row] is not None) == bool(alike), ids[row]
        if alike:
            assert decisions.duplicate_of[row] == alike[0]  # the smallest id survives
        else:
            survivors.append(row)
    assert 6 <= len(survivors) < len(texts)


def test_exact_duplicates_ignore_whitespace_and_composition_and_short_texts_stay_apart(tmp_path):
    assert canonical_digest("가 나\n\n다") == canonical_digest(" \u1100\u1161 나 다 ")
    rows = [
        ("b", "가 나 다"),
        ("a", "가  나\n다"),
        ("c", "가 나 라"),
        ("d", ""),
        ("e", "!!!"),
        ("f", "???"),
        ("a2", "가 나 다"),
    ]
    decisions = decide([shard(tmp_path, rows)], DeduplicateConfig(), 1)
    assert decisions.reasons.tolist() == ["exact_duplicate", None, None, None, None, None, "exact_duplicate"]
    assert decisions.ids[decisions.duplicate_of[0]] == decisions.ids[decisions.duplicate_of[6]] == "a"
    table = decisions.table(0, len(rows))
    assert table["cluster"].to_pylist() == ["a", "a", "c", "d", "e", "f", "a"]


def test_a_chain_of_neighbours_does_not_wipe_out_a_source(tmp_path):
    """Each text shares most of its words with the next, the first and last share none: star clusters, no chain."""
    words = [f"낱말{i}번" for i in range(400)]
    rows = [(f"{k:03d}", " ".join(words[k * 5 : k * 5 + 60])) for k in range(40)]
    decisions = decide([shard(tmp_path, rows)], DeduplicateConfig(threshold=0.7), 1)
    kept = [i for i, reason in enumerate(decisions.reasons) if reason is None]
    assert len(kept) >= 10
    for row, reason in enumerate(decisions.reasons):
        if reason:
            a, b = plain_set(rows[row][1]), plain_set(rows[decisions.duplicate_of[row]][1])
            assert len(a & b) / len(a | b) >= 0.7


def test_many_copies_of_a_boilerplate_stay_linear(tmp_path):
    """4,000 texts in the same buckets: comparisons are bounded, so this ends in seconds."""
    rows = [
        (f"{i:05d}", "같은 머리말이 길게 이어지는 안내문 하나 둘 셋 넷 다섯 " * 2 + f"번호 {i} 끝 {i * 7}")
        for i in range(4000)
    ]
    decisions = decide([shard(tmp_path, rows)], DeduplicateConfig(threshold=0.95, max_compared=8), 1)
    assert (decisions.reasons == None).sum() > 0  # noqa: E711


# --- balance ---------------------------------------------------------------------------------------------


def test_first_matching_domain_takes_a_document():
    domains = {
        "pairs": DomainConfig(sources=["p"]),
        "ko": DomainConfig(langs=["ko"]),
        "web": DomainConfig(sources=["w"], langs=["en"]),
    }
    assert [domain_of(*x, domains) for x in [("p", "ko"), ("w", "ko"), ("w", "en"), ("v", "en")]] == [
        "pairs",
        "ko",
        "web",
        None,
    ]


def test_split_holds_its_share_of_bytes_and_grows_with_the_corpus():
    ids = [f"doc-{i}" for i in range(3000)]
    positions = np.array([position(i, 1) for i in ids])
    sizes = np.random.default_rng(0).integers(100, 1000, len(ids))
    valid = split_of(positions, sizes, 0.05)
    assert 0.05 <= sizes[valid].sum() / sizes.sum() < 0.055
    assert positions[valid].max() < positions[~valid].min()
    assert split_of(positions[:2], sizes[:2], 0.01).tolist().count(True) == 1
    assert not split_of(positions[:1], sizes[:1], 0.5).any()
    assert not split_of(positions, sizes, 0.0).any()
    keep = capped(positions, sizes, 50_000)
    assert sizes[keep].sum() <= 50_000 < sizes[keep].sum() + 1000


def test_mixture_is_scaled_shares_tokens_or_unimax():
    given = {"a": DomainConfig(share=2.0), "b": DomainConfig(share=6.0)}
    assert mixture_of(given, {"a": 10, "b": 10}, BalanceConfig()) == {"a": 0.25, "b": 0.75}
    free = {"a": DomainConfig(), "b": DomainConfig(), "c": DomainConfig()}
    tokens = {"a": 10, "b": 1000, "c": 990}
    assert mixture_of(free, tokens, BalanceConfig())["a"] == pytest.approx(10 / 2000)
    unimax = mixture_of(free, tokens, BalanceConfig(token_budget=600, max_epochs=4.0))
    assert unimax == pytest.approx({"a": 40 / 600, "b": 280 / 600, "c": 280 / 600})
    assert epochs_of(unimax, tokens, BalanceConfig(token_budget=600))["a"] == pytest.approx(4.0)
