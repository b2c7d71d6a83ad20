"""Text that cleaning must keep: code in quotations, sessions, drawings, code spans, titles, terms, exponents and glosses."""

import pytest

from preprocessing.config.cleaning import CleanConfig
from preprocessing.markup.html_text import html_to_text
from preprocessing.steps.text_operations import operations_for
from preprocessing.text.blanks import collapse_blanks
from preprocessing.text.characters import to_usual_width
from preprocessing.text.fences import find_fences
from preprocessing.text.mojibake import repair_mojibake


@pytest.mark.parametrize(
    "text",
    [
        "> ```py\n> def f():\n>     return  1\n> ```",
        "> > ```\n> >   a    b\n> > ```",
        "- ```py\n  a   b\n  ```",
        "1. > 글\n\n   > ```\n   > a   b\n   > ```",
        ">     x  =  1",
        "> - 하나\n>   - 둘은 하나의 아래에 있다\n>      1. 셋\n> >   * 넷\n> >\t+ 다섯\n>\n>   문단",
        "> - 가\n>   | 나 | 다 |\n>   |---|---|\n>   | 라 | 마 |",
        ">>> f(1,   2)\n...     return  x",
        "├── a.py    # b\n│   └── c    # d",
    ],
)
def test_preformatted_lines_keep_their_blanks(text: str) -> None:
    assert collapse_blanks(text + "\n\n가  나") == text + "\n\n가 나"


def test_fence_in_a_quotation_ends_with_it() -> None:
    assert find_fences("> ```\n> a\n글") == [(0, 9)]
    assert find_fences("글\n> ```\n> a") == [(2, 11)]
    assert find_fences("```\n> ```\n```") == [(0, 13)]


def test_quoted_prose_and_ellipses_collapse() -> None:
    assert collapse_blanks("> - 하나   둘\n>   셋   넷") == "> - 하나 둘\n>   셋 넷"
    assert (
        collapse_blanks(">     한글로 된   글\n... 그래서   이렇게")
        == ">     한글로 된 글\n... 그래서 이렇게"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他说：「你好，世界！」", "他说：「你好，世界！」"),
        ("日本語，漢字？！\n가", "日本語，漢字？！\n가"),
        ("한글，ＡＢＣ：漢字", "한글,ABC:漢字"),
        ("漢字，한글", "漢字,한글"),
    ],
)
def test_marks_between_han_characters_stay(text: str, expected: str) -> None:
    assert to_usual_width(text) == expected


@pytest.mark.parametrize(
    "code",
    [
        "`ＡＢＣ`와 `ᄏᄏ`, ``ㅎㅏㄴㄱㅡㄹ ` ｘ``, `가ㆍ나`",
        "```\nprint('！？　ＡＢＣ')\n\u00a0x = 'ᄏᄏ 5ᆞ18 ㅎㅏㄴㄱㅡㄹ'\n```",
        "`cafÃ©`, `í•œê¸€`는 깨진 글자다.",
        "```\ncafÃ© í•œê¸€ Ð¿Ñ€Ð¸Ð²ÐµÑ‚\n```",
    ],
)
def test_characters_of_code_stay(code: str) -> None:
    text = f"글이다.\n\n{code}\n\n끝이다."
    changed = text
    for operation in operations_for("ko", "html", CleanConfig()):
        changed = operation.apply(changed)
    assert changed == text


def test_misread_code_of_misread_text_is_repaired() -> None:
    text = "본문의 `변수`를 본다.\n\n```\n# 주석이다\n```\n끝이다."
    assert repair_mojibake(text.encode().decode("latin-1")) == text


@pytest.mark.parametrize("code", ["a -> b", "x => y", "x <- y", "a < b"])
def test_code_span_with_arrow_stays(code: str) -> None:
    assert html_to_text(f"<p>값 <code>{code}</code> 끝</p>") == f"값 `{code}` 끝"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<h2>\n제목\n</h2>\n<p>글</p>", "## 제목\n\n글"),
        ("<h2></h2>\n<p>글</p>", "글"),
        ("<h2><br>물음<br/>하나</h2>글", "## 물음 하나\n\n글"),
        ("<ul><li><img src='a'></li><li><h4></h4></li></ul><p>글</p>", "글"),
        ("<ul><li>가</li><li> </li></ul>나", "- 가\n\n나"),
        ("<dl><dt>모양</dt><dd><pre>a\nb</pre></dd></dl>", "모양:\n\n```\na\nb\n```"),
        ("<ul><li>\n첫째\n줄\n</li><li>b</li></ul>", "- 첫째 줄\n- b"),
        ("<dl><dt>용어</dt><dd>설명</dd><dt>\n둘\n</dt>\n<dd>\n<p>뜻</p></dd></dl>", "용어: 설명\n\n둘: 뜻"),
        ("<dl><dt>물음?</dt><dd>답</dd></dl>", "물음? 답"),
        ("<dl><dt> <b></b></dt><dd>뜻만</dd><dt>둘</dt><dd>뜻</dd></dl>", "뜻만\n\n둘: 뜻"),
    ],
)
def test_title_item_and_term_are_one_line(html: str, expected: str) -> None:
    assert html_to_text(html) == expected


@pytest.mark.parametrize(
    ("base", "raised", "expected"),
    [
        ("10", "9", "10^9"), ("x", "2", "x^2"), ("1", "st", "1st"), ("n", "th", "nth"), ("각주", "[1]", "각주[1]"),
        ("A", "TM", "A™"), ("m", "2", "m^2"), ("s", "-1", "s^-1"), ("x", "n+1", "x^(n+1)"), ("2", "n-1", "2^(n-1)"),
        ("x", "i-j", "x^(i-j)"), ("10", "-19", "10^-19"), ("e", "-kt", "e^(-kt)"), ("x", "max-1", "x^(max-1)"),
        ("R", "n×m", "R^(n×m)"), ("Ca", "2+", "Ca^2+"), ("x", "n", "x^n"), ("e", "2πi", "e^(2πi)"),
        ("E2E", "End-to-End", "E2E(End-to-End)"), ("와이파이", "Wi-Fi", "와이파이(Wi-Fi)"),
        ("페이스북", "Facebook", "페이스북(Facebook)"), ("API", "App-Lib", "API(App-Lib)"),
        ("P2P", "Peer-to-Peer", "P2P(Peer-to-Peer)"), ("B2B", "Biz-to-Biz", "B2B(Biz-to-Biz)"),
        ("인공지능", "AI", "인공지능(AI)"), ("표", "[주 1]", "표[주 1]"),
    ],
)  # fmt: skip
def test_exponents_are_powers_and_glosses_are_text(base: str, raised: str, expected: str) -> None:
    assert html_to_text(f"<p>{base}<sup>{raised}</sup></p>") == expected
