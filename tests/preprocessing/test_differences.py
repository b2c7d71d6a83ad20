"""``mko data diff``: every change has the rule that made it, the page hides nothing and trusts no text."""

import json
import random
import re
import shutil
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.config.loading import load
from megatron_ko.errors import DataError, UsageError
from megatron_ko.tables import width_of
from preprocessing import cli
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.languages import KINDS
from preprocessing.config.pipeline import RULES, Config
from preprocessing.config.running import KEPT_CONFIGURATION
from preprocessing.differences import rows as layout
from preprocessing.differences import selection
from preprocessing.differences.attribution import (
    UNEXPLAINED,
    Segment,
    clean_in_stages,
    compose,
    rule_names,
    stage_between,
)
from preprocessing.differences.documents_of_run import finished_units, read_documents, stages_of
from preprocessing.differences.edits import find_edits
from preprocessing.differences.page import HUES, count_letters, lost_letters
from preprocessing.differences.rows import rows_of, shorten_change
from preprocessing.differences.selection import Query, select
from preprocessing.report.korean_labels import KOREAN
from preprocessing.running.context import Context
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses_command

HOSTILE = "</script></pre><img src=x onerror=alert(1)>\u202e"
LETTERS = st.text(alphabet="가나다ㅋㅎab1 \n\t!.<>&`\u200b＆Ａ", max_size=60)


def before_of(segments):
    return "".join(segment.text for segment in segments if segment.kind != "added")


def after_of(segments):
    return "".join(segment.text for segment in segments if segment.kind != "removed")


def segments_of(text, lang="ko", markup="html", **config):
    return compose(text, list(clean_in_stages(text, lang, markup, CleanConfig(**config))))


def changes_of(segments):
    return [(s.rule, s.kind, s.text) for s in segments if s.kind != "kept"]


# --- edits -----------------------------------------------------------------------------------------------


def apply(before, edits):
    parts, done = [], 0
    for edit in edits:
        assert done <= edit.start <= edit.end
        parts += [before[done : edit.start], edit.text]
        done = edit.end
    return "".join([*parts, before[done:]])


@given(LETTERS, LETTERS)
def test_edits_turn_one_text_into_the_other(before, after):
    assert apply(before, find_edits(before, after)) == after


@given(
    st.lists(st.sampled_from(["가 나 다\n", "b\n", "\n", "  x y\n", "라", "마 바 "]), max_size=400), st.data()
)
def test_edits_of_long_texts(parts, data):
    before = "".join(parts * 3)
    cut = data.draw(st.integers(0, len(before)))
    after = before[:cut].replace("가 ", "") + data.draw(LETTERS) + before[cut:].replace("\n\n", "\n")
    assert apply(before, find_edits(before, after)) == after


def test_edits_are_small_in_a_large_text():
    lines = [f"문단 {n}. {KO[n % len(KO)]}  끝" for n in range(3000)]
    before = "\n".join(lines)
    after = before.replace("  ", " ").replace("문단 1500.", "문단.")
    edits = find_edits(before, after)
    assert len(edits) == 3001
    assert all(edit.end - edit.start <= 5 and not edit.text for edit in edits)


def test_a_wholly_different_text_ends_soon():
    before, after = "가나" * 300_000, "나가" * 250_000 + "다"
    assert apply(before, find_edits(before, after)) == after


