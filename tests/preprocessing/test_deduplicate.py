"""Decisions match a comparison of all pairs, for any split into units, memory and order of work."""

import random

import pyarrow.parquet as pq
import pytest

from megatron_ko.errors import DataError
from tests.bench.deduplication import compare, invented_texts, with_copies
from tests.preprocessing.duplicates import deduplicated, plain_jaccard, variants


def as_rows(texts, ids=None, source="s"):
    ids = ids or [f"d{i:05d}" for i in range(len(texts))]
    return [{"id": i, "text": text, "source": source} for i, text in zip(ids, texts)]


def by_id(decisions):
    return {decision["id"]: decision for decision in decisions}


def plain_decisions(rows, threshold):
    """Greedy stars in the order of ids over all pairs: id to the id it duplicates, None for survivors."""
    survivors, duplicate_of = [], {}
    for row in sorted(rows, key=lambda row: row["id"]):
        alike = [s for s in survivors if plain_jaccard(row["text"], s["text"]) >= threshold]
        duplicate_of[row["id"]] = alike[0]["id"] if alike else None
        if not alike:
            survivors.append(row)
    return duplicate_of


def shuffled_variants(families=6, count=12):
    texts = [text for seed in range(families) for text in variants(seed, count)]
    ids = [f"d{i:03d}" for i in range(len(texts))]
    random.Random(0).shuffle(ids)
    return as_rows(texts, ids)


def test_decisions_are_those_of_comparing_all_pairs(tmp_path):
    rows = shuffled_variants()
    decisions, outcome, _ = deduplicated(tmp_path, rows, threshold=0.7)
    expected = plain_decisions(rows, 0.7)
    assert {d["id"]: d["duplicate_of"] for d in decisions} == expected
    texts = {row["id"]: row["text"] for row in rows}
    for decision in decisions:
        of = decision["duplicate_of"]
        assert decision["reason"] == ("near_duplicate" if of else None)
        assert decision["cluster"] == (of or decision["id"])
        if of:
            assert decision["similarity"] == pytest.approx(
                plain_jaccard(texts[decision["id"]], texts[of]), abs=0.13
            )
        assert decision["cluster_size"] == sum((of or i) == decision["cluster"] for i, of in expected.items())
    assert 6 <= list(expected.values()).count(None) < len(rows)
    counts = outcome.summary["sources"]["s"]
    assert counts["documents_in"] == len(rows) and counts["dropped"] == {
        "near_duplicate": outcome.summary["near_duplicates"]
    }
    assert counts["bytes_out"] == sum(len(texts[i].encode()) for i, of in expected.items() if of is None)


@pytest.mark.parametrize("units, backwards, batch_rows", [(1, True, 3), (5, False, 7), (9, True, 100)])
def test_neither_the_cut_nor_the_order_of_work_changes_a_decision(tmp_path, units, backwards, batch_rows):
    rows = shuffled_variants(3)
    first, _, one = deduplicated(tmp_path / "one", rows)
    other, _, many = deduplicated(tmp_path / "many", rows, units, backwards, batch_rows)
    assert other == first
    assert (
        sorted(dropped_ids(many)) == sorted(dropped_ids(one)) == sorted(d["id"] for d in first if d["reason"])
    )


def dropped_ids(context):
    tables = [pq.read_table(context.dropped_path("deduplicate", unit.name)) for unit in context.units]
    return [row["id"] for table in tables for row in table.to_pylist()]


