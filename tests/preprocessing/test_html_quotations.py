"""Quotations of HTML have the marks of Markdown, in documents and in pages."""

import pytest

from preprocessing.markup.html_text import html_to_text
from preprocessing.markup.wikitext import mediawiki_to_markdown

BEFORE, AFTER = "앞에 있는 글은 길고 길다. " * 9, "뒤에 있는 글도 길고 길다."


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize(
    ("quotation", "expected"),
    [
        ("<blockquote>인용</blockquote>", "> 인용"),
        ("<blockquote><p>가</p><p>나<br>다</p></blockquote>", "> 가\n>\n> 나\n> 다"),
        ("<blockquote>가<blockquote>나</blockquote>다</blockquote>", "> 가\n>\n> > 나\n>\n> 다"),
        ("<blockquote><ul><li>가<ul><li>나</li></ul></li></ul></blockquote>", "> - 가\n>   - 나"),
        ("<blockquote><pre>a\n\n  b</pre></blockquote>", "> ```\n> a\n>\n>   b\n> ```"),
        ("<blockquote>가</blockquote><pre>a\n\n\n\nb</pre>", "> 가\n\n```\na\n\n\n\nb\n```"),
        ("<blockquote><pre>a\n\n\n\nb</pre></blockquote>", "> ```\n> a\n>\n>\n>\n> b\n> ```"),
        ("<blockquote><h2>제목</h2>글</blockquote>", "## 제목\n\n글"),
        ("<blockquote></blockquote><p>글</p></blockquote>", "글"),
        (f"<blockquote>{BEFORE * 2}</blockquote>", (BEFORE * 2).strip()),
        ("<ul><li>가<blockquote>나</blockquote></li><li>다</li></ul>", "- 가\n\n  > 나\n\n- 다"),
        ("<table><tr><td>가</td><td><blockquote>나</blockquote>다</td></tr></table>", "가\n\n> 나\n\n다"),
    ],
)  # fmt: skip
def test_quotations_have_marks(quotation, expected, page):
    text = f"<p>{BEFORE}</p>\n\n{quotation}\n\n<p>{AFTER}</p>"
    text = html_to_text(f"<html><body>{text}</body></html>" if page else text)
    assert text == f"{BEFORE.strip()}\n\n{expected}\n\n{AFTER}"


def test_quotations_of_wikis_have_marks():
    text = mediawiki_to_markdown(f"{BEFORE}\n<blockquote>'''가''' [[나]]\n* 다\n</blockquote>\n{AFTER}")
    assert text == f"{BEFORE.strip()}\n\n> **가** 나\n> - 다\n\n{AFTER}"


def test_a_quotation_without_an_end_and_one_of_an_item():
    text = html_to_text(f"<p>{BEFORE}</p><blockquote>둘째<p>{AFTER}</p>")
    assert text == f"{BEFORE.strip()}\n\n둘째\n\n{AFTER}"
    text = html_to_text(f"{BEFORE}\n\n- 가\n\n  <blockquote>나\n  다</blockquote>\n\n- 라")
    assert text.endswith("- 가\n\n  > 나\n  > 다\n\n- 라")
