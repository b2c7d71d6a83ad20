"""Keeps the values of front matter in their lines, whatever tags are in them: ``title: <div>글</div>`` is ``title: 글``."""

from __future__ import annotations

import re

from preprocessing.markup.html_mentions import replace_known_tags
from preprocessing.markup.html_tags import CUT, JOINED, TAG

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?:[ \t]*#[^\n]*\n){0,20}+(?=[A-Za-z_][\w.-]{0,60}:)(?:(?!---)[^\n]*\n){1,200}---[ \t]*(?=\n|\Z)"
)
_VALUE = re.compile(r"(?P<key>[ \t]*(?:-[ \t]+)?(?:[\w.-]{1,60}:)?[ \t]*[\"']?)(?P<value>[^\n]+)")
_LINE_END = re.compile(rf"[ \t]*(?:{CUT}\n+{CUT}[ \t]*)+")
_HEADING = re.compile("#{1,6} ")


def flatten_front_matter(text: str) -> str:
    """Replaces the tags of front matter by blanks or nothing; those that a value mentions stay."""
    front = _FRONT_MATTER.match(text)
    if front is None or not TAG.search(front[0]):
        return text
    lines = [_flatten_value(line) if "<" in line else line for line in front[0].split("\n")]
    return "\n".join(lines) + text[front.end() :]


def _flatten_value(line: str) -> str:
    parts = _VALUE.fullmatch(line)
    if parts is None:
        return line
    closed = {tag["name"].lower() for tag in TAG.finditer(line) if tag["close"]}
    value = _LINE_END.sub(" ", replace_known_tags(parts["value"], closed)).strip(" ")
    return parts["key"] + JOINED.sub("", _HEADING.sub("", value, count=1) if "<h" in line else value)
