"""Removal of boilerplate lines against a plain implementation, and what must stay."""

import itertools
import json
import random
import re
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.cli import main
from preprocessing.config.deduplication import LinesConfig
from preprocessing.documents import DOCUMENT, utf8_buffer
from preprocessing.duplicates.frequent_lines import frequent_of, runs_of
from preprocessing.kernels import lines as kernels
from preprocessing.steps import lines
from tests.preprocessing.duplicates import StandIn, batched, documents_batch, write_batches

MENU = ["홈으로", "로그인 | 회원가입", "Copyright 2019-2024 All rights reserved."]
SPACE = " \t\n\v\f\r\u00a0\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def plain_pattern(line):
    """None where a line holds no letter."""
    collapsed = re.sub(f"[{SPACE}]+", " ", line).strip(" ")
    folded = "".join(c.casefold() if ord(c) < 0x590 and len(c.casefold()) == 1 else c for c in collapsed)
    return re.sub("[0-9]+", "0", folded) if any(c.isalpha() for c in folded) else None


def plain_kinds(text):
    """Per line: blank, sign, number, code, or its pattern in brackets."""
    kinds, fence = [], ""
    for line in text.split("\n"):
        mark = re.match(r"[ \t]*(```|~~~)", line)
        if fence or mark:
            kinds.append("code")
            if mark and not fence:
                fence = mark[1]
            elif mark and mark[1] == fence:
                fence = ""
        elif line.strip(SPACE) and re.match(r"(?: {4}| {0,3}\t)", line):
            kinds.append("code")
        elif plain_pattern(line) is not None:
            kinds.append([plain_pattern(line)])
        else:
            kinds.append("number" if re.search("[0-9]", line) else "sign" if line.strip(SPACE) else "blank")
    return kinds


def plain_rewritten(text, frequent, config):
    """The text, and how many lines went; ``frequent`` is a set of patterns."""
    kinds = plain_kinds(text)
    states = [
        "f" if isinstance(k, list) and k[0] in frequent else "-" if k in ("blank", "sign") else "x"
        for k in kinds
    ]
    gone = set()
    for run in re.finditer("f[-f]*", "".join(states)):
        at_head, at_tail = "x" not in states[: run.start()], run.end() == len(states)
        kept_before = any(k not in gone and states[k] == "f" for k in range(run.start()))
        at_head &= not kept_before
        least = min(config.min_run, config.min_edge_run) if at_head or at_tail else config.min_run
        worded = [kinds[k][0] for k in range(*run.span()) if states[k] == "f"]
        if len(list(itertools.groupby(worded))) >= least:
            stop = run.end() if at_tail else run.start() + run[0].rindex("f") + 1
            gone |= set(range(0 if at_head else run.start(), stop))
    if not gone:
        return text, 0
    output_lines, cut = [], False
    for k, line in enumerate(text.split("\n")):
        blank = kinds[k] == "blank"
        if k in gone:
            cut = True
        elif cut and blank and (not output_lines or output_lines[-1][1]):
            pass
        else:
            output_lines.append((line, blank))
            cut &= blank
    while cut and output_lines and output_lines[-1][1]:
        output_lines.pop()
    return "\n".join(line for line, _ in output_lines), len(gone)


def plain_step(rows, config):
    """All documents at once: the texts, and how many lines went."""
    holders = defaultdict(list)
    for n, row in enumerate(rows):
        for pattern in (
            {k[0] for k in plain_kinds(row["text"]) if isinstance(k, list)} if row["lang"] != "code" else ()
        ):
            holders[row["source"] if config.scope == "source" else "", pattern].append(n)
    texts, removed = [], 0
    for n, row in enumerate(rows):
        frequent = {
            pattern
            for (source, pattern), found in holders.items()
            if source in ("", row["source"]) and len(found) >= config.min_documents and found[0] != n
        }
        text, lost = (
            (row["text"], 0) if row["lang"] == "code" else plain_rewritten(row["text"], frequent, config)
        )
        texts.append(text)
        removed += lost
    return texts, removed


