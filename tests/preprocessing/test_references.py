"""Character references of signs of structure, in every place of Markdown, reStructuredText, AsciiDoc and wikitext."""

import html
import re

import pyarrow as pa
import pytest

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import Counts
from preprocessing.markup.conversion import (
    asciidoc_to_markdown,
    html_to_text,
    mediawiki_to_markdown,
    rst_to_markdown,
)
from preprocessing.steps.text_operations import normalize_column

PLACES = {
    "heading": "# 제목\n\n## 앞{}뒤\n\n끝",
    "text": "# 제목\n\n앞{}뒤\n\n끝",
    "item": "- 앞{}뒤\n- 둘째",
    "ordered": "1. 앞{}뒤\n2. 둘째",
    "nested": "- 첫째\n  - 앞{}뒤\n- 둘째",
    "cell": "| 가 | 나 |\n|---|---|\n| 앞{}뒤 | 값 |\n| 셋 | 넷 |",
    "label": "# 제목\n\n[앞{}뒤](a.md) 끝",
    "quotation": "> 앞{}뒤\n> 둘째",
    "emphasis": "**앞{}뒤** 끝",
}
REFERENCES = [
    "&#124;",
    "&vert;",
    "&VerticalLine;",
    "&#x7C;",
    "&lt;",
    "&#60;",
    "&gt;",
    "&#62;",
    "&#96;",
    "&grave;",
    "&ast;",
    "&#42;",
    "&#x2a;",
    "&#91;",
    "&#x5b;",
    "&lsqb;",
    "&#93;",
    "&rsqb;",
    "&#35;",
    "&num;",
    "&#95;",
    "&lowbar;",
    "&#126;",
    "&#45;",
    "&plus;",
    "&excl;",
    "&colon;",
    "&#92;",
    "&amp;",
]
BLANKS = [
    "&nbsp;",
    "&#160;",
    "&#xa0;",
    "&Tab;",
    "&#9;",
    "&ensp;",
    "&#10;",
    "&#xA;",
    "&NewLine;",
    "&#13;&#10;",
]
STRUCTURE = re.compile(r"^[ \t]*(?:#{1,6} |[-*+] |\d+[.)] |> ?|\|)", re.MULTILINE)


def structure_of(text):
    """The marks of lines in order, and the cells of rows."""
    rows = [len(re.findall(r"(?<!\\)\|", line)) for line in text.split("\n") if line.lstrip().startswith("|")]
    return STRUCTURE.findall(text), rows, text.count("\n")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reference", REFERENCES)
def test_the_sign_appears_and_the_structure_stays(place, reference):
    converted = html_to_text(PLACES[place].format(reference))
    assert structure_of(converted) == structure_of(PLACES[place].format("가"))
    sign = html.unescape(reference)
    assert re.sub(rf"앞\\?{re.escape(sign)}뒤", "앞뒤", converted) == PLACES[place].format("")


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("text", "emphasis")])
@pytest.mark.parametrize("reference", BLANKS)
def test_blanks_and_line_ends_do_not_cut_a_line(place, reference):
    converted = html_to_text(PLACES[place].format(reference))
    assert structure_of(converted) == structure_of(PLACES[place].format(" "))
    assert re.sub(r"앞\s뒤|앞\s\s뒤", "앞 뒤", converted) == PLACES[place].format(" ")


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("cell", "label", "emphasis")])
@pytest.mark.parametrize("blanks", ["&nbsp;", "&nbsp; &nbsp; ", "&#160;" * 5, "&Tab;", "&emsp;&emsp;"])
def test_blanks_at_the_beginning_make_no_code(place, blanks):
    text = PLACES[place].replace("앞{}", blanks + "앞")
    assert html_to_text(text) == PLACES[place].replace("앞{}", "앞")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&#35; 제목이 아님", "\\# 제목이 아님"),
        ("&#45; 항목이 아님", "\\- 항목이 아님"),
        ("> &plus; 항목이 아님", "> \\+ 항목이 아님"),
        ("1&#46; 번호가 아님", "1\\. 번호가 아님"),
        ("&#91;앞](a.md)", "\\[앞](a.md)"),
        ("&#91;앞&#93;(a.md)", "\\[앞](a.md)"),
        ("Byte&#91;&#93; 형식", "Byte[] 형식"),
        ("&ast;&ast;별 둘&ast;&ast;", "\\*\\*별 둘\\*\\*"),
        ("2&ast;3과 **굵게**", "2\\*3과 **굵게**"),
        ("2 &ast; 3 &ast; 4", "2 * 3 * 4"),
        ("2&ast;3", "2*3"),
        ("a&#95;b&#95;c", "a_b_c"),
        ("&lowbar;밑줄&lowbar;", "\\_밑줄\\_"),
        ("&#96;따옴표&#96;", "\\`따옴표\\`"),
        ("&#96; 글쇠와 `a &lt; b`", "\\` 글쇠와 `a &lt; b`"),
        ("첫 줄&#10;둘째 줄", "첫 줄\n둘째 줄"),
    ],
)
def test_signs_are_escaped_where_they_would_be_marks(text, expected):
    assert html_to_text(f"# 제목\n\n{text}\n\n끝") == f"# 제목\n\n{expected}\n\n끝"


