"""The corpus: order, files, splits, repeats, what is left out, and what a change makes again."""

import pyarrow.parquet as pq
import pytest

from megatron_ko.errors import DataError
from preprocessing.config.mixture import DomainConfig
from preprocessing.corpus import assignment
from preprocessing.corpus import reading as corpus
from preprocessing.steps import balance
from tests.preprocessing.corpus import bytes_of
from tests.preprocessing.finished_steps import context_of, finish

DOMAINS = {"ko": DomainConfig(langs=["ko"], max_bytes=1600), "en": DomainConfig(langs=["en"])}


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    """Workers import what they need; the kernels of other steps are not compiled for them."""
    monkeypatch.setattr("preprocessing.running.processes.PRELOADED", [])


def units():
    """Three units of 40, 7 and 0 rows; some dropped before, some in no domain."""
    rows = []
    for i in range(40):
        lang = ("ko", "en", "code")[i % 3]
        rows.append(
            {
                "id": f"a{i:02d}",
                "text": f"{lang} {i} " + "가나다라" * (i % 7 + 1),
                "lang": lang,
                "size": 1 + i % 5,
            }
        )
    rows[4]["reason"] = "near_duplicate"
    rows[6]["filtered"] = "too_short"
    more = [{"id": f"b{i}", "text": f"more {i} " * 20, "lang": "ko"} for i in range(7)]
    return {"web": rows, "books": more, "nothing": []}


def alive():
    return [
        row for rows in units().values() for row in rows if not row.get("reason") and not row.get("filtered")
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    context = context_of(
        tmp_path_factory.mktemp("balance"), units(), DOMAINS, shard_bytes=400, valid_fraction=0.2
    )
    return context, finish(context, "balance", balance)


def rows_of(folder, domain, split):
    return [row for batch in corpus.batches(folder, domain, split) for row in batch.to_pylist()]


def test_documents_are_in_the_corpus_in_order_or_have_a_reason(done):
    context, _ = done
    corpus_of = {(n, s): rows_of(context.folder, n, s) for n in DOMAINS for s in assignment.SPLITS}
    for (name, split), rows in corpus_of.items():
        wanted = {row["id"] for row in rows}
        assert [row["id"] for row in rows] == [row["id"] for row in alive() if row["id"] in wanted]
        assert all(row["domain"] == name and row["split"] == split and row["lang"] == name for row in rows)
    dropped = [
        row for path in (context.folder / "dropped").iterdir() for row in pq.read_table(path).to_pylist()
    ]
    kept = [row["id"] for rows in corpus_of.values() for row in rows]
    assert sorted(kept + [row["id"] for row in dropped]) == sorted(row["id"] for row in alive())
    reasons = {row["id"]: row["reason"] for row in dropped}
    assert set(reasons.values()) == {"no_domain", "domain_full"}
    assert all((reasons.get(row["id"]) == "no_domain") == (row["lang"] == "code") for row in alive())
    texts = {row["id"]: row["text"] for row in alive()}
    assert all(row["text"] == texts[row["id"]] for rows in corpus_of.values() for row in rows)


def test_files_have_the_size_that_was_asked_for(done):
    context, summary = done
    files = corpus.shards(context.folder, "ko", "train")
    assert len(files) > 2
    sizes = [sum(len(t.encode()) for t in pq.read_table(path)["text"].to_pylist()) for path in files]
    assert all(size < 400 + 200 for size in sizes) and sum(sizes[:-1]) >= 400 * (len(sizes) - 1) - 200
    shards = [shard for shard in summary["shards"] if (shard["name"], shard["split"]) == ("ko", "train")]
    assert [shard["bytes"] for shard in shards] == sizes
    assert [f"{shard['file']}.parquet" for shard in shards] == [path.name for path in files]


def test_counts_add_up(done):
    context, summary = done
    for entry in summary["domains"]:
        rows = rows_of(context.folder, entry["name"], entry["split"])
        assert entry["documents"] == len(rows)
        assert entry["bytes"] == sum(len(row["text"].encode()) for row in rows)
    for counts in summary["sources"].values():
        assert counts["documents_in"] == counts["documents_out"] + sum(counts["dropped"].values())
    assert sum(counts["documents_in"] for counts in summary["sources"].values()) == len(alive())
    assert sum(c["documents_out"] for c in summary["sources"].values()) == sum(
        e["documents"] for e in summary["domains"]
    )
    assert summary["sources"]["web"]["examples"]["no_domain"][0]["before"].startswith("code")


def test_one_file_or_many_and_any_number_of_workers_hold_the_same(done, tmp_path):
    context, _ = done
    whole = context_of(tmp_path / "whole", units(), DOMAINS, valid_fraction=0.2)
    finish(whole, "balance", balance)
    for name in DOMAINS:
        assert len(corpus.shards(whole.folder, name, "train")) == 1
        for split in assignment.SPLITS:
            assert rows_of(whole.folder, name, split) == rows_of(context.folder, name, split)
    two = context_of(tmp_path / "two", units(), DOMAINS, workers=2, shard_bytes=400, valid_fraction=0.2)
    finish(two, "balance", balance)
    assert bytes_of(two.folder) == bytes_of(context.folder)


def test_training_documents_of_large_clusters_are_repeated(done, tmp_path):
    plain, _ = done
    context = context_of(tmp_path, units(), DOMAINS, valid_fraction=0.2, rehydrate={3: 2.0, 5: 3.0})
    finish(context, "balance", balance)
    size = {row["id"]: row.get("size") or 1 for row in alive()}
    times = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3}
    for name in DOMAINS:
        expected = [
            row for row in rows_of(plain.folder, name, "train") for _ in range(times[size[row["id"]]])
        ]
        assert rows_of(context.folder, name, "train") == expected
        assert rows_of(context.folder, name, "valid") == rows_of(plain.folder, name, "valid")


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "clean").iterdir()}


def test_only_files_that_change_are_written_again(tmp_path):
    rows = units()
    context = context_of(tmp_path, rows, DOMAINS, shard_bytes=400)
    finish(context, "balance", balance)
    before, contents = written(tmp_path), bytes_of(tmp_path / "clean")
    rows["books"][0]["reason"] = "exact_duplicate"  # with another threshold, for example
    again = context_of(tmp_path, rows, DOMAINS, shard_bytes=400)
    finish(again, "balance", balance)
    now, changed = bytes_of(tmp_path / "clean"), written(tmp_path)
    same = {name for name in before if now.get(name) == contents[name]}
    assert len(same) >= 3 and any(name not in same for name in before)
    assert {name for name in before if changed.get(name) == before[name]} == same


def test_a_domain_without_documents_is_named(tmp_path):
    domains = {**DOMAINS, "law": DomainConfig(sources=["law"])}
    with pytest.raises(DataError) as caught:
        finish(context_of(tmp_path, units(), domains), "balance", balance)
    problem = caught.value.problems[0]
    assert (problem.path, problem.rule) == ("domains.law", "domain-without-documents")


def test_tables_of_other_documents_are_refused(tmp_path):
    context = context_of(tmp_path, units(), DOMAINS)
    pq.write_table(
        pq.read_table(context.path("filter", "web-00000")).slice(1), context.path("filter", "web-00000")
    )
    with pytest.raises(DataError) as caught:
        finish(context, "balance", balance)
    assert caught.value.rule == "documents-differ" and "filter/web-00000.parquet" in str(caught.value)
