"""Characters and runs: what a text looks like before its content is judged.

Owns pure functions from text to text, each idempotent: Unicode composition, stray jamo, invisible characters,
full-width forms, runs of emotion, and whitespace. NFC always, never decomposed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")
# C0 without tab and line feed, C1, soft hyphen, zero-width space and non-joiner, bidi marks, word joiner and
# invisible operators, interlinear marks and object replacement, BOM, Hangul fillers, terminal escapes
INVISIBLE = (
    "\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\u3164\uffa0\ufdd0-\ufdef\ufffe\uffff"
)
_ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
# The zero-width joiner holds emoji together; elsewhere it is noise.
_JOINER = re.compile(
    "(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d|\u200d(?![\u2600-\u27bf\U0001f000-\U0001faff])"
)
CODE_INVISIBLE_CLASS = "\u0000-\u0008\u000b\u000e-\u001f\u007f\ufeff\ufffe\uffff"
_CODE_INVISIBLE = re.compile(f"[{CODE_INVISIBLE_CLASS}]")
# U+2581 stands for the space inside SentencePiece pieces and would come back as one.
_LOWER_BLOCK = "\u2581"

JAMO_HINT = "[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb]"
_JAMO = re.compile(f"{JAMO_HINT}+")
_OLD_SYLLABLE = re.compile(
    "[\u1100-\u115e\ua960-\ua97c][\u1161-\u11a7\ud7b0-\ud7c6][\u11a8-\u11ff\ud7cb-\ud7fb]?|"
    "(?P<stray>[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb])"
)
_FULL_WIDTH = re.compile("[\uff01-\uff5e\u3000]")
_TO_HALF = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

_URL = r"(?P<url>(?:https?://|www\.)[!-~]+)"
EMOTIONS = "ㄱ-ㅎㅏ-ㅣ!?~♡♥☆★♪^"
_RUNS = re.compile(
    rf"{_URL}|(?P<run>(?P<one>[{EMOTIONS}])(?P=one){{2,}})|(?P<dots>\.{{4,}}|…{{2,}})|(?P<bar>[ㅡ―─]{{4,}})"
)

# RE2 has no back-references: rows with a doubled emotion, dots or bars
RUN_HINT = "|".join([r"[!?~^♡♥☆★♪]{2}", "[ㄱ-ㅎㅏ-ㅣ]{2}", r"\.{4}", "…{2}", "[ㅡ―─]{4}"])

_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_INNER_BLANKS = re.compile(r"(?<=\S)(?: {2,}|\t[ \t]*| +\t[ \t]*)(?=\S)")
_TRAILING_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_FENCED = re.compile(r"(^```[^`\n]*\n.*?^```[ \t]*$)", re.MULTILINE | re.DOTALL)
_EMPTY_LINES = re.compile(r"\n{3,}")


def compose(text: str) -> str:
    """NFC."""
    return unicodedata.normalize("NFC", text)


def remove_invisible(text: str) -> str:
    """Line ends become line feeds; control, bidi and zero-width characters go; U+2581 becomes an underscore."""
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", _ESCAPES.sub("", text))
    while (joined := _JOINER.sub("", text)) != text:
        text = joined
    return text.replace(_LOWER_BLOCK, "_")


def remove_invisible_in_code(text: str) -> str:
    """Only what no source file means: line ends, NUL and other controls; form feeds and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CODE_INVISIBLE.sub("", text).replace(_LOWER_BLOCK, "_")


def remove_stray_jamo(text: str) -> str:
    """Conjoining jamo that NFC could not compose: left over from broken decompositions."""
    return _JAMO.sub("", text)


def remove_stray_jamo_keep_old(text: str) -> str:
    """As ``remove_stray_jamo``, but complete syllables of Middle Korean stay."""
    return _OLD_SYLLABLE.sub(lambda match: "" if match["stray"] else match[0], text)


def to_half_width(text: str) -> str:
    """Full-width ASCII and the ideographic space to ASCII."""
    return _FULL_WIDTH.sub(lambda match: match[0].translate(_TO_HALF), text)


def squeeze(text: str, longest: int) -> str:
    """Runs of one emotion to ``longest``; digits, letters, syllables and URLs stay as they are."""

    def shortened(match: re.Match[str]) -> str:
        if match["url"]:
            return match[0]
        if match["dots"]:
            return "..." if match[0][0] == "." else "…"
        if match["bar"]:
            return match[0][:3]
        return match["one"] * min(longest, len(match["run"]))

    return _RUNS.sub(shortened, text)


def collapse_blanks(text: str) -> str:
    """One blank between words, none at line ends, one empty line at most; indentation and fenced code stay."""
    text = _TRAILING_BLANKS.sub("", _BLANKS.sub(" ", text))
    return outside_fences(text, lambda part: _EMPTY_LINES.sub("\n\n", _INNER_BLANKS.sub(" ", part))).strip()


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """``change`` applied to what is not fenced code (``` ... ```)."""
    if "```" not in text:
        return change(text)
    return "".join(part if part.startswith("```") else change(part) for part in _FENCED.split(text))


def end_code(text: str) -> str:
    """Source code keeps its whitespace, but for empty lines around it and its last line feed."""
    stripped = text.strip("\n")
    return stripped + "\n" if stripped else ""
