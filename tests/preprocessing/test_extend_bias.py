"""mko tokenizer bias-sample: the documented weights, proportional chances, the same documents for any workers."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_ko.formats.tokenizer_folder import Tokenizer
from preprocessing.cli import main
from preprocessing.tokenizers.appending import append
from preprocessing.tokenizers.bases import read_base
from preprocessing.tokenizers.bias import BINS, Rule, Shares, _shares_of, rule_of
from tests.preprocessing.extension_texts import STEMS, english, korean, sentencepiece_base, write_jsonl
from tests.preprocessing.refusals import refuses, refuses_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bias")
    base = read_base(sentencepiece_base(made / "base.model"))
    append(base, [*STEMS, *(" " + stem for stem in STEMS)], made / "tokenizer")
    mixed = [f"{a} {b}" for a, b in zip(korean(100, 1), english(100, 1))]
    write_jsonl(made / "text.jsonl", [*korean(300), *english(300), *mixed], source="web")
    return made


def sample(folder, out, *more):
    given = [
        str(folder / "tokenizer"),
        "--base",
        str(folder / "base.model"),
        "--out",
        str(out),
    ]
    assert main(["tokenizer", "bias-sample", *given, "--text", str(folder / "text.jsonl"), *more]) == 0
    return pa.concat_tables(pq.read_table(path) for path in sorted(out.glob("*.parquet"))).to_pylist()


def test_rows_are_documents_with_their_share_and_weight(folder, tmp_path, capsys):
    rows = sample(folder, tmp_path / "out", "--share", "0.4", "--workers", "1")
    report = json.loads((tmp_path / "out" / "sample.json").read_text())
    lines = (folder / "text.jsonl").read_text().splitlines()
    texts = {f"d{n}": json.loads(line)["text"] for n, line in enumerate(lines)}
    reader, first_new = Tokenizer(folder / "tokenizer"), read_base(folder / "base.model").size
    for row in rows:
        assert texts[row["id"]] == row["text"]
        assert row["source"] == "web"
        ids = reader.encode(row["text"])
        assert row["share_new"] == pytest.approx(sum(i >= first_new for i in ids) / len(ids), abs=1e-6)
        expected = 1 + 2 * min(1, int(row["share_new"] * BINS) / BINS / report["q95"])
        assert row["weight"] == pytest.approx(expected, abs=1e-5)
    assert report["mean_share_after"] > 1.1 * report["mean_share_before"]
    assert abs(report["bytes"] / report["bytes_read"] - 0.4) < 0.05
    shown = capsys.readouterr().out
    assert f"{len(rows):,} of 700" in shown and all(
        len(line) <= 80 or "/" in line for line in shown.splitlines()
    )


def test_workers_and_order_change_nothing_and_the_seed_does(folder, tmp_path):
    one = sample(folder, tmp_path / "one", "--bytes", "60000", "--workers", "1")
    two = sample(folder, tmp_path / "two", "--bytes", "60000", "--workers", "2")
    other = sample(folder, tmp_path / "three", "--bytes", "60000", "--workers", "1", "--seed", "5")
    assert one == two
    assert {row["id"] for row in one} != {row["id"] for row in other}
    for name in ("one", "two"):
        assert [p.name for p in sorted((tmp_path / name).glob("*.parquet"))] == ["00000.parquet"]
    assert (tmp_path / "one" / "00000.parquet").read_bytes() == (
        tmp_path / "two" / "00000.parquet"
    ).read_bytes()


def test_chances_are_in_proportion_to_weights():
    shares = np.repeat([0.0, 0.25, 0.5], 20_000)
    rule = rule_of(_shares_of(shares.astype(np.float32), np.full(60_000, 100)), 600_000, seed=3)
    assert rule.q95 == 0.5
    weights = rule.weights(shares)
    assert sorted(set(weights)) == [1, 2, 3]
    taken = rule.choose(pa.array([f"d{n}" for n in range(60_000)]), weights).reshape(3, -1).sum(axis=1)
    assert abs(taken.sum() * 100 / 600_000 - 1) < 0.05
    assert np.allclose(taken / taken[0], [1, 2, 3], rtol=0.1)  # 4 standard deviations of about 1,000


def test_a_sample_of_the_whole_text(folder, tmp_path):
    assert len(sample(folder, tmp_path / "out", "--share", "1", "--workers", "1")) == 700


def test_text_without_new_tokens_is_refused():
    none = Shares(np.bincount([0] * 9, minlength=BINS + 1), np.bincount([0] * 9, minlength=BINS + 1), 0.0)
    with refuses("no-new-tokens", "9", "--base-size"):
        rule_of(none, 5, 1)
    few = _shares_of(np.array([0.0] * 99 + [0.5], np.float32), np.ones(100, np.int64))
    with refuses("too-few-new-tokens", "100"):
        rule_of(few, 5, 1)


def test_a_weight_is_at_most_three():
    assert Rule(0.2, 1.0, 1).weights(np.array([0.0, 0.1, 0.2, 0.9])).tolist() == [1, 2, 3, 3]


def test_a_size_that_leaves_nothing_new_is_refused(folder, tmp_path):
    arguments = [
        str(folder / "tokenizer"),
        "--text",
        str(folder / "text.jsonl"),
        "--share",
        "0.5",
    ]
    options = ["--base-size", "99999", "--out", str(tmp_path / "o")]
    refuses_command(["tokenizer", "bias-sample", *arguments, *options], "no-new-tokens", "99,999")
