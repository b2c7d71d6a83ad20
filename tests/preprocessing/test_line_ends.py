"""Texts of Windows and of macOS: line ends and decomposed Hangul give what line feeds and composed syllables give."""

import json
import unicodedata

import pyarrow as pa
import pytest

from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.inputs import TextInput
from preprocessing.documents import Counts
from preprocessing.markup.conversion import convert
from preprocessing.readers.whole_files import read_whole_file
from preprocessing.steps.text_operations import normalize_column, operations_for
from preprocessing.text.language import detect

_BASE64 = "\n".join(["QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx"] * 6)
_NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": "# 제목\n\n```\na  b\n```\n<b>글</b>이다"}
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    },
    ensure_ascii=False,
)
TEXTS = [
    ("rst", "제목\n====\n\n본문 ``a  b`` ::\n\n    int  a;\n"),
    ("asciidoc", "== 개요\n\n[source,java]\n----\nint  a = 1;\n----\n\n|===\n|가 |나\n|===\n"),
    ("org", "* 제목\n#+BEGIN_SRC c\nint  a;\n#+END_SRC\n"),
    ("html", "```java\nint  a;\n```\n\n<b>글</b> &sect; 셋\n\n- 가<br>나\n"),
    ("html", "이 코드는 모든 <p> 태그에 적용합니다.<br>\n\n<table><tr><td>가</td>\n<td></td></tr></table>\n"),
    ("html", f"글이다.\n\n{_BASE64}\n\n끝이다.\n"),
    ("latex", "\\section{제목}\n글이다. % 메모\n\\begin{itemize}\n\\item 가\n\\end{itemize}\n"),
    ("mediawiki", "== 제목 ==\n{| class=a\n! 가\n|-\n| 나\n|}\n* 항목\n"),
    ("namumark", "== 제목 ==\n * 항목\n||가||나||\n{{{#!syntax c\nint  a;\n}}}\n"),
    ("po", 'msgid "a"\nmsgstr "가나다"\n'),
    ("notebook", _NOTEBOOK),
    ("none", "가나다  라\n\n\n\n`a  b`\n"),
]
FORMS = [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFD", text).replace("\n", "\r\n"),
]


def clean(text, markup):
    column = pa.array([text], pa.large_string())
    return normalize_column(column, pa.array(["d"]), "ko", markup, CleanConfig(), Counts())[0].as_py()


def test_decomposed_documents_have_the_language_of_composed_ones():
    beside_code = "값을 바꾼다.\n\nint a = f(x);\nif (a == 0) { g(a); }\nwhile (b) { b = h(b); }\n" * 2
    texts = [
        "한글로 쓴 글이다. " * 9,
        "The word 한글 is the name of the script. " * 3,
        beside_code,
        "int a;\n",
        "1\n한글",
    ]
    composed = pa.array(texts, pa.large_string())
    decomposed = pa.array([unicodedata.normalize("NFD", text) for text in texts], pa.large_string())
    assert len(set(detect(composed).languages)) > 2
    assert list(detect(decomposed).languages) == list(detect(composed).languages)
    assert (detect(decomposed).paragraphs == detect(composed).paragraphs).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("markup", "text"), TEXTS)
def test_every_form_of_a_text_is_cleaned_alike(markup, text, form):
    expected = clean(text, markup)
    assert clean(form(text), markup) == expected
    plain = form(text)
    for operation in operations_for("ko", markup, CleanConfig()):
        plain = operation.apply(plain)
    assert plain == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("markup", "text"),
    [case for case in TEXTS if case[0] not in ("none", "notebook") and _BASE64 not in case[1]],
)
def test_every_form_of_a_text_is_converted_alike(markup, text, form):
    assert convert(markup, form(text)) == convert(markup, text) != text


@pytest.mark.parametrize(
    ("suffix", "text"), [(".rst", TEXTS[0][1]), (".adoc", TEXTS[1][1]), (".org", TEXTS[2][1])]
)
def test_a_file_of_windows_is_read_like_one_of_linux(tmp_path, suffix, text):
    item = TextInput(type="text", paths=["x"], lang="ko")
    texts = []
    for number, ends in enumerate(("\n", "\r\n")):
        file = tmp_path / f"{number}{suffix}"
        file.write_bytes(text.replace("\n", ends).encode())
        texts.append(read_whole_file(file, file.name, None, item, "a", lambda bad: None)[0][1])
    assert texts[0] == texts[1]
