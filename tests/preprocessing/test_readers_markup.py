"""Wikitext, LaTeX and reStructuredText to Markdown; dumps of MediaWiki."""

import bz2
import re
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.inputs import WikiDumpInput
from preprocessing.markup.conversion import (
    CONVERTERS,
    latex_to_markdown,
    mediawiki_to_markdown,
    rst_to_markdown,
)
from tests.preprocessing.units import read


@pytest.mark.parametrize(
    "wikitext, markdown",
    [
        ("{{정보상자|이름={{lang|ko|값}}|표={|\n|a\n|}\n}}글", "글"),
        ("({{lang|la|Pluvia}}, {{llang|en|rain}}) {{국기|대한민국}}", "(Pluvia, 영어: rain) 대한민국"),
        ("{{수학|''a''<sup>2</sup>}} <math>\\frac{a}{b}</math>", "$a^{2}$ $\\frac{a}{b}$"),
        ('<math display="block">x</math> <chem>H2O</chem>', "$$x$$ $\\ce{H2O}$"),
        ("{{변환|10|km|mi}} {{convert|3|m}} a{{!}}b {{모름|글}}", "10 km 3 m a|b 글"),
        ("{{인용문|첫 줄\n둘째}}", "> 첫 줄\n> 둘째"),
        ("가{{nowrap|1=나=다}}{{글씨 색|red|라}}", "가나=다라"),
        (
            "[[파일:a.jpg|섬네일|[[링크]] {{lang|en|x}}]]글[[분류:가|나]][[en:Rain]][[:분류:다]]",
            "링크 x\n\n글분류:다",
        ),
        ("[[CSI: 마이애미]] [[http://a]] [[de:Regen]]", "CSI: 마이애미 http://a"),
        ("[[서울]]의 [[강 (지형)|강]] [[위키백과:가 (나)|]] [[a#b|c]]", "서울의 강 가 c"),
        ("[https://a.kr 이름] [https://b.kr] [글] https://c.kr", "이름  [글] https://c.kr"),
        ("글<ref>주 {{웹 인용|url=x}}</ref> 글<ref name=a /> 글<!-- 숨김 -->", "글 글 글"),
        ("<nowiki>[[그대로]] {{x}}</nowiki>", "[[그대로]] {{x}}"),
        ("<pre>\na  {{b}}\n</pre>", "```\na  {{b}}\n```"),
        ('<syntaxhighlight lang="Python" inline>x = 1</syntaxhighlight>', "`x = 1`"),
        ("* 가\n** 나\n*# 다\n# 라\n: 마", "- 가\n  - 나\n  1. 다\n1. 라\n마"),
        ("== 가 ==\n글\n=== 나 ===\n=== 다 ===\n라", "## 가\n글\n### 다\n라"),
        ("가\n== 각주 ==\n<references/>\n=== 더 ===\n글\n== 나 ==\n다", "가\n## 나\n다"),
        ("가\n== [[각주]] ==\n글", "가"),
        (
            '{|\n|+ 제목\n! 가 !! 나\n|-\n| style="x" | 1 || 2|3\n|}',
            "제목\n| 가 | 나 |\n| --- | --- |\n| 1 | 2\\|3 |",
        ),
        ("{|\n| colspan=2 | 가\n|-\n| 나 || 다<br />라\n|}", "| 가 |  |\n| --- | --- |\n| 나 | 다 라 |"),
        ("{|\n| 가\n{|\n| 속\n|}\n|}", "가 속"),
        ("{{열린 [[글", "{{열린 [[글"),
        ("a}}b]]c", "a}}b]]c"),
        ("{{a|[[b}}c]]", "c]]"),
        ("'''''가''''' '''나''' ''다''", "***가*** **나** *다*"),
        ("&lt;b&gt; &amp;nbsp; __TOC__{{{1|값}}}", "<b> &nbsp; 값"),
        ("측우기({{한자|}}, )는", "측우기는"),
    ],
)
def test_wikitext(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, ["각주"]) == markdown