@pytest.mark.parametrize(
    "hidden", ["&#x200B;", "&#8203;", "&ZeroWidthSpace;", "&shy;", "&zwnj;&#xFEFF;", "&#x200b;\u200b"]
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# 제목\n\n[!DNL 제품]{}(으)로 옮긴다.", "[!DNL 제품]\\(으)로 옮긴다."),
        ("- [가]{}[나]", "- [가]\\[나]"),
        ("# 제목\n\n[가]{}: 나", "[가]\\: 나"),
        ("# 제목\n\n참!{}[가](b.md)", "참!\\[가](b.md)"),
        ("# 제목\n\n> {}# 제목 아님", "> \\# 제목 아님"),
        ("# 제목\n\n{}- 항목 아님", "\n\\- 항목 아님"),
        ("# 제목\n\n{}12. 번호 아님", "\n12\\. 번호 아님"),
        ("1. 가\n\n{}2. 나\n\n{}9. 다", "1. 가\n\n2. 나\n\n9\\. 다"),
        ("# 제목\n\n{}1) 가\n2) 나", "\n1) 가\n2) 나"),
        ("# 제목\n\n```\n[가]{}(나)\n```", "[가]{}(나)"),
    ],
)
def test_characters_without_width_keep_marks_apart(hidden, text, expected):
    assert expected.replace("{}", hidden) in html_to_text(text.replace("{}", hidden))
    column = pa.array([html.unescape(text.replace("{}", hidden))], pa.large_string())
    cleaned = normalize_column(column, pa.array(["a"]), "ko", "html", CleanConfig(), Counts())[0].as_py()
    assert expected.replace("{}", "").strip() in cleaned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\ntitle: [가]\u200b(나)\n---\n\n# 제목", "---\ntitle: [가](나)\n---\n\n# 제목"),
        ("\ufeff# 제목", "# 제목"),
        ("[가]\u200b(나)", "[가](나)"),  # no Markdown
        ("# 제목\n\n\u200b\t글\n- 가\n  \u200b \t다음", "# 제목\n\n글\n- 가\n  다음"),
        (
            "# 제목\n\n\u200b    a.map(b => {\n\n\u200b      return b;\n\n\u200b    })\n\n\u200b\t글\n\n\u200b\t뒤",
            "# 제목\n\n    a.map(b => {\n\n      return b;\n\n    })\n\n글\n\n뒤",
        ),
        (
            "- a\n  b:\n\u200b\tc: 1\n\u200b\td: '가'\n- 나\n\u200b\t다",
            "- a\n  b:\n\tc: 1\n\td: '가'\n- 나\n다",
        ),
        ("# 제목\n\n\u200b ```\n글\n\n```\na\n```", "# 제목\n\n\\```\n글\n\n```\na\n```"),
        ("# 제목\n\n\u200b -- 글", "# 제목\n\n-- 글"),
        ("# 제목\n\n\u200b - 글 `a`\u200b 나", "# 제목\n\n\\- 글 `a` 나"),
        ("# 제목\n\n`[가]\u200b(나)`", "# 제목\n\n`[가](나)`"),
        ("# 제목\n\n[가]</b></a>(으)로", "# 제목\n\n[가]\\(으)로"),
        ("# 제목\n\n[가]<b>(으)</b>로", "# 제목\n\n[가]\\(으)로"),
    ],
)
def test_only_what_would_become_a_link_is_escaped(text, expected):
    column = pa.array([text], pa.large_string())
    assert normalize_column(column, pa.array(["a"]), "ko", "html", CleanConfig(), Counts()).to_pylist() == [
        expected
    ]


def test_links_of_restructured_text_may_have_an_address_of_two_lines():
    text = "앞 `초안 <http://example.com/\ndocs/a.html>`_\\에 따라, `다른 것\n<http://example.com>`_ 끝. 값 < 3, `이름`_ > 4.\n"
    assert rst_to_markdown(text).split() == [
        "앞",
        "초안에",
        "따라,",
        "다른",
        "것",
        "끝.",
        "값",
        "<",
        "3,",
        "이름",
        ">",
        "4.",
    ]


def test_text_without_markdown_has_no_escapes():
    assert html_to_text("&#42;주의&#42; &#96;가&#96; &#91;나&#93;(다)") == "*주의* `가` [나](다)"


