"""Tags that a note mentions without marks of code stay, wherever they are in its line; those that mark up text go."""

import pytest

from preprocessing.markup.html_text import html_to_text

MENTIONS = [
    "그리고 <a>태그와 <p> 등을 쓴다.",
    '<input type="text"> 를 쓰고 <input type="radio">는 하나만 고른다',
    '<div class="box">에 스타일을 주고 <label for="a">를 쓴다',
    'form 안의 <button type="submit">을 누르면 보낸다',
    "<a onNAME={this.METHOD}>로 작성한다.",
    "<h1>~<h6>까지 있다.",
    "<ul>, <ol>, <li> 등이 있다",
    "<ul>과 <ol>의 차이, <table>의 자식인 <tr>과 <td>",
    "<b>와 <strong>의 차이점",
    "<br>로 줄을 바꾸거나 <br/>을 쓰면 된다",
    "p태그(<p>)는 문단이다",
    "문단 태그 : <p>",
    "- <p> : 문단\n- <br> : 줄바꿈\n- <a href=\"\"> : 링크\n1. <strong> - 굵게",
    "if (a<b && b>c) 이다",
    '<meta charset="utf-8"> 을 추가한다',
    "List<String> list, vector<int> a, pair<int,int> p, <T extends U>",
    "- [interface Converter<S , T>](#a)와 Comparator<S>",
    "표시, </html> 뒤에는 아무 내용도 없다",
    "#include <stdio.h>\n<React.Fragment>와 <>를 쓴다. git clone <repo>",
]  # fmt: skip


@pytest.mark.parametrize("mention", MENTIONS)
@pytest.mark.parametrize("before", ["# 제목\n\n글 <b>굵게</b> 입니다.\n\n", "글 <b>굵게</b> 입니다.\n\n", ""])
def test_a_tag_that_a_note_mentions_stays(mention, before):
    assert html_to_text(f"{before}{mention}\n\n뒤의 글이다.").endswith(f"{mention}\n\n뒤의 글이다.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# 제목\n\n<div>\n\n글<br> <strong>중요한 글", "# 제목\n\n글\n중요한 글"),
        ("# 제목\n\n<center>\n![그림](a.png)<br>\n", "# 제목\n\n![그림](a.png)"),
        (
            "# 제목\n\n다음과 같다 : <br>\n- 가<br>\n- <b>나</b> : 다",
            "# 제목\n\n다음과 같다 :\n- 가\n- 나 : 다",
        ),
        ("글 <br>- 항목\n\n<font color=red>붉은 글", "글\n- 항목\n\n붉은 글"),
        (
            "<table><tr><td>가<td>나</tr><tr><td>다<td>라</tr></table>\n\n# 글",
            "| 가 | 나 |\n| --- | --- |\n| 다 | 라 |\n\n# 글",
        ),
        ('<a name="x">앞</a>을 본다. <p>등을 편다.</p>', "앞을 본다.\n\n등을 편다."),
    ],
)
def test_a_tag_that_marks_up_text_goes(text, expected):
    lines = [line.rstrip() for line in html_to_text(text).strip().split("\n")]
    assert "\n".join(lines) == expected
