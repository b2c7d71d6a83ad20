"""Finds listings that a page draws as a table with a column of numbers, and leaves an element of code without numbers.

Highlighters number the lines in a cell before that of the code (Rouge, Hexo, Pygments, Chroma) or in elements inside of the
code; Color Scripter, which Korean blogs use, writes each line as an element of its own.
"""

from __future__ import annotations

import re

_TAGS = r"(?:\s{1,200}+|<(?:div|code|figure)(?:\s[^<>]{0,500})?>){0,9}"
_NUMBERS = re.compile(
    rf"<td(?:\s[^<>]{{0,500}})?>{_TAGS}<pre(?:\s[^<>]{{0,500}})?>(?:[\s0-9]|</?(?:pre|code|span|div|a|br)(?:\s[^<>]{{0,500}})?/?>){{1,100000}}+</td>"
    rf"(?=\s{{0,200}}<td(?:\s[^<>]{{0,500}})?>{_TAGS}<pre[\s>])",
    re.IGNORECASE,
)
_NUMBER_OF_LINE = re.compile(
    r"<span\s{1,9}class=[\"']?(?:ln|lnt|linenos?)[\"']?(?:\s[^<>]{0,200})?>\s{0,9}[0-9]{1,6}\s{0,9}</span>",
    re.IGNORECASE,
)
_COLOR_SCRIPTER = re.compile(
    r"<table(?=[\s>])[^<>]{0,2000}>((?:(?!</?table[\s>])[\s\S]){1,200000}?)</table\s{0,20}>", re.IGNORECASE
)
_LINE = re.compile(
    r"<div\s[^<>]{0,500}\bwhite-space:\s{0,9}pre[^<>]{0,500}>((?:(?!</?div[\s>])[\s\S]){0,20000})</div>",
    re.IGNORECASE,
)


def remove_line_numbers(text: str) -> str:
    """Removes the cells of line numbers, and writes tables of Color Scripter as ``<pre>``."""
    if "colorscripter" in text:
        text = _COLOR_SCRIPTER.sub(_convert_table, text)
    return _NUMBERS.sub("", text) if "<td" in text and "<pre" in text else text


def remove_numbers_of_lines(code: str) -> str:
    """Removes the elements of numbers inside of code."""
    return _NUMBER_OF_LINE.sub("", code) if "<span" in code else code


def _convert_table(table: re.Match[str]) -> str:
    lines = _LINE.findall(table[1]) if "colorscripter" in table[0] else []
    code = "\n".join(lines).replace("&nbsp;", " ")
    return f"<pre>{code}</pre>" if lines else table[0]