@pytest.mark.parametrize("reference", [*REFERENCES, *BLANKS])
@pytest.mark.parametrize(
    "code", ["코드 `가{}나` 끝", "글\n\n```html\n가{}나\n```", "글\n\n    if (a{}b) <i>\n\n끝"]
)
def test_code_keeps_its_references(code, reference):
    text = "# 제목\n\n" + code.format(reference)
    assert html_to_text(text) == text


@pytest.mark.parametrize("tag", ["<br>", "<br/>", "<BR />", "<br> ", "<br/><br/>"])
@pytest.mark.parametrize("place", ["heading", "cell", "label"])
def test_breaks_cut_neither_headings_nor_cells_nor_labels(place, tag):
    converted = html_to_text(PLACES[place].format(tag))
    kept = tag if place == "cell" else " "  # a row shows the lines of its cells
    assert structure_of(converted) == structure_of(PLACES[place].format(kept))
    assert re.search(rf"앞(?: +|{tag} ?|<br>)뒤", converted)


@pytest.mark.parametrize(
    ("converter", "text", "expected"),
    [
        (mediawiki_to_markdown, "{|\n! 가 !! 나\n|-\n| 앞&#124;뒤 || 값\n|}", r"앞\\?\|뒤"),
        (mediawiki_to_markdown, "{|\n! 언어 !! 값\n|-\n| C# 10 || 2*3*4 &#91;가&#93;\n|}", r"\| C# 10 \| 2\*3\*4 \[가\] \|"),
        (mediawiki_to_markdown, "{|\n! 가 !! 나\n|-\n| * 하나\n* 둘\n| 값\n|}", r"\| 하나, 둘 \| 값 \|"),
        (mediawiki_to_markdown, "* 앞&#10;뒤\n* 둘째", r"- 앞 뒤\n- 둘째"),
        (mediawiki_to_markdown, "글\n\n&nbsp;&nbsp;&nbsp;&nbsp;앞", r"글\n\n앞"),
        (mediawiki_to_markdown, "* 앞&nbsp;뒤\n* 둘째", r"- 앞[ \u00a0]뒤\n- 둘째"),
        (mediawiki_to_markdown, "앞&#91;1&#93;뒤는 &lt;글&gt;이다.", r"앞\[1\]뒤는 <글>이다\."),
        (rst_to_markdown, "앞 &#124; 뒤\n\n- 항목 &lt;글&gt;", r"앞 (?:&#124;|\|) 뒤\n\n- 항목 (?:&lt;글&gt;|<글>)"),
        (asciidoc_to_markdown, "== 제목 &#42; 앞\n\n* 앞&#10;뒤 &lt;글&gt;\n* 둘째", r"## 제목 \* 앞\n\n- 앞 뒤 <글>\n- 둘째"),
        (asciidoc_to_markdown, "글\n\n&nbsp;&nbsp;&nbsp;&nbsp;앞 &ast;&ast;뒤&ast;&ast;", r"글\n\n앞 \\\*\\\*뒤\\\*\\\*"),
        (asciidoc_to_markdown, "|===\n|앞&#124;뒤 |값&#10;둘\n|===", r"\| 앞\\\|뒤 \| 값 둘 \|"),
        (asciidoc_to_markdown, "----\na &lt; b\n----", r"a &lt; b"),
        (asciidoc_to_markdown, "|===\n|앞{vbar}뒤 |값\n|===", r"앞\\?\|뒤"),
    ],
)  # fmt: skip
def test_other_markups_keep_the_sign(converter, text, expected):
    assert re.search(expected, converter(text)), converter(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "# 뷰\n\n뷰는 다음과 같습니다.\n\n    <!-- views/a.php 파일 -->\n\n\t<html>\n\t\t<body>가</body>\n\t</html>\n\n끝<br>",
            "    <!-- views/a.php 파일 -->",
        ),
        (
            "# 예\n\n다음을 넣습니다.\n\n    <script>\n      alert(1)\n    </script>\n\n끝<br>",
            "    <script>\n      alert(1)\n    </script>",
        ),
        (
            "# 예\n\n다음을 넣습니다.\n\n    <style>\n    b { color: red }\n    </style>\n\n끝<br>",
            "    b { color: red }",
        ),
    ],
)
def test_comments_and_scripts_in_indented_code_stay(text, kept):
    assert kept in html_to_text(text)


CODE = "    <ul>\n      <li>코드</li>\n    </ul>"