# --- attribution -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("가\u200b나", [("control", "removed", "\u200b")]),
        ("ＡＢ 가", [("full_width", "removed", "ＡＢ"), ("full_width", "added", "AB")]),
        ("\u1112\u1161\u11ab글", [("nfc", "removed", "\u1112\u1161\u11ab"), ("nfc", "added", "한")]),
        ("뭐 ㅎㅏㄴㄱㅡㄹ", [("typed_jamo", "removed", "ㅎㅏㄴㄱㅡㄹ"), ("typed_jamo", "added", "한글")]),
        ("웃김ㅋㅋㅋㅋㅋ", [("squeeze", "removed", "ㅋㅋ")]),
        ("가  나", [("whitespace", "removed", " ")]),
        ("<b>가</b>", [("html", "removed", "<b>"), ("html", "removed", "</b>")]),
        ("í•œêµ­ì–´ 글", [("mojibake", "removed", "í•œêµ­ì–´"), ("mojibake", "added", "한국어")]),
        ("본문이다.\n홍길동 기자", [("boilerplate", "removed", "\n홍길동 기자")]),
        ("전화 010-1234-5678", [("phone", "removed", "010-1234-5678"), ("phone", "added", "<|phone|>")]),
        ("메일 a@b.com 이다", [("email", "removed", "a@b.com"), ("email", "added", "<|email|>")]),
        ("그대로이다.", []),
    ],
)
def test_a_change_has_the_rule_that_made_it(text, expected):
    segments = segments_of(text)
    assert changes_of(segments) == expected
    assert before_of(segments) == text


def test_code_has_the_rules_of_code():
    segments = segments_of("def f():\r\n    return  1", lang="code")
    assert changes_of(segments) == [("control", "removed", "\r"), ("whitespace", "added", "\n")]


def test_the_first_rule_that_removes_a_character_has_it():
    text = "<p>가\u200b  나</p>ㅋㅋㅋㅋㅋ 010-1234-5678"
    segments = segments_of(text)
    assert before_of(segments) == text
    assert {s.rule for s in segments if "<" in s.text and s.kind == "removed"} == {"html"}
    assert ("phone", "added", "<|phone|>") in changes_of(segments)


@given(
    st.text(max_size=80) | LETTERS,
    st.sampled_from(["ko", "code"]),
    st.sampled_from(["none", "html", "mediawiki"]),
)
def test_segments_compose_to_the_text_before_and_after(text, lang, markup):
    stages = list(clean_in_stages(text, lang, markup, CleanConfig()))
    segments = compose(text, stages)
    assert before_of(segments) == text
    assert after_of(segments) == (stages[-1].after if stages else text)
    assert all(s.text and bool(s.rule) == (s.kind != "kept") for s in segments)
    assert {s.rule for s in segments if s.rule} <= {rule for stage in stages for rule in stage.rules}


def test_every_rule_has_a_korean_label_and_changes_have_colors():
    names = rule_names(CleanConfig())
    assert [name for name in names if name not in KOREAN] == []
    assert set(HUES) <= set(names)
    assert names[-1] == UNEXPLAINED and set(KINDS) <= set(names)


def test_letters_lost_are_counted_by_rule():
    segments = compose("<b>가나</b> 다라마", stage_between("x", "<b>가나</b> 다라마", "가나 12"))
    assert lost_letters(segments) == {"x": 1}
    assert count_letters("<a href='길'>가 1!</a>") == 2


# --- rows ------------------------------------------------------------------------------------------------


def text_of(rows, hidden):
    return "".join(s.text for row in rows for s in row.segments if s.kind != hidden)


@given(
    st.lists(
        st.tuples(st.sampled_from(["kept", "removed", "added"]), st.text("가 \n", min_size=1, max_size=8))
    )
)
def test_rows_keep_every_character_of_a_short_document(parts):
    segments = [Segment(kind, text, "" if kind == "kept" else "x") for kind, text in parts]
    rows = rows_of(segments)
    assert [text_of(rows, "added"), text_of(rows, "removed")] == [before_of(segments), after_of(segments)]
    assert all(row.left_out == 0 for row in rows)


def test_rows_are_aligned_at_lines():
    segments = segments_of("첫째\n둘째  줄\n셋째")
    rows = rows_of(segments)
    assert [row.is_changed for row in rows] == [False, True, False]
    assert [text_of([row], "added") for row in rows] == ["첫째\n", "둘째  줄\n", "셋째"]


def test_a_long_document_shows_the_neighborhoods_of_its_changes():
    lines = [f"{n:04d} 두루미는 겨울에 철원 들판으로 날아온다.\n" for n in range(1000)]
    lines[500] = "여기  바뀐다.\n"
    text = "".join(lines)
    segments = segments_of(text.strip())
    rows = rows_of(segments)
    shown = text_of(rows, "added")
    left_out = sum(row.left_out for row in rows)
    assert "여기  바뀐다." in shown and shown.startswith("0000")
    assert len(shown) + left_out == len(text.strip())
    assert len(shown) < layout.BEGINNING + 3 * layout.NEIGHBORHOOD