def test_parts_that_fit_into_little_memory_give_the_same_decisions(tmp_path, monkeypatch):
    rows = shuffled_variants(4) + as_rows(["가 나 다 라", "가 나  다 라", "마 바 사"], ["x1", "x0", "x2"])
    roomy, _, wide = deduplicated(tmp_path / "roomy", rows, 2)
    monkeypatch.setattr("preprocessing.steps.deduplicate.MIB", 1200)
    monkeypatch.setattr("preprocessing.duplicates.numbering.SAMPLE_EVERY", 4)
    monkeypatch.setattr("preprocessing.duplicates.near_duplicates.SAMPLE_EVERY", 4)
    tight, _, narrow = deduplicated(tmp_path / "tight", rows, 2, memory_mib=1)
    assert tight == roomy
    assert (
        sum(".band_00." in name for name in narrow.tasks)
        > sum(".band_00." in name for name in wide.tasks)
        == 1
    )
    assert sum("pairs." in name for name in narrow.tasks) > sum("pairs." in name for name in wide.tasks) == 1


def test_exact_duplicates_ignore_whitespace_and_composition_and_short_texts_stay_apart(tmp_path):
    texts = {
        "b": "가 나 다", "a": "가  나\n다", "c": "가 나 라", "d": "", "e": "!!!", "f": "???", "a2": " 가 나\t다",
        "g": "\u1100\u1161 나 다",
    }  # fmt: skip
    decision_of = by_id(
        deduplicated(tmp_path, [{"id": i, "text": t} for i, t in texts.items()], batch_rows=3)[0]
    )
    assert {i: d["duplicate_of"] for i, d in decision_of.items()} == {
        "b": "a", "a": None, "c": None, "d": None, "e": None, "f": None, "a2": "a", "g": "a",
    }  # fmt: skip
    assert [decision_of[i]["reason"] for i in ("b", "a2", "g")] == ["exact_duplicate"] * 3
    assert decision_of["b"]["similarity"] == 1.0
    assert {i: d["cluster_size"] for i, d in decision_of.items()} == {
        "b": 4, "a": 4, "c": 1, "d": 1, "e": 1, "f": 1, "a2": 4, "g": 4,
    }  # fmt: skip


def test_an_exact_duplicate_of_a_near_duplicate_is_in_the_cluster_of_its_survivor(tmp_path):
    base, near = variants(3, 2)
    decision_of = by_id(deduplicated(tmp_path, as_rows([near, base, near + " "], ["b", "a", "c"]))[0])
    assert (decision_of["c"]["reason"], decision_of["c"]["duplicate_of"], decision_of["c"]["cluster"]) == (
        "exact_duplicate",
        "b",
        "a",
    )
    assert decision_of["b"]["duplicate_of"] == "a"
    assert {d["cluster_size"] for d in decision_of.values()} == {3}


def test_equal_ids_are_told_apart_by_their_place(tmp_path):
    rows = as_rows(["하나 둘 셋"] * 3, ["x", "x", "a"])
    decisions = deduplicated(tmp_path, rows, units=3)[0]
    assert [d["reason"] for d in decisions] == ["exact_duplicate", "exact_duplicate", None]
    assert [d["duplicate_of"] for d in decisions] == ["a", "a", None]


@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_recall_and_precision_over_graded_copies(tmp_path, threshold):
    """Against the exact similarity of all pairs; a pair at 0.6 shares a band with 0.988 or more, and copies lie above."""
    texts = invented_texts(300)
    rates = compare(with_copies(texts, 300), tmp_path, threshold)
    assert rates["true_pairs"] > 60 and rates["true_near_duplicates"] > 60
    assert rates["pair_recall"] >= 0.98 and rates["pair_precision"] >= 0.99
    assert rates["document_recall"] >= 0.98 and rates["document_precision"] >= 0.99


def test_documents_that_filter_dropped_take_no_part(tmp_path):
    rows = as_rows(["가 나 다 라 마 바 사 아"] * 3, ["a", "b", "c"])
    rows[0]["reason"] = "too_short"
    decisions, outcome, _ = deduplicated(tmp_path, rows)
    decision_of = by_id(decisions)
    assert set(decision_of["a"].values()) == {"a", None}
    assert decision_of["b"]["reason"] is None and decision_of["b"]["cluster_size"] == 2
    assert decision_of["c"]["duplicate_of"] == "b"
    assert outcome.summary["sources"]["s"]["documents_in"] == 2


