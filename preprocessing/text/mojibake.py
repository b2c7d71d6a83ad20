"""Repairs Korean text that was decoded with the wrong code page.

Owns three mistakes: UTF-8 read as Latin-1 or CP1252 ("í•œêµ­ì–´"), CP949 read as Latin-1 ("ÇÑ±Û"), and UTF-8 read as
CP949. A suspicious span changes only if all of it can be encoded with the wrong code page, and the result is rich in
Hangul (or, for the first mistake, is punctuation that Word writes, "â€œ", anything beside such Hangul, "â˜…", or a Latin
letter or sign of a word or number, "cafÃ©", "5Â°C"). The first mistake is also repaired where it was made twice. ftfy repairs more kinds of Western text, but of the Korean mistakes only the first, and reads
3 MB/s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import numpy as np

from preprocessing.text.fences import change_outside_code

# Bytes 0x80-0x9F as characters of CP1252, or as the C1 controls of Latin-1
_CP1252 = {0x80 + i: bytes([0x80 + i]).decode("cp1252", "replace") for i in range(32)}
_TO_BYTE = {chr(i): i for i in range(256)} | {
    character: b for b, character in _CP1252.items() if character != "\ufffd"
}
_NEXT = "[" + re.escape("".join(c for c, b in _TO_BYTE.items() if 0x80 <= b < 0xC0)) + "]"
_PAIR = re.compile(f"[\u00c2-\u00f0]{_NEXT}")  # in every text that UTF-8 read as Latin-1 leaves
_UTF8_SPAN = re.compile(f"(?:[\u00e1-\u00ef]{_NEXT}{{2}}|[\u00c2-\u00df]{_NEXT}|\u00f0{_NEXT}{{3}})+")
_WIDE = re.compile(f"[\u00e2\u00ea-\u00ed]{_NEXT}{{2}}")
_WIDE_SPAN = re.compile(f"(?:[\u00e2-\u00ef]{_NEXT}{{2}}|\u00f0{_NEXT}{{3}})+")
# _WIDE misread again: its first byte, and two more bytes that became two or three characters each
_TWICE = re.compile(
    f"\u00c3[\u00a2\u00aa-\u00ad](?:\u00c2[\u0080-\u00bf]|[\u00c5\u00c6\u00cb]{_NEXT}|\u00e2{_NEXT}{{2}}){{2}}"
)
_LOST_BYTE = re.compile(f"\u00e2\u20ac(?!{_NEXT})")  # of ”, whose last byte CP1252 lacks
_KOREAN_LEFT = re.compile(f"[\u00ea-\u00ed]{_NEXT}")
_PUNCTUATION = re.compile("[\u2010-\u2027\u2030-\u203b\u20ac\u2122]+")
# Bytes that UTF-8 reads as a sign or letter of U+00A0-U+017F, or as ơ, ư and letters of U+1E00-U+1EFF (Vietnamese)
_VIETNAMESE = f"\u00c6[\u00a0\u00a1\u00af\u00b0]|\u00e1[\u00b8-\u00bb]{_NEXT}"
# Romanian ș and ț, pinyin with the third tone, the apostrophe of Hawaiian: only beside small letters, since CAFFÈ™ is Italian
_RARE = "\u00c8[\u0098-\u009b˜™š›]|\u00c7[\u008e\u0090\u0092\u0094\u009a\u017d‘’”š]"
_RARE = f"(?:{_RARE})(?=[a-z])|(?<=[a-z])(?:{_RARE})|(?<=[a-z])\u00ca[»¼](?=[a-z])"
_WESTERN = f"[\u00c3-\u00c5]{_NEXT}|\u00c2[\u00a0-\u00bf]|{_VIETNAMESE}|{_RARE}"
# "«está»…" is Spanish, "má»™t" is not
_QUOTED_A = re.compile("\u00e1\u00bb[‘’“”„‚‹›»«…–—•\u00a0](?![a-z])")
_VIETNAMESE_ONLY = re.compile(f"\u00c6[\u00a1\u00b0]|\u00e1[\u00b8-\u00ba]{_NEXT}|\u00e1\u00bb{_NEXT}[a-z]")
_WESTERN_SPAN = re.compile(f"(?:{_WESTERN})+")
_SIGN_BEFORE_WORD = "(?<!\\S)\u00c2[©®·»«§±¢£¥¼½¾](?= [A-Za-z0-9가-힣])"
_TIMES = "(?<=[0-9] )\u00c3[\u0097—\u00b7](?= [0-9])"
_IN_HANGUL = "(?<=[가-힣])\u00c2[\u00a0·](?=[가-힣])|(?<![A-Za-z\u00c0-\u024f])\u00c2\u00a0(?![»:;?!])"
_WESTERN_IN_WORD = re.compile(
    f"(?<=[A-Za-z0-9])(?:{_WESTERN})|(?:{_WESTERN})(?=[A-Za-z0-9])|{_SIGN_BEFORE_WORD}|{_TIMES}|{_IN_HANGUL}"
)
_SIGNS_BEFORE_WORDS = re.compile(_SIGN_BEFORE_WORD)
# After a capital these may be what they are, OCKSÅ”, MANHÃ» or 10 Å±2, but not in 3Ã—4
_CAPITAL_BEFORE_QUOTE = re.compile(
    "[\u00c2-\u00c5][‘’“”„‚‹›«»…–—](?![a-z\u00c2])(?<![a-z]..)(?<![0-9]Ã—)(?<![0-9] Ã—(?= [0-9]))|[0-9] ?Å±",
    re.DOTALL,
)
_LATIN_LETTER = re.compile("[\u00c0-\u017f]")
# Letters of other scripts and pictures: a run that decodes and is too long, or has controls, to be anything else
_OTHER = f"[\u00cd-\u00df]{_NEXT}|[\u00e0-\u00ef]{_NEXT}{{2}}|\u00f0{_NEXT}{{3}}"
_OTHER_SPAN = re.compile(f"(?:{_OTHER})+")
_OTHER_SURE = re.compile(
    f"(?:[\u00cd-\u00df]{_NEXT}){{3}}|(?:[\u00e0\u00e1\u00e3-\u00e9\u00ef]{_NEXT}{{2}}){{2}}|\u00f0[\u009fŸ]{_NEXT}{{2}}"
    f"|[\u00e0-\u00ef](?:{_NEXT}[\u0080-\u009f]|[\u0080-\u009f]{_NEXT})"
)
_OTHER_SCRIPTS = (
    "\u0370-\u03ff", "\u0400-\u052f", "\u0530-\u058f", "\u0590-\u05ff", "\u0600-\u06ff", "\u0900-\u0dff",
    "\u0e00-\u0e7f", "\u10a0-\u10ff", "\u3001-\u30ff\u4e00-\u9fff\uff01-\uff9f", "\u2600-\u27bf\ufe0f\U0001f000-\U0001faff",
)  # fmt: skip
_WIDE_FORMS = re.compile("[\u3001-\u3003\u3008-\u3011\uff01-\uff9f]")  # in Korean text, too
_OF_ONE_SCRIPT = re.compile("|".join(f"(?P<s{i}>[{one}]+)" for i, one in enumerate(_OTHER_SCRIPTS)))
_HIGH = "[\u00a1-\u00fe]{2,}"
_CP949_SPAN = re.compile(rf"{_HIGH}(?:[\t -~]*{_HIGH})*")
_HIGH_RUN = re.compile("[\u00a1-\u00fe]+")
_WESTERN_RUN = re.compile(
    f"(?P<whole>(?:{_WESTERN})+(?![\u00a1-\u00fe]))|[\u00a1-\u00fe]{{1,3}}(?![\u00a1-\u00fe])"
)
# Sequences of three bytes read as pairs: ideographs of the rows 0xEA-0xED next to syllables of CP949 not in KS X 1001
_HAN_SPAN = re.compile("[\u3400-\u9fff\uf900-\ufaff가-힣㄀-ㆎ\u00a1-\u33ff\uff01-\uffee]{3,}")
_HAN_BEFORE_HANGUL = re.compile("[\u4e00-\u9fff\uf900-\ufaff]([가-힣])")
_HANGUL = re.compile("[가-힣]")
_EAST_ASIAN = re.compile("[\u2010-\u203b\u3000-\u30ff\u3400-\u9fff가-힣\uff00-\uffef]+")
# ÂÂ and ÃÂ read as CP949: what remains of UTF-8 that was misread twice and lost its controls
_REMAINS = re.compile("[쩟횂쳇]")
_LINE = re.compile("[^\n\r\v\f\u2028\u2029]+")
_RICH, _RICH_WITH_SIGNS = 0.8, 0.5
_MOST_IN_WORDS = 0.25
MIN_SYLLABLES = 2


def repair_mojibake(text: str) -> str:
    """Repairs the wrongly decoded spans of a text; any other text stays unchanged.

    Code is repaired only where text around it is, too: alone it may be an example of the mistake.
    """
    repaired = _repair_once(text)
    if repaired != text and "`" in text and change_outside_code(text, _repair_once) == text:
        return text
    while repaired != text:
        text, repaired = repaired, _repair_once(repaired)
    return text


def _repair_once(text: str) -> str:
    if _PAIR.search(text):
        text = _repair_from_latin1(text)
    text = _CP949_SPAN.sub(_decode_from_cp949, text)
    if _looks_read_as_cp949(text):
        text = _change_lines(text, _repair_line_read_as_cp949)
    return text


def _repair_from_latin1(text: str) -> str:
    if _TWICE.search(text):
        text = _change_lines(text, _repair_line_from_latin1_twice)
    if _WIDE.search(text):
        text = _change_lines(text, _repair_line_from_latin1)
    if _OTHER_SURE.search(text):
        text = _change_lines(text, _repair_line_of_other_script)
    if _WESTERN_IN_WORD.search(text):
        text = _change_lines(text, _repair_western_line)
    return text


def _change_lines(text: str, change: Callable[[str], str]) -> str:
    """Applies ``change`` to each line; U+0085, which may be a byte of a letter, ends none."""
    return _LINE.sub(lambda line: change(line[0]), text)


def _repair_line_from_latin1(line: str) -> str:
    """Repairs all of a line or nothing: a partial repair would hide the damage from the rules that drop documents."""
    repaired = _UTF8_SPAN.sub(_decode_from_latin1, line)
    if _KOREAN_LEFT.search(repaired):
        return line
    if repaired != line:
        repaired = _LOST_BYTE.sub("”", repaired)
    is_korean = len(_HANGUL.findall(repaired)) >= len(_HANGUL.findall(line)) + MIN_SYLLABLES
    return _WIDE_SPAN.sub(_read_as_utf8, repaired) if is_korean else repaired


def _repair_line_from_latin1_twice(line: str) -> str:
    once = _UTF8_SPAN.sub(_read_as_utf8, line)
    repaired = _repair_line_from_latin1(once)
    return line if repaired == once else repaired


def _read_as_utf8(match: re.Match[str]) -> str:
    """The characters of which the span is the UTF-8; the span itself if there are none."""
    try:
        return bytes(_TO_BYTE[c] for c in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def _decode_from_latin1(match: re.Match[str]) -> str:
    read = _read_as_utf8(match)
    is_mixed = _HANGUL.search(read) and _EAST_ASIAN.fullmatch(read)  # 漢字와
    rich = _share_of_hangul(read) >= 0.5 or is_mixed or _PUNCTUATION.fullmatch(read)
    return read if rich else match[0]


def _repair_line_of_other_script(line: str) -> str:
    """Repairs Greek, Cyrillic, Chinese and other letters, except those of a script that the line has unharmed.

    A span is repaired where all of it is of one script, and one span of the line is sure to be misread.
    """
    if not _OTHER_SURE.search(line):
        return line
    spans = [(span, _read_as_utf8(span)) for span in _OTHER_SPAN.finditer(line)]
    scripts = {_script_of(read) for span, read in spans if _OTHER_SURE.search(span[0])} - {None}
    scripts -= {script.lastgroup for script in _OF_ONE_SCRIPT.finditer(_WIDE_FORMS.sub("", line))}
    reads = {span.start(): read for span, read in spans if _script_of(read) in scripts}
    return _OTHER_SPAN.sub(lambda span: reads.get(span.start(), span[0]), line)


def _script_of(text: str) -> str | None:
    script = _OF_ONE_SCRIPT.fullmatch(text)
    return script.lastgroup if script else None


def _repair_western_line(line: str) -> str:
    """Repairs Latin letters and signs of a line in which every Latin letter beyond ASCII can be repaired.

    Both forms in one line (café, cafÃ©; ©, Â©) are text about the mistake, as is one without a word or number around it.
    """
    if not _WESTERN_IN_WORD.search(line):
        return line
    words = _SIGNS_BEFORE_WORDS.sub("", line)
    is_quoted = _CAPITAL_BEFORE_QUOTE.search(words) or _QUOTED_A.search(words)
    if is_quoted and not _VIETNAMESE_ONLY.search(line):
        return line
    rest = _WESTERN_SPAN.sub("", line)
    if _LATIN_LETTER.search(rest) or any(sign[0][1] in rest for sign in _SIGNS_BEFORE_WORDS.finditer(line)):
        return line
    return _WESTERN_SPAN.sub(_read_as_utf8, line)


def _decode_from_cp949(match: re.Match[str]) -> str:
    """Decodes pairs of letters and signs; lists of accented letters contain no signs and stay unchanged."""
    high = "".join(_HIGH_RUN.findall(match[0]))
    signs = sum(c < "\u00c0" for c in high)
    if not 0 < signs < len(high) or _is_western(match, len(high)):
        return match[0]
    try:
        read = match[0].encode("latin-1").decode("euc_kr")
    except UnicodeDecodeError:
        return match[0]
    beyond_ascii = "".join(c for c in read if c > "\x7f")
    is_korean = (
        _is_korean(_PUNCTUATION.sub("", beyond_ascii)) and _share_of_hangul(beyond_ascii) >= _RICH_WITH_SIGNS
    )
    if not is_korean or _REMAINS.search(read):
        return match[0]
    return read


def _is_western(span: re.Match[str], high: int) -> bool:
    """Whether the pairs of a span are accented letters, signs around words (¿Él), or UTF-8 of such letters.

    Korean words stand alone or are longer than one syllable; ``high``: number of letters and signs beyond ASCII.
    """
    text, in_words, whole = span.string, 0, 0
    for run in _HIGH_RUN.finditer(text, *span.span()):
        western = _WESTERN_RUN.fullmatch(run[0])
        if western and western["whole"]:
            whole += len(run[0])
        if western and (
            _is_letter(text[run.start() - 1 : run.start()]) or _is_letter(text[run.end() : run.end() + 1])
        ):
            in_words += len(run[0])
    return whole == high or in_words > _MOST_IN_WORDS * high


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _repair_line_read_as_cp949(line: str) -> str:
    """Repairs what can be repaired of a line: letters that the wrong code page lacks are lost."""
    return _HAN_SPAN.sub(_decode_utf8_read_as_cp949, line) if _looks_read_as_cp949(line) else line


def _decode_utf8_read_as_cp949(match: re.Match[str]) -> str:
    try:
        read = match[0].encode("cp949").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return match[0]
    return read if _is_korean(read) else match[0]


def _looks_read_as_cp949(text: str) -> bool:
    """True for an ideograph before a rare syllable, which does not occur in Korean text."""
    return any(is_rare(match[1]) for match in _HAN_BEFORE_HANGUL.finditer(text))


def is_rare(character: str) -> bool:
    """True for a syllable that is in CP949 but not in KS X 1001."""
    return "가" <= character <= "힣" and character not in _usual_syllables()


@functools.cache
def rare_syllables() -> np.ndarray:
    """``[11172] bool``: ``is_rare`` of each syllable from U+AC00 on, for kernels."""
    return np.array([is_rare(chr(code)) for code in range(0xAC00, 0xD7A4)])


@functools.cache
def _usual_syllables() -> frozenset[str]:
    """The 2,350 syllables of KS X 1001: rows 16 to 40 of 94 cells."""
    rows, cells = range(0xB0, 0xC9), range(0xA1, 0xFF)
    return frozenset(bytes(byte for row in rows for cell in cells for byte in (row, cell)).decode("euc_kr"))


def _is_korean(text: str) -> bool:
    return len(_HANGUL.findall(text)) >= MIN_SYLLABLES and _share_of_hangul(text) >= _RICH


def _share_of_hangul(text: str) -> float:
    return len(_HANGUL.findall(text)) / max(1, len(text))
