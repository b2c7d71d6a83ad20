"""HTML inside of items and quotations of Markdown, its tables with empty cells, and formulas of rendered pages."""

import pytest

from preprocessing.markup.html_text import html_to_text
from preprocessing.readers.web_pages import convert_page

_HEAD = "| 기능 | 무료 | 유료 |\n| --- | --- | --- |\n"
_CELLS = "<tr><th>기능</th><th>무료</th><th>유료</th></tr>\n<tr><td>저장</td><td>✓</td><td>✓</td></tr>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 첫째<br>둘째<br><br>셋째\n- 다음", "- 첫째\n  둘째\n\n  셋째\n- 다음"),
        ("10) 하나<br/>\n    둘<br>셋", "10) 하나\n    둘\n    셋"),
        ("> 인용<br>둘째\n\n끝<br>뒤", "> 인용\n> 둘째\n\n끝\n뒤"),
        ("> - 가<br>나", "> - 가\n>   나"),
        ("* 가\n\n  > 나 <br/>다\n1. 라\n   > 마<br>바", "* 가\n\n  > 나\n  > 다\n1. 라\n   > 마\n   > 바"),
        ("- 항목\n\n  문단<br><br>다음\n\n끝", "- 항목\n\n  문단\n\n  다음\n\n끝"),
        ("- 설명 <ul><li>하나</li><li>둘</li></ul>\n- 다음", "- 설명\n\n  - 하나\n  - 둘\n\n- 다음"),
        ("- <p>문단</p>\n- <div>가</div><div>나</div>", "- 문단\n\n- 가\n\n  나"),
        (
            "1. 가\n\n    |나|다|\n    |---|---|\n    |라<br />마|바|",
            "1. 가\n\n    |나|다|\n    |---|---|\n    |라<br />마|바|",
        ),
        ("> <p>문단</p>\n\n- <br>\n- 나", "> 문단\n\n- \n- 나"),
        ("- 값\n\n  ```\n  a\n  ```\n\n  <br/>\n  뒤\n\n밖", "- 값\n\n  ```\n  a\n  ```\n\n  뒤\n\n밖"),
        ("<table><tr><td> <p>가</p><p>나</p></td></tr></table>", "가\n\n나"),
        # code in a quotation, and code without text
        (
            "> <pre><code>git rebase\n> a &lt;x&gt;\n>\n>   끝</code></pre>\n> 글 <b>가</b>\n\n밖",
            "> ```\n> git rebase\n> a <x>\n> \n>   끝\n> ```\n> 글 가\n\n밖",
        ),
        (
            "> - 가\n>   <pre>x</pre>\n\n> > <pre>\n> > a\n> > </pre>\n> > 글",
            "> - 가\n>   ```\n>   x\n>   ```\n\n> > ```\n> > a\n> > ```\n> > 글",
        ),
        ("앞\n\n<pre>\n<img src='a'>\n</pre>뒤", "앞\n\n뒤"),
    ],
)
def test_lines_from_tags_stay_in_their_item_or_quotation(text, expected):
    assert html_to_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "- 이름: <pre><code>a_<i>b</i>\n  c</code></pre>\n- 다음",
            "- 이름:\n\n  ```\n  a_b\n  c\n  ```\n\n- 다음",
        ),
        (
            "1. 단계\n   1. 안\n      <pre>x = 1\n\n- y</pre>\n2. 끝",
            "1. 단계\n   1. 안\n\n      ```\n      x = 1\n\n      - y\n      ```\n\n2. 끝",
        ),
        ("* 목록\n\n<pre>밖</pre>\n\n글 <pre>x</pre>", "* 목록\n\n```\n밖\n```\n\n글\n\n```\nx\n```"),
        ("<div>\n    <pre>a\n  b</pre>\n</div>", "```\na\n  b\n```"),
    ],
)
def test_code_in_an_item_has_its_indentation(text, expected):
    lines = [line.rstrip() for line in html_to_text(text).split("\n")]
    assert [line for line in lines if line] == [line for line in expected.split("\n") if line]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (f"{_CELLS}<tr><td>공유</td><td></td><td>✓</td></tr>", f"{_HEAD}| 저장 | ✓ | ✓ |\n| 공유 |  | ✓ |"),
        (f"{_CELLS}<tr><td>공유<td>&nbsp;<td>a | b", f"{_HEAD}| 저장 | ✓ | ✓ |\n| 공유 |  | a \\| b |"),
        (
            f"<caption>표 1</caption>{_CELLS}<tr><td rowspan=2>공유</td><td colspan='2'><p>둘</p><p>다</p></td></tr>"
            "<tr><td>-</td><td>✓</td></tr>",
            f"표 1\n\n{_HEAD}| 저장 | ✓ | ✓ |\n| 공유 | 둘<br>다 |  |\n|  | - | ✓ |",
        ),
        (
            "<thead><tr><th rowspan=4>달</th><th>가</th></tr><tr><th>나</th></tr></thead>"
            "<tbody><tr><td rowspan=0>1월</td><td>다<br> <b>라</b><br></td></tr><tr><td>마</td></tr></tbody>",
            "| 달 | 가 |\n| --- | --- |\n|  | 나 |\n| 1월 | 다<br>라 |\n|  | 마 |",
        ),  # what a cell spans ends with its group
        (f"<colgroup><col><col></colgroup>{_CELLS}", f"{_HEAD}| 저장 | ✓ | ✓ |"),
        (
            f"<tr><td>가</td><td>{'글 ' * 150}</td></tr><tr><td>나</td><td>다</td></tr>",
            f"가  {'글 ' * 150}\n\n나  다",
        ),  # layout
        ("<tr><td><img src=a></td><td>글</td></tr><tr><td></td><td>둘</td></tr>", "글\n\n둘"),  # layout
        (
            "<tr><th>봄</th><td>심기</td></tr><tr><th>가을</th><td><p>거두기</p><ul><li>메밀</li><li>콩</li></ul></td></tr>",
            "| 봄 | 심기 |\n| --- | --- |\n| 가을 | 거두기<br>- 메밀<br>- 콩 |",
        ),  # headings of rows
        (
            f"<tr><th>봄</th><td>심기</td></tr><tr><th>글</th><td>{'글 ' * 150}<ul><li>메밀</li></ul></td></tr>",
            f"봄  심기\n\n글  {'글 ' * 150}\n\n- 메밀",
        ),  # the form of a post
        (
            f"<tr><td>가</td><td><a href='{'a' * 250}'>글</a></td></tr><tr><td>나</td><td>다</td></tr>",
            "| 가 | 글 |\n| --- | --- |\n| 나 | 다 |",
        ),
        (
            f"<caption>표</caption><colgroup><col/><col/></colgroup><tr><th>가</th><th>나</th></tr><tr><td>다</td><td>{'글 ' * 150}</td></tr>",
            f"표\n\n| 가 | 나 |\n| --- | --- |\n| 다 | {'글 ' * 150}|",
        ),
        ("<tr><td>-</td><td>가</td></tr><tr><td>-</td><td>나</td></tr>", "-  가\n\n-  나"),  # layout
        (
            "<tr><td><img src=a></td><td><img src=b></td></tr><tr><td>김다연<br>개발</td> <td>오지수<br> <b>기획</b></td></tr>",
            "김다연\n개발\n오지수\n기획",
        ),  # below pictures
        (
            "<tr><th>구분</th><th>금액</th></tr><tr><td></td><td>3원</td></tr>",
            "| 구분 | 금액 |\n| --- | --- |\n|  | 3원 |",
        ),
    ],
)
@pytest.mark.parametrize("page", [False, True])
def test_a_table_keeps_its_columns(table, expected, page):
    text = f"<table>{table}</table>"
    text = html_to_text(f"<html><body>{text}</body></html>" if page else text)
    assert [line.split() for line in text.split("\n")] == [line.split() for line in expected.split("\n")]