@pytest.mark.parametrize(
    "before",
    [
        "## 예제", "###### 예제", "##", "예제\n------", "예제\n===", "글.\n\n---", "글.\n\n* * *", "글.\n\n___",
        "- 항목\n## 예제", "- 항목\n\n* * *", "```\n코드\n```", "~~~\n코드\n~~~",
    ],
)  # fmt: skip
def test_code_directly_below_a_line_that_is_no_paragraph_stays(before):
    for code in (CODE, CODE.replace("    ", "\t")):
        assert f"\n{code}\n" in html_to_text(f"{before}\n{code}\n\n끝<br>")
        assert f"\n{code}\n" in html_to_text(f"{before}\n\n{code}\n\n끝<br>")


@pytest.mark.parametrize(
    "before",
    ["예제는 다음과 같다.", "- 항목", "-- 서명", "#태그", "- 항목\n\n  ## 예제", "글이\n    # 이어진다"],
)
def test_tags_directly_below_a_paragraph_or_in_an_item_are_no_code(before):
    assert "<" not in html_to_text(f"{before}\n{CODE}\n\n끝<br>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "1. 질문?\n\n   <details><summary>정답 보기</summary>\n\n   정답은 셋.\n\n   </details>\n\n2. 다음",
            "1. 질문?\n\n   정답 보기\n\n   정답은 셋.\n\n2. 다음",
        ),
        ("- 첫째\n\n  <p>글<br>이어짐</p>\n\n- 둘째", "- 첫째\n\n  글\n  이어짐\n\n- 둘째"),
        (
            "- 첫째\n\n  <div>\n    <p>안</p>\n    글 <br>밖\n  </div>\n\n끝",
            "- 첫째\n\n  안\n\n  글\n  밖\n\n끝",
        ),
        ("10. 글\n    <blockquote>인용\n    둘</blockquote>", "10. 글\n\n    > 인용\n    > 둘"),
        (
            "- 첫째\n\n  <ul><li>안쪽</li><li>둘<ul>\n  <li>셋</li></ul></li></ul>\n\n- 둘째",
            "- 첫째\n\n  - 안쪽\n  - 둘\n    - 셋\n\n- 둘째",
        ),
        (
            "- 가\n  - 나\n\n    <p>나의 글</p>\n\n  <p>가의 글</p>",
            "- 가\n  - 나\n\n    나의 글\n\n  가의 글",
        ),
        ("-\t가\n\n\t<p>글</p>", "-\t가\n\n    글"),
        ("- 가\n\n<div>\n  <p>글</p>\n</div>", "- 가\n\n글"),
        ("- 가\n<div>\n  <p>글</p>\n</div>", "- 가\n\n글"),
        ("- 가\n## 나\n  <p>글</p>", "- 가\n## 나\n\n글"),
        ("- 가\n\n문단\n\n  <p>글</p>", "- 가\n\n문단\n\n글"),
        ("* * *\n\n  <p>글</p>", "* * *\n\n글"),
        ("- 가<br>나", "- 가\n  나"),
        ("**가<br>**\n<b>나</b>", "**가**\n나"),
        ("- \\<!-- 가 --> 나 <!-- 다 -->라", "- \\<!-- 가 --> 나 라"),
        ("- \\<script>가\\</script> <b>나</b>", "- \\<script>가\\</script> 나"),
        ("- 표\n\n  <table><tr><td>가</td><td>나</td></tr></table>\n  끝", "- 표\n\n  가  나\n\n  끝"),
        (
            "- 표\n\n  <table>\n    <tr>\n      <td>가</td>\n      <td>나</td>\n    </tr>\n  </table>",
            "- 표\n\n  가  나 ",
        ),
        ("- 표\n\n  <p>앞</p>\n  |가<br>나|다|\n  |-|-|", "- 표\n\n  앞\n\n  |가<br>나|다|\n  |-|-|"),
    ],
)
def test_lines_from_tags_keep_the_indentation_of_their_item(text, expected):
    assert html_to_text(text) == expected


def test_comments_between_blocks_of_lists_and_html_are_removed():
    assert "숨김" not in html_to_text("- 항목\n\n    <!-- 숨김 -->\n    이어지는 글\n\n끝<br>")
    assert "숨김" not in html_to_text("글\n\n<div>\n\n    <!-- 숨김 -->\n    <p>글</p>\n\n</div>")


def test_items_of_restructured_text_that_count_by_themselves_have_numbers():
    text = "글\n\n#. 하나\n#. 둘\n\n   이어짐\n\n   #) 안 하나\n   #) 안 둘\n\n#. 셋\n\n사이\n\n5. 하나\n#. 둘\n\n::\n\n    #. 코드\n"
    converted = rst_to_markdown(text)
    assert re.findall(r"^ *\d+[.)] .+", converted, re.MULTILINE) == [
        "1. 하나",
        "2. 둘",
        "   1) 안 하나",
        "   2) 안 둘",
        "3. 셋",
        "5. 하나",
        "6. 둘",
    ]
    assert "\n#. 코드\n" in converted