def test_many_changes_and_long_ones_are_counted_instead_of_shown():
    segments = [
        s for n in range(200) for s in (Segment("removed", "가" * 400 + "\n", "x"), Segment("kept", f"{n}\n"))
    ]
    rows = rows_of(segments)
    last = rows[-1]
    shown = [s for row in rows[:-1] for s in row.segments]
    assert sum(len(s.text) for s in shown) <= layout.MOST_SHOWN
    assert last.changes + sum(s.kind != "kept" for s in shown) == 200
    assert last.left_out + sum(len(s.text) for s in shown) == len(before_of(segments))
    beginning, left_out, end = shorten_change("가" * 10_000)
    assert len(beginning) + len(end) == layout.LONGEST_CHANGE and left_out == 10_000 - layout.LONGEST_CHANGE


# --- a run -----------------------------------------------------------------------------------------------

CONFIG = """
output: {folder: OUT}
inputs:
  posts: {type: jsonl, paths: [FOLDER/posts.jsonl], lang: ko}
  pages: {type: html, paths: ["FOLDER/*.html"], lang: ko}
  notes: {type: text, paths: ["FOLDER/*.rst", "FOLDER/*.md"], lang: detect}
domains: {ko: {langs: [ko, en, mixed, code, other], sources: [posts, pages, notes], share: 1.0}}
balance: {valid_fraction: 0.0}
lines: {enabled: true, min_documents: 3}
"""
PAGE = (
    "<html><head><title>두루미</title></head><body><nav><a href='/'>처음으로</a> <a href='/b'>알림 마당</a></nav>"
    "<article><h1>두루미</h1><p>{}</p></article><footer>연락처와 약관을 보십시오</footer></body></html>"
)


def body(seed):
    """Text of eight sentences that no other seed gives."""
    generator = random.Random(seed)
    syllables = [c for c in "".join(KO) if "가" <= c <= "힣"]
    words = ["".join(generator.choices(syllables, k=3)) for _ in range(48)]
    return " ".join(f"{' '.join(words[k : k + 6])}다." for k in range(0, 48, 6))


