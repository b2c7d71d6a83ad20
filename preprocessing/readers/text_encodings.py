"""Encodings of text files: decodes a file, and recognizes Korean text in code page 949 (Windows, EUC-KR)."""

from __future__ import annotations

import codecs
import re
import tokenize

from preprocessing.config.file_inputs import DETECT_ENCODING
from preprocessing.readers.bad_records import RecordError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MOST_BYTES_SEEN = 1 << 16
"""Of a text, to recognize UTF-16."""
KOREAN_CP949 = "Korean text in CP949 (Windows, EUC-KR), not UTF-8"
_HANGUL = re.compile("[가-힣]")


def how_to_convert(encoding: str) -> str:
    """The remedy of a file in another encoding than UTF-8."""
    return f"convert the file: iconv -f {encoding} -t utf-8 IN > OUT"


def is_korean_cp949(raw: bytes) -> bool:
    """Whether four of five characters beyond ASCII would be Hangul in code page 949."""
    try:
        text = raw.decode("cp949")
    except UnicodeError:
        return False
    return 5 * len(_HANGUL.findall(text)) >= 4 * sum(ord(c) > 127 for c in text) > 0


def utf16_without_mark(raw: bytes) -> str:
    """``utf-16-le`` or ``utf-16-be`` for text in it that begins without a byte order mark; the empty text for other bytes."""
    start = raw[:MOST_BYTES_SEEN]
    for name in ("utf-16-le", "utf-16-be") if len(raw) % 2 == 0 and b"\0" in start else ():
        try:
            text = codecs.getincrementaldecoder(name)().decode(start)
        except UnicodeError:
            continue
        plain = sum(c == "\n" or " " <= c <= "~" or "가" <= c <= "힣" for c in text)
        if 5 * plain >= 4 * len(text) > 0:
            return name
    return ""


def decode_text(raw: bytes, suffix: str, encoding: str) -> str:
    """Decodes a file by its byte order mark, by the declaration of a Python file, else by ``encoding``; ``auto`` is UTF-8, or
    CP949 where the bytes are Korean text in it. Raises RecordError."""
    named = encoding
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), named)
    try:
        if suffix == ".py" and encoding in ("utf-8", DETECT_ENCODING) and _declares_encoding(raw):
            encoding, _ = tokenize.detect_encoding(iter(raw.splitlines(keepends=True)).__next__)
        text = _detect(raw) if encoding == DETECT_ENCODING else raw.decode(_widen(encoding))
    except (UnicodeError, SyntaxError, LookupError) as error:
        raise _explain(error, raw, encoding) from None
    if "\0" in text:
        if name := utf16_without_mark(raw):
            raise _utf16(name)
        raise RecordError(
            f"contains NUL at character {text.index(chr(0))}: a binary file, or an encoding other than {encoding}",
            "contains-nul",
        )
    return text


def _widen(encoding: str) -> str:
    """cp949 for euc-kr: programs that name the one write the syllables of the other."""
    return "cp949" if codecs.lookup(encoding).name == "euc_kr" else encoding


def _declares_encoding(raw: bytes) -> bool:
    return any(b"coding" in line for line in raw.split(b"\n", 2)[:2])


def _detect(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if is_korean_cp949(raw):
            return raw.decode("cp949")
        raise


def _explain(error: Exception, raw: bytes, encoding: str) -> RecordError:
    if encoding == "utf-8" and is_korean_cp949(raw):
        remedy = "; set encoding: cp949 for this input, or encoding: auto where other files are UTF-8"
        return RecordError(f"this is {KOREAN_CP949}", "is-cp949", remedy)
    if name := utf16_without_mark(raw):
        return _utf16(name)
    return RecordError(f"cannot be decoded: {error}", "not-decodable")


def _utf16(name: str) -> RecordError:
    remedy = f"; set encoding: {name} for this input, or {how_to_convert(name)}"
    return RecordError("this is text in UTF-16 without a byte order mark", "is-utf-16", remedy)
