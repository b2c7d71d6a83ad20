"""Normalizes the characters of a text: line ends, invisible characters, composition (NFC), characters of another width.

The functions of this package from text to text are idempotent and are the definition; kernels do the same on whole columns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from preprocessing.text.fences import change_outside_code

PAGE_BREAK = "\f"
LINE_ENDS = "\r\v\u0085\u2028\u2029"
_LINE_ENDS = re.compile("\r\n?|[\v\u0085\u2028\u2029]")
_PAGE_BREAKS = re.compile("(?P<beside>(?:(?<=\n)|\\A)\f+|\f+(?=\n|\\Z))|\f+")
# C0 without tab and line ends, C1, soft hyphen, zero-width space, bidi marks, word joiner and
# invisible operators, interlinear marks and object replacement, BOM, half-width filler, terminal escapes
INVISIBLE = (
    "\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\uffa0\ufdd0-\ufdef\ufffe\uffff"
)
_SEPARATORS = re.compile("[\u001c-\u001f]")  # of files, groups, records and units
# of colors, of titles and links of a terminal, of sets of characters
_ESCAPES = re.compile(
    "\x1b(?:\\[[0-9;?]*[A-Za-z]|\\][0-9]{1,4};[^\0-\x1b\x7f-\x9f]{0,300}(?:\x07|\x1b\\\\)|[()][0-2AB])"
)
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
# The zero-width joiner joins emoji, and both joiners spell words of Arabic and Indic scripts; elsewhere they are noise.
JOINERS = "\u200c\u200d"
_JOINERS = re.compile(
    "(?P<kept>(?<=[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d(?=[\u2600-\u27bf\U0001f000-\U0001faff])"
    f"|(?<=[\u0600-\u0dff])[{JOINERS}](?=[\u0600-\u0dff]))|[{JOINERS}]"
)
# Tag characters spell the region of a flag (🏴 and gbeng); elsewhere they hide text.
_TAG_CHARACTERS = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f)|[\U000e0000-\U000e007f]+"
)
CODE_INVISIBLE = "\u0000-\u0008\u000b\u000e-\u001f\u007f\ufeff\ufffe\uffff"
_CODE_INVISIBLE = re.compile(f"[{CODE_INVISIBLE}]")
# U+2581 represents the space in SentencePiece pieces and would be decoded as a space.
LOWER_BLOCK = "\u2581"

# The Hangul filler is typed where a form refuses blanks
BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u3164"
# Half-width jamo have the order of the compatibility jamo, with gaps between groups of vowels.
HALF_WIDTH_JAMO = {
    half + i: full + i
    for half, full, count in (
        (0xFFA1, 0x3131, 30), (0xFFC2, 0x314F, 6), (0xFFCA, 0x3155, 6), (0xFFD2, 0x315B, 6), (0xFFDA, 0x3161, 3)
    )
    for i in range(count)
}  # fmt: skip
WIDE_BAR = 0xFF5C  # stays, because an ASCII bar would begin a cell of a table
OTHER_WIDTHS = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != WIDE_BAR}
    | {code: 0x20 for code in (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000, 0x3164)}
    | HALF_WIDTH_JAMO
)
_EAST_ASIAN = "\u3001-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_OTHER_WIDTHS = re.compile(
    f"(?P<kept>(?<=[{_EAST_ASIAN}])[！，：；？]+(?=[{_EAST_ASIAN}\n]|\\Z))|[{BLANKS}\uff01-\uff5e\uffa1-\uffdc]+"
)


def compose(text: str) -> str:
    """Converts to NFC."""
    return unicodedata.normalize("NFC", text)


def end_lines(text: str) -> str:
    """Converts carriage returns to line feeds; other line ends may be parts of text in a wrong code page."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def change_composed(text: str, change: Callable[[str], str]) -> str:
    """``change`` of the text in NFC with line feeds, which a change that reads lines and words needs; the text as it is where
    that changes nothing else."""
    composed = compose(end_lines(text))
    changed = change(composed)
    return text if changed == composed else changed


def remove_invisible(text: str) -> str:
    """Converts line ends to line feeds and U+2581 to underscores; removes control, bidi and zero-width characters.

    Separators (U+001C to U+001F) become blanks. A vertical tab ends a line, as word processors write it. A page break ends one unless it stands between lines.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", _ESCAPES.sub("", _SEPARATORS.sub(" ", text)))
    text = _TAG_CHARACTERS.sub(lambda match: match["flag"] or "", text)
    text = _JOINERS.sub(lambda match: match["kept"] or "", text).replace(LOWER_BLOCK, "_")
    return (
        _PAGE_BREAKS.sub(lambda match: "" if match["beside"] else "\n", text) if PAGE_BREAK in text else text
    )


def remove_invisible_in_code(text: str) -> str:
    """Converts line ends to line feeds and U+2581 to underscores; removes controls except form feeds and tabs."""
    return _CODE_INVISIBLE.sub("", end_lines(text)).replace(LOWER_BLOCK, "_")


def to_usual_width(text: str) -> str:
    """Converts full-width ASCII and blanks of any width to ASCII, half-width jamo to full width; not half-width katakana, and
    not the full-width bar.

    Full-width marks between Chinese or Japanese characters, or between one and the end of its line, stay; so does code.
    """
    text = text.replace("｀", "`")  # full-width backticks are those of spans, too
    return change_outside_code(
        text,
        lambda part: _OTHER_WIDTHS.sub(lambda match: match["kept"] or match[0].translate(OTHER_WIDTHS), part),
    )