def write_run(folder):
    posts = [{"id": f"p{n}", "text": f"{body(n)}\n끝  줄이다ㅋㅋㅋㅋㅋ"} for n in range(30)]
    posts += [
        {"id": HOSTILE, "text": f"{HOSTILE} {body(100)} 010-1234-5678"},
        {"id": "short", "text": "짧다"},
        {"id": "same", "text": body(101)},
        {"id": "same2", "text": body(101)},
        {"id": "code", "text": "```html\n<script>a()</script>\n```\n" + body(102)},
    ]
    menu = "회사 소개와 연락처\n이용 약관과 방침\n"
    posts += [{"id": f"m{n}", "text": f"{menu}{body(200 + n)}"} for n in range(4)]
    (folder / "posts.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in posts), encoding="utf-8"
    )
    (folder / "a.html").write_text(PAGE.format(f"두루미는 {body(103)}"), encoding="utf-8")
    (folder / "a.rst").write_text(f"제목\n====\n\n{body(104)} ``code`` *기울임*\n", encoding="utf-8")
    (folder / "a.md").write_text(f"# 제목\n\n{' '.join(EN)}\n", encoding="utf-8")
    config = folder / "data.yaml"
    config.write_text(
        CONFIG.replace("FOLDER", str(folder)).replace("OUT", str(folder / "out")), encoding="utf-8"
    )
    return config


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("differences")
    config = write_run(folder)
    for step in ("clean", "lines", "measure", "filter", "deduplicate"):
        assert cli.main([step, str(config), "--workers", "1"]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def context(done):
    return Context(load(Config, [str(done / KEPT_CONFIGURATION)], [], RULES))


def page_of(run, *arguments):
    assert cli.main(["diff", str(run), *arguments]) == 0
    return (run / "diff.html").read_text(encoding="utf-8")


def ids_of(chosen):
    return [selected.document.identity for selected in chosen.documents]


def test_recomputed_documents_equal_what_the_run_wrote(context):
    seen = 0
    for unit in finished_units(context, None):
        total = selection.count_rows(context, unit)
        for document in read_documents(context, unit, range(total)):
            seen += 1
            stages = stages_of(context, document)
            assert UNEXPLAINED not in {rule for stage in stages for rule in stage.rules}
            segments = compose(document.first, stages)
            assert (before_of(segments), after_of(segments)) == (document.first, document.text)
    assert seen == 42


def test_lines_of_many_documents_have_their_rule(context):
    chosen = select(context, Query(rule="frequent_lines"))
    assert set(ids_of(chosen)) == {"m1", "m2", "m3"}  # the first document keeps them


def test_main_content_and_markup_of_files_are_compared_with_the_file(context):
    (page,) = select(context, Query(source="pages")).documents
    segments = compose(page.document.first, stages_of(context, page.document))
    removed = "".join(s.text for s in segments if s.kind == "removed" and s.rule == "main_content")
    assert "알림 마당" in removed and "두루미는" not in removed
    (note,) = select(context, Query(source="notes", rule="rst")).documents
    assert note.document.first.startswith("제목\n====")
    assert "unexplained" not in {rule for stage in stages_of(context, note.document) for rule in stage.rules}


def test_a_change_that_the_rules_do_not_explain_is_shown(context):
    (unit, *_) = finished_units(context, "posts")
    (document,) = read_documents(context, unit, [0])
    other = "[황새] " + document.cleaned
    changed = type(document)(**{**vars(document), "cleaned": other, "text": other})
    segments = compose(changed.first, stages_of(context, changed))
    assert ("unexplained", "added", "[황새] ") in changes_of(segments)
    assert after_of(segments) == other


def test_the_sample_depends_on_ids_and_seed_only(context):
    few, more = (ids_of(select(context, Query(count=n))) for n in (5, 10))
    assert more[:5] == few
    assert few == ids_of(select(context, Query(count=5)))
    assert few != ids_of(select(context, Query(count=5, seed=1)))


def test_the_limit_of_the_search(context, monkeypatch):
    monkeypatch.setattr(selection, "MAX_SEARCHED", 7)
    chosen = select(context, Query(count=3))
    assert (chosen.searched, len(chosen.documents)) == (7, 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(only="dropped"), {"short", "same2"}),
        (Query(rule="too_short", is_reason=True), {"short"}),
        (Query(rule="exact_duplicate", is_reason=True), {"same2"}),
        (Query(rule="phone"), {HOSTILE}),
        (Query(rule="squeeze", only="dropped"), None),
    ],
)
def test_queries(context, query, expected):
    if expected is None:
        with pytest.raises(DataError) as caught:
            select(context, query)
        assert caught.value.rule == "no-documents"
    else:
        assert set(ids_of(select(context, query))) == expected


def test_changed_includes_dropped_and_all_includes_the_rest(context):
    changed, every = (set(ids_of(select(context, Query(only=only)))) for only in ("changed", "all"))
    assert {"short", "same2"} <= changed
    assert "same" in every - changed
    assert len(every) == 42


class Page(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


def test_hostile_text_is_escaped_and_nothing_is_loaded(done):
    html = page_of(done, "--only", "all")
    elements = Page(html).elements
    assert {"script", "img", "link", "iframe"}.isdisjoint(tag for tag, _ in elements)
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attrs in elements for name in attrs
    )
    assert "\u202e" not in html and "U+202E" in html
    assert "url(" not in html and "@import" not in html
    assert sum(tag == "article" for tag, _ in elements) == 42
    assert HOSTILE.split("<")[1] not in re.sub(r"&lt;[^<]*", "", html)