def test_a_chain_loses_only_those_that_are_like_a_survivor(tmp_path):
    """A is like B and B like C, but A is not like C: only B goes."""
    words = [f"낱말{i}번" for i in range(400)]
    texts = [" ".join(words[k * 6 : k * 6 + 64]) for k in range(40)]
    rows = as_rows(texts)
    assert plain_jaccard(texts[0], texts[1]) >= 0.7 > plain_jaccard(texts[0], texts[2])
    decisions = deduplicated(tmp_path, rows)[0]
    assert {d["id"]: d["duplicate_of"] for d in decisions} == plain_decisions(rows, 0.7)
    assert [d["reason"] for d in decisions[:4]] == [None, "near_duplicate"] * 2


def test_a_source_with_a_long_header_in_common_loses_only_its_duplicates(tmp_path):
    """Half of each document is the same header, so buckets are crowded; a changed copy is still found among them."""
    rng = random.Random(4)
    header = " ".join(f"공지{i}번 안내" for i in range(40))
    bodies = [[f"본문{rng.randrange(10**6)}" for _ in range(90)] for _ in range(300)]
    copies = [[*body[:80], *(f"새{rng.randrange(10**6)}" for _ in range(10))] for body in bodies[::10]]
    rows = as_rows([f"{header}\n{' '.join(body)}" for body in bodies + copies])
    assert plain_jaccard(rows[0]["text"], rows[1]["text"]) > 0.25
    decisions, outcome, _ = deduplicated(tmp_path, rows, alarm_documents=10, max_compared=4, batch_rows=64)
    decision_of = {d["id"]: d["duplicate_of"] for d in decisions if d["reason"]}
    assert decision_of == {f"d{300 + n:05d}": f"d{n * 10:05d}" for n in range(30)}
    assert outcome.summary["alarms"] == []


def test_copies_of_one_template_leave_one_and_raise_an_alarm(tmp_path, caplog):
    rows = as_rows(
        [" ".join(f"안내{i}문" for i in range(60)) + f" 번호{k}" for k in range(50)], source="spam"
    )
    rows += as_rows(variants(9, 1), ["z"], source="good")
    decisions, outcome, _ = deduplicated(tmp_path, rows, alarm_documents=20, max_cluster=40, max_compared=4)
    assert [d["id"] for d in decisions if not d["reason"]] == ["d00000", "z"]
    assert outcome.summary["alarms"] == [
        {"source": "spam", "documents": 50, "duplicates": 49},
        {"cluster": "d00000", "documents": 50},
    ]
    assert len(caplog.records) == 2
    assert "'spam'" in caplog.text and "'d00000'" in caplog.text
    with pytest.raises(DataError) as caught:
        deduplicated(tmp_path / "stop", rows, alarm_documents=20, on_alarm="stop")
    assert caught.value.rule == "duplicate-alarm" and "'spam'" in str(caught.value)


def test_nothing_in_nothing_out(tmp_path):
    assert deduplicated(tmp_path / "a", [])[0] == []
    rows = [{"id": "a", "text": "하나 둘", "reason": "spam"}]
    assert set(deduplicated(tmp_path / "b", rows)[0][0].values()) == {"a", None}


def test_a_dropped_document_can_be_read_back_with_its_reason(tmp_path):
    base, near = variants(5, 2)
    _, _, context = deduplicated(tmp_path, as_rows([base, near, base]))
    dropped = pq.read_table(context.dropped_path("deduplicate", "u-00000")).to_pylist()
    assert [(d["id"], d["text"], d["reason"], d["step"]) for d in dropped] == [
        ("d00001", near, "near_duplicate", "deduplicate"),
        ("d00002", base, "exact_duplicate", "deduplicate"),
    ]
    assert dropped[1]["detail"] == '{"of": "d00000", "similarity": 1.0}'
