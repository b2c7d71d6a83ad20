"""Elements inside of lines neither add nor remove blanks; code keeps its lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.markup.html_text import html_to_text, page_to_text
from preprocessing.readers.web_pages import convert_page

NAMES = ["span", "b", "a", "em", "font", "mark", "nobr", "acronym", "u", "x-word"]
EMPTY = ["", "<wbr>", "<wbr/>", "&zwnj;", "&#8203;", "&shy;", "<!-- -->", "<span></span>", "<svg><path d='M0'/></svg>", "<script>f()</script>"]  # fmt: skip
INVISIBLE = "\u200b\u200c\u00ad"


def seen(text: str) -> str:
    """A line as a browser shows it: without invisible characters, and with single blanks."""
    return " ".join(text.translate(dict.fromkeys(map(ord, INVISIBLE))).split())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["속성", "ref", "가", "3", " 개", "나 ", "&nbsp;다"]), st.sampled_from(NAMES)
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(EMPTY),
)
def test_tags_inside_of_a_line_change_no_blank(pieces, empty):
    line = empty.join(f'<{name} class="c">{word}</{name}>' for word, name in pieces)
    expected = seen("".join(word.replace("&nbsp;", "\u00a0") for word, _ in pieces))
    assert seen(page_to_text(f"<html><body><p>{line}</p></body></html>")) == expected
    if "x-word" not in line:  # a component of Markdown stays
        assert seen(html_to_text(f"<p>{line}</p>")) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>이<code> x </code>는</p>", "이 `x` 는"),
        ("<p>값<code>a</code><code>b</code>은</p>", "값`ab`은"),
        ("<p>가<code> </code>나</p>", "가 나"),
        ("<p>가격<small> (원)</small></p>", "가격 (원)"),
        ("<p>가격 <small>원 </small>표시</p>", "가격 원 표시"),
        ("<p>넓이는 m<sup>2 </sup>이다</p>", "넓이는 m^2 이다"),
        ("<pre>a<br>b<br/>c</pre>", "```\na\nb\nc\n```"),
        ("<pre><div>a</div><div>b</div></pre>", "```\na\nb\n```"),
        ("<pre><span>a</span>\n<span>b</span></pre>", "```\na\nb\n```"),
        ("<fieldset><legend>제목</legend>내용</fieldset>", "제목\n\n내용"),
    ],
)
def test_blanks_at_the_edge_of_an_element_stay(html, expected):
    assert html_to_text(html) == expected
    assert page_to_text(f"<html><body>{html}</body></html>") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTML에는 <body></body>뿐이다.", "HTML에는 <body></body>뿐이다."),
        ("빈 <ul></ul>, <table></table> 안에", "빈 <ul></ul>, <table></table> 안에"),
        ("앞 글\n\n<nav></nav>\n\n뒤 글", "앞 글\n\n뒤 글"),
        ('앞 <a name="a"></a>속성과 <a id=b></a>태그', "앞 속성과 태그"),
        ("앞 글<b></b> 뒤 글<div></div>끝", "앞 글 뒤 글\n\n끝"),
    ],
)
def test_an_empty_element_among_words_is_only_mentioned(text, expected):
    assert html_to_text(f"# 제목\n\n{text}") == f"# 제목\n\n{expected}"


def test_a_picture_in_the_text_is_no_text():
    picture = "iVBORw0KGgo" * 1000
    assert html_to_text(f'가 <img src="data:image/png;base64,{picture}" alt="x"> 나').split() == ["가", "나"]


def test_a_word_for_tags_inside_of_a_tag_is_no_mention():
    assert html_to_text('<p>data <span class="a">속성</span>과 <b>요소</b></p>') == "data 속성과 요소"
    assert html_to_text("<br> 태그와 <b> 태그, </b> 태그를 <p>쓴다</p>").startswith(
        "<br> 태그와 <b> 태그, </b> 태그를"
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<strong>href</strong> 속성을 쓴다.", "href 속성을 쓴다."),
        ("<strong><em>key</em></strong> 속성과 <b>button</b> 요소", "key 속성과 button 요소"),
        ('<a href="https://a.kr">여기</a> 태그', "여기 태그"),
        ("<strong>`id`</strong> tag, <i>x</i> and </i> tags", "`id` tag, x and </i> tags"),
        ("<b></b> 태그와 <b>…</b> 태그, <b>와 </b> 태그", "<b></b> 태그와 <b>…</b> 태그, <b>와 </b> 태그"),
        ("<b>속성</b> 태그, </b> 태그로 닫는다", "<b>속성</b> 태그, </b> 태그로 닫는다"),
        ('<p><span class="t">()</span><span class="badge b">Plugin</span></p>', "() Plugin"),
        ('<p><span class="tag">#봄</span><span class="tag">#가을</span></p>', "#봄 #가을"),
        ('<p><span class="badge">공지</span><span class="t">[서울] 소식</span></p>', "공지 [서울] 소식"),
        ('<p><span class="t">값(A)</span><span class="badge">으로</span></p>', "값(A)으로"),
        ('<p><span class="t">f()</span><span class="n">name</span></p>', "f()name"),
        (
            '<div>\n<a class="c" href="a">\n<strong>첫째 글</strong>\n<span>설명이다.</span>\n</a>\n'
            '<a class="c" href="b">\n<strong>둘째 글</strong>\n<span>설명이다.</span>\n</a></div>',
            "첫째 글 설명이다.\n둘째 글 설명이다.",
        ),
    ],
)
def test_an_element_before_a_word_for_tags_loses_both_tags_or_none(html, text):
    assert html_to_text(html) == text


def test_main_content_keeps_words_whole():
    pytest.importorskip("resiliparse")
    page = (
        "<html><head><title>달력</title></head><body><nav><a href='/'>처음</a></nav><article><h1>달력</h1>"
        "<p>올해에는 공휴일이 모두 <!-- -->15<!-- -->개 있고, 그<span class='blind'>숨은 글</span>래서 봄<svg></svg>에 쉬는 날이 많다.</p>"
        "</article></body></html>"
    )
    text, _ = convert_page(page.encode(), "utf-8", "blocks")
    assert "모두 15개 있고, 그래서 봄에 쉬는" in text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<span class="options-api">data 속성</span><span class="composition-api">ref</span>로', "data 속성 ref로"),
        ('<span class="a">첫째 값</span><span class="b">둘째 값</span><span class="c">셋째 값</span>', "첫째 값 둘째 값 셋째 값"),
        ('<span class="n">12</span><span class="unit">개월</span>', "12개월"),
        ('<span class="word">변수</span><span class="particle">에서</span>', "변수에서"),
        ('<span class="first">H</span><span class="rest">ello</span>', "Hello"),
        ('<span class="k">한글</span><span class="k">날입니다</span>', "한글날입니다"),
        ('<span class="date">2026.04.05</span><span class="title">아이의 말</span>', "2026.04.05 아이의 말"),
        ('<span class="date">2026-04-05</span>밭일기', "2026-04-05 밭일기"),
        ('<span class="date">2026-04-05</span>까지 심는다', "2026-04-05까지 심는다"),
        ('<span class="chip">봄</span><span class="chip">메밀</span>', "봄 메밀"),
        ('<span class="a"><input type="checkbox">무게 확인</span><span class="b">밭길 걷기</span>', "무게 확인 밭길 걷기"),
        ('<span class="post-category">일상</span><span class="post-category">휴일</span>', "일상 휴일"),
        ("<span>처음 심는 사람을 위해</span><span>쉬운 씨앗을 모았습니다.</span>", "처음 심는 사람을 위해 쉬운 씨앗을 모았습니다."),
        ("<span>모두 12</span><span>개월</span>", "모두 12개월"),
        ("<strong>STEP1</strong><span>밭을 고르는 일</span>", "STEP1 밭을 고르는 일"),
        ("<strong>밭장터</strong><span>가 봄에 문을 엽니다.</span>", "밭장터가 봄에 문을 엽니다."),
        ('<b>밭장터</b><span style="color:red">에서 만나는 봄</span>', "밭장터에서 만나는 봄"),
        ('<span class="a">1,024</span><span class="b">Cases</span>', "1,024 Cases"),
        ('<span class="a">1,024</span><span class="b">MB</span>', "1,024MB"),
        ('<span>전화</span><a href="tel:1">02-000-0000</a>', "전화 02-000-0000"),
        ('<span class="tag"><a href="/1">메밀</a></span><span class="tag"><a href="/2">국수</a></span>', "메밀 국수"),
        ("<b>작성일:</b><span>2026.1.2</span>", "작성일: 2026.1.2"),
        ("<b>가::</b><span>나</span>", "가::나"),
        ('<span>12-34</span><span class="bar"></span><span>a@b.kr</span>', "12-34 a@b.kr"),
        ('<a href="/a">봄</a><i class="dot"></i><a href="/b">여름</a>', "봄 여름"),
        ('<span style="color:red">빨강</span><span style="color:blue">파랑색</span>', "빨강파랑색"),
    ],
)  # fmt: skip
def test_neighboring_spans_of_different_classes_are_apart(html, expected):
    assert html_to_text(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("값은 <code>a\nb</code>입니다.", "값은 `a b`입니다."),
        ("값은<code>\nSELECT 1\n</code>입니다.", "값은 `SELECT 1` 입니다."),
        ("<code>x = 1\ny = 2\nz = 3</code>", "x = 1\ny = 2\nz = 3"),
        ("<code>x\n\ny</code> 끝", "x\n\ny 끝"),
    ],
)
def test_code_of_two_lines_is_a_span(html, expected):
    assert html_to_text(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("e<sup>iπx</sup>와 e<sup>iπ</sup>", "e^(iπx)와 e^(iπ)"),
        ("x<sup>αβ</sup>", "x^(αβ)"),
        ("M<sup>me</sup>", "M(me)"),
        ("the<sup>abc</sup>", "the(abc)"),
        ("페이스북<sup>Facebook</sup>", "페이스북(Facebook)"),
        ("각주<sup>1)</sup>가, note<sup>12)</sup>", "각주^1)가, note^12)"),
    ],
)
def test_a_power_of_letters_is_no_gloss(html, expected):
    assert html_to_text(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<div>은 블록이고 <span>을 쓴다.<br>끝 <textarea>는 칸이다.",
            "<div>은 블록이고 <span>을 쓴다.\n끝 <textarea>는 칸이다.",
        ),
        ("<p>는 문단이다. <li>를 <ul>에 넣는다.", "<p>는 문단이다. <li>를 <ul>에 넣는다."),
        ("줄<br>을 바꾼다", "줄\n을 바꾼다"),
        ("개행이 <BR>로 바뀐다. 글 <br>이 글", "개행이 <BR>로 바뀐다. 글\n이 글"),
        ('`a`의 <meta name="b">에 담는다.\n\n<b>글</b>', '`a`의 <meta name="b">에 담는다.\n\n글'),
        ('<meta name="b">\n<p>글</p>', "글"),
        ('끝 <i class="icon"></i>을 누른다.<br>끝', "끝 을 누른다.\n끝"),
        ('안의 <div id="a"></div> 가 <b></b>시작이다.<br>끝', '안의 <div id="a"></div> 가 시작이다.\n끝'),
        (
            '- <link rel="a”>\n- 글\n\n## <link rel="a”>\n\n<b>끝</b>',
            '- <link rel="a”>\n- 글\n\n## <link rel="a”>\n\n끝',
        ),
        ('<p title="가\n나">글</p>', "글"),
        ("<p>이 글은 짧다.", "이 글은 짧다."),
        ("<div>이 글은</div> <b>굵게</b>는", "이 글은\n\n굵게는"),
    ],
)
def test_a_tag_with_a_particle_is_named(html, expected):
    assert html_to_text(html).strip() == expected
