"""Displays a text as tokens in alternating colors, on a terminal or a page.

Owns the display of tokens that are not text: a part of a character as bytes, white space as signs, special tokens by
name. Tokens are untrusted input: invisible characters appear as code points.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from preprocessing.tokenizers.opened import OpenedTokenizer

_INVISIBLE = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
_BACKGROUNDS = ("48;5;153", "48;5;223", "48;5;157", "48;5;225")
COLORS = len(_BACKGROUNDS)


@dataclass(frozen=True)
class DisplayToken:
    """A token for display; ``text`` is safe to show. ``part``: bytes of a part of a character; ``special``: no text."""

    text: str
    number: int
    raw: bytes
    kind: Literal["text", "part", "special"] = "text"
    of: str = ""
    """The character that a part belongs to, if the parts form one."""

    @property
    def bytes_in_hex(self) -> str:
        return self.raw.hex(" ").upper()


def tokens_for_display(tokenizer: OpenedTokenizer, text: str) -> list[DisplayToken]:
    """Encodes ``text``; consecutive parts of a character know the character."""
    ids = tokenizer.encode_batch([text])[0].tolist()
    tokens = [_display(number, tokenizer.token_bytes(number)) for number in ids]
    start = 0
    while start < len(tokens):
        stop = start
        while stop < len(tokens) and tokens[stop].kind == "part":
            stop += 1
        if stop > start:
            whole = b"".join(token.raw for token in tokens[start:stop]).decode("utf-8", "replace")
            tokens[start:stop] = [
                DisplayToken(t.text, t.number, t.raw, "part", _visible(whole)) for t in tokens[start:stop]
            ]
        start = max(stop, start + 1)
    return tokens


def _display(number: int, raw: bytes | None) -> DisplayToken:
    if raw is None:
        return DisplayToken("unknown", number, b"", "special")
    try:
        return DisplayToken(_visible(raw.decode("utf-8")), number, raw)
    except UnicodeDecodeError:
        return DisplayToken(raw.hex(" ").upper(), number, raw, "part")


def _visible(text: str) -> str:
    """Puts a sign before line ends and tabs; replaces other invisible characters by their code point."""
    parts = []
    for character in text:
        if character == "\n":
            parts.append("↵\n")
        elif character == "\t":
            parts.append("→\t")
        elif unicodedata.category(character) in _INVISIBLE:
            parts.append(f"U+{ord(character):04X}")
        else:
            parts.append(character)
    return "".join(parts)


def for_terminal(tokens: Sequence[DisplayToken], color: bool) -> str:
    """Tokens with background colors, or separated by ``|``; bytes and special tokens in angle brackets."""
    texts = [token.text if token.kind == "text" else f"<{token.text}>" for token in tokens]
    if not color:
        return "|".join(texts)
    parts = []
    for number, text in enumerate(texts):
        code = _BACKGROUNDS[number % COLORS]
        # reset the color before a line end, or terminals fill the rest of the line with it
        lines = text.split("\n")
        parts.append("\n".join(f"\x1b[30;{code}m{line}\x1b[0m" if line else "" for line in lines))
    return "".join(parts)


def for_page(tokens: Sequence[DisplayToken]) -> Markup:
    """Spans with alternating classes and a title with id and bytes."""
    parts = []
    for number, token in enumerate(tokens):
        about = f"id {token.number}" + (f" · {token.bytes_in_hex}" if token.raw else " · no text")
        if token.of:
            about += f" · part of {token.of}"
        css = f"t{number % COLORS}" + ("" if token.kind == "text" else f" {token.kind}")
        parts.append(Markup('<span class="{}" title="{}">{}</span>').format(css, about, token.text))
    return Markup("").join(parts)
