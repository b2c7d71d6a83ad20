"""Evidence that four numbers are an address and not a version, a section or the number of a thing.

Owns the features of the text around the numbers and of the numbers themselves, and their sum. A feature of the text is the
name of a family and a value: ``near:접속`` is a word at most 64 characters away, ``left: _to_ `` the three tokens right before
the numbers. ``ip_weights.tsv`` has their weights in tenths of a logit; ``tests.preprocessing.fit_ip_weights`` fits them by
logistic regression on the labeled cases. The weights of the numbers are chosen by hand, because in the cases, unlike in the
field, versions were drawn to look like addresses.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

BEFORE, BEHIND = 64, 40
"""Characters in which words count."""
NEAR = 3
"""Tokens on each side whose order counts."""

_TOKEN = re.compile(
    r"(?P<quad>[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]))|(?P<number>[0-9]+)|(?P<latin>[A-Za-z]+)|(?P<hangul>[가-힣]+)|(?P<blank>[ \t]+)|(?P<sign>.)",
    re.DOTALL,
)
_QUAD = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])")
_WORD = re.compile(r"[A-Za-z]+|[가-힣]+")
_OWNER = re.compile(r"(?:[A-Za-z가-힣]+[^A-Za-z가-힣\n]{0,3}){1,2}\Z")
"""The words right before other four numbers."""
_HANGUL_LAST = re.compile(r"[가-힣]+\Z")
_LATIN_LAST = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*\Z")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
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
_RATIOS = (
    (-36, -30, -4, 38, 42),
    (-42, -29, 8, 19, 37),
    (-45, -27, 1, 21, 27),
    (-46, -25, 2, 18, 29),
)
"""For each of the four numbers, by its class (0, to 9, to 31, to 99, above), the log ratio in tenths of a logit of how often
addresses drawn at random have it and how often versions do: 164 versions of four numbers below 256 in a public list of packages
(ScoopInstaller/Extras, 2026-11-28), half a count added to each class."""
RATIO_SHARE, RATIO_LIMIT = 0.15, 20
"""The four numbers of a version depend on each other, so their ratios count only in part."""
_PORT = re.compile(r":[0-9]{2,5}(?![0-9.:])")
_PARTICLE = re.compile("(?<=[가-힣]{2})(?:이|가|은|는|을|를|의|에|로|으로|에서|와|과|도|랑)\\Z")
_PRIVATE = re.compile(r"(?:10|127|0|255)\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.")


def evidence(string: str, start: int, end: int, title: str) -> int:
    """The sum of the weights for the characters ``[start, end)`` of ``string``, which are below ``title`` in a table;
    above 0 for an address."""
    weights = _weights()
    of_text = sum(weights.get(feature, 0) for feature in features(string, start, end, title))
    return weights["bias"] + of_text + weight_of_numbers(string[start:end])


def weight_of_numbers(address: str) -> int:
    """Versions and sections begin with a small number, have another one behind it, and few large ones; many have a 0.

    Of 132 versions of four numbers below 256 in a public list of packages (ScoopInstaller/Extras, 2026-11-28) that begin
    with a number below 32, 90 % have no number from 100 on, 9 % one, 95 % a second number below 32, 80 % only such; of
    addresses drawn at random 6 %, 28 %, 13 % and hardly any. The weights are smaller than these facts allow, because
    versions chosen to look like addresses occur in the cases."""
    numbers = [int(number) for number in address.split(".")]
    first, second, large = numbers[0], numbers[1], sum(number >= 100 for number in numbers)
    weight = -25 if second == 0 else 0
    if 0 in numbers[2:]:
        weight -= 10
    if max(numbers) < 48:
        weight -= 55 if max(numbers) < 32 else 16
    if first < 32:
        weight += (-20, -12, 2, 12)[large] + (14 if second >= 32 else 0)
    elif first >= 150:
        weight += 30
    elif second:
        weight += (3, 8, 12, 12, 12)[large]
    ratio = sum(table[_class_of(number)] for table, number in zip(_RATIOS, numbers, strict=True))
    return weight + max(-RATIO_LIMIT, min(RATIO_LIMIT, round(RATIO_SHARE * ratio)))


def _class_of(number: int) -> int:
    return bisect_left((0, 9, 31, 99), number)


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
    left = [*reversed(_tokens(front, numbers)), masked_before]
    right = [*_tokens(rest, numbers), masked_behind]
    found = {*_order("left", left), *_order("right", right), f"sides:{left[0]}_{right[0]}"}
    words_before, words_behind = _words(front)[::-1], _words(rest)
    if words_before:
        found |= {f"owner:{value}" for value in _parts(words_before[0])}
        found |= {f"owner:{value}" for value in _affixes(words_before[0], (2, 3, 4))}
        found |= {f"second:{value}" for word in words_before[1:2] for value in _parts(word)}
    if words_behind:
        found |= {f"next:{value}" for value in _starts(words_behind[0])}
    for family, text in _near_and_far(front, rest):
        for word in _words(text):
            found |= {f"{family}:{value}" for value in _stems(word)}
            found |= {f"{family}:{value}" for value in _affixes(word, (3, 4))}
    for word in _words(title):
        found |= {f"title:{value}" for value in _stems(word)}
    of_left, of_right = _class_before(front, masked_before), _class_behind(rest, masked_behind)
    found |= {f"before:{of_left}", f"behind:{of_right}", f"between:{of_left}|{of_right}"}
    look = _look(weight_of_numbers(numbers))
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
    weights = [weight_of_numbers(quad) for quad in quads if not _PRIVATE.match(quad)]
    if weights:
        yield _look(max(weights))
        if min(weights) < -30:
            yield "small"


def _look(weight: int) -> str:
    """What four numbers of a weight look like."""
    return "address" if weight >= 10 else "either" if weight >= -12 else "version"


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


def _tokens(text: str, numbers: str) -> list[str]:
    return [_token(match, numbers) for match in _TOKEN.finditer(text)]


def _token(match: re.Match[str], numbers: str) -> str:
    """A word in small letters, a sign, zeros for a number, or how four other numbers relate to these."""
    kind, text = match.lastgroup, match[0]
    if kind == "quad":
        if _PRIVATE.match(text):
            return "<private>"
        near = abs(int(text.split(".")[0]) - int(numbers.split(".")[0])) <= 1
        return "<same>" if text == numbers else "<near>" if near else "<far>"
    if kind == "number":
        return "0" * min(len(text), 4)
    if kind == "blank":
        return " " if len(text) == 1 else "  "
    return "⏎" if text == "\n" else text.lower()


def _order(side: str, tokens: Sequence[str]) -> Iterator[str]:
    """The nearest tokens, alone with their place and together."""
    for place, token in enumerate(tokens[:NEAR]):
        yield f"{side}{place}:{token}"
    for count in range(2, NEAR + 1):
        yield f"{side}:{'_'.join(tokens[:count])}"


def _words(text: str) -> list[str]:
    """Words in order; a name in camel case is several."""
    found = []
    for match in _WORD.finditer(text):
        found += _CAMEL.findall(match[0]) if match[0].isascii() else [match[0]]
    return found


def _parts(word: str) -> Iterator[str]:
    """A word, and of a Korean one the particle, the stem, and the ends and starts that compounds share."""
    if word.isascii():
        yield word.lower()
        return
    yield word
    stem = _PARTICLE.sub("", word)
    if stem != word:
        yield f"-{word[len(stem) :]}"
        yield stem
    for count in (1, 2, 3):
        if count < len(stem):
            yield "-" + stem[-count:]
    for count in (2, 3):
        if count < len(word):
            yield word[:count] + "-"


def _affixes(word: str, counts: Sequence[int]) -> Iterator[str]:
    """The starts and ends of an English word, which unknown names share with known ones."""
    if word.isascii():
        for count in counts:
            if count < len(word):
                yield word[:count].lower() + "-"
                yield "-" + word[-count:].lower()


def _starts(word: str) -> Iterator[str]:
    """A word, and the first one and two syllables of a Korean one, which may be particles of the numbers."""
    if word.isascii():
        yield word.lower()
        return
    for count in (1, 2):
        if count < len(word):
            yield word[:count] + "-"
    yield word


def _stems(word: str) -> Iterator[str]:
    """A word, and the pairs of syllables of a Korean one."""
    yield word.lower()
    if not word.isascii():
        for place in range(len(word) - 1):
            yield "~" + word[place : place + 2]


def _class_before(front: str, end: str) -> str:
    """What the text before ends with: a sign, or a word with or without a particle, and a blank."""
    text = front.rstrip(" \t")
    blank = "" if text == front else " "
    hangul = _HANGUL_LAST.search(text)
    if hangul:
        return ("N+" if _PARTICLE.search(hangul[0]) else "N") + blank
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