@pytest.mark.parametrize(
    "wikitext, text",
    [
        ("넓이는 {{단위|100|km2}}이다.", "넓이는 100 km2이다."),
        # a reading may follow the text
        (
            "{{llang|ja|宮崎 駿|みやざき はやお}}, {{lang|en|Seoul}}",
            "Japanese: 宮崎 駿, みやざき はやお, Seoul",
        ),
        ("빗변은 {{math|{{sqrt|''a''<sup>2</sup>}}}}이다.", "빗변은 $\\sqrt{a^{2}}$이다."),
        ("{{math|{{모르는 틀|1}}}}이다.", "이다."),  # no $$, which begins a formula of its own
        ("물({{화학식|H|2|O}}, {{chem2|H2O}})", "물(H2O, H2O)"),
        ("이름({{모르는 틀|가}}, {{모르는 틀|나}}, 1941년)", "이름(1941년)"),
        ("{{해발|38|m}}, {{밀도|1|g/cm3}}, {{시간|119|분}}", "38 m, 1 g/cm3, 119 분"),
        ("{{중국어 표기|간체=北京|번체=北京|병음=Běijīng}}", "北京, Běijīng"),
        ("{{세기|20}}, {{서기|1950}}, {{약|100}}", "20세기, 서기 1950, 약 100"),
        ("{{곡 목록|제목1=봄날|길이1=3:45|제목2=가을}}", "1. 봄날 (3:45)\n2. 가을"),
        (
            "{|\n! 안 !! 찬성\n|-\n| {{정당색|가}} | 홍길동 || {{예}}\n|-\n| 김솔 || {{no|반대}}\n|}",
            "| 안 | 찬성 |\n| --- | --- |\n| 홍길동 | 예 |\n| 김솔 | 반대 |",
        ),
        ("{{날짜|1446-10-09}}에", "1446-10-09에"),
        (
            "{{날짜|1446|10|9}} {{출생일과 나이|1990|5|3}} {{start date|2020|5}}",
            "1446년 10월 9일 1990년 5월 3일 2020년 5월",
        ),
        ("{{시작일|연=2001|월=2|일=3}}", "2001년 2월 3일"),
        ("{{convert|5|to|10|km}} {{convert|6|ft|2|in|m}} {{무게 단위|5|kg}}", "5 to 10 km 6 ft 2 in 5 kg"),
        ("{{val|1.5|0.1|e=6|u=km}} {{formatnum:1234567}} {{nts|30}}", "1.5±0.1×10^6 km 1,234,567 30"),
        ("{{frac|3|1|2}} {{분수|1|2}} {{sfrac|3|4}} {{10^|6}}", "3 1/2 1/2 3/4 10^6"),
        (
            "{{US$|5}} {{기원전|37}}년 {{reign|1418|1450}} {{duration|m=4|s=5}}",
            "US$5 기원전 37년 1418–1450 4:05",
        ),
        (
            "{{루비|漢字|한자}} {{nihongo|도쿄|東京|Tōkyō}} {{zh|t=北京|p=Běijīng}}",
            "漢字(한자) 도쿄(東京, Tōkyō) 北京, Běijīng",
        ),
        (
            "{{언어|fr|Bonjour}} {{llang|de|Hallo}} {{인명|세종}} {{큰따옴표|가}}",
            "Bonjour 독일어: Hallo 세종 “가”",
        ),
        ("{{인용문|간다.|출처=이순신}}", "> 간다.\n> — 이순신"),
        ("{{인용문|가.\n# 나\n# 다\n* 라\n** 마}}", "> 가.\n> 1. 나\n> 2. 다\n> - 라\n>   - 마"),
        ("약 {{형식수|350000}}명이다.", "약 350000명이다."),
        ("{{좌표|37|34|N|126|58|E}}{{좌표|37|34|N|126|58|E|display=title}}", "37°34′N 126°58′E"),
        (
            "글{{출처 필요|날짜=2020-1-1}}{{각주}}{{토막글|역사}}{{본문|세종}}{{둘러보기 상자|날짜}}{{서적 인용|제목=나}}",
            "글",
        ),
        ("{{연도별 사건|1990}}{{한국 이름|김}}{{인용 필요}}{{IMDb name|123}}글", "글"),
        (
            "-{zh-hans:计算机;zh-hant:電腦}-와 -{漢字}-{{!}}-{H|zh-cn:甲;zh-tw:乙}-, x-{a}-",
            "電腦와 漢字|, x-{a}-",
        ),
    ],
)
def test_wiki_templates_with_values_keep_them(wikitext, text):
    assert mediawiki_to_markdown(wikitext) == text