def test_code_in_a_cell_of_markdown_keeps_its_indentation():
    table = "| 가 | 나 |\n| --- | --- |\n| 글 | if x:<br>&nbsp;&nbsp; y = 0<br> 끝 |"
    assert html_to_text(table) == table


def test_a_table_stays_in_its_item_and_inside_of_a_row():
    table = f"<table>{_CELLS}<tr><td>공유</td><td></td><td>✓</td></tr></table>"
    lines = html_to_text(f"- 항목\n\n  {table}\n\n  뒤").split("\n")
    assert [line for line in lines if line] == [
        "- 항목",
        *("  " + line for line in [*_HEAD.strip().split("\n"), "| 저장 | ✓ | ✓ |", "| 공유 |  | ✓ |"]),
        "  뒤",
    ]
    assert html_to_text(f"| 가 |\n| --- |\n| {table.replace(chr(10), '')} |").count("\n") == 2


def test_a_fence_in_a_cell_stays_a_fence():
    code = "```js\nif (a)\n  b();\n```"
    cells = f"<tr><td>가</td><td>\n\n코드:\n{code}\n</td></tr><tr><td>나</td><td>다</td></tr>"
    text = html_to_text(f"# 글\n\n<table>{cells}</table>\n\n끝")
    assert f"\n{code}\n" in text
    assert text.endswith("끝")