def rewritten(folder, rows, units=1, batch_rows=5, backwards=False, **config):
    """Runs the step: texts in order, the outcome, and the context."""
    parts = batched(rows, -(-len(rows) // units))
    context: Any = StandIn(
        folder, [f"u-{n}" for n in range(len(parts))], backwards, lines=LinesConfig(**config)
    )
    for unit, part in zip(context.units, parts):
        batches = [documents_batch(few) for few in batched(part, batch_rows)]
        write_batches(context.path("clean", unit.name), batches, DOCUMENT)
    outcome = lines.run(context)
    tables = [pq.read_table(context.path("lines", unit.name)) for unit in context.units]
    assert all(table.schema.equals(DOCUMENT) for table in tables)
    found = pa.concat_tables(tables).to_pylist()
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    return [row["text"] for row in found], outcome, context


def as_rows(texts, lang="ko", source="s"):
    return [{"id": f"d{n:03d}", "text": text, "lang": lang, "source": source} for n, text in enumerate(texts)]


def bodies(count, seed=0):
    rng = random.Random(seed)
    return [
        f"본문 {rng.random()}은 {chr(0xAC00 + n)} 이야기다.\n둘째 {chr(0xB000 + n)} 줄." for n in range(count)
    ]


def test_menus_go_from_head_tail_and_middle_but_the_first_document_keeps_them():
    head, middle = "\n".join(MENU[:2]), "\n".join(MENU)
    for layout in ("{head}\n\n{body}", "{body}\n\n{head}", "{body}\n\n{menu}\n\n{body}"):
        rows = as_rows([layout.format(head=head, menu=middle, body=body) for body in bodies(6)])
        expected = [layout.format(head="", menu="", body=body) for body in bodies(6)]
        expected = [re.sub("\n{2,}", "\n\n", text.strip("\n")) for text in expected]
        assert plain_step(rows, LinesConfig(min_documents=4))[0] == [rows[0]["text"], *expected[1:]]


def corpora():
    rng = random.Random(7)
    usual = [
        *MENU,
        "copyright 2021-2022 ALL rights reserved.",
        "네.",
        "목록 1",
        "목록\t22",
        "-----",
        "",
        "  ",
        "가나다",
    ]
    rare = [
        "1,234", "```", "~~~py", "```", "    들여 쓴", "  \t 들여 쓴", "   들여 쓴", "Ｅ-mail: ẞ İ ÀÉ àé", "***", "\u3000",
    ]  # fmt: skip
    for _ in range(6):
        rows = []
        for n in range(40):
            text = "\n".join(
                rng.choice(usual if rng.random() < 0.85 else rare)
                if rng.random() < 0.8
                else f"글 {chr(0xAC00 + rng.randrange(9999))}"
                for _ in range(rng.randrange(0, 18))
            )
            lang, source = rng.choice(["ko", "ko", "en", "code"]), rng.choice("aab")
            rows.append({"id": f"d{n}", "text": text, "lang": lang, "source": source})
        yield rows


@pytest.mark.parametrize("scope, min_edge_run", [("source", 2), ("all", 1), ("all", 5)])
def test_the_step_says_what_the_plain_implementation_says(tmp_path, scope, min_edge_run, monkeypatch):
    monkeypatch.setattr("preprocessing.steps.lines.RUN_LINES", 25)
    changed = 0
    for n, rows in enumerate(corpora()):
        config = {"scope": scope, "min_documents": 5, "min_run": 3, "min_edge_run": min_edge_run}
        expected, removed = plain_step(rows, LinesConfig(**config))
        texts, outcome, _ = rewritten(tmp_path / str(n), rows, units=3, **config)
        assert texts == expected
        assert outcome.summary["lines_removed"] == removed
        counts = outcome.summary["sources"]
        changed += sum(found["changed"].get("frequent_lines", 0) for found in counts.values())
        assert sum(found["bytes_out"] for found in counts.values()) == sum(len(t.encode()) for t in texts)
        assert sum(found["documents_in"] for found in counts.values()) == len(rows)
    assert changed > 50


def test_neither_the_cut_nor_the_memory_nor_the_order_of_work_changes_a_text(tmp_path, monkeypatch):
    rows = next(corpora())
    expected, _, wide = rewritten(tmp_path / "a", rows, min_documents=5)
    monkeypatch.setattr("preprocessing.steps.lines.MIB", 4096)
    monkeypatch.setattr("preprocessing.steps.lines.RUN_LINES", 10)
    found, _, narrow = rewritten(
        tmp_path / "b", rows, units=7, batch_rows=2, backwards=True, min_documents=5, memory_mib=1
    )
    assert found == expected != [row["text"] for row in rows]
    assert (
        sum("frequent" in name for name in narrow.tasks) > sum("frequent" in name for name in wide.tasks) == 1
    )


def test_single_frequent_lines_in_prose_and_lines_in_fences_and_code_stay(tmp_path):
    menu = "\n".join(MENU)
    prose = as_rows([f"{body}\n{MENU[0]}\n{body}" for body in bodies(30)])
    assert rewritten(tmp_path / "prose", prose)[0] == [row["text"] for row in prose]
    fenced = as_rows([f"```\n{menu}\n```\n{body}" for body in bodies(30)])
    assert rewritten(tmp_path / "fenced", fenced)[0] == [row["text"] for row in fenced]
    indented = as_rows([f"{body}\n{menu.replace(chr(10), chr(10) + '    ')}" for body in bodies(30)])
    assert rewritten(tmp_path / "indented", indented)[0] == [row["text"] for row in indented]
    code = as_rows([f"{menu}\n{body}" for body in bodies(30)], lang="code")
    assert rewritten(tmp_path / "code", code)[0] == [row["text"] for row in code]
    ko = as_rows([f"{menu}\n{body}" for body in bodies(30)])
    texts, outcome, _ = rewritten(tmp_path / "ko", ko)
    assert texts == [ko[0]["text"], *bodies(30)[1:]]
    assert outcome.summary["sources"]["s"]["changed"] == {"frequent_lines": 29}
    assert outcome.summary["lines_removed"] == 29 * 3
    example = outcome.summary["sources"]["s"]["examples"]["frequent_lines"][0]
    assert example["before"] == ko[1]["text"] and example["after"] == texts[1]


def test_a_changed_file_redoes_only_its_own_unit_while_no_frequent_line_changes(tmp_path):
    config = {"output": {"folder": str(tmp_path / "out")}, "domains": {"ko": {}}, "tokenizer": {"vocab_size": 400},
              "lines": {"enabled": True, "min_documents": 5}}  # fmt: skip
    config["inputs"] = {
        n: {"type": "jsonl", "paths": [str(tmp_path / f"{n}.jsonl")], "lang": "ko"} for n in "ab"
    }
    (tmp_path / "data.yaml").write_text(json.dumps(config))

    def units_after(texts):
        (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        assert (
            main(["clean", str(tmp_path / "data.yaml")]) == main(["lines", str(tmp_path / "data.yaml")]) == 0
        )
        return {n: (tmp_path / f"out/steps/lines/{n}-00000.json").stat().st_mtime_ns for n in "ab"}

    menu = "\n".join(MENU)
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"text": f"{menu}\n{t}"}) + "\n" for t in bodies(30))
    )
    first, second = units_after(bodies(30)), units_after(bodies(31))
    assert second["a"] == first["a"] and second["b"] != first["b"]
    assert units_after([f"{menu}\n{body}" for body in bodies(30)])["a"] != first["a"]


