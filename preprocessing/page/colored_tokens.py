"""A text as its tokens, in alternating colors: for a terminal and for a page.

Owns what is shown of a token that is not text: a part of a character as its bytes, white space as signs, special tokens
by name. Tokens are outside input: characters that cannot be seen are written as their code point.
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
    """``text`` is safe to show; ``part``: bytes of a part of a character, ``special``: no text at all."""

    text: str
    number: int
    raw: bytes
    kind: Literal["text", "part", "special"] = "text"
    of: str = ""
    """The character that a part belongs to, where the parts together make one."""

    @property
    def bytes_in_hex(self) -> str:
        return self.raw.hex(" ").upper()


def tokens_for_display(tokenizer: OpenedTokenizer, text: str) -> list[DisplayToken]:
    ids = tokenizer.encode_batch([text])[0].tolist()
    found = [_shown(number, tokenizer.token_bytes(number)) for number in ids]
    start = 0
    while start < len(found):
        stop = start
        while stop < len(found) and found[stop].kind == "part":
            stop += 1
        if stop > start:
            whole = b"".join(token.raw for token in found[start:stop]).decode("utf-8", "replace")
            found[start:stop] = [
                DisplayToken(t.text, t.number, t.raw, "part", _visible(whole)) for t in found[start:stop]
            ]
        start = max(stop, start + 1)
    return found


def _shown(number: int, raw: bytes | None) -> DisplayToken:
    if raw is None:
        return DisplayToken("unknown", number, b"", "special")
    try:
        return DisplayToken(_visible(raw.decode("utf-8")), number, raw)
    except UnicodeDecodeError:
        return DisplayToken(raw.hex(" ").upper(), number, raw, "part")


def _visible(text: str) -> str:
    """Line ends as signs before them; other characters that cannot be seen as code points."""
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
    """With backgrounds, or with ``|`` between tokens; bytes and special tokens in angle brackets."""
    texts = [token.text if token.kind == "text" else f"<{token.text}>" for token in tokens]
    if not color:
        return "|".join(texts)
    parts = []
    for number, text in enumerate(texts):
        code = _BACKGROUNDS[number % COLORS]
        # a color is ended before a line end, or terminals fill the rest of the line with it
        lines = text.split("\n")
        parts.append("\n".join(f"\x1b[30;{code}m{line}\x1b[0m" if line else "" for line in lines))
    return "".join(parts)


def for_page(tokens: Sequence[DisplayToken]) -> Markup:
    """Spans of alternating classes whose title has id and bytes."""
    parts = []
    for number, token in enumerate(tokens):
        about = f"id {token.number}" + (f" · {token.bytes_in_hex}" if token.raw else " · no text")
        if token.of:
            about += f" · part of {token.of}"
        css = f"t{number % COLORS}" + ("" if token.kind == "text" else f" {token.kind}")
        parts.append(Markup('<span class="{}" title="{}">{}</span>').format(css, about, token.text))
    return Markup("").join(parts)
