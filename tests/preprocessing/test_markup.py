"""Markup and boilerplate by example."""

import pyarrow as pa
import pytest

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import Counts
from preprocessing.markup.conversion import has_html, html_to_text, mediawiki_to_markdown, unescape
from preprocessing.markup.latex import latex_to_markdown
from preprocessing.steps.text_operations import normalize_column
from preprocessing.text.boilerplate import cut_boilerplate


@pytest.mark.parametrize(
    "text",
    [
        "식 a < b 그리고 c > d 이면 x<y 이다.",
        "파이썬에서 `<b>` 와 `</b>` 는 태그이다.",
        "주소 http://a.kr/?a=1&copy=2&lt=3 을 보라",
        "List<String> 과 Map<K, V>",
    ],
)
def test_text_without_markup_stays_unchanged(text):
    assert not has_html(text)
    assert html_to_text(text) == text


def test_html_becomes_text():
    page = (
        "<html><head><title>제목</title><style>p{color:red}</style></head><body><h2>봄나물</h2><p>물기를&nbsp;꼭 <b>짜야</b> "
        "합니다.<br/>끝</p><!-- 광고 --><script>var a='<p>x</p>';</script><ul><li>하나</li><li>둘 &lt;셋&gt;</li></ul>"
        "<pre>if x:\n    y  =  1</pre></body></html>"
    )
    assert html_to_text(page).replace("\u00a0", " ") == (
        "## 봄나물\n\n물기를 꼭 짜야 합니다.\n끝\n\n- 하나\n- 둘 <셋>\n\n```\nif x:\n    y  =  1\n```"
    )
    assert unescape("&amp;nbsp;&quot;") == '&nbsp;"'


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("빛은 3×10<sup>8</sup> m/s, 넓이는 m<sup>2</sup>", "빛은 3×10^8 m/s, 넓이는 m^2"),
        ("10<sup>-3</sup>과 H<sub>2</sub>O, 1<sup>st</sup>", "10^-3과 H2O, 1st"),
        ("함수 <code>print(x)</code>는", "함수 `print(x)`는"),
        ("<poem>산에는 꽃 피네\n꽃이 피네</poem>", "산에는 꽃 피네\n꽃이 피네"),
        ("가<noinclude>나</noinclude><includeonly>다</includeonly><onlyinclude>라</onlyinclude>", "가나라"),
    ],
)
def test_elements_of_wikitext_keep_their_meaning(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


def test_mediawiki_becomes_markdown():
    page = (
        "{{정보\n| a = {{b}}\n}}\n'''측우기'''(測雨器)는 [[조선|옛 조선]]의 기구이다.<ref name=\"x\">주석 [[a]]</ref>\n[[파일:a.png|섬네일|[[링크]] 설명]]\n"
        '== 구조 ==\n* 하나\n** 둘\n# 셋\n{| class="wikitable"\n! 항목 !! 값\n|-\n| 깊이 || style="x" | 31\n|}\n'
        '<syntaxhighlight lang="python">\nx = []\nif x:\n    # 주석\n    y = 1\n</syntaxhighlight>\n[[분류:기구]]'
    )
    assert mediawiki_to_markdown(page) == (
        "**측우기**(測雨器)는 옛 조선의 기구이다.\n\n링크 설명\n\n## 구조\n- 하나\n  - 둘\n1. 셋\n\n| 항목 | 값 |\n| --- | --- |\n| 깊이 | 31 |\n\n"
        "```python\nx = []\nif x:\n    # 주석\n    y = 1\n```"
    )


def test_by_lines_are_cut_only_at_the_ends():
    body = "국회에서 연설했다. 이 기자 회견은 길었다.\n홍길동 기자\n다음 날도 회견이 열렸다.\n둘째 문단이다.\n셋째 문단이다."
    middle = f"첫 문단.\n둘.\n셋.\n넷.\n{body}\n하나.\n둘째.\n셋째.\n넷째.\n다섯째.\n여섯째."
    assert cut_boilerplate(middle) == middle
    page = "입력 2024.03.15 오후 3:00\n(은모래=한빛뉴스) 강다솜 기자 = 감 농가가 바쁘다.\n본문이다.\n강다솜 기자 dasom@news.example\nⓒ 한빛뉴스, 무단 전재 및 재배포 금지"
    assert cut_boilerplate(page).split() == ["감", "농가가", "바쁘다.", "본문이다."]
    assert cut_boilerplate("이 기자는 말했다. 모두가 들었다.") == "이 기자는 말했다. 모두가 들었다."


def test_markup_stays_in_code_and_where_it_is_switched_off():
    def clean(text, lang, markup):
        counts = Counts()
        column = pa.array([text], pa.large_string())
        return normalize_column(column, pa.array(["d0"]), lang, markup, CleanConfig(), counts)[0].as_py()

    code = 'PAGE = "<p>hello</p><br/>"\nprint(PAGE)  # &nbsp; stays\n'
    assert clean(code, "code", "html") == code
    prose = "태그 설명: <p>문단</p> 과 <br/> 그리고 &nbsp; 를 배운다. 이 글은 예제를 담고 있다."
    assert clean(prose, "ko", "none") == prose
    assert clean(prose, "ko", "html") != prose


def test_latex_signs_become_characters():
    signs = [latex_to_markdown(f"a {{\\{name}}} b") for name in ("S", "copyright", "ss", "o")]
    assert signs == ["a § b", "a © b", "a ß b", "a ø b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>앞</p><ul>\n<li>하나\n<ul>\n<li>둘</li>\n<li>셋</li></ul></li>\n<li>넷</li></ul>\n<p>끝</p>",
         "앞\n\n- 하나\n  - 둘\n  - 셋\n- 넷\n\n끝"),
        ("<ul><li><p><code>열쇠</code>: 값</p></li><li><p>글</p><pre>가</pre></li></ul>",
         "- `열쇠`: 값\n\n- 글\n\n  ```\n  가\n  ```"),
        # what an item contains has its indentation
        ("<ul><li>가<pre>x = 1\n\n  y</pre>뒤</li><li>나<ul><li>안<pre>z</pre></li></ul>뒤</li><li>다</li></ul><p>밖</p>",
         "- 가\n\n  ```\n  x = 1\n\n    y\n  ```\n\n  뒤\n- 나\n  - 안\n\n    ```\n    z\n    ```\n\n    뒤\n- 다\n\n밖"),
        ("<ul>\n<li>\n<p>하나</p>\n\n<p>둘</p>\n</li>\n<li>셋<br>넷</li></ul>\n\n글", "- 하나\n\n  둘\n\n- 셋\n  넷\n\n글"),
        # parts of a link or an item that have nothing between them
        ("<p><a class='c' href='x'><strong>한의학 기초</strong><span>음양과 장부</span></a></p>", "한의학 기초 음양과 장부"),
        ("<ul><li><b>전화</b><em>세 번째</em></li><li><b>나무</b><span>는</span></li><li><b>가</b><i>나다라</i></li></ul>",
         "- 전화 세 번째\n- 나무는\n- 가나다라"),
        ("<table><tr><td><p>가 <b>나</b></p></td><td>\n<div>다</div></td></tr><tr><td>라</td></tr></table>", "가 나  다\n\n라"),
        ("<ol><li><p>첫째</p></li><li><p>둘째</p><ul><li>안</li></ul></li></ol>", "1. 첫째\n\n2. 둘째\n   - 안"),
        ("<ul><li>가<ol><li>나<ul><li>다</li></ul></li></ol></li></ul></ul><ul><li>라</li></ul>",
         "- 가\n  1. 나\n     - 다\n\n- 라"),
        ("<p><code>Map&lt;K, V&gt;</code>와 <code>a => b</code></p>", "`Map<K, V>`와 `a => b`"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("page", [False, True])
def test_nested_lists_keep_their_levels(text, expected, page):
    assert html_to_text(f"<html><body>{text}</body></html>" if page else text) == expected


def test_columns_of_a_table_go_and_a_placeholder_of_that_name_stays():
    table = "<table>\n<colgroup>\n<col/>\n<col>\n</colgroup>\n<tr>\n<td>가</td>\n</tr>\n</table>\n\n"
    assert html_to_text(f"{table}글").split() == ["가", "글"]
    assert html_to_text("<b>awk</b> -v c=<col> 로 씁니다") == "awk -v c=<col> 로 씁니다"


def test_blank_lines_before_tags_cost_no_time():
    assert html_to_text("\n" * 500 + "<b>글</b>").strip() == "글"
    assert html_to_text("\n" * 90 + "<!-- a -->\n" * 3 + "<html><p>글</p></html>").strip() == "글"


def test_a_table_is_a_table_whatever_its_size():
    row = f"<tr><td class='{'a' * 500}'>가</td><td></td><td>나</td><td></td></tr>"
    lines = html_to_text(
        f"<table><tr><th>하나</th><th>둘</th><th>셋</th><th></th></tr>{row * 999}</table>"
    ).split("\n")
    assert lines == ["| 하나 | 둘 | 셋 |", "| --- | --- | --- |", *["| 가 |  | 나 |"] * 999]


@pytest.mark.parametrize(
    "table",
    [
        "<tr>" + "<td>가</td>" * 3000 + "</tr>" + "<tr><td>나</td><td>다</td></tr>" * 3000,
        "<tr>"
        + "<td rowspan=200 colspan=50>가</td>" * 3000
        + "</tr>"
        + "<tr><td>나</td><td>다</td></tr>" * 3000,
    ],
)
def test_a_hostile_table_costs_no_more_than_its_text(table):
    text = html_to_text(f"<table>{table}</table>")
    assert (text.count("가"), text.count("나"), text.count("다")) == (3000, 3000, 3000)
    assert len(text) < len(table)
