"""Defines the kinds of lines of a document in plain Python; ``explain`` shows them, and ``kernels.structure`` must equal them,
with the listings of ``kernels.listings``.

Works on bytes: marks of structure are ASCII, and lengths are counted in bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from preprocessing.judging.listings import find_listings

KINDS = ("blank", "prose", "heading", "table", "link", "markup", "code", "listing")
BLANK, PROSE, HEADING, TABLE, LINK, MARKUP, CODE, LISTING = range(len(KINDS))
FRONT_MATTER_LINES = 60
LONGEST = 1000  # bytes of a tag, of the label or target of a link, and of the marks of a fence
MIN_CODE_SIGNS = 4

ADDRESS = re.compile(rb'https?://[^\x00-\x20"<>)\]`\x80-\xff]*')
TAG = re.compile(rb"<[A-Za-z/!][^<>\n]{0,997}>")
MARKS = re.compile(rb"[> \t]*(?:(?P<bullet>[-*+]|\xe2\x80\xa2|[0-9]{1,3}[.)])[ \t]+)?")
_TAGS = re.compile(rb"(?:[ \t]|(?!<https?://)%s)+" % TAG.pattern)
_RULE = re.compile(rb"[\x00-\x20\-=_*~+|:#<>.`]+")
_HEADING = re.compile(rb"#{1,6}[ \t]")
_DIRECTIVE = re.compile(rb":::|\{[%{]|\.\. [A-Za-z_\[|]")
_WHOLE_LINE = re.compile(
    rb"::[A-Za-z][A-Za-z0-9-]*|::?[A-Za-z][A-Za-z0-9-]*(?=\{)[^\n]*[{}]"  # ::tip, :table-row{, ::tip{icon="a"}
    rb"|[A-Za-z][A-Za-z0-9_:.-]*=\"[^\"\x80-\xff]*\"|[{}][^A-Za-z0-9\x80-\xff]*"  # an attribute; a bracket of a block
)
_STAMP = re.compile(rb"[0-9]{2}:[0-9]{2}:[0-9]{2}")
_FENCE = re.compile(rb"(?P<marks>`{3,})[^`]*|(?P<waves>~{3,})[\t\r A-Za-z0-9]*")
_TEMPLATE = re.compile(rb"<[A-Z][^\n]*\{`[\x00-\x20]*")
_CONTINUATION = bytes(range(0x80, 0xC0))
_BLANKS = bytes(range(33))


@dataclass(frozen=True)
class Line:
    kind: int
    is_number: bool
    """Mostly digits, or with a time and hardly any Hangul."""
    bytes: bytes

    @property
    def is_outward(self) -> bool:
        """Mostly links, to other sites."""
        return self.kind == LINK and b"://" in self.bytes


@dataclass
class _State:
    in_list: bool = False
    in_table: bool = False
    unclosed: dict[bytes, int] | None = None
    """Lengths from which a fence is known to be unclosed, by sign; 0 for templates."""
    code_until: int = 0
    """The line before which fenced code ends."""


def lines_of(text: str) -> list[Line]:
    """The lines of a document with their kinds."""
    lines = text.encode().split(b"\n")
    state = _State(unclosed={b"`": LONGEST, b"~": LONGEST, b"<": LONGEST})
    front = _front_matter_lines(lines)
    kinds: list[int] = []
    numbers: list[bool] = []
    for n, line in enumerate(lines):
        was_in_table = state.in_table
        previous = kinds[-1] if kinds else BLANK
        if n < state.code_until:
            kind = CODE
        elif n < front:
            kind = MARKUP
        elif not line.strip(_BLANKS):
            kind, state.in_table = BLANK, False
        else:
            kind = _kind_of(lines, n, previous, state)
            begins_table = kind == MARKUP and state.in_table and not was_in_table
            if begins_table and previous in (PROSE, LINK) and b"|" in lines[n - 1]:
                kinds[-1] = TABLE
        kinds.append(kind)
        numbers.append(PROSE <= kind <= TABLE and _is_number(line))
    for n in find_listings(lines):
        if kinds[n] == PROSE:
            kinds[n], numbers[n] = LISTING, False
    return [Line(*entry) for entry in zip(kinds, numbers, lines)]


def _front_matter_lines(lines: list[bytes]) -> int:
    """The number of lines of the front matter with which a document begins; 0 without one."""
    if len(lines) < 3 or not _is_dashes(lines[0]) or b":" not in lines[1]:
        return 0
    for n, line in enumerate(lines[2:FRONT_MATTER_LINES], 2):
        if _is_dashes(line):
            return n + 1
    return 0


def _is_dashes(line: bytes) -> bool:
    return re.fullmatch(rb"---[ \t]*", line) is not None


def _kind_of(lines: list[bytes], n: int, previous: int, state: _State) -> int:
    """The kind of a visible line outside of fences and front matter."""
    line = lines[n]
    body = line.lstrip(_BLANKS)
    fenced = _fence_kind(lines, n, body, state)
    if fenced is not None:
        return fenced
    pipes = body.count(b"|")
    if _RULE.fullmatch(body):
        state.in_table |= pipes > 0 and b"-" in body
        return MARKUP
    if pipes and (state.in_table or (body.startswith(b"|") and pipes > 1)):
        state.in_table = True
        return TABLE
    state.in_table = False
    if _HEADING.match(body):
        return HEADING
    marks = MARKS.match(body)
    assert marks is not None
    indent = sum(4 if b == 9 else 1 for b in line[: len(line) - len(body)])
    if marks["bullet"]:
        state.in_list = True
    elif indent == 0 and previous == BLANK:
        state.in_list = False
    wide = any(0xE3 <= b <= 0xED for b in line)
    if indent >= 4 and not state.in_list and not wide and previous in (BLANK, HEADING, CODE):
        return CODE
    content = body[marks.end() :]
    if _DIRECTIVE.match(content) or _WHOLE_LINE.fullmatch(content):
        return MARKUP
    if content.startswith(b"<") and _TAGS.fullmatch(content):
        return MARKUP
    if _is_link(content):
        return LINK
    return CODE if not wide and _is_code(line) else PROSE


def _fence_kind(lines: list[bytes], n: int, body: bytes, state: _State) -> int | None:
    """CODE for a line that opens fenced code or the template of a component, MARKUP for one that opens a fence without an end, otherwise None."""
    sign = body[:1]
    if sign == b"<":
        return _template_kind(lines, n, body, state)
    if sign not in (b"`", b"~"):
        return None
    length = len(body) - len(body.lstrip(sign))
    assert state.unclosed is not None
    if length >= state.unclosed[sign]:
        return MARKUP
    if not _FENCE.fullmatch(body):
        return None
    closing = re.compile(rb"[ \t]*" + re.escape(sign) + rb"{%d,}[ \t\r]*" % length)
    for k in range(n + 1, len(lines)):
        if closing.fullmatch(lines[k]):
            state.code_until = k + 1
            return CODE
    state.unclosed[sign] = length
    return MARKUP


def _template_kind(lines: list[bytes], n: int, body: bytes, state: _State) -> int | None:
    """CODE for ``<Name>{`` and a backtick, when a later line begins with a backtick and ``}``, otherwise None."""
    assert state.unclosed is not None
    if not _TEMPLATE.fullmatch(body) or not state.unclosed[b"<"]:
        return None
    for k in range(n + 1, len(lines)):
        if lines[k].lstrip(_BLANKS).startswith(b"`}"):
            state.code_until = k + 1
            return CODE
    state.unclosed[b"<"] = 0
    return None


def link_at(line: bytes, i: int) -> tuple[int, int]:
    """``(label_end, link_end)`` of the Markdown link or reference whose ``[`` is at ``i``; ``(i, i)`` without one."""
    label_end = _closing(line, i, b"[]")
    following = line[label_end + 1 : label_end + 2]
    if label_end < 0 or not following or line[i + 1 : i + 2] == b"^":
        return i, i
    last = _closing(line, label_end + 1, b"()" if following == b"(" else b"[]") if following in b"([" else -1
    return (label_end, last + 1) if last >= 0 else (i, i)


def _closing(line: bytes, i: int, brackets: bytes) -> int:
    depth = 0
    for j in range(i, min(len(line), i + LONGEST)):
        depth += (line[j] == brackets[0]) - (line[j] == brackets[1])
        if depth == 0:
            return j
    return -1


def address_end(line: bytes, i: int) -> int:
    """The end of the web address that begins at ``i``; ``i`` without one."""
    found = ADDRESS.match(line, i)
    return found.end() if found and len(line) >= i + 8 else i


def _is_link(content: bytes) -> bool:
    """Whether links and addresses are twice as long as the rest of a line."""
    linked = others = i = 0
    while i < len(content):
        after = link_at(content, i)[1] if content[i] == ord("[") else address_end(content, i)
        if after > i:
            linked += after - i
            i = after
        else:
            others += content[i] > 32 and content[i] not in b"<>!"
            i += 1
    return linked > 0 and 2 * others <= linked


def _is_code(line: bytes) -> bool:
    """Whether signs of code outweigh the words of a line without Hangul."""
    line = line.translate(None, _CONTINUATION)
    signs = 2 * line.endswith(b";")
    for before, b in zip(b" " + line, line):
        named = before == ord("_") or bytes([before]).isalnum()
        if b in b"={}":
            signs += 2
        elif b in b"([":
            signs += 2 * named
        elif b == ord("_"):
            signs += named
        else:
            signs += b in b"<>$\\&@|"
    return signs >= MIN_CODE_SIGNS and 2 * signs >= len(re.findall(rb"[A-Za-z]+", line))


def _is_number(line: bytes) -> bool:
    digits, letters = len(re.findall(rb"[0-9]", line)), len(re.findall(rb"[A-Za-z]", line))
    wide, hangul = (sum(first <= b <= 0xED for b in line) for first in (0xE3, 0xEA))
    stamped = _STAMP.search(line) is not None and digits >= hangul
    return digits > 0 and (digits >= letters + wide or stamped)
