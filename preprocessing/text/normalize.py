"""Normalizes characters, runs and whitespace of a text, before rules judge its content.

Owns idempotent functions from text to text: Unicode composition, stray jamo, invisible characters, characters of
another width, runs of emotion, and whitespace. The result is always NFC. These functions are the definition; a kernel
(``preprocessing.kernels``) does the same on whole columns.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections.abc import Callable

from preprocessing.kernels.normalize_classes import MAX_RATING, PARTICLES
from preprocessing.text.code_lines import SESSION, is_in_code, is_mostly_hangul
from preprocessing.text.columns import find_aligned_lines
from preprocessing.text.kept_runs import is_kept

PAGE_BREAK = "\f"
LINE_ENDS = "\r\v\u0085\u2028\u2029"
_LINE_ENDS = re.compile("\r\n?|[\v\u0085\u2028\u2029]")
_PAGE_BREAKS = re.compile("(?P<beside>(?:(?<=\n)|\\A)\f+|\f+(?=\n|\\Z))|\f+")
# C0 without tab and line ends, C1, soft hyphen, zero-width space and non-joiner, bidi marks, word joiner and
# invisible operators, interlinear marks and object replacement, BOM, half-width filler, terminal escapes
INVISIBLE = (
    "\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\uffa0\ufdd0-\ufdef\ufffe\uffff"
)
_ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
# The zero-width joiner joins emoji; elsewhere it is noise.
_JOINER = re.compile(
    "(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d|\u200d(?![\u2600-\u27bf\U0001f000-\U0001faff])"
)
# Tag characters spell the region of a flag (🏴 and gbeng); elsewhere they hide text.
_TAG_CHARACTERS = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f)|[\U000e0000-\U000e007f]+"
)
CODE_INVISIBLE = "\u0000-\u0008\u000b\u000e-\u001f\u007f\ufeff\ufffe\uffff"
_CODE_INVISIBLE = re.compile(f"[{CODE_INVISIBLE}]")
# U+2581 represents the space in SentencePiece pieces and would be decoded as a space.
LOWER_BLOCK = "\u2581"

JAMO = "\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb"
# U+318D, which Korean keyboards type for a middle dot, between words and numbers or as the mark of an item
DOT_LETTER = "\u318d"
BEFORE_DOT = ")\\]}0-9A-Za-z가-힣\u4e00-\u9fff’”〉》」』"
AFTER_DOT = "(\\[{0-9A-Za-z가-힣\u4e00-\u9fff‘“〈《「『"
_WORD = "0-9A-Za-z가-힣\u4e00-\u9fff"
_BEGINS_ITEM = f"(?=[ \t]|(?![{PARTICLES}](?![{_WORD}]))[{_WORD}])"
_DOT = f"(?<=[{BEFORE_DOT}]){DOT_LETTER}(?=[{AFTER_DOT}])|(?m:^(?P<indent>[ \t]*){DOT_LETTER}{_BEGINS_ITEM})"
_STRAY_JAMO = f"(?<=[\u1100-\u1112])(?P<syllable>[가-힣])(?=[\u1161-\u1175])|[{JAMO}]"
_JAMO_OR_CHANCE = re.compile(_STRAY_JAMO)
_JAMO_CHANCE_OR_DOT = re.compile(f"{_STRAY_JAMO}|(?P<dot>{_DOT})")
_OPEN_SYLLABLES = "".join(map(chr, range(0xAC00, 0xD7A4, 28)))
_OLD_SYLLABLE = re.compile(
    "[\u1100-\u115e\ua960-\ua97c][\u1161-\u11a7\ud7b0-\ud7c6][\u11a8-\u11ff\ud7cb-\ud7fb]?"
    f"|[{_OPEN_SYLLABLES}][\u11a8-\u11ff\ud7cb-\ud7fb]"
)
_LEADING_JAMO = re.compile("[\u1100-\u115e\ua960-\ua97c]")


def _letters_of_jamo() -> dict[int, str]:
    """Compatibility letters by conjoining jamo, which Unicode gives the same name; fillers are empty.

    Keyboards of three vowel keys type U+11A2 for two dots, and U+119E for a middle dot.
    """
    letters = {0x115F: "", 0x1160: "", 0x11A1: "ㆎ", 0x11A2: "‥"}
    for match in re.finditer(f"[{JAMO}]", "".join(map(chr, range(0x1100, 0xD800)))):
        name = unicodedata.name(match[0], "HANGUL UNASSIGNED NONE").split(" ", 2)[2]
        with contextlib.suppress(
            KeyError
        ):  # half of the letters of Middle Korean exist as conjoining jamo only
            letters[ord(match[0])] = unicodedata.lookup(f"HANGUL LETTER {name}")
    return letters


LETTERS_OF_JAMO = _letters_of_jamo()
_ARAEA = "\u119e"

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

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_TYPED_APART = re.compile("(?<![가-힣ㄱ-ㅣ])[ㄱ-ㅎ][ㅏ-ㅣ][ㄱ-ㅣ]{2,}")
_TYPED_SYLLABLE = re.compile(f"([{INITIALS}])([ㅏ-ㅣ])([{FINALS}](?![ㅏ-ㅣ]))?")

_URL = r"(?P<url>(?:https?://|www\.)[^\x00-\x20]+)"
SAME_EMOTION = "ㄱ-ㅎㅏ-ㅣ~♪^"
LAUGHING_SYLLABLES = "하히호헤후흐크키킥큭쿡캬낄껄깔"
MIXED_EMOTIONS = ("ㅋㅎ", "ㅠㅜ", "ㅡ―─")
STARS, HEARTS, MARKS = "★☆", "♥♡", "!?"

# A code span of one line; a backslash before it makes it text.
_SPAN = r"(?<![`\\])(?P<ticks>`+)(?!`)[^\n]{1,1000}?(?<!`)(?P=ticks)(?!`)"
_CODE_SPAN = re.compile(_SPAN)
_INNER_BLANKS = re.compile(
    rf"(?P<code>{_SPAN})|^[ \t]*(?P<kept>(?:{SESSION}|[\u2500-\u257f])[^\n]*)|^(?: {{4}}| {{0,3}}\t)[ \t]*(?P<line>[^ \t\n][^\n]*)"
    r"|^[ \t]*>(?:[ ]?>)*[ ](?:[ ]{4}|[ ]{0,3}\t)[ \t]*(?P<quoted>[^ \t\n][^\n]*)|(?<=[^ \t\n])[ \t]+(?=[^ \t\n])",
    re.MULTILINE,
)
_BLANKS_OF_WORDS = re.compile(rf"(?P<code>{_SPAN})|(?<=[^ \t\n])[ \t]+(?=[^ \t\n])")
_TRAILING_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_FENCE_OPENS = re.compile(
    r"([ \t>]*)(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)?"
    r"(`{3,}(?=[^`]*\Z)|~{3,}(?=[ \t]*(?:[A-Za-z{.][^~\x7f-\U0010ffff]*)?\Z))[^\n]*"
)
_QUOTED_FENCE_CLOSES = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*")
_FENCE_CLOSES = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*")
MARK_OF_LIST = re.compile(r"[ \t]*(?:[-*+]|[0-9]{1,9}[.)])[ \t]")
_EMPTY_LINES = re.compile(r"\n{3,}")


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

    A vertical tab ends a line, as word processors write it. A page break ends one unless it stands between lines.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", _ESCAPES.sub("", text))
    text = _TAG_CHARACTERS.sub(lambda match: match["flag"] or "", text)
    text = _JOINER.sub("", text).replace(LOWER_BLOCK, "_")
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


def spell_stray_jamo(text: str) -> str:
    """Converts conjoining jamo that NFC does not compose to the letters that people type: ㅋㅋ, ㅠㅠ, 5·18.

    NFKC leaves them where jamo were typed alone. It also composes ㅋㅋㅠㅠ in the middle, so a syllable between its own
    consonant and its own vowel becomes two letters. Jamo of Middle Korean without such a letter stay. So does U+318D
    where it may be the letter: alone, in quotation marks, beside letters of its kind. Code stays, too.
    """
    return change_outside_code(text, lambda part: _JAMO_CHANCE_OR_DOT.sub(_spell_jamo_or_dot, part))


def spell_stray_jamo_keep_old(text: str) -> str:
    """Like ``spell_stray_jamo``, but complete syllables of Middle Korean and U+318D stay."""
    return change_outside_code(text, _spell_modern_jamo)


def _spell_modern_jamo(text: str) -> str:
    parts, done = [], 0
    for match in _OLD_SYLLABLE.finditer(text):
        parts += [_JAMO_OR_CHANCE.sub(_spell_jamo, text[done : match.start()]), match[0]]
        done = match.end()
    return "".join(parts) + _JAMO_OR_CHANCE.sub(_spell_jamo, text[done:])


def _spell_jamo_or_dot(match: re.Match[str]) -> str:
    return (match["indent"] or "") + "·" if match["dot"] else _spell_jamo(match)


def _spell_jamo(match: re.Match[str]) -> str:
    text, start, end = match.string, *match.span()
    if match["syllable"]:
        initial, vowel = text[start - 1], text[end]
        chance = unicodedata.normalize("NFC", initial + vowel) == match[0]
        return LETTERS_OF_JAMO[ord(initial)] + LETTERS_OF_JAMO[ord(vowel)] if chance else match[0]
    if match[0] == _ARAEA and not (start and _LEADING_JAMO.match(text[start - 1])):
        return "·"
    return LETTERS_OF_JAMO.get(ord(match[0]), match[0])


def join_typed_jamo(text: str) -> str:
    """Joins syllables that were typed as single jamo (ㅎㅏㄴㄱㅡㄹ), where a whole run of jamo allows no other reading.

    The run must not follow a syllable, must consist of two or more syllables that are not all equal, and must contain
    a vowel that does not express emotion: ㅋㅋㅋ, ㅎㅏㅎㅏ, ㅋㅠㅋㅠ and ㅇㅡㅇ stay. A consonant before a vowel starts a syllable.
    Code stays.
    """
    return change_outside_code(text, lambda part: _TYPED_APART.sub(_join_jamo, part))


def _join_jamo(match: re.Match[str]) -> str:
    parts = list(_TYPED_SYLLABLE.finditer(match[0]))
    syllables = [_syllable(*part.groups()) for part in parts]
    whole = "".join(part[0] for part in parts) == match[0]
    telling = any(part[2] not in "ㅠㅜㅡ" for part in parts)
    return "".join(syllables) if whole and telling and len(set(syllables)) > 1 else match[0]


def _syllable(initial: str, vowel: str, final: str | None) -> str:
    last = FINALS.index(final) + 1 if final else 0
    return chr(0xAC00 + (INITIALS.index(initial) * 21 + ord(vowel) - ord("ㅏ")) * 28 + last)


def squeeze(text: str, longest: int, laughs_from: int = 5) -> str:
    """Shortens runs of one emotion, also of ㅋ with ㅎ or ㅠ with ㅜ, to ``longest``, and four or more dots to three.

    Shortens laughing syllables (하하하하하) only from ``laughs_from`` repetitions. Up to ten stars, or hearts of both
    kinds, are a rating (★★★★☆) and stay, as do lines of drawings (┌────┐), dots inside of identifiers (1950BAN....11) and of Morse code
    (.... ..) and tildes that are blanks of a formula (1 & ~~~~6). Marks keep their order: ???!!! stays, ?!?!?!?! becomes ?!?. Digits, letters,
    other syllables, URLs, fenced code, code spans, indented code and lines of Python sessions stay unchanged.
    """

    def shorten(match: re.Match[str]) -> str:
        if match["url"] or match["code"]:
            return match[0]
        if is_in_code(match.string, match.start()):
            return match[0]
        if match["group"]:
            return _shorten_group(match[0], longest)
        if is_kept(match):
            return match[0]
        if match["dots"]:
            return "..." if match[0][0] == "." else "…"
        if match["syllable"] and len(match[0]) < laughs_from:
            return match[0]
        return match[0][:longest]

    first = len(text) - len(text.lstrip(" \t\n"))
    return text[:first] + change_outside_fences(text[first:], lambda part: _RUNS.sub(shorten, part))


def _shorten_group(group: str, longest: int) -> str:
    """Shortens each run of one sign in a run of stars, hearts or marks, unless it is a rating."""
    if len(group) <= MAX_RATING and (group[0] in STARS or (group[0] in HEARTS and len(set(group)) > 1)):
        return group
    runs = [match[0][:longest] for match in _SAME_SIGNS.finditer(group)]
    return "".join(runs[: max(2, longest)] if group[0] in MARKS else runs)


_SAME_SIGNS = re.compile(r"(.)\1*")
_RUNS = re.compile(
    "|".join(
        [
            _URL,
            rf"(?P<code>{_SPAN})",
            *(f"[{one}]{{2,}}" for one in MIXED_EMOTIONS),
            f"(?P<group>[{STARS}]{{2,}}|[{HEARTS}]{{2,}}|[{MARKS}]{{2,}})",
            r"(?P<dots>\.{4,}|…{2,})",
            f"(?P<same>[{SAME_EMOTION}])(?P=same)+",
            f"(?P<syllable>[{LAUGHING_SYLLABLES}])(?P=syllable)+",
        ]
    )
)


_CODE_FIRST = re.compile(
    r"[ \t\n]*(?:\n|\A)(?P<code>(?: {0,100}\t[ \t]*| {4,})(?P<line>[^\s`][^\n]*))(?=\n(?:\n| {4}| {0,100}\t))"
)


def collapse_blanks(text: str) -> str:
    """Leaves one blank between words, none at line ends, and at most one empty line.

    Indentation, fenced code, code spans, lines of Python sessions and drawings, lines with aligned columns (``columns``),
    and lines of indented code keep their blanks: those that begin with a tab or four blanks, also behind marks of
    quotations, and are not mostly Hangul. The first line loses its indentation unless it is such code with an empty or
    indented line below.
    """
    text = _TRAILING_BLANKS.sub("", text).rstrip(" \t\n")
    code = _CODE_FIRST.match(text)
    text = (
        text[code.start("code") :] if code and not is_mostly_hangul(code["line"]) else text.lstrip(" \t\n")
    )
    return change_outside_fences(text, lambda part: _EMPTY_LINES.sub("\n\n", _collapse_lines(part)))


def _collapse_lines(text: str) -> str:
    lines = text.split("\n")
    aligned = find_aligned_lines(lines)
    if not any(aligned):
        return _INNER_BLANKS.sub(_collapse_match, text)
    return "\n".join(
        line if kept else _INNER_BLANKS.sub(_collapse_match, line) for line, kept in zip(lines, aligned)
    )


def _collapse_match(match: re.Match[str]) -> str:
    line = match["line"] or match["quoted"]
    if line is None:
        return match["code"] or (match[0] if match["kept"] else " ")
    if not is_mostly_hangul(line):
        return match[0]
    if match["quoted"]:
        line = match[0]
    return match[0][: -len(line)] + _BLANKS_OF_WORDS.sub(lambda inner: inner["code"] or " ", line)


def change_outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Applies ``change`` outside of fenced code, which reaches from a line ``` or ```name to the next line ```, or ~~~.

    A fence of more marks ends with at least as many. A fence in a quotation ends with the quotation, or with the text.
    """
    parts, done = [], 0
    for start, end in find_fences(text):
        parts += [change(text[done:start]), text[start:end]]
        done = end
    return "".join(parts) + change(text[done:])


