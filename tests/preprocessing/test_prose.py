"""Lines that count for the rules of prose, compared with plain Python, and the text that is measured."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.judging import line_kinds, prose, rule_table
from preprocessing.judging.line_kinds import BLANK, CODE, HEADING, KINDS, LINK, LISTING, MARKUP, PROSE, TABLE
from preprocessing.kernels import structure
from tests.preprocessing.test_measures import plain_lists


def column(*texts):
    return pa.array(texts, pa.large_string())


def kinds_of(text):
    return [KINDS[line.kind] for line in line_kinds.lines_of(text)]


# --- the plain definition of the text that counts -----------------------------------------------------------


def plain_level(lines):
    visible = dict.fromkeys(range(len(KINDS)), 0)
    for line in lines:
        visible[line.kind] += sum(b > 32 and not 0x80 <= b < 0xC0 for b in line.bytes)
    text = sum(visible[kind] for kind in (PROSE, HEADING, TABLE, LINK))
    if text < 0.02 * sum(visible.values()):
        return "everything"
    numbers = sum(len(line.bytes) for line in lines if line.kind == PROSE and line.is_number)
    sentences = max(0, visible[PROSE] - numbers)
    some = sentences >= 100 and sentences >= 0.05 * text
    return "prose" if some or sentences >= 0.5 * text else "text"


def after_span(line, i):
    """The end of the tag or code span at ``i``, or ``i``."""
    if line[i] == ord("<"):
        tag = line_kinds.TAG.match(line, i)
        return tag.end() if tag else i
    ticks = line[i:][: len(line[i:]) - len(line[i:].lstrip(b"`"))]
    for other in re.finditer(rb"`+", line[i + len(ticks) :]):
        start = i + len(ticks) + other.start()
        if start >= i + line_kinds.LONGEST:
            return i
        if other[0] == ticks:
            return start + len(ticks)
    return i


def plain_copy(line):
    out, i, label_end, link_end, solid = bytearray(), 0, -1, -1, 0
    while i < len(line):
        after = i
        if i == label_end:
            i = solid = link_end
            continue
        if line[i] in b"`<":
            after = after_span(line, i)
            role = (
                re.search(rb":[A-Za-z:.+-]*:\Z", line[solid:i]) if after > i and line[i] == ord("`") else None
            )
            del out[len(out) - (len(role[0]) if role else 0) :]
        elif line[i] == ord("h"):
            after = line_kinds.address_end(line, i)
        elif line[i : i + 2] == b"**":
            after = i + 2
        elif (line[i] == ord("[") or line[i : i + 2] == b"![") and i > link_end:
            opening = line.index(b"[", i)
            ends = line_kinds.link_at(line, opening)
            if ends[1] > opening:
                (label_end, link_end), after = ends, opening + 1
        if after == i:
            out.append(line[i])
            after += 1
        else:
            solid = after
        i = after
    return bytes(out)


def plain_prose(text):
    """``(level, text, bullets)``"""
    lines = line_kinds.lines_of(text)
    level = plain_level(lines)
    counted = {"prose": (BLANK, PROSE), "text": (BLANK, PROSE, HEADING, TABLE, LINK)}.get(
        level, range(len(KINDS))
    )
    out, left_out, bullets = b"", False, 0
    for n, line in enumerate(lines):
        if line.kind not in counted or (line.kind == BLANK and left_out):
            left_out = True
            continue
        left_out, copied = False, line.bytes
        if level != "everything" and line.kind in (PROSE, HEADING, TABLE, LINK):
            body = line.bytes.lstrip(bytes(range(33)))
            if line.kind == HEADING:
                body = body.lstrip(b"#" + bytes(range(33)))
            elif line.kind != TABLE:
                marks = line_kinds.MARKS.match(body)
                assert marks is not None
                bullets += marks["bullet"] is not None and not marks["bullet"][:1].isdigit()
                body = body[marks.end() :]
            copied = plain_copy(body)
            if line.kind == TABLE:
                copied = copied.replace(b"|", b"\t")
        out += copied + (b"\n" if n + 1 < len(lines) else b"")
    return level, out.decode(), bullets


def compare(texts):
    first, _, kinds, flags, _ = prose.kinds_of_lines(column(*texts))
    found = prose.find_prose(column(*texts))
    outside_code = found.leave_out_code(np.arange(len(texts)))
    measured = prose.measure(column(*texts), "ko")
    for n, text in enumerate(texts):
        lines = line_kinds.lines_of(text)
        here = slice(first[n], first[n + 1])
        assert [KINDS[kind] for kind in kinds[here]] == [KINDS[line.kind] for line in lines], text
        assert (flags[here] == structure.NUMBER).tolist() == [line.is_number for line in lines], text
        row = {name: array[n].as_py() for name, array in found.columns.items()}
        level, expected, bullets = plain_prose(text)
        assert (row["measured"], found.text[n].as_py(), found.bullets[n]) == (level, expected, bullets), text
        lists = tuple(measured[name][n].as_py() for name in ("list_words", "listed_words", "rare_hangul"))
        assert lists == ((0, 0, 0) if level == "everything" else plain_lists(expected)), text
        assert row["text_lines"] == sum(PROSE <= line.kind <= LINK for line in lines)
        assert row["link_lines"] == sum(line.is_outward for line in lines)
        assert row["number_lines"] == sum(line.is_number for line in lines)
        outside = [line.bytes.decode() for line in lines if line.kind not in (BLANK, CODE)]
        kept = outside_code[n].as_py().split("\n")
        assert [line for line in kept if line.strip("".join(map(chr, range(33))))] == outside


PIECES = (
    *["가나다", "뷁", "ab", "12", "_", "(", ")", "[", "]", "{", "}", "=", ";", ":", ",", "/", "|", "#", "!", "<", ">", "`", "```", "~~~", "~~~~", "***", "**", "*", "-", "+", "•", ".", "---", "===", "|---|", "&amp;", "\\", "$", "é", "漢", "😀"],
    " ", "  ", "    ", "\t", "\n", "\n", "\n\n", "- ", "1. ", "12) ", "> ", "# ", "### ", "#태그 ", "| 가 | 나 |", "[가](b)", "![a](b)",
    "[a][b]", "[^1]", "https://a.kr/b", "http://", "<br>", "</Sandpack>", "<https://a.kr>", "`x`", "``a`b``", "```js", "~~~ py",
    ":::tip", ":ref:", ":c:func:", "{% raw %}", ".. note::", "::tip", ":row{", "a=\"", "\"", "f(x) = {y};", "<Box>{`", "<Box>{`\n", "\n`}", "12:34:56", "title: a", "봄이 왔다. ", "\r", "\x0b",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=50).map("".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(TEXTS, TEXTS.map(lambda text: "---\na: b\n" + text), st.text(max_size=40)),
        min_size=1,
        max_size=6,
    )
)
def test_kernels_equal_plain_python(texts):
    compare(texts)


def test_long_marks_tags_and_links_are_limited():
    for size in (996, 997, 998, 999, 1000, 1001):
        compare(
            [
                f"{prefix}{'a' * size}{suffix} 봄\n"
                for prefix, suffix in (("<", ">"), ("`", "`"), ("[", "](b)"), ("[a](", ")"))
            ]
        )
        compare(["~" * size + "\n가\n" + "`" * size + "\n나"])


def test_a_slice_of_a_column_has_the_text_of_its_rows():
    texts = column("# 가\n나", "```\nx\n```\n다", "라")
    assert (
        prose.find_prose(texts.slice(1, 2)).text.to_pylist() == prose.find_prose(texts).text.to_pylist()[1:]
    )
    assert len(prose.find_prose(column()).text) == 0


# --- kinds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("---\ntitle: 봄\n---\n본문", "markup markup markup prose"),
        ("---\n본문\n---", "markup prose markup"),
        ("# 제목\n#맛집 #봄", "heading prose"),
        ("제목\n===", "prose markup"),
        ("```js\nlet a = 1;\n\n```\n끝", "code code code code prose"),
        ("````\n```\n````\n끝", "code code code prose"),
        ("~~~\na\n~~~\n끝", "code code code prose"),
        ("```\n봄이 왔다", "markup prose"),
        ("본문\n\n    a b c\n\n    d\n본문", "prose blank code blank code prose"),
        ("- 항목\n\n    이어지는 글\n    and more", "prose blank prose prose"),
        ("본문\n\n    봄이 왔다", "prose blank prose"),
        ("a | b\n--- | ---\n가 | 나\n\n가 | 나", "table markup table blank prose"),
        ("| 가 | 나 |\n|:--|--:|", "table markup"),
        ("홈 | 로그인 | 회원가입", "prose"),
        ("[![a](b)](c)\n- [제목](a.md)\n[제목](a.md)에서 봄을 기다리는 사람들의 이야기를 읽습니다", "link link prose"),
        ("https://example.com/a\n1. <https://example.com/long/path> 봄", "link link"),
        ("<Sandpack>\n</Sandpack> <br>\n<!-- 메모 -->\n<br> 봄", "markup markup markup prose"),
        (":::tip\n{% raw %}\n.. note:: a\n.. 봄", "markup markup markup prose"),
        ("::tip{icon=\"a\"}\n:docs-table-row{\nrequiredText=\"string\"\n}\n::\n::tip\n},\n:@click=\"a\"", "markup " * 7 + "prose"),
        ("::tip 봄\n:row{a} 봄\n:row\n:param a: b\n::봄\na=\"봄\"\na=\"b\" c\na=\"\n} 봄\n} else", "prose " * 10),
        ("const a = f(x);\nconst 봄 = f(x);\nSee (a) and [b] for more.", "code prose prose"),
        ("***\n• 봄\n★★★★☆", "markup prose prose"),
        ("<Diagram>{`\nTerminal('봄')\n\n`}</Diagram>\n봄", "code code code code prose"),
        ("<Diagram>{`\n봄\n<b>{`\n`}", "code code code code"),
    ],
)  # fmt: skip
def test_kinds_of_lines(text, kinds):
    assert kinds_of(text) == kinds.split()
    compare([text])


def test_numbers_are_lines_of_digits_and_of_stamps():
    text = "2024 | 12 | 34.5\n2024년 3월 1일에 비가 왔다\n2025-01-01 12:00:01 INFO worker started again\n[오후 3:12] 민지: 안녕\n12"
    assert [line.is_number for line in line_kinds.lines_of(text)] == [True, False, True, False, True]


# --- what is measured ---------------------------------------------------------------------------------------

SENTENCES = "\n".join(f"{word}나무 숲에는 {word}새가 살고 {word}꽃이 핀다." for word in "가나다라마바사")


def test_indented_lines_below_a_heading_are_code():
    assert kinds_of("## Example\n    plain words\n    and more\n") == ["heading", "code", "code", "blank"]
    assert kinds_of("## 예제\n    한글로 쓴 문장\n글\n    plain words") == [
        "heading",
        "prose",
        "prose",
        "prose",
    ]


def test_marks_code_spans_tags_and_targets_are_left_out():
    text = f"## 설치\n\n- **봄**은 `x.y`와 [여름](https://a.kr)\n> 가을<br>\n{SENTENCES}"
    (found,) = prose.find_prose(column(text)).text.to_pylist()
    assert found.split("\n")[:2] == ["봄은 와 여름", "가을"]
    assert found.endswith(SENTENCES)


def test_roles_go_with_their_spans():
    text = "예: `a` :ref:`b`를 보고 한글:py:func:`c`도 봅니다: ab:`d` https://a.kr:80:`e` [가](b):ref:`f`"
    (found,) = prose.find_prose(column(f"{text}\n{SENTENCES}")).text.to_pylist()
    assert found.split("\n")[0] == "예:  를 보고 한글도 봅니다: ab:  가"


def test_an_index_is_measured_by_its_titles():
    index = "\n".join(
        f"- [{word}나무 숲에 사는 새와 꽃](https://example.com/{n})"
        for n, word in enumerate("가나다라마바사" * 20)
    )
    (level,) = prose.find_prose(column(f"{SENTENCES[:120]}\n{index}")).columns["measured"].to_pylist()
    assert level == "text"


def test_prose_without_structure_stays_as_it_is():
    text = "봄이 왔다.  여름은?\n\n\n★ 가을 (1 < 2)\n"
    assert prose.find_prose(column(text)).text.to_pylist() == [text]


def test_a_table_counts_where_there_is_hardly_any_prose():
    rows = "\n".join(f"| {word}이름 | string | {word}의 설명입니다 |" for word in "가나다라마바사")
    found = prose.find_prose(
        column(f"# API\n\n{rows}", f"{SENTENCES}\n{rows}", "```\n" + "x = 1\n" * 9 + "```")
    )
    assert found.columns["measured"].to_pylist() == ["text", "prose", "everything"]
    assert found.text[0].as_py().split() == [
        "API",
        *(part for word in "가나다라마바사" for part in (f"{word}이름", "string", f"{word}의", "설명입니다")),
    ]


def test_advertising_is_searched_outside_of_code_and_sizes_are_of_the_document():
    text = f"{SENTENCES}\n\n```html\n<p>Lorem ipsum dolor sit amet</p>\n```\n"
    row = {name: array[0].as_py() for name, array in prose.measure(column(text), "ko").items()}
    assert (row["characters"], row["bytes"], row["lorem"], row["lines"]) == (
        len(text),
        len(text.encode()),
        False,
        7,
    )
    (bad,) = prose.measure(column(f"{SENTENCES}\nLorem ipsum dolor sit amet"), "ko")["lorem"].to_pylist()
    assert bad is True


def test_counted_kinds_are_those_of_the_level():
    assert prose.counted_kinds("prose") == [BLANK, PROSE]
    assert prose.counted_kinds("text") == [BLANK, PROSE, HEADING, TABLE, LINK]
    assert prose.counted_kinds("everything") == [BLANK, PROSE, HEADING, TABLE, LINK, MARKUP, CODE, LISTING]


def test_fields_of_a_reason_are_those_of_its_rules():
    assert rule_table.fields_of("repeated_lines") == ["max_repeated_lines"]
    assert rule_table.fields_of("word_length") == ["max_word_length", "min_word_length"]
    assert rule_table.fields_of("near_duplicate") == []
