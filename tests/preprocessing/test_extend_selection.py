"""EEVE's selection: a fixed point by its own rules, decisions by hand, and the command."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import sentencepiece
import tokenizers

from megatron_ko.errors import DataError
from megatron_ko.formats.tokenizer_folder import Tokenizer
from megatron_ko.tables import width_of
from preprocessing.cli import main
from preprocessing.tokenizers import selection, text_files
from preprocessing.tokenizers.bases import read_base
from preprocessing.tokenizers.decisions import (
    COLUMNS,
    NO_OVERRIDES,
    Decision,
    read_overrides,
    write_decisions,
)
from preprocessing.tokenizers.selection import Settings, min_count_of, select
from preprocessing.tokenizers.text_files import parts_of
from tests.preprocessing.extension_texts import (
    byte_level_base,
    english,
    korean,
    sentencepiece_base,
    write_jsonl,
)
from tests.preprocessing.refusals import refuses, refuses_command

SETTINGS = Settings(intermediate_size=300, min_count=40)
RARE = (
    "뷁"  # occurs 60 times, always alone: it gets a token whether or not the intermediate tokenizer covers it
)


@pytest.fixture(scope="module")
def texts():
    return [*korean(400), *(f"the {RARE} 뛟{RARE if n % 2 else 'x'}" for n in range(40))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, texts):
    made = tmp_path_factory.mktemp("text")
    write_jsonl(made / "ko.jsonl", texts, lang="ko")
    write_jsonl(made / "en.jsonl", english(30), lang="en")
    return made


@pytest.fixture(scope="module", params=["sentencepiece", "byte level"])
def base(request, tmp_path_factory):
    made = tmp_path_factory.mktemp("base")
    return (
        sentencepiece_base(made / "a.model")
        if request.param == "sentencepiece"
        else byte_level_base(made / "b")
    )


@pytest.fixture(scope="module")
def counts(tmp_path_factory, base):
    """Counted once for all tests of a base."""
    return tmp_path_factory.mktemp("counts")


def choose(base, folder, counts, settings=SETTINGS, overrides=NO_OVERRIDES):
    return select(read_base(base), parts_of([str(folder / "ko.jsonl")]), counts, settings, 1, overrides)


def count_with_the_library(tokenizer_folder: Path, texts) -> Counter:
    """Ids of whole documents, by SentencePiece itself, or tokenizers where there is no model."""
    if (tokenizer_folder / "tokenizer.model").is_file():
        reader = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_folder / "tokenizer.model"))
        return Counter(number for text in texts for number in reader.encode(text))
    reader = tokenizers.Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    return Counter(number for text in texts for number in reader.encode(text).ids)


def test_the_result_is_a_fixed_point_by_the_published_rules(base, folder, counts, texts):
    found = choose(base, folder, counts)
    target = counts / "target"
    used = count_with_the_library(target, texts)
    reader = Tokenizer(target)
    rows = {row.surface: row for row in found.decisions}
    assert len(rows) == len(found.decisions)
    for surface in found.surfaces:
        (number,) = reader.encode(surface)
        assert number >= found.base_size
        assert rows[surface].count == used[number] >= 40
        assert rows[surface].keep
    known = {*found.surfaces, *found.needed}
    for syllable, count in Counter(c for text in texts for c in text if "가" <= c <= "힣").items():
        assert (
            count <= 40 or syllable in known or syllable in rows or syllable in read_base(base).vocabulary.ids
        )
    dropped = [row for row in found.decisions if not row.keep]
    assert dropped
    assert all(row.reason.startswith("rare") and row.count < 40 for row in dropped)
    assert found.rounds[-1].dropped == found.rounds[-1].added == 0
    assert found.rounds[0].dropped > 0
    # bytes join to " 뷁" without the syllable, which is rare alone
    if read_base(base).kind == "sentencepiece":
        assert RARE in known
    assert found.base_korean_tokens > found.rounds[-1].korean_tokens


def test_candidates_are_pieces_the_base_lacks_and_korean_alone(base, folder, counts):
    found = choose(base, folder, counts)
    lacking = set(read_base(base).vocabulary.ids)
    for surface in found.surfaces:
        assert surface not in lacking
        assert re.fullmatch(" ?[가-힣ㄱ-ㅎㅏ-ㅣ]+", surface)


def test_the_same_again_and_with_two_workers(base, folder, counts, tmp_path):
    first = choose(base, folder, counts)
    again = select(read_base(base), parts_of([str(folder / "ko.jsonl")], 20_000), tmp_path / "c", SETTINGS, 2)
    assert again.decisions == first.decisions
    assert again.surfaces == first.surfaces
    assert again.rounds == first.rounds


def test_a_budget_keeps_the_most_frequent(base, folder, counts):
    free = choose(base, folder, counts)
    limit = (len(free.surfaces) + len(free.needed)) // 2
    found = choose(base, folder, counts, Settings(300, 40, max_new=limit))
    assert 0.8 * limit < len(found.surfaces) + len(found.needed) <= limit
    assert any(row.reason.startswith("budget") for row in found.decisions)
    even = choose(base, folder, counts, Settings(300, 40, multiple_of=64))
    assert (found.base_size + len(even.surfaces) + len(even.needed)) % 64 == 0


def test_too_few_rounds_are_refused(base, folder, counts):
    with refuses("no-fixed-point", "--rounds"):
        choose(base, folder, counts, Settings(300, 40, max_rounds=1))


def edited(path: Path, decisions, change=None, more=()):
    """The table with other decisions for some surfaces, and lines added at its end, as edited by hand."""
    rows = [
        Decision(row.surface, row.count, row.origin, not row.keep, row.reason)
        if row.surface in (change or ())
        else row
        for row in decisions
    ]
    write_decisions(path, rows)
    with open(path, "a", encoding="utf-8") as file:
        file.writelines(more)
    return read_overrides(path, selection.reason_against)


def test_an_unchanged_table_overrides_nothing(base, folder, counts, tmp_path):
    found = choose(base, folder, counts)
    overrides = edited(tmp_path / "d.tsv", found.decisions)
    assert (overrides.keep, overrides.drop) == ({}, {})


def test_decisions_by_hand_keep_drop_and_add(base, folder, counts, tmp_path):
    found = choose(base, folder, counts)
    longest = max(found.surfaces, key=lambda s: (len(s), s))
    rare = next(row.surface for row in found.decisions if not row.keep and len(row.surface) > 1)
    overrides = edited(
        tmp_path / "d.tsv",
        found.decisions,
        {longest, rare},
        ['"물고기떼"\t\thand\tkeep\t\n', '" 없는말"\t0\thand\tkeep\n'],
    )
    again = choose(base, folder, counts, overrides=overrides)
    assert longest not in again.surfaces
    assert {rare, "물고기떼", " 없는말"} <= set(again.surfaces)
    rows = {row.surface: row for row in again.decisions}
    assert rows["물고기떼"] == Decision("물고기떼", 0, "hand", True, "hand")
    assert (rows[longest].keep, rows[longest].reason) == (False, "hand")
    reader = Tokenizer(counts / "target")
    assert all(len(reader.encode(surface)) == 1 for surface in again.surfaces)
    write_decisions(tmp_path / "e.tsv", again.decisions)
    overrides_again = read_overrides(tmp_path / "e.tsv", selection.reason_against)
    assert set(overrides_again.keep) == {rare, "물고기떼", " 없는말"}
    assert set(overrides_again.drop) == {longest}
    assert choose(base, folder, counts, overrides=overrides_again).decisions == again.decisions


def test_a_dropped_piece_drops_the_pieces_built_from_it(base, folder, counts, tmp_path):
    (tmp_path / "d.tsv").write_text('"힣"\t\thand\tdrop\n"영"\t\thand\tdrop\n')
    found = choose(
        base, folder, counts, overrides=read_overrides(tmp_path / "d.tsv", selection.reason_against)
    )
    assert "영" not in [*found.surfaces, *found.needed]
    blocked = {row.surface for row in found.decisions if row.reason.startswith("blocked")}
    if read_base(base).kind == "sentencepiece":
        assert not any("영" in surface for surface in found.surfaces)
        assert any("영화" in surface for surface in blocked)


def test_contradictions_name_both_lines(base, folder, counts, tmp_path):
    if read_base(base).kind != "sentencepiece":
        pytest.skip("a byte-level base reaches the piece without the syllable")
    (tmp_path / "d.tsv").write_text('"영"\t\thand\tdrop\n"영화"\t\thand\tkeep\n')
    with refuses("contradictory-decisions", "d.tsv:2", "d.tsv:1", "'영화'"):
        choose(base, folder, counts, overrides=read_overrides(tmp_path / "d.tsv", selection.reason_against))


def test_a_piece_of_the_base_cannot_be_added(base, folder, counts, tmp_path):
    (tmp_path / "d.tsv").write_text('"the"\t\thand\tkeep\n')
    with refuses("impossible-piece", "d.tsv:1", "'the'"):
        read_overrides(tmp_path / "d.tsv", selection.reason_against)


@pytest.mark.parametrize(
    "line, number, rule",
    [
        ("말\t1\thand\tkeep\t", 2, "unquoted-surface"),
        ('"말"\t1\thand\tmaybe\t', 2, "unknown-decision"),
        ('"말" keep', 2, "wrong-columns"),
        ('"말"\t\t\tkeep\n"말"\t\t\tdrop', 3, "duplicate-piece"),
        ('"3월"\t\t\tkeep', 2, "impossible-piece"),
        ("5\t\t\tkeep", 2, "unquoted-surface"),
    ],
)
def test_wrong_lines_of_a_table_are_named(tmp_path, line, number, rule):
    (tmp_path / "d.tsv").write_text("\t".join(COLUMNS) + "\n" + line + "\n")
    with pytest.raises(DataError) as caught:
        read_overrides(tmp_path / "d.tsv", selection.reason_against)
    (problem,) = caught.value.problems
    assert (problem.where, problem.rule) == (f"{tmp_path / 'd.tsv'}:{number}", rule)


def test_many_wrong_lines_are_counted(tmp_path):
    (tmp_path / "d.tsv").write_text('"말" keep\n' * 25)
    with pytest.raises(DataError) as caught:
        read_overrides(tmp_path / "d.tsv", selection.reason_against)
    assert len(caught.value.problems) == 21 and "5" in caught.value.problems[-1].message


def test_the_least_count_follows_the_text():
    assert [min_count_of(gigabytes) for gigabytes in (100, 10, 1, 0.01)] == [6000, 600, 60, 50]


# --- the command -----------------------------------------------------------------------------------------


def run(base, folder, out, *more):
    text = str(folder / "ko.jsonl")
    size = ["--intermediate-size", "300", "--min-count", "40", "--workers", "1"]
    return main(["tokenizer", "extend", str(base), "--text", text, "--out", str(out), *size, *more])


def test_the_command_writes_a_tokenizer_and_prints_its_ratios(base, folder, tmp_path, capsys):
    assert run(base, folder, tmp_path / "out", "--compare", str(folder / "en.jsonl")) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^en .* 1\.000$", shown, re.M)
    assert 0 < float(re.findall(r"^ko .* (\d\.\d+)$", shown, re.M)[0]) < 0.6
    assert max(width_of(line) for line in shown.splitlines() if str(tmp_path) not in line) <= 80
    summary = json.loads((tmp_path / "out" / "extension.json").read_text())
    assert summary["documents_without_hangul_unchanged"] == 30
    reader, old = Tokenizer(tmp_path / "out"), read_base(base)
    assert reader.info.vocab_size == old.size + summary["new_tokens"]
    rows = (tmp_path / "out" / "decisions.tsv").read_text().splitlines()[1:]
    assert sum(row.split("\t")[3] == "keep" for row in rows) == summary["new_tokens"]
    text = english(1)[0] + "漢字 \t\r\n"
    assert reader.encode(text) == Tokenizer(tmp_path / "out" / "counted" / "base").encode(text)
    assert reader.decode(reader.encode(korean(1)[0])) == korean(1)[0]


@pytest.mark.parametrize(
    "change, rule, value",
    [
        ({"--text": "nowhere"}, "no-text", "nowhere"),
        ({"--text": "en.jsonl"}, "no-korean-text", "30"),
        ({"BASE": "missing"}, "missing-file", "missing"),
        ({"--decisions": "none.tsv"}, "unreadable-file", "none.tsv"),
        ({"--intermediate-size": "3"}, "sentencepiece-training", "--intermediate-size 3"),
    ],
)
def test_mistakes_are_refused(folder, tmp_path, monkeypatch, change, rule, value):
    monkeypatch.chdir(folder)
    given = {
        "BASE": str(sentencepiece_base(tmp_path / "a.model")),
        "--text": "ko.jsonl",
        "--out": str(tmp_path / "o"),
    }
    options = {**given, "--workers": "1", **change}
    base = options.pop("BASE")
    arguments = [word for pair in options.items() for word in pair]
    refuses_command(["tokenizer", "extend", base, *arguments], rule, value)
    assert not (tmp_path / "o" / "fingerprint.json").exists()


def test_too_little_memory_is_refused_before_anything_is_counted(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "free_memory", lambda: 100 << 20)
    with refuses("too-little-memory", "0.1 GiB"):
        choose(sentencepiece_base(tmp_path / "a.model"), folder, tmp_path / "counts")
    assert not (tmp_path / "counts").exists()


def test_korean_that_begins_late_in_a_file_is_found(tmp_path):
    path = tmp_path / "late.jsonl"
    write_jsonl(path, [*("nothing but English here " * 400 for _ in range(1200)), "두루미"], lang="mixed")
    parts = parts_of([str(path)])
    assert len(list(text_files.batches_of(parts[0]))) > 1, "one batch would prove nothing"
    selection.refuse_without_korean(parts)
