"""HTML inside Markdown: code stays byte for byte, no Hangul is lost, numbers and words keep their borders."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.markup.html_text import has_html, html_to_text
from preprocessing.markup.markdown import Protected, protect_code, table_lines
from preprocessing.markup.small_text import convert_small_text
from preprocessing.markup.wikitext import mediawiki_to_markdown

FENCE = "```html\n<!-- 주석 -->\n<script>\n  let a = '<b>';\n</script>\n\n\n<style>p  {}</style> &amp;\n```"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "줄<br>을 바꿉니다. `<script>` 태그로 넣습니다.\n\n아주 중요한 본문.\n\n끝.",
            "줄\n을 바꿉니다. `<script>` 태그로 넣습니다.\n\n아주 중요한 본문.\n\n끝.",
        ),
        # raised numbers and stars that begin a line or a cell are marks of notes
        ("<sup>1</sup> 주석<br><sup>2)</sup>둘째\n\n<sup>*</sup> 별\n\n<sup>1</sup>/<sub>2</sub> 컵, <sup>새</sup> 글",
         "^1 주석\n^2)둘째\n\n^* 별\n\n1/2 컵, 새 글"),
        ("| <sup>1</sup> 값 | 10 <sup>9</sup> |\n|---|---|\n| <sup><a href='#a'>3</a></sup> | - 가<br />- 나 |",
         "| ^1 값 | 10 ^9 |\n|---|---|\n| [3] | - 가<br />- 나 |"),
        ("| 값 | 뜻 |\n|---|---|\n| rem | <ul><li>가</li><li>나</li> <li>다</li></ul> |\n|<li>라</li>|글<ol><li>마<ul><li>바</li></ul></li></ol>|",
         "| 값 | 뜻 |\n|---|---|\n| rem | - 가<br>- 나<br>- 다   |\n| - 라 |글 <br>- 마 <br>- 바    |"),
        ("<p><sup>3</sup>He와 <sup>14</sup>C</p>", "3He와 14C"),
        # lines of Markdown between breaks, and a break at the end of emphasis
        ("## 글\n<br>\n- 가\n   나\n\n- **다 <br/>**\n  라", "## 글\n\n- 가\n   나\n\n- **다**\n  라"),
        # emphasized words and code have glosses, too
        ("**스트림**<sub>Stream</sub>은 `a`<sub>do not</sub> 인<sup>*in*</sup>, [전략](u)<sub>strategy pattern</sub> 값<sup>`x`</sup>",
         "**스트림**(Stream)은 `a`(do not) 인(*in*), [전략](u)(strategy pattern) 값(`x`)"),
        ("*<sup>1</sup> 주석* *A*<sup>T</sup> **x**<sub>i</sub>", "*^1 주석* *A*^T **x**_i"),
        # tags before particles, behind a blank, and what is inside of them
        ("index.html에, <div id=\"root\"> 안에 <b>글</b>이 들어간다. <b>나\n다</b> 안에", "index.html에, <div id=\"root\"> 안에 글이 들어간다. 나\n다 안에"),
        ("여기서는 <i>를 만나면 </i>를 더는 찾지 않고, 두 번째 <img>까지 </i>가 둘이다. <i>글</i>", "여기서는 <i>를 만나면 </i>를 더는 찾지 않고, 두 번째 <img>까지 </i>가 둘이다. 글"),
        ("나 <b>는</b> <b>값 </b>를 쓰고 <b>이름</b>은 <i>\n는 글</i>", "나 는 값 를 쓰고 이름은\n는 글"),
        # a text shows elements of code behind its words and before them
        ("- <script>\n    let a = 1;\n  </script>\n- <b>나</b>", "- <script>\n    let a = 1;\n  </script>\n- 나"),
        ("ex. <style>\n    .a { }\n\n    </style>\n\n## 가\n\n<b>나</b>", "ex. <style>\n    .a { }\n\n    </style>\n\n## 가\n\n나"),
        (": <script></script>태그를 <b>쓴다</b>. <script src='a'></script>\n<style>\n.a{}\n</style>", ": <script></script>태그를 쓴다."),
        # nothing is left of an item that is a picture, or a link of one
        ("# 단추\n\n* <a href='u' target='_blank'><img src='a'></a>\n* <img src='b'>\n* <a href='u'><img src='c'></a> 글", "# 단추\n\n*  글"),
        # source code
        ("function A() {\n  return (\n    <div className=\"a\">\n      <b>{x}</b>\n    </div>\n  );\n}",) * 2,
        ("const 줄 = xs.map(x => <li key={x}>{x}</li>);\nconst 끝 = () => (\n  <p>끝</p>\n);",) * 2,
        (f"<b>제목</b>\n\n{FENCE}\n\n`<body>` 안에 쓴다.", f"제목\n\n{FENCE}\n\n`<body>` 안에 쓴다."),
        (
            "- 가 <b>나</b><br>\n  - 다\n    - 라\n\n      이어지는 글\n1. 마\n   1. 바",
            "- 가 나\n  - 다\n    - 라\n\n      이어지는 글\n1. 마\n   1. 바",
        ),
        (
            "<b>예</b>\n\n    <p>코드</p>\n        &amp;\n\n끝 &amp; 시작",
            "예\n\n    <p>코드</p>\n        &amp;\n\n끝 & 시작",
        ),
        ("들여 쓴 글\n\n    가나다라마 &amp; 바사아자 <b>차</b>", "들여 쓴 글\n\n    가나다라마 & 바사아자 차"),
        (
            "| 값 | 뜻 |\n|---|---|\n| 1<br>2 | `<br>` |\n\n가 | 나\n--|--\n다<br>라 | 마",
            "| 값 | 뜻 |\n|---|---|\n| 1<br>2 | `<br>` |\n\n가 | 나\n--|--\n다<br>라 | 마",
        ),
        (
            "<details>\n<summary>답</summary>\n\n- 가\n  - 나\n\n</details>\n\n끝",
            "답\n\n- 가\n  - 나\n\n끝",
        ),
        ("````md\n```\n<b>\n```\n````\n<b>나</b>", "````md\n```\n<b>\n```\n````\n나"),
        ("~~~js\n<b>\n~~~\n<b>나</b>", "~~~js\n<b>\n~~~\n나"),
        ("> ```\n> <b>\n> ```\n> <b>나</b>", "> ```\n> <b>\n> ```\n> 나"),
        ("- ```js\n  <b>\n  ```\n- <b>나</b>", "- ```js\n  <b>\n  ```\n- 나"),
        ("<b>가</b>\n```\n<b>끝이 없는 코드", "가\n```\n<b>끝이 없는 코드"),
        ("`` `<b>` `` 와 <b>나</b>", "`` `<b>` `` 와 나"),
        ("` 하나뿐인 표시 <b>나</b>\n\n` 또 하나", "` 하나뿐인 표시 나\n\n` 또 하나"),
        ("~~~~~~\n맛있어요 &amp; 좋아요", "~~~~~~\n맛있어요 & 좋아요"),
        ("가<!-- 주석\n```\n<b>\n```\n-->나 <b>다</b>", "가나 다"),
        ("닫지 않은 <!-- 뒤의 <b>글</b>", "닫지 않은 <!-- 뒤의 글"),
        ("앞 <b>글</b>\n<script>\nvar x = 1;\n</script>\n뒤", "앞 글\n\n뒤"),
        ("<script> 태그로 <b>시작</b>하고 </script> 태그로 닫는다", "<script> 태그로 시작하고 </script> 태그로 닫는다"),
        ("<b>명령</b> cp <source> <path> 와 <Button> 은 그대로", "명령 cp <source> <path> 와 <Button> 은 그대로"),
        (r"\<br> 은 글자이고 <b>이것</b>은 태그", r"\<br> 은 글자이고 이것은 태그"),
        ("줄바꿈은 '<br>'로 <b>쓴다</b>", "줄바꿈은 '<br>'로 쓴다"),
        (">>> s = '<p>x'\n>>> f(s)\nb'<b>&amp;</b>'\n\n<b>끝</b> &amp;", ">>> s = '<p>x'\n>>> f(s)\nb'<b>&amp;</b>'\n\n끝 &"),
        ("x = f(1, '<b>y</b> <br>')\n<b>끝</b>", "x = f(1, '<b>y</b> <br>')\n끝"),
        ("톰 &amp; 제리 &lt;재방송&gt; `&amp;`", "톰 & 제리 <재방송> `&amp;`"),
        ("<div>\n    <p>가</p>\n    나\n\n    <ul>\n      <li>\n        다\n      </li><li>라</li></ul>\n</div>", "가\n\n나\n\n- 다\n- 라"),
        # a first row of headings: lists and long texts are no sign of a table that arranges a page
        ("<table>\n  <thead>\n  <tr>\n  <th>가</th>\n  <th>나</th></tr></thead><tr><td>다:<ul><li>라</li><li><p>마</p></li></ul><p>바</p></td>"
         "<td><p><code>a|b</code>\n</p></td></tr><tr><td><ol><li>사<li>아</ol></td><td>" + "자 " * 101 + "</td></tr></table>",
         "| 가 | 나 |\n| --- | --- |\n| 다:<br>- 라<br>- 마<br>바 | `a\\|b` |\n| 1. 사<br>2. 아 | " + "자 " * 101 + "|"),
        ("<table><tr><td>가</td><td><ul><li>나</li></ul></td></tr><tr><td>다</td><td>라</td></tr></table>", "가\n\n- 나\n\n다  라"),
        ("<table><tr><td>1<td>2</tr><tr><th>3<th>4</tr></table>", "| 1 | 2 |\n| --- | --- |\n| 3 | 4 |"),
        ("<code>a&lt;b</code>와 <code>x<sup>2</sup></code>와 <code>`</code> <b>끝</b>", "`a<b`와 `x^2`와 ` 끝"),
    ],
)  # fmt: skip
def test_html_in_markdown(text, expected):
    assert [line.rstrip() for line in html_to_text(text).split("\n")] == expected.split("\n")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("10<sup>9</sup>", "10^9"),
        ("O(n<sup>2</sup>)", "O(n^2)"),
        ("2<sup>53</sup>", "2^53"),
        ("5.97×10<sup>24</sup>kg", "5.97×10^24kg"),
        ("10<sup>-3</sup>과 x<sup>n+1</sup>, x<sup>1/2</sup>", "10^-3과 x^(n+1), x^(1/2)"),
        ("<i>x</i><sup>2</sup> Ca<sup>2+</sup> e<sup>-x</sup>", "<i>x</i>^2 Ca^2+ e^-x"),
        ("2<sup>2<sup>3</sup></sup>", "2^(2^3)"),
        ("20<sup>ten</sup> 1<sup>sten</sup> 37<sup>esimo</sup> 4<sup>ter</sup> 2<sup>nde</sup> 2<sup>kcal</sup>", "20ten 1sten 37esimo 4ter 2nde 2(kcal)"),
        ("1<sup>st</sup> n<sup>th</sup> 25<sup>o</sup>C 삼성<sup>TM</sup>", "1st nth 25°C 삼성™"),
        ("말했다.<sup>3</sup> 단어<sup><a href='#1'>1</a></sup>", "말했다.[3] 단어[1]"),
        ("H<sub>2</sub>O Fe<sub>2</sub>O<sub>3</sub> Ca(OH)<sub>2</sub>", "H2O Fe2O3 Ca(OH)2"),
        ("X<sub>E</sub>L<sub>A</sub>T<sub>E</sub>X을 L<sup>A</sup>T<sub>E</sub>X과 T<sub>E</sub>X", "XeLaTeX을 LaTeX과 TeX"),
        ("log<sub>2</sub>8 1010<sub>2</sub> x<sub>1</sub><sup>2</sup>", "log_2 8 1010_2 x_1^2"),
        ("a<sub>n+1</sub> V<sub>max</sub>", "a_(n+1) V_max"),
        ("3<sup>1</sup>/<sub>2</sub>", "3 1/2"),
        ("페이스북<sup>Facebook</sup>은 漢字<sup>한자</sup> 구글<small>Google</small>", "페이스북(Facebook)은 漢字(한자) 구글(Google)"),
        ("페이스북<sup>(영어)</sup>", "페이스북(영어)"),
        ("1,000<small>원</small> 30<sup>만원</sup> 우리<small>는</small>", "1,000원 30만원 우리는"),
        ("<ruby>漢字<rt>한자</rt></ruby>", "漢字(한자)"),
        ("<ruby>漢<rp>(</rp><rt>한</rt><rp>)</rp>字<rp>(</rp><rt>자</rt><rp>)</rp></ruby>", "漢字(한자)"),
        ("<ruby>食<rt>た</rt>べる</ruby>と<ruby>食<rt>た</rt>べ物<rt>もの</rt></ruby>", "食(た)べると食(た)べ物(もの)"),
        ("<ruby>東<rt>とう</rt>京</ruby>、<ruby>汉 <rt>hàn</rt> 字<rt>zì</rt></ruby>", "東(とう)京、汉字(hàn zì)"),
        ("<ruby>Hello<rt>안녕</rt> World<rt>월드</rt></ruby>!", "Hello(안녕) World(월드)!"),
        ("<q>말</q>", "“말”"),
        ("2<sup>𝑛</sup>개 𝐾<sub>𝑖</sub>를 R⋈<sub>AθB</sub>S A ×<sub>a=b</sub> B ∑<sub>i</sub>x", "2^𝑛개 𝐾_𝑖를 R⋈_AθB S A ×_(a=b) B ∑_i x"),
        ("글[<sup>4</sup>](#a) [<sup>[5]</sup>](#b)", "글[4](#a) [[5]](#b)"),
        ("&alpha;<sup>2</sup>", "&alpha;^2"),
    ],
)  # fmt: skip
def test_raised_lowered_and_small_text(markup, expected):
    assert convert_small_text(markup) == expected
    assert convert_small_text(expected) == expected


def test_numbers_stay_apart_in_every_markup():
    markup = "값은 <b>10</b><sup>9</sup>, <del>12,000</del>9,000원"
    assert html_to_text(markup) == "값은 10^9, 12,000 9,000원"
    assert html_to_text(f"<html><body>{markup}</body></html>") == "값은 10^9, 12,000 9,000원"
    assert mediawiki_to_markdown(markup) == "값은 10^9, 12,000 9,000원"


def test_a_page_is_html_as_a_whole():
    page = "<!DOCTYPE html>\n<html><head><title>가</title></head><body>\n    <p>It`s</p>\n    <p>it`s</p>\n<pre>```\n  x\n```</pre></body></html>"
    assert html_to_text(page) == "It`s\n\nit`s\n\n````\n```\n  x\n```\n````"
    assert (
        html_to_text("문서는 `<html>` 로 시작한다.<br>\n\n`<script>` 다음 본문")
        == "문서는 `<html>` 로 시작한다.\n\n`<script>` 다음 본문"
    )


def test_tables_of_markdown_are_recognized():
    lines = ["가 | 나", "---|:-:", "다 | 라", "", "마 | 바", "| 사 |"]
    assert table_lines(lines) == {0, 1, 2, 5}


# --- properties ------------------------------------------------------------------------------------------

TAGS = (
    "<b>", "</b>", "<br>", "<p>", "</p>", "<script>", "</details>", "<sup>2</sup>", "<div class='a'>", "</div>", "<li>",
    "<td>", "<a href=\"x\">", "</a>", "<source>", "<path>", "<h2>", "</h2>",
)  # fmt: skip
PROSE = st.lists(
    st.sampled_from(("가나", "다", " ", "라마바 ", "\n", "- 사\n", "| 아 |", "a < b", "&amp;", "x", "12", "#", *TAGS)), max_size=12
).map("".join)  # fmt: skip
CODE_LINE = st.text("<>/!-=ab가 &;#\"'1", max_size=12)
FENCES = st.builds(
    lambda marks, lang, lines: "\n".join([marks + lang, *(f"x{line}" for line in lines), marks]),
    st.sampled_from(("```", "````", "~~~")),
    st.sampled_from(("", "html", "js")),
    st.lists(st.one_of(CODE_LINE, st.sampled_from(("<script>", "<!-- 주석 -->", "</b>", "  <p>&lt;", "<style>"))), max_size=5),
)  # fmt: skip
SPANS = st.one_of(CODE_LINE, st.sampled_from(TAGS)).map(lambda code: f"`x{code}x`")
BLOCKS = st.lists(
    st.one_of(
        PROSE.map(lambda text: (text, [])),
        FENCES.map(lambda code: (code, [code])),
        st.builds(lambda a, span, b: (f"글 {span} 글", [span]), PROSE, SPANS, PROSE),
    ),
    max_size=6,
)


@settings(max_examples=400, deadline=None)
@given(blocks=BLOCKS)
def test_code_never_changes_and_no_hangul_is_lost(blocks):
    text = "\n\n".join(block for block, _ in blocks)
    converted = html_to_text(text)
    for _, codes in blocks:
        for code in codes:
            assert code in converted
    assert "".join(re.findall("[가-힣]", converted)) == "".join(re.findall("[가-힣]", text))
    if not has_html(text) and "&" not in text:
        assert converted == text


@settings(max_examples=200, deadline=None)
@given(text=st.text("`~<>-x \n\t|&;b1.\\", max_size=80))
def test_marks_are_replaced_by_what_they_stand_for(text):
    protected = Protected()
    assert protected.restore(protect_code(text, protected)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "| 이름 | 형식 |\n|---|---|\n| value | Number &#124; String |\n\n본문 a &#124; b",
            "| 이름 | 형식 |\n|---|---|\n| value | Number \\| String |\n\n본문 a | b",
        ),
        ("| 가<br>나 | x &vert; y &#x7C; z |\n|---|---|", "| 가<br>나 | x \\| y \\| z |\n|---|---|"),
        ("| 가 | `x &#124; y` &amp; |\n|---|---|", "| 가 | `x &#124; y` & |\n|---|---|"),
    ],
)
def test_references_of_bars_do_not_end_a_cell(text, expected):
    assert html_to_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* [스마트<br>컨트랙트](smart.md)\n* 끝", "* [스마트 컨트랙트](smart.md)\n* 끝"),
        ("## 첫째<br/>둘째 <br> 셋째\n\n본문", "## 첫째 둘째   셋째\n\n본문"),
        ("[가<br>나] 다", "[가\n나] 다"),
    ],
)
def test_a_line_end_cuts_neither_a_link_nor_a_heading(text, expected):
    assert html_to_text(text) == expected


def test_text_in_admonitions_and_tabs_is_no_code():
    text = (
        '!!! note "A"\n\n    First <b>bold</b> line.\n\n    - item <br>\n        - inner <i>one</i>\n\n    Last <b>line</b>.\n\n'
        '=== "Tab"\n\n    Text <b>two</b>.\n\n        code <b>stays</b>\n\nEnd <b>here</b>.\n\n    code <b>stays</b>\n'
    )
    assert html_to_text(text) == (
        '!!! note "A"\n\n    First bold line.\n\n    - item \n        - inner one\n\n    Last line.\n\n'
        '=== "Tab"\n\n    Text two.\n\n        code <b>stays</b>\n\nEnd here.\n\n    code <b>stays</b>'
    )