def rows_of(markdown):
    lines = [line for line in markdown.split("\n") if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(
    "wikitext, rows",
    [
        (
            "{|\n! 가 || 나\n|-\n| rowspan=2 | 1 || 2\n|-\n| 3\n|-\n| 4 || 5\n|}",
            [["가", "나"], ["1", "2"], ["", "3"], ["4", "5"]],
        ),
        (
            '{|\n| rowspan="3" | 1 || rowspan=2 | 2 || 3\n|-\n| 4\n|-\n| 5 || 6\n|-\n| 7 || 8 || 9\n|}',
            [["1", "2", "3"], ["", "", "4"], ["", "5", "6"], ["7", "8", "9"]],
        ),
        (
            "{|\n| colspan=2 rowspan=2 | 1 || 2\n|-\n| 3\n|-\n| 4 || 5 || 6\n|}",
            [["1", "", "2"], ["", "", "3"], ["4", "5", "6"]],
        ),
        ("{|\n| 1\n| rowspan=2 | 2\n|-\n|-\n| 3\n|}", [["1", "2"], ["3", ""]]),
        (
            '{|\n| 가 ||\n{| class=x\n| style="a" | 나 || 다\n|-\n| 라 || 마\n|}\n| 바\n|}',
            [["가", "나, 다; 라, 마", "바"]],
        ),
    ],
)
def test_cells_of_wiki_tables_stay_in_their_column(wikitext, rows):
    assert rows_of(mediawiki_to_markdown(wikitext)) == rows


CELLS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=100, deadline=None)
@given(table=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=5))
def test_no_cell_is_lost_whatever_it_spans(table):
    names = [[f"칸{r}{c}" for c in range(len(row))] for r, row in enumerate(table)]
    lines = [
        "\n".join(f"| colspan={columns} rowspan={rows} | {name}" for name, (columns, rows) in zip(*pair))
        for pair in zip(names, table)
    ]
    markdown = mediawiki_to_markdown("{|\n" + "\n|-\n".join(lines) + "\n|}")
    for row in names:
        for name in row:
            assert markdown.count(name) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["{|", "|}", "|-", "| 가", "! 나 !! 다", "라", "|+ 마", "| rowspan=9 | 바"]),
        max_size=30,
    )
)
def test_words_of_broken_wiki_tables_stay(lines):
    markdown = mediawiki_to_markdown("\n".join(lines))
    assert sorted(re.findall("[가-힣]", markdown)) == sorted(re.findall("[가-힣]", "\n".join(lines)))


