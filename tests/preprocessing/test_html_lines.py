"""Line ends of the source of HTML are blanks, in pages and in texts that are nothing but HTML; those of Markdown stay."""

import pytest

from preprocessing.markup.html_text import html_to_text


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ul><li>제목<div>가나다라 마바\n사아자차</div></li></ul>", "- 제목\n\n  가나다라 마바 사아자차"),
        ("<ul><li><p>첫 줄<br>\n둘째 줄</p></li><li>둘</li></ul>", "- 첫 줄\n  둘째 줄\n\n- 둘"),
        (
            "<ul><li>제목<div>\n<span>가나</span>\n\n<span>다라</span></div></li></ul>",
            "- 제목\n\n  가나 다라",
        ),
        (
            "<ul><li><dl>\n<dt>제목이다</dt>\n<dd>\n<span>설명</span>\n\n<span>1분전</span></dd></dl></li></ul>",
            "- 제목이다: 설명 1분전",
        ),
        ("<p>used to\n   alter</p>\n\n<p>둘</p>", "used to alter\n\n둘"),
        ("<p>漢字、\n仮名\n한글</p>", "漢字、仮名 한글"),
        ("<ul>\n<li>가</li>\n</ul>\n글 <b>나</b>", "- 가\n\n글 나"),
        # what keeps its line ends
        ("<pre>a\n\n  b</pre>\n<p>가 <code>c\nd\ne</code></p>", "```\na\n\n  b\n```\n\n가 c\nd\ne"),
        ("<div>\n$$\na\n$$\n</div>\n<p>\\[b\nc\\]\nd</p>", "$$\na\n$$\n\n\\[b\nc\\] d"),
        (
            '<p style="white-space: pre-line">가\n나</p><p class="whitespace-pre-wrap">다\n라</p>',
            "가\n나\n\n다\n라",
        ),
        (
            '<div style="white-space: pre-wrap">가\n나<div>다\n라</div>마\n바</div><p>사\n아</p>',
            "가\n나\n\n다\n라\n\n마\n바\n\n사 아",
        ),
        (
            "<p>가</p>\n{% highlight js %}\na\nb\n{% endhighlight %}\n<p>나</p>",
            "가\n\n```js\na\nb\n```\n\n나",
        ),
        ("<p>차례:\n- 하나\n- 둘</p>", "차례:\n- 하나\n- 둘"),
    ],
)
def test_line_ends_of_the_source_are_blanks(text, expected, page):
    assert html_to_text(f"<html><body>{text}</body></html>" if page else text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>가</p>\n\n첫 줄\n둘째 줄\n\n다음 <b>나</b>", "가\n\n첫 줄\n둘째 줄\n\n다음 나"),
        ("# 제목\n\n<p>가\n나</p>", "# 제목\n\n가\n나"),
        ("<div>가</div>\n나\n다", "가\n\n나\n다"),
    ],
)
def test_line_ends_of_markdown_stay(text, expected):
    assert html_to_text(text) == expected


def test_paragraphs_typed_in_a_page_stay():
    assert html_to_text("<html><body><p>가\n나\n\n다\n라</p></body></html>") == "가 나\n\n다 라"


def test_style_sheets_of_a_page_say_what_keeps_its_lines():
    style = "<style>/* a */ .a, p.b { color: red; white-space: pre-line; } #c{white-space:pre-wrap} .d p{white-space:pre} .e{margin:0}</style>"
    lines = "<p class='x a'>가\n나</p><p class='b'>다\n라</p><p id='c'>마\n바</p><div class='d'><p>사\n아</p></div><p class='ab e'>자\n차</p>"
    text = html_to_text(f"<!DOCTYPE html><html><head>{style}</head><body>{lines}</body></html>")
    assert text == "가\n나\n\n다\n라\n\n마\n바\n\n사 아\n\n자 차"


@pytest.mark.parametrize("comment", ["", "# https://a.kr/\n", "# 주석이다\n  # 둘\n"])
def test_a_value_of_front_matter_stays_in_its_line(comment):
    front = f"---\n{comment}layout: home\nfeatures:\n  - details: 안전한 뷰와<br>이벤트\n---\n"
    assert html_to_text(f"{front}\n# 글") == f"{front.replace('<br>', ' ')}\n# 글"