def test_each_filter_has_documents_and_each_change_a_color(done):
    elements = Page(page_of(done, "--only", "all")).elements
    filters = {attrs["id"] for tag, attrs in elements if tag == "input"} - {"all"}
    classes = {name for tag, attrs in elements if tag == "article" for name in attrs["class"].split()}
    colors = {attrs["class"] for tag, attrs in elements if tag in ("del", "ins")}
    assert {f"u{name[1:]}" for name in filters} == classes - {"dropped"}
    assert {f"r{name[1:]}" for name in colors} <= filters


def test_documents_that_lost_most_come_first(done, tmp_path):
    out = tmp_path / "page.html"
    assert cli.main(["diff", str(done), "--only", "dropped", "--out", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    assert html.index(">same2<") < html.index(">short<")


def test_a_run_that_only_began(tmp_path):
    config = write_run(tmp_path)
    out = tmp_path / "out"
    refuses_command(["diff", out], "missing-run", str(out))
    out.mkdir()
    refuses_command(["diff", out], "not-a-run", str(out / KEPT_CONFIGURATION))
    assert cli.main(["clean", str(config), "--workers", "1", "inputs.pages=null"]) in (0, 2)
    assert cli.main(["clean", str(config), "--workers", "1"]) == 0
    html = page_of(out)
    assert "filter, deduplicate, balance" in html
    (out / "steps" / "clean.json").unlink()
    for marker in (out / "steps" / "clean").glob("*.json"):
        marker.unlink()
    refuses_command(["diff", out], "step-not-finished")


def test_changed_inputs_are_refused(tmp_path):
    config = write_run(tmp_path)
    assert cli.main(["clean", str(config), "--workers", "1"]) == 0
    posts = tmp_path / "posts.jsonl"
    lines = posts.read_text(encoding="utf-8").splitlines(keepends=True)
    posts.write_text("".join(lines[1:]), encoding="utf-8")
    refuses_command(["diff", tmp_path / "out"], "inputs-changed", "posts")


def test_mistakes_on_the_command_line(done):
    refuses_command(["diff", done, "--source", "post"], "unknown-source", "posts", error=UsageError)
    refuses_command(["diff", done, "--rule", "sqeeze"], "unknown-rule", "squeeze", error=UsageError)
    refuses_command(["diff", done, "--rule", "tooshort"], "unknown-rule", "too_short", error=UsageError)
    refuses_command(["diff", done, "--count", "0"], "usage", error=UsageError)
    refuses_command(["diff", done, "--seed", "-1"], "usage", error=UsageError)


def test_the_help_fits_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli._main(["diff", "--help"])
    assert ended.value.code == 0
    assert max(map(width_of, capsys.readouterr().out.splitlines())) <= 80


def test_the_inputs_of_a_run_are_found_from_every_folder(tmp_path, monkeypatch):
    """Relative paths begin in the folder in which the run was started."""
    config = write_run(tmp_path)
    config.write_text(config.read_text(encoding="utf-8").replace(f"{tmp_path}/", ""), encoding="utf-8")
    cells = [{"cell_type": "code", "source": "x", "outputs": [{"output_type": "stream", "text": "결과"}]}]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    config.write_text(
        config.read_text(encoding="utf-8").replace('"*.md"', '"*.md", "*.ipynb"'), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main(["clean", "data.yaml", "--workers", "1"]) == 0
    pages = [page_of(tmp_path / "out")]
    (tmp_path / "other").mkdir()
    for folder, run in (("other", "../out"), ("out", ".")):
        monkeypatch.chdir(tmp_path / folder)
        assert cli.main(["diff", run, "--out", "x.html"]) == 0
        pages.append((tmp_path / folder / "x.html").read_text(encoding="utf-8"))
    assert len({re.sub(r"[\w./-]*/out\b|\bout\b", "", page) for page in pages}) == 1
    assert "결과" in pages[0]  # what the reader left out of the notebook
    monkeypatch.chdir(tmp_path / "other")
    for step, rule in (("run", "no-match"), ("report", "missing-file")):
        refuses_command([step, "../data.yaml"], rule, f"these begin in {tmp_path}:")
    shutil.move(tmp_path / "out", tmp_path / "other" / "moved")
    refuses_command(["diff", "moved"], "inputs-not-found")