@pytest.mark.parametrize(
    "latex, markdown",
    [
        ("머리\\usepackage{x}\\begin{document}글\\end{document}뒤", "글"),
        ("\\title{한글 {\\bf 글}}\\begin{document}글\\end{document}", "# 한글 글\n\n글"),
        ("\\title[글]{한글 {\\bf {글}}}\n\\begin{document}\\maketitle 글\\end{document}", "# 한글 글\n\n글"),
        ("\\title{" + "{\\Huge 가} 나 \\\\" * 200 + "\\begin{document}글\\end{document}", "글"),
        (
            "\\title{글}\\abstract{요약 {이다}}\\author{홍}\\begin{document}본문\\end{document}",
            "# 글\n\n요약 이다\n\n본문",
        ),
        ("\\begin{abstract}요약\\end{abstract}버림\\begin{document}본문\\end{document}", "요약\n\n본문"),
        ("\\mintinline{latex}{\\textbf{text}} 뒤", "`\\textbf{text}` 뒤"),
        # groups within groups: the search for a title took time that doubled with each letter
        (
            "\\title{한글로 문서를 쓰는 방법 \\\\ \\textnormal{1강 -- \\LaTeX{} 기초}}\\begin{document}글\\end{document}",
            "# 한글로 문서를 쓰는 방법 1강 -- LaTeX 기초\n\n글",
        ),
        ("\\section{가}\\label{a} 나~\\cite[쪽]{b} 50\\% % 주석\n다", "## 가\n\n나 50% 다"),
        ("글 % 주석\n\n다음", "글\n\n다음"),
        ("$a_1 \\% b$ \\(c\\) \\[d\\] $$e$$ \\$5", "$a_1 \\% b$ $c$ $$d$$ $$e$$ $5"),
        ("\\begin{equation}\\label{q} x \\end{equation}", "$$\nx\n$$"),
        ("\\begin{align*}a&=b\\end{align*}", "$$\n\\begin{align*}\na&=b\n\\end{align*}\n$$"),
        ("\\begin{verbatim}\na % b\n\\end{verbatim}", "```\na % b\n```"),
        ("\\begin{lstlisting}[language=C]\nint a;\n\\end{lstlisting}", "```c\nint a;\n```"),
        ("\\begin{itemize}\\item 가\\item[x] 나\\end{itemize}", "- 가\n- x 나"),
        (
            "\\textbf{가} \\emph{나} \\texttt{다} \\모름 \\foo{라} \\href{u}{마}",
            "**가** *나* `다` \\모름 라 마",
        ),
        ("caf\\'e \\\"{o} ``x'' --- \\ldots", "café ö “x” — …"),
        ("\\begin{figure}[h]\\includegraphics[w]{f}\\caption{그림}\\end{figure}", "그림"),
        ("\\newcommand{\\R}{\\mathbb{R}}글", "글"),
    ],
)
def test_latex(latex, markdown):
    assert latex_to_markdown(latex) == markdown


@pytest.mark.parametrize(
    "rst, markdown",
    [
        ("====\n제목\n====\n\n절\n---\n\n글", "# 제목\n\n## 절\n\n글"),
        (":func:`~os.path.join` :ref:`글 <x>` ``a b`` `링크 <u>`_ 이름_ :pep:`8` |버전|", "`join` 글 `a b` 링크 이름 PEP 8 버전"),
        ("``__init__`` 과 __init__ 과 snake_case", "`__init__` 과 __init__ 과 snake_case"),
        ("예::\n\n    >>> x\n\n다음", "예:\n\n```\n>>> x\n```\n\n다음"),
        (".. click:example::\n\n    import a\n\n    @a.b(*c_)\n    def f():\n        pass\n\n글", "```\nimport a\n\n@a.b(*c_)\ndef f():\n    pass\n```\n\n글"),
        (".. tabs::\n\n   이것은 글이다.\n\n   This is text, too.", "이것은 글이다.\n\nThis is text, too."),
        (".. 주의:: 조심하라\n\n.. 코드:: python\n\n   x = 1\n\n.. 예시::\n\n   남는 글", "**Caution:** 조심하라\n\n```python\nx = 1\n```\n\n남는 글"),
        (".. 색인:: a, b\n\n글\n\n.. note::\n\n   글\n\n   .. 색인:: c\n   .. 비고:: 둘째\n   .. 코드:: python\n\n      x = 1\n\n.. 알아 둘 것::\n   더", "글\n\n**Note:**\n\n글\n\n**Note:** 둘째\n\n```python\nx = 1\n```"),
        (".. image:: a.png\n   :alt: 로그인 화면\n   :width: 50\n\n글\n\n.. image:: b.png\n\n.. figure:: c.png\n   :alt: 그림\n\n   설명", "![로그인 화면](a.png)\n\n글\n\n![그림](c.png)\n\n설명"),
        (".. code-block:: py\n   :caption: 앱의 ``a.py``\n\n   x = 1", "**앱의 `a.py`**\n\n```py\nx = 1\n```"),
        (".. note::\n\n   글\n\n   .. figure:: a.png\n      :alt: 그림\n\n      설명", "**Note:**\n\n글\n\n![그림](a.png)\n\n설명"),
        (".. rst-class:: hide\n\n글", "글"),
        (".. code-block:: python\n   :linenos:\n\n   def f():\n       return 1\n\n글", "```python\ndef f():\n    return 1\n```\n\n글"),
        (".. note:: 주의\n   둘째", "**Note:** 주의\n둘째"),
        (".. versionadded:: 3.2\n   글", "**Added in version 3.2:**\n글"),
        (".. function:: f(x)\n\n   설명\n\n   .. versionchanged:: 3.1 바뀜", "`f(x)`\n\n설명\n\n**Changed in version 3.1:** 바뀜"),
        (".. math::\n\n   x^2", "$$\nx^2\n$$"),
        (".. index:: a\n.. _target:\n.. 주석\n   더\n\n글", "글"),
        (".. [1] 각주 글", "[^1]: 각주 글"),
        ("*args*\\는 ``x``\\ 은 :func:`f`\\를 :pep:`8`\\에서 `링크 <u>`_\\도", "*args*는 `x`은 `f`를 PEP 8에서 링크도"),
        (":math:`|x|\\leq |y|\\ x_\\ 1`\\은 |이름|", "$|x|\\leq |y|\\ x_\\ 1$은 이름"),
        (":math:`\\frac{a}{b}`\\은 \\*args 와 C:\\Users", "$\\frac{a}{b}$은 \\*args 와 C:\\Users"),
    ],
)  # fmt: skip
def test_restructured_text(rst, markdown):
    assert rst_to_markdown(rst) == markdown