def test_a_document_of_boilerplate_only_becomes_empty_and_stays(tmp_path):
    texts = rewritten(tmp_path, as_rows(["\n".join(MENU)] * 25))[0]
    assert texts == ["\n".join(MENU), *[""] * 24]


def test_numbers_are_one_pattern_and_sources_are_counted_apart(tmp_path):
    rows = as_rows([f"{body}\n{n}쪽 / 전체 {n * 97}쪽" for n, body in enumerate(bodies(30))])
    assert rewritten(tmp_path / "one", rows, min_edge_run=1)[0][1:] == bodies(30)[1:]
    assert rewritten(tmp_path / "edge", rows)[0] == [row["text"] for row in rows]  # one line is no run
    for n, row in enumerate(rows):
        row["source"] = "ab"[n % 2]
    assert rewritten(tmp_path / "two", rows, min_edge_run=1)[0] == [row["text"] for row in rows]
    assert rewritten(tmp_path / "all", rows, scope="all", min_edge_run=1)[0][1:] == bodies(30)[1:]


LINE = st.text(st.sampled_from("ab가1 2.-\t`~É\u3000"), max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(LINE, max_size=7).map("\n".join), max_size=4))
def test_patterns_and_kinds_are_those_of_plain_python(texts):
    first, ends, kinds, patterns = kernels.line_table(*utf8_buffer(pa.array(texts, pa.large_string())))
    assert np.diff(first).tolist() == [text.count("\n") + 1 for text in texts]
    expected = list(itertools.chain.from_iterable(map(plain_kinds, texts)))
    names = {
        kernels.BLANK: "blank",
        kernels.SIGNS: "sign",
        kernels.NUMBERS: "number",
        kernels.CODE: "code",
    }
    assert [names.get(kind, "worded") for kind in kinds.tolist()] == [
        "worded" if isinstance(k, list) else k for k in expected
    ]
    known = {}
    for kind, pattern in zip(expected, patterns.tolist()):
        if isinstance(kind, list):
            assert known.setdefault(kind[0], pattern) == pattern
    assert len(set(known.values())) == len(known)


@pytest.mark.parametrize("run_lines, parts", [(1, 1), (7, 3), (1000, 2)])
def test_counts_are_of_distinct_documents(run_lines, parts):
    rows = next(corpora())
    batches = [documents_batch(few) for few in batched(rows, 4)]
    runs = [(0, run) for run in runs_of(iter(batches), "all", run_lines)]
    assert len(runs) > 1 or run_lines == 1000
    counts = Counter(
        pattern
        for row in rows
        if row["lang"] != "code"
        for pattern in {k[0] for k in plain_kinds(row["text"]) if isinstance(k, list)}
    )
    for least in (1, 3, 9):
        found = [frequent_of(runs, part, parts, least) for part in range(parts)]
        patterns = np.concatenate([part.patterns for part in found])
        assert len(patterns) == sum(count >= least for count in counts.values())
        assert (np.diff(patterns.astype(object)) > 0).all()
