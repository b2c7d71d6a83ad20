"""HTML that a note shows without marks of code stays as it is; what an editor or an embedded page leaves behind goes."""

import pytest

from preprocessing.markup.html_text import html_to_text

SHOWN = [
    '- <script src="https://a.com/b.js"></script>\n- 글',
    '> <script src="https://a.com/b.js"></script>',
    "1. 연결: <link rel=\"stylesheet\" href='a.css'>\n2. <meta charset=\"utf-8\">\n3. <style>p {color: red}</style>",
    "- 외부 참조\n\n  <link rel='stylesheet' href='경로'>",
    '다음과 같이 쓴다:\n<script src="a.js" defer></script>',
    "먼저 <html>로 열고, </html>로 닫는다.",
    "1. <script>를 </body> 아래에 실행\n2. 글",
    "<a></a> : 링크를 만든다\n<head> </head> -> 문서에 대한 설정\n- <span></span>: 한 부분",
    "  <a></a> : 링크\n\n  <b></b>\n\n  등등\n\n  <p></p>\n\n  <hr>\n\n  <div></div>",
    "- 주석\n\n  <!-- -->(Ctrl /) , 단축키\n- 주석: <!-- 글 -->",
    "html에서 주석 쓰는 법\n\n<!-- 어쩌고 -->",
    'out.println("<h2>오늘 날짜는 : " + date + "</h2>"); // 제목',
    '글\n<tr><td>아이디</td><td>${user.id}<input type="hidden" value="${user.userid}"></td></tr>\n글',
    '<input type="text" value="${member.userid}"> 이와 같이 들어간다.',
    '// 기본\n<fieldset> </fieldset>\n<br>',
    "```html\n<p>\n```\n// 기본\n<fieldset> </fieldset>",
    '<label for="a">이름표<input id="a"></label>\n\n<div>\n  <input type="submit" value="주문">\n</div>',
    '<label> 1. text -> <input type="text"></label>\n<label> 2. checkbox <input type="checkbox"></label>\n3. hidden',
]  # fmt: skip


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("before", ["# 제목\n\n글 <b>굵게</b> <p>글</p>\n\n뒤의 글이다.\n\n", "# 제목\n\n"])
def test_html_that_a_note_shows_stays(shown, before):
    assert html_to_text(f"{before}{shown}\n\n# 뒤").endswith(f"{shown}\n\n# 뒤")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('글이다.\n\n<script src="a.js"></script>\n\n글', "글이다.\n\n글"),
        ('글이다. <script src="a.js"></script>', "글이다."),
        ('- <script src="https://gist.github.com/a/b.js"></script>', "-"),
        ("글\n\n<p></p>\n\n<p></p>\n\n글", "글\n\n글"),
        ("- [가](a.md) <sub></sub> - 나", "- [가](a.md)  - 나"),
        ("앞<!-- -->뒤\n\n<!-- 목차 -->\n- 글", "앞뒤\n\n- 글"),
        ('값 <img src="${url}"> 뒤', "값  뒤"),
        ("이름=\"<b>굵게</b>\"이다", "이름=\"굵게\"이다"),
    ],
)  # fmt: skip
def test_html_that_a_note_does_not_show_goes(text, expected):
    lines = html_to_text(f"# 제목\n\n{text}\n\n# 뒤").removeprefix("# 제목").removesuffix("# 뒤").strip()
    assert "\n".join(line.rstrip() for line in lines.split("\n")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("개수 **2<sup>i** 개, **2<sup>(h+1)</sup>** 개", "개수 **2^i** 개, **2^(h+1)** 개"),
        ("모두 **2<sup>h+1**", "모두 **2^(h+1)**"),
        ("물은 H<sub>2<sub>O이고 x<sup>2", "물은 H2O이고 x^2"),
        ("a<sub>i + b<sub>j, x<sup>2 + y<sup>2 = 1", "a_i + b_j, x^2 + y^2 = 1"),
        ("2<sup>n 개이고 n<sup>2</sup>", "2^n 개이고 n^2"),
        ("검색 트리<sub>self-balancing tree\n- 글", "검색 트리(self-balancing tree)\n- 글"),
        ("서버풀<sup>1</sup><sub>Server Pool</sub> 사이", "서버풀^1(Server Pool) 사이"),
        ("윗글자: <sub>, <sup>\n\n글", "윗글자: <sub>, <sup>\n\n글"),
        ("속도는 10<sup>3</sup>m/s", "속도는 10^3m/s"),
        ("| 가 </br> 나 | 다<Br>라<BR/>마<br/>바 |\n| --- | --- |", "| 가 <br> 나 | 다<br>라<br>마<br/>바 |\n| --- | --- |"),
        ("가이다.</br>다음 <Br>그다음<br></br>끝", "가이다.\n다음\n그다음\n끝"),
        ("다른 </br>을 쓰지 않고 </Br> 태그도 없다", "다른 </br>을 쓰지 않고 </Br> 태그도 없다"),
    ],
)  # fmt: skip
def test_tags_without_an_end_and_misspelt_breaks(text, expected):
    assert html_to_text(f"# 제목\n\n글 <b>가</b>\n\n{text}") == f"# 제목\n\n글 가\n\n{expected}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            '<div style="white-space:nowrap;"><font color="#2c84fa">𝑓 </font>UnequipItem</div>',
            "𝑓 UnequipItem",
        ),
        ('"첫 줄<br>둘째 줄"', '"첫 줄 둘째 줄"'),
        ('"[HTML] 글자: <sub>, <sup>"', '"[HTML] 글자: <sub>, <sup>"'),
        ("<h1>제목</h1>", "제목"),
        ("<p>가</p><p>나 &amp; 다</p>", "가 나 & 다"),
    ],
)
def test_a_value_of_front_matter_stays_in_its_line(value, expected):
    text = "---\nlayout: default\ntitle: {}\nparent: 글\n---\n\n# 글\n\n{}"
    assert html_to_text(text.format(value, "<p>끝</p>")) == text.format(expected, "끝")