PIECES = [
    "{{", "}}", "[[", "]]", "|", "{|", "|}", "\n|-\n", "!!", "==", "\n", "'''", "<ref>", "</ref>", "<math>", "</math>", "<pre>",
    "</pre>", "<!--", "-->", "{", "}", "\\", "\\begin{align}", "\\end{align}", "\\begin{itemize}", "\\item", "$", "$$", "%",
    "\\section{", "\\cite{", "[", "]", "::", ".. note::", ".. code-block:: x", "   ", "`", "``", ":a:`", "____", "====", "*",
    "<b>", "</b>", "&amp;", "&lt;", "<script>", "<p a='", "\x7f0\x7f", "글", "a", " ", ":", "\t", "\x00", "file:",
    "{{{", "}}}", "{{{#!wiki ", "{{{#red ", "||", "||<-2>", "|a|b||\n", "[[", "[*", "[* ", "[include(", ")]", "'''", "--", "~~", "^^", " * ",
    "\x020\x03", "[br]", "[ruby(",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_markup_becomes_text(text):
    for convert in CONVERTERS.values():
        assert isinstance(convert(text), str)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CONVERTERS)
def test_hostile_markup_is_converted_in_linear_time(kind):
    """Patterns that look ahead from every position would take hours."""
    for piece in (
        *PIECES,
        "   .. x\n",
        "<a ",
        '<span class="katex">',
        '<span class="katex">x</span>',
        "<math><mi>",
        "<math alttext=",
        "<mjx-container>",
        '<img class="latex" alt="',
        "<svg>",
        "= ",
        "''a",
        "{{a|",
        "[[a|",
        "\n  a::\n",
        "- a\n",
        "\\'",
        "( ,",
        "~~~a\n",
        "~~~~~\n~~~~~~\n",
        "\n\n    가\n",
        "\n    <b>",
        "> ~~~\n",
        "<sup>1</sup>/",
        "<sup>a<b>",
        "<ruby>",
        "<li>\n \n",
        "\n\n``",
        "[*a ",
        "[* a]",
        "||a",
        "||\n",
        "'",
        "--a",
        "~~a ",
        "[include(a",
        "[include(a)]",
        "{{{#!folding a\n",
        "[[a|[[",
    ):
        assert isinstance(CONVERTERS[kind](piece * (1_000_000 // len(piece))), str)


# --- dumps -----------------------------------------------------------------------------------------------


def page(number, text, *, title=None, namespace=0, extra="", model="wikitext"):
    return (
        f"<page><title>{escape(title or f'글 {number}')}</title><ns>{namespace}</ns><id>{number}</id>{extra}<revision><id>9</id>"
        f"<timestamp>2024-03-15T00:00:00Z</timestamp><model>{model}</model><text>{escape(text)}</text></revision></page>\n"
    )


PAGES = [
    page(1, "'''하나'''는 [[수]]이다.\n== 각주 ==\n{{각주}}", title="A & B"),
    page(2, "#넘겨주기 [[하나]]", extra='<redirect title="하나" />'),
    page(3, "# redirect [[x]]"),
    page(4, "토론", namespace=1),
    page(5, "body{}", model="css"),
    page(6, "둘 < 셋"),
    "<page><title>x</title><ns>0</ns><id>7</id><revision><text>&undefined;</text></revision></page>",
    "<page><title>x</title><ns>0</ns><revision><text>a</text></revision></page>",
    page(8, "가" * 5000),
    page(9, ""),
]


@pytest.mark.parametrize("packed", [False, True])
def test_dumps_of_mediawiki(tmp_path, packed):
    path = tmp_path / ("d.xml.bz2" if packed else "d.xml")
    text = f"<mediawiki><siteinfo><namespaces/></siteinfo>{''.join(PAGES)}</mediawiki>".encode()
    path.write_bytes(bz2.compress(text) if packed else text)
    rows, bad = read(path, WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko", max_record_bytes=10_000))
    assert [(row["id"], row["text"]) for row in rows] == [
        (f"{path}:1", "# A & B\n\n**하나**는 수이다."),
        (f"{path}:6", "# 글 6\n\n둘 < 셋"),
    ]
    assert [(b.line, b.rule) for b in bad] == [
        (7, "not-xml"),
        (8, "not-a-number"),
        (9, "too-long"),
        (10, "no-text"),
        (0, "left-out"),
    ]
    assert all(value in bad[-1].cause for value in ("1 pages", "css", "namespace 1", "2 redirects"))


def test_entities_of_a_document_type_are_never_expanded(tmp_path):
    path = tmp_path / "d.xml"
    bomb = (
        "<!DOCTYPE m [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
    )
    pages = f"{page(1, 'x').replace('<text>x', '<text>&b;&f;')}{page(2, '둘')}"
    path.write_text(f"{bomb}<mediawiki>{pages}<page>{bomb}</page></mediawiki>", "utf-8")
    rows, bad = read(path, WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko", with_title=False))
    assert [row["text"] for row in rows] == ["둘"]
    assert [b.line for b in bad] == [1, 3]


def test_a_dump_that_ends_inside_a_page_yields_the_others(tmp_path):
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(bz2.compress(PAGES[0].encode()) + bz2.compress(PAGES[5].encode() * 50)[:-40])
    rows, bad = read(path, WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko"))
    assert len(rows) == 1 and [one.rule for one in bad] == ["damaged-file"] and "bzip2" in bad[0].cause
    path = tmp_path / "d.xml"
    path.write_text("".join(PAGES[:1]) + PAGES[5][:-12], "utf-8")
    rows, bad = read(path, WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko"))
    assert len(rows) == 1
    assert [(one.rule, one.raw) for one in bad] == [("truncated-page", PAGES[5][:-12].encode())]


def test_other_namespaces_and_all_sections_on_request(tmp_path):
    path = tmp_path / "d.xml"
    path.write_text("".join(PAGES), "utf-8")
    item = WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko", namespaces=[1], left_out_sections=[])
    assert [row["text"] for row in read(path, item)[0]] == ["# 글 4\n\n토론"]
