"""Evidence of the text around four numbers that they are an address and not a version, a section or the number of a thing.

Owns the features of the text and the sum of evidence. A feature is the name of a family and a value: ``near:접속`` is a word at
most 64 characters away, ``left: _to_ `` the three tokens right before the numbers. ``ip_weights.tsv`` has their weights in tenths of
a logit; ``tests.preprocessing.fit_ip_weights`` fits them by logistic regression on the labeled cases. ``ip_words`` owns the forms
of words, ``ip_numbers`` the weight of the numbers themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

from preprocessing.pii.ip_numbers import PRIVATE, look_of, weight_of_numbers
from preprocessing.pii.ip_words import (
    PARTICLE,
    affixes_of,
    in_order,
    parts_of,
    starts_of,
    stems_of,
    tokens_of,
    words_of,
)

BEFORE, BEHIND = 64, 40
"""Characters in which words count."""

_QUAD = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])")
_OWNER = re.compile(r"(?:[A-Za-z가-힣]+[^A-Za-z가-힣\n]{0,3}){1,2}\Z")
"""The words right before other four numbers."""
_HANGUL_LAST = re.compile(r"[가-힣]+\Z")
_LATIN_LAST = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*\Z")
_NAME_BEFORE = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_+-]*)[\"'`]?(?P<sign>[^0-9A-Za-z가-힣\s]{0,2} ?[\"'`(\[]{0,2})\Z"
)
_IN_PATH = re.compile(
    r"(?:[a-z0-9]://[^\s/]+|(?<![0-9A-Za-z.:/])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,5}|[A-Z]:[\\/])[/\\][^\s?]*\Z"
    r"|(?<![A-Za-z])[A-Z]:\\[^\n\"<>|?]*\\\Z"
)
"""Matches before a part of the path of a URL or of a file."""
_PLACES = {
    "path": _IN_PATH,
    "pin": re.compile(r"(?:[=~!]=|[<>]=?|\^|~>?) ?[\"']?\Z"),
    "tag": re.compile(r"[a-z0-9]/[a-z0-9._-]+:\Z"),
    "login": re.compile(r"(?<![a-z0-9])(?:ssh|scp|sftp|rsync|ftp|git|http)[^\n]*@\Z"),
    "scheme": re.compile(r"[a-z]://(?:[^\s/@]*@)?\[?\Z"),
    "file": re.compile(r"[A-Za-z]{2,}[_-]v?\Z"),
}
"""What the text before makes of the numbers: a pinned version, the tag of an image, the host of a login or of a URL, a part
of the name of a file."""
_PORT = re.compile(r":[0-9]{2,5}(?![0-9.:])")


def evidence(string: str, start: int, end: int, title: str) -> int:
    """The sum of the weights for the characters ``[start, end)`` of ``string``, which are below ``title`` in a table;
    above 0 for an address."""
    weights = _weights()
    of_text = sum(weights.get(feature, 0) for feature in features(string, start, end, title))
    return weights["bias"] + of_text + weight_of_numbers(string[start:end])


@cache
def _weights() -> dict[str, int]:
    """The table of weights: on each line a family, a weight, and the values that have it, between tabs."""
    table = resources.files("preprocessing.pii").joinpath("ip_weights.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.split("\n") if line)
    return {
        f"{family}:{value}" if value else family: int(weight)
        for family, weight, *values in rows
        for value in values
    }


def features(string: str, start: int, end: int, title: str) -> set[str]:
    """The features of the characters ``[start, end)`` of ``string``, which are four numbers below ``title`` in a table."""
    numbers = string[start:end]
    front, masked_before = _front(string, start)
    rest, masked_behind = _rest(string, end)
    left = [*reversed(tokens_of(front, numbers)), masked_before]
    right = [*tokens_of(rest, numbers), masked_behind]
    found = {*in_order("left", left), *in_order("right", right), f"sides:{left[0]}_{right[0]}"}
    words_before, words_behind = words_of(front)[::-1], words_of(rest)
    if words_before:
        found |= {f"owner:{value}" for value in parts_of(words_before[0])}
        found |= {f"owner:{value}" for value in affixes_of(words_before[0], (2, 3, 4))}
        found |= {f"second:{value}" for word in words_before[1:2] for value in parts_of(word)}
    if words_behind:
        found |= {f"next:{value}" for value in starts_of(words_behind[0])}
    for family, text in _near_and_far(front, rest):
        for word in words_of(text):
            found |= {f"{family}:{value}" for value in stems_of(word)}
            found |= {f"{family}:{value}" for value in affixes_of(word, (3, 4))}
    for word in words_of(title):
        found |= {f"title:{value}" for value in stems_of(word)}
    of_left, of_right = _class_before(front, masked_before), _class_behind(rest, masked_behind)
    found |= {f"before:{of_left}", f"behind:{of_right}", f"between:{of_left}|{of_right}"}
    look = look_of(weight_of_numbers(numbers))
    for peer in _peers(front, rest, (masked_before, masked_behind)):
        found |= {f"peer:{peer}", f"peer:{peer}|{look}"}
    found |= {f"place:{place}" for place, before in _PLACES.items() if before.search(front)}
    if _PORT.match(rest):
        found.add("place:port")
    name = _NAME_BEFORE.search(front)
    if name:
        found.add(f"name:{_shape(name['name'])}{name['sign']}")
    return found


def _front(string: str, start: int) -> tuple[str, str]:
    """The text before up to a placeholder, and what ends there."""
    text = string[max(0, start - BEFORE) : start]
    _, sign, front = text.rpartition("|>")
    if not sign:
        return text, "^" if start <= BEFORE else "…"
    opened = string.rfind("<|", 0, start - len(front) - 2)
    return front, "<ip>" if string.startswith("<|ip|", opened) else "<data>"


def _rest(string: str, end: int) -> tuple[str, str]:
    """The text behind up to a placeholder, and what begins there."""
    text = string[end : end + BEHIND]
    rest, sign, _ = text.partition("<|")
    if not sign:
        return text, "$" if len(string) <= end + BEHIND else "…"
    return rest, "<ip>" if string.startswith("<|ip|", end + len(rest)) else "<data>"


def _peers(front: str, rest: str, masked: Sequence[str]) -> Iterator[str]:
    """Whether four other numbers nearby look like an address or a version: lists hold one or the other."""
    if "<ip>" in masked:
        yield "ip"
    quads = [match[0] for text in (front, rest) for match in _QUAD.finditer(text)]
    weights = [weight_of_numbers(quad) for quad in quads if not PRIVATE.match(quad)]
    if weights:
        yield look_of(max(weights))
        if min(weights) < -30:
            yield "small"


def _near_and_far(front: str, rest: str) -> Iterator[tuple[str, str]]:
    """The text that is about the numbers, and the text beyond other four numbers, which may be about those."""
    before = [match.end() for match in _QUAD.finditer(front)]
    begin = before[-1] if before else 0
    yield "far", front[:begin]
    yield "near", front[begin:]
    behind = _QUAD.search(rest)
    if behind is None:
        yield "near", rest
        return
    owner = _OWNER.search(rest, 0, behind.start())
    end = owner.start() if owner else behind.start()
    yield "near", rest[:end]
    yield "far", rest[end:]


def _class_before(front: str, end: str) -> str:
    """What the text before ends with: a sign, or a word with or without a particle, and a blank."""
    text = front.rstrip(" \t")
    blank = "" if text == front else " "
    hangul = _HANGUL_LAST.search(text)
    if hangul:
        return ("N+" if PARTICLE.search(hangul[0]) else "N") + blank
    latin = _LATIN_LAST.search(text)
    if latin:
        return _shape(latin[0]) + blank
    return (("0" if text[-1].isdigit() else text[-1].replace("\n", "^")) if text else end) + blank


def _class_behind(rest: str, end: str) -> str:
    """What the text behind begins with: a sign, a blank, a particle or a word."""
    text = rest.lstrip(" \t")
    blank = "" if text == rest else " "
    if not text:
        return blank + end
    if "가" <= text[0] <= "힣":
        return f"{blank}N" if blank else text[0]
    return blank + ("a" if text[0].isalpha() else "0" if text[0].isdigit() else text[0])


def _shape(name: str) -> str:
    return "A" if name.isupper() else "Aa" if name[0].isupper() else "a"