def test_an_address_in_small_text_is_no_tag():
    assert (
        html_to_text("# 글\n\n<small>\n예제<br/>\n<https://a.kr/b-c>\n</small>")
        == "# 글\n\n예제\n<https://a.kr/b-c>"
    )
    assert (
        html_to_text("# 글\n\n<small>메일은 <a@b.kr> <b>입니다</b></small>")
        == "# 글\n\n메일은 <a@b.kr> 입니다"
    )


def test_a_column_without_a_group_is_no_text():
    table = "<table>\n<col>\n<col width=10>\n<tr><td>가</td></tr></table>"
    assert html_to_text(f"{table}\n\n`c` <b>글</b>").split() == ["가", "`c`", "글"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("<td>\n\n| 가 | 나 |\n| --- | --- |\n| 1 | 2 |\n\n</td>", "| 가 | 나 |\n| --- | --- |\n| 1 | 2 |"),
        ('<td width="9">\n\n- 가\n  - 나\n\n</td><td>\n\n## 다\n\n</td>', "- 가\n  - 나\n\n## 다"),
        ("<td>이름</td><td>\n\n**값** 하나\n\n</td>", "이름  **값** 하나"),
        ("<td>이름</td><td>- 값</td>", "이름  - 값"),
    ],
)
def test_blocks_of_markdown_in_a_cell_stay_blocks(cells, expected):
    lines = [line.rstrip() for line in html_to_text(f"<table><tr>{cells}</tr></table>").split("\n")]
    assert [line for line in lines if line] == [line for line in expected.split("\n") if line]


@pytest.mark.parametrize("quote", ['"', '"=""', "'"])
def test_a_stray_quotation_mark_closes_no_words_in(quote):
    text = f'<p><a class="x" href="y" {quote}>글</a> 나 <a href="z">다</a></p>'
    assert html_to_text(text) == "글 나 다"
    assert "글 나 다" in convert_page(f"<html><body>{text}</body></html>".encode(), None, None)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('- 첫째.\n- <img src="a.png">\n- 셋째.', "- 첫째.\n- 셋째."),
        ('* <img src="a.png"><br/>\n* 나', "* 나"),
        ('> 첫\n> <img src="a.png">\n> 둘', "> 첫\n> 둘"),
        ('  > <img src="a.png">\n  > 나', "  > 나"),
        ('## <img src="a.png">\n\n글', "글"),
        ('> <video width="9">\n>   <source src="a.webm" type="b" />\n> </video>\n> 글', "> 글"),
        ("- <video>\n- 나 <b>다</b>", "- <video>\n- 나 다"),
        ('- <img src="a.png">\n  설명이다.', "- \n  설명이다."),
        ('- 글 <img src="a.png">\n- 나', "- 글 \n- 나"),
    ],
)
def test_a_mark_of_which_nothing_is_left_goes(text, expected):
    assert html_to_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('### <div align="center"> 가 나, <br> 다.</div>\n\n글', "### 가 나, 다."),
        ('# <p align="center">이름</p>\n글', "# 이름"),
        ("## <center>이름</center> <b>둘</b>", "## 이름 둘"),
        ("# `<div>` 태그 <br>", "# `<div>` 태그"),
        ("## <p> 태그란?\n\n<b>글</b>", "## <p> 태그란?"),
        ("## <div>는 상자 <b>둘</b>", "## <div>는 상자 둘"),
    ],
)
def test_a_heading_is_one_line(text, expected):
    assert " ".join(html_to_text(text).split("\n")[0].split()) == expected
