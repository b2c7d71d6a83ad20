"""Org mode becomes Markdown and PO files their translations; no word is lost outside of the rules that are documented."""

from __future__ import annotations

import re

import pytest

from preprocessing.config.inputs import TextInput
from preprocessing.markup.message_catalog import po_to_text
from preprocessing.markup.org_mode import org_to_markdown
from preprocessing.readers.whole_files import read_whole_file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* 절\n** 둘\n글", "# 절\n\n## 둘\n\n글"),
        ("#+TITLE: 문서\n#+AUTHOR: 홍\n* TODO [#A] 첫 절 :태그:일:\n글", "# 문서\n\n## 첫 절\n\n글"),
        ("** *굵은* 제목\n*굵게* 하고\n* 다음", "## **굵은** 제목\n\n**굵게** 하고\n\n# 다음"),
        ("* 절\nSCHEDULED: <2024-01-02 Tue>\n:PROPERTIES:\n:ID: x\n:END:\n글", "# 절\n\n글"),
        (":NOTES:\n남는 글\n:END:\n:emoji:\n끝", "남는 글\n:emoji:\n끝"),
        ("# 주석\n#+begin_comment\n숨긴 글\n#+end_comment\n보인다", "보인다"),
        ("#+begin_src python -n\n  ,* a\n    b = '''\n#+end_src", "```python\n* a\n  b = '''\n```"),
        # blocks of an item have its indentation, those of a heading do not
        ("* 제목\n  #+begin_src sh\n  ls\n  #+end_src\n- 가\n  #+begin_src sh\n  ls\n\n    x\n  #+end_src\n  - 나\n    #+begin_quote\n    글\n    #+end_quote\n"
         "** 둘\n   #+begin_example\n   y\n   #+end_example\n",
         "# 제목\n\n```sh\nls\n```\n\n- 가\n\n  ```sh\n  ls\n\n    x\n  ```\n\n  - 나\n\n    > 글\n\n## 둘\n\n```\ny\n```"),
        ("#+BEGIN_EXAMPLE\n#+begin_src c\n```\n#+END_EXAMPLE", "````\n#+begin_src c\n```\n````"),
        ("#+begin_src c\n닫지 않은 *글*", "#+begin_src c\n닫지 않은 **글**"),
        ("#+begin_quote\n첫째\n\n*둘째*\n#+end_quote", "> 첫째\n>\n> **둘째**"),
        ("#+begin_center\n가운데\n#+end_center", "가운데"),
        (": 고정 폭\n:   둘째\n글", "```\n고정 폭\n  둘째\n```\n\n글"),
        ("- 하나\n  - [X] 둘\n  - [ ] 셋\n+ 말 :: 뜻\n1) 첫\n 2. [@5] 다섯", "- 하나\n  - [x] 둘\n  - [ ] 셋\n- 말: 뜻\n1. 첫\n 2. 다섯"),
        ("| 가 | 나 |\n|---+---|\n| <l> |  |\n| =a= |\n#+TBLFM: $1=2", "| 가 | 나 |\n| --- | --- |\n| `a` |  |"),
        ("- 앞 [[https://a.b][두 줄의\n  말]] 뒤", "- 앞 [두 줄의 말](https://a.b) 뒤"),
        ("[[https://a.b/c_d][말]] [[file:a.png]] [[#x][안]] [[*제목]] [[https://e.f]]",
         "[말](https://a.b/c_d) ![](a.png) 안 제목 https://e.f"),
        ("/기울임/ =a*b*c= ~`x`~ +지움+ 2*3*4 a/b/c $x_1 + /y/$ \\(a*b*\\)",
         "*기울임* `a*b*c` `` `x` `` ~~지움~~ 2*3*4 a/b/c $x_1 + /y/$ \\(a*b*\\)"),
        ("글[fn:1]과 글[fn:: 곁]\n\n[fn:1] 뜻풀이", "글[^1]과 글 (곁)\n\n[^1]: 뜻풀이"),
        ("\\begin{align}\na &= *b* \\\\\n/c/\n\\end{align}\n\\[\n*x*\n\\]\n*글*", "\\begin{align}\na &= *b* \\\\\n/c/\n\\end{align}\n\\[\n*x*\n\\]\n**글**"),
        ("#+CAPTION: 그림 설명\n-----\n끝 \\\\", "그림 설명\n\n---\n\n끝"),
    ],
)  # fmt: skip
def test_org_becomes_markdown(text, expected):
    assert org_to_markdown(text) == expected


def test_no_word_is_lost_whatever_the_blocks():
    marks = [
        "#+begin_src x", "#+end_src", "#+begin_quote", "#+end_quote", ":A:", ":END:", "* ", "- ", "| ", ": ", "[fn:1] ", "",
    ]  # fmt: skip
    lines = [
        f"{marks[(7 * n + n * n // 3) % len(marks)]}\n글{n}번 =코드{n}= *말{n}* [[https://a.b][잇{n}]]"
        for n in range(400)
    ]
    converted = org_to_markdown("\n".join(lines))
    for n in range(400):
        for word in (f"글{n}번", f"코드{n}", f"말{n}", f"잇{n}"):
            assert re.search(rf"{word}(?!\d)", converted), word


CATALOG = r"""# 주석
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"

#: a.c:1
msgctxt "메뉴"
msgid "Open \"%s\""
msgstr "\"%s\" 열기\n"
"둘째 줄\t끝"

#, fuzzy, c-format
msgid "Close"
msgstr "흐릿한 번역"

msgid "one file"
msgid_plural "%d files"
msgstr[0] "파일 %d개"
msgstr[1] "파일 %d개들"

msgid "None"
msgstr ""

#, c-format
#| msgid "older"
msgid ""
"Long "
"text"
msgstr ""
"긴 "
"글 \303\204"
#~ msgid "Old"
#~ msgstr "옛 번역"
"""


def test_a_catalog_becomes_its_translations():
    paragraphs = ['"%s" 열기\n둘째 줄\t끝', "파일 %d개", "파일 %d개들", r"긴 글 \303\204"]
    assert po_to_text(CATALOG).split("\n\n") == paragraphs
    assert po_to_text(CATALOG.replace("\n", "\r\n")).split("\n\n") == paragraphs
    assert po_to_text("카탈로그가 아닌 글") == "카탈로그가 아닌 글"


@pytest.mark.parametrize(
    ("file", "expected"),
    [("../a.rst:2", "`f()`와 설치 글"), ("a.c:2", "``f()``\\ 와 :doc:`설치 <install>` 글")],
)
def test_translations_of_restructured_text_become_markdown(file, expected):
    assert po_to_text(f'#: {file}\nmsgid "a"\nmsgstr "``f()``\\\\ 와 :doc:`설치 <install>` 글"\n') == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("a.org", "* 제목", "# 제목"), ("a.po", 'msgid "a"\nmsgstr "가"', "가"), ("a.txt", "* 제목", "* 제목")],
)
def test_the_suffix_selects_the_conversion(tmp_path, name, text, expected):
    file = tmp_path / name
    file.write_text(text)
    for markup, shown in (("auto", expected), ("none", text)):
        item = TextInput(type="text", paths=["x"], lang="detect", markup=markup)
        assert read_whole_file(file, name, None, item, "a", lambda bad: None)[0][1] == shown
