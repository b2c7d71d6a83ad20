"""Notebooks become Markdown: no text of a cell is lost, outputs are left out and counted, damage is quarantined."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.program.init import CODE_FILES, TEXT_FILES, starting_files
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.inputs import SourceTreeInput, TextInput
from preprocessing.differences.attribution import clean_in_stages
from preprocessing.documents import DOCUMENT
from preprocessing.markup.notebook import convert_notebook, notebook_to_markdown
from preprocessing.readers.file_patterns import expand_braces
from preprocessing.readers.whole_files import read_whole_file
from preprocessing.steps.clean import clean_batch
from tests.preprocessing.corpus import KO

PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": "iVBOR" * 10, "text/plain": ["<Figure size 1x1>"]},
}
PRINTED = {"output_type": "stream", "name": "stdout", "text": ["결과 ", "하나\n"]}
WARNING = {"output_type": "stream", "name": "stderr", "text": ["경고\n"]}
FAILED = {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["\x1b[31mE\x1b[0m"]}
TABLE = {
    "output_type": "execute_result",
    "data": {"text/html": ["<table>"], "text/plain": ["   값\n", "0  1"]},
}
SHOWN = {"output_type": "display_data", "data": {"text/markdown": "**굵게**", "text/plain": "x"}}


def cell(kind, source, **more):
    return {"cell_type": kind, "source": source, "metadata": {}, **more}


def notebook(*cells, language="python", **more):
    metadata = {"language_info": {"name": language}} if language else {}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5, **more})


def text_input(**more):
    return TextInput(**{"type": "text", "paths": ["x"], "lang": "detect"} | more)


def read(tmp_path, content, item=None, name="a.ipynb", root=None):
    """``(texts, languages, bad records)``"""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    bad = []
    rows = read_whole_file(path, name, root, item or text_input(), "source", bad.append)
    return [row[1] for row in rows], [row[3] for row in rows], bad


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([cell("markdown", ["# 제목\n", "\n", "글 $x^2$"]), cell("code", "a = 1\nprint(a)")],
         "# 제목\n\n글 $x^2$\n\n```python\na = 1\nprint(a)\n```"),
        ([cell("raw", "그대로 <b>둔</b> 글"), cell("unknown", "모르는 칸")], "그대로 <b>둔</b> 글\n\n모르는 칸"),
        ([cell("raw", "글 <b>둔</b>", metadata={"format": "text/html"}), cell("raw", "*가* ``나``", metadata={"raw_mimetype": "text/restructuredtext"}),
          cell("raw", "\\textbf{다}", metadata={"format": "text/latex"}), cell("raw", "<b>", metadata={"format": "text/x-python"})],
         "글 둔\n\n*가* `나`\n\n**다**\n\n<b>"),
        ([cell("markdown", ""), cell("code", []), cell("code", "\n\n"), cell("markdown", "끝")], "끝"),
        ([cell("code", "s = '''\n```\n'''")], "````python\ns = '''\n```\n'''\n````"),
        ([cell("code", "  들여 = 1\n\n\tx\n\n")], "```python\n  들여 = 1\n\n\tx\n```"),
        ([cell("code", "%%bash\nls")], "```bash\n%%bash\nls\n```"),
        ([cell("code", "%%time\nf()")], "```python\n%%time\nf()\n```"),
        ([cell("markdown", "```python\n닫지 않음"), cell("markdown", "다음 글")],
         "```python\n닫지 않음\n```\n\n다음 글"),
        ([cell("markdown", "~~~\n```\n~~~\n글")], "~~~\n```\n~~~\n글"),
        ([cell("markdown", ["첫 줄", "둘째 줄"])], "첫 줄\n둘째 줄"),
        ([cell("markdown", ["첫 ", "줄\n", "둘째"])], "첫 줄\n둘째"),
        ([cell("markdown", "![그림](attachment:a.png)", attachments={"a.png": {"image/png": "iVBOR"}})],
         "![그림](attachment:a.png)"),
        ([cell("code", "x", outputs=[PICTURE, PRINTED, FAILED])], "```python\nx\n```"),
    ],
)  # fmt: skip
def test_cells_become_markdown(cells, expected):
    assert convert_notebook(notebook(*cells))[0] == expected


def test_a_notebook_of_format_3_has_worksheets_headings_and_inputs():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["둘째\n", "제목"]},
        {"cell_type": "code", "language": "python", "input": ["x = 1\n", "x"], "outputs": [
            {"output_type": "pyout", "text": ["1"]}, {"output_type": "stream", "stream": "stdout", "text": "2"}]},
    ]  # fmt: skip
    text = json.dumps(
        {"worksheets": [{"cells": cells[:1]}, {"cells": cells[1:]}], "nbformat": 3, "metadata": {}}
    )
    assert convert_notebook(text) == ("## 둘째 제목\n\n```python\nx = 1\nx\n```", 2)
    kept = "## 둘째 제목\n\n```python\nx = 1\nx\n```\n\n```\n1\n```\n\n```\n2\n```"
    assert convert_notebook(text, with_text_outputs=True) == (kept, 0)


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"language_info": {"name": "R"}}, "r"),
        ({"kernelspec": {"language": "julia", "name": "julia-1.9"}}, "julia"),
        ({"kernelspec": {"name": "python3", "display_name": "Python 3"}}, "python"),
        ({"kernelspec": {"name": "ir"}}, "r"),
        ({"kernelspec": {"name": "my env"}}, ""),
        ({"language_info": {"name": "a`b\n"}}, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_the_kernel_names_the_language_of_code(metadata, language):
    text = notebook(cell("code", "x"), metadata=metadata)
    assert convert_notebook(text)[0] == f"```{language}\nx\n```"


def test_text_outputs_are_kept_on_request():
    bar = {"output_type": "stream", "name": "stdout", "text": "0%\r50%\r100%\n\x1b[1m끝\x1b[0m\n"}
    outputs = [PRINTED, bar, WARNING, TABLE, SHOWN, PICTURE, FAILED]
    text, left_out = convert_notebook(notebook(cell("code", "f()", outputs=outputs)), with_text_outputs=True)
    assert left_out == 3
    assert text == (
        "```python\nf()\n```\n\n```\n결과 하나\n100%\n끝\n```\n\n```\n   값\n0  1\n```\n\n**굵게**"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ('{"cells": [', "not-a-notebook"),
        ("글", "not-a-notebook"),
        ("[1]", "not-a-notebook"),
        ('{"a": 1}', "not-a-notebook"),
        ('{"worksheets": [1]}', "not-a-notebook"),
        ('{"a": ' + "[" * 100_000, "not-a-notebook"),
        (notebook(1), "notebook-cell"),
        (notebook(cell("code", 5)), "notebook-cell"),
        (notebook(cell("markdown", ["글", 5])), "notebook-cell"),
        (notebook(cell("markdown", "\ud800")), "lone-surrogate"),
        ('{\n<<<<<<< HEAD\n "cells": []\n=======\n>>>>>>> b\n}', "not-a-notebook"),
        ('{"cells": []}'.encode("utf-16")[2:], "is-utf-16"),
        (json.dumps({"cells": ["한국어 글"]}, ensure_ascii=False).encode("cp949"), "is-cp949"),
    ],
)
def test_a_damaged_notebook_is_quarantined(tmp_path, content, rule):
    texts, _, bad = read(tmp_path, content)
    assert (texts, [one.rule for one in bad]) == ([], [rule])
    assert "; " in bad[0].cause and bad[0].is_mistake


def test_numbers_that_are_not_in_json_do_not_cost_the_text():
    broken = notebook(cell("markdown", "글"), cell("code", "x", outputs=[{"data": {"y": float("nan")}}]))
    assert "NaN" in broken
    assert convert_notebook(broken) == ("글\n\n```python\nx\n```", 1)


def test_outputs_are_reported_as_left_out(tmp_path):
    texts, _, bad = read(
        tmp_path, notebook(cell("markdown", "글"), cell("code", "x", outputs=[PICTURE, PRINTED]))
    )
    assert len(texts) == 1
    assert [(one.is_mistake, one.cause.rpartition(": ")[2]) for one in bad] == [
        (False, "2 outputs of notebook cells")
    ]
    assert not read(tmp_path, notebook(cell("markdown", "글")))[2]


def test_the_limit_of_a_record_is_that_of_the_text(tmp_path):
    large = {"output_type": "display_data", "data": {"image/png": "A" * 100_000}}
    item = text_input(max_record_bytes=1024)
    texts, _, bad = read(tmp_path, notebook(cell("code", "x", outputs=[large])), item)
    assert texts == ["```python\nx\n```"] and not any(one.is_mistake for one in bad)
    texts, _, bad = read(tmp_path, notebook(cell("markdown", "가" * 400)), item)
    assert texts == [] and [one.rule for one in bad] == ["too-long"]


def test_source_trees_convert_notebooks_and_detect_their_language(tmp_path):
    item = SourceTreeInput(type="source_tree", roots=["x"])
    for lang, expected in (("code", ""), ("ko", "ko")):
        item = SourceTreeInput(type="source_tree", roots=["x"], lang=lang)
        texts, langs, _ = read(tmp_path, notebook(cell("markdown", "글")), item, root=tmp_path)
        assert (texts, langs) == (["글"], [expected])
    (tmp_path / "a.rst").write_text("가\n==")
    assert read(tmp_path, "가\n==", item, "a.rst", tmp_path)[0] == ["가\n=="]


def test_the_option_decides(tmp_path):
    text = notebook(cell("markdown", "글"))
    assert read(tmp_path, text, text_input(markup="none"))[0] == [text]
    assert read(tmp_path, text, text_input(markup="html"))[0] == [text]
    assert read(tmp_path, text, text_input(lang="code"))[0] == ["글"]
    assert read(tmp_path, text, text_input(markup="notebook"), "a.json")[0] == ["글"]
    assert read(tmp_path, "글", text_input(markup="notebook"), "a.json")[2][0].rule == "not-a-notebook"


@pytest.mark.parametrize("lang", ["", "ko", "code"])
def test_records_with_notebooks_are_converted_in_every_language(tmp_path, lang):
    text = notebook(cell("markdown", "# 제목\n\n" + "\n\n".join(KO[:3])), cell("code", "x = 1"))
    batch = pa.RecordBatch.from_pylist(
        [{"id": "a", "text": text, "source": "s", "lang": lang, "meta": "{}"}], schema=DOCUMENT
    )
    cleaned, _, counts = clean_batch(batch, CleanConfig(), "notebook")
    row = cleaned.to_pylist()[0]
    assert row["text"].startswith("# 제목\n\n") and row["text"].rstrip().endswith("```python\nx = 1\n```")
    assert row["lang"] == (lang or "ko")
    last = text
    for stage in clean_in_stages(text, row["lang"], "notebook", CleanConfig()):
        last = stage.after
    assert last == row["text"]


SOURCES = st.text(alphabet="가나 ab`~#\n\r\t$<>\\\"'", max_size=40)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("markdown", "code", "raw")), SOURCES), max_size=6))
def test_no_letter_of_a_cell_is_lost(cells):
    for split in (False, True):
        text = notebook(
            *(cell(kind, source.splitlines(keepends=True) if split else source) for kind, source in cells)
        )
        converted = notebook_to_markdown(text)
        at = 0
        for _, source in cells:
            for word in source.split():
                at = converted.index(word, at) + len(word)


@pytest.mark.parametrize(
    "text", ["글", "{", "{}", '{"cells": 1}', notebook(cell("code", 5)), '{"text": "글"}']
)
def test_other_text_stays_as_it_is(text):
    assert notebook_to_markdown(text) == text


def test_a_new_configuration_reads_notebooks_among_text_and_code():
    for text, code, count in (("a", "b", 2), ("a", "a", 1), ("a", "a/b", 1), ("a/../c/d", "./c", 1)):
        assert starting_files("folder", "runs", text, code)["data.yaml"].count("ipynb") == count
    for patterns in (TEXT_FILES, CODE_FILES):
        assert "**/*.ipynb" in expand_braces(patterns)
