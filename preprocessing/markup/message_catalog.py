"""Converts message catalogs of gettext (PO files) to the translated text: a paragraph for each message.

Originals (``msgid``), comments, the header, and messages that are untranslated, fuzzy or obsolete are left out. Follows the
manual of GNU gettext ("The Format of PO Files"). Messages of reStructuredText, by the files that comments name, become Markdown.
Linear in the length of the text.
"""

from __future__ import annotations

import re

from preprocessing.markup.restructured_inline import convert_inline

_LINE = re.compile(
    r'[ \t]*(?:(?P<key>msgctxt|msgid_plural|msgid|msgstr)(?:\[\d+\])?[ \t]*)?"(?P<text>.*)"[ \t\r]*'
)
_ESCAPE = re.compile(r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9A-Fa-f]{1,2})|(?P<sign>.))")
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "a": "", "b": "", "f": "\n", "v": "\n"}
_OF_SPHINX = re.compile(r"^#: [^\n]{1,500}\.rst:", re.MULTILINE)
_FIRST = re.compile(r'^msgid[ \t]+"', re.MULTILINE)


def po_to_text(text: str) -> str:
    """The translations of a catalog; returns a text without ``msgid`` unchanged."""
    if not _FIRST.search(text):
        return text
    paragraphs: list[str] = []
    original, translations, is_fuzzy, key = "", [], False, ""
    for line in [*text.split("\n"), 'msgid ""']:
        if line.lstrip().startswith("#"):
            is_flag = line.lstrip().startswith("#,")
            if key == "msgstr" and not line.lstrip().startswith("#~"):  # a comment begins the next message
                paragraphs += _translated(original, translations, is_fuzzy)
                original, translations, is_fuzzy, key = "", [], False, ""
            is_fuzzy |= is_flag and "fuzzy" in re.split(r"[#,\s]+", line)
            continue
        found = _LINE.fullmatch(line)
        if not found:
            continue
        if found["key"] in ("msgctxt", "msgid") and key == "msgstr":
            paragraphs += _translated(original, translations, is_fuzzy)
            original, translations, is_fuzzy = "", [], False
        key = found["key"] or key
        value = _ESCAPE.sub(_unescape, found["text"])
        if key == "msgid":
            original += value
        elif key == "msgstr":
            translations += [value] if found["key"] else []
            if not found["key"] and translations:
                translations[-1] += value
    return "\n\n".join(map(convert_inline, paragraphs) if _OF_SPHINX.search(text) else paragraphs)


def _translated(original: str, translations: list[str], is_fuzzy: bool) -> list[str]:
    """The translations of a message, each plural form that differs once; none of the header, whose original is empty."""
    if is_fuzzy or not original:
        return []
    return [text.strip("\n") for text in dict.fromkeys(translations) if text.strip()]


def _unescape(escape: re.Match[str]) -> str:
    if escape["sign"]:
        return _SIGNS.get(escape["sign"], escape["sign"])
    code = int(escape["octal"], 8) if escape["octal"] else int(escape["hex"], 16)
    return chr(code) if code < 128 else escape[0]  # a byte of a character: not readable alone