def change_outside_code(text: str, change: Callable[[str], str]) -> str:
    """Applies ``change`` outside of fenced code and of code spans, piece by piece; a text without backticks has no code here,
    because tildes alone are often lines under titles."""
    if "`" not in text:
        return change(text)

    def change_outside_spans(part: str) -> str:
        parts, done = [], 0
        for span in _CODE_SPAN.finditer(part):
            parts += [change(part[done : span.start()]), span[0]]
            done = span.end()
        return "".join(parts) + change(part[done:])

    return change_outside_fences(text, change_outside_spans)


def find_fences(text: str) -> list[tuple[int, int]]:
    """``(start, end)`` of fenced code, without the line feed after it. Ignores a fence that never closes.

    After backticks that never close there is no other fence, after such tildes none of tildes.
    """
    fences: list[tuple[int, int]] = []
    marks = [mark for mark in "`~" if 3 * mark in text]
    if not marks:
        return fences
    lines = text.split("\n")
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
    n = 0
    while n < len(lines) and marks:
        opened = _FENCE_OPENS.fullmatch(lines[n]) if "```" in lines[n] or "~~~" in lines[n] else None
        n += 1
        if not opened or opened[2][0] not in marks:
            continue
        after = _end_of_fence(lines, n, opened)
        if after:
            fences.append((starts[n - 1], starts[after] - 1))
            n = after
        elif opened[2][0] == "`":
            break
        else:
            marks.remove("~")
    return fences


def _end_of_fence(lines: list[str], n: int, opened: re.Match[str]) -> int:
    """The line after the fence; 0 if it never closes."""
    quoted = ">" in opened[1]
    closes = _QUOTED_FENCE_CLOSES if quoted else _FENCE_CLOSES
    for k in range(n, len(lines)):
        if quoted and not lines[k].lstrip(" \t").startswith(">"):
            return k
        match = closes.fullmatch(lines[k]) if 3 * opened[2][0] in lines[k] else None
        if match and match[1][0] == opened[2][0] and len(match[1]) >= len(opened[2]):
            return k + 1
    return len(lines) if quoted else 0


def end_code(text: str) -> str:
    """Removes empty lines around source code and ends it with one line feed; other whitespace stays."""
    stripped = text.strip("\n")
    return stripped + "\n" if stripped else ""
