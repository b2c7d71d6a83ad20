"""The 256 characters in which byte-level BPE spells its pieces, one for each byte (GPT-2)."""

from __future__ import annotations


def _letters() -> list[str]:
    """Printable bytes of Latin-1 stand for themselves; the others follow, in order, from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


LETTERS = _letters()
_BYTES = {letter: byte for byte, letter in enumerate(LETTERS)}


def spelled(text: str) -> str:
    return "".join(LETTERS[byte] for byte in text.encode("utf-8"))


def bytes_of(piece: str) -> bytes | None:
    """The bytes that a byte-level piece spells; None where it is spelled in other characters."""
    return bytes(_BYTES[letter] for letter in piece) if all(letter in _BYTES for letter in piece) else None


def text_of(piece: str) -> str | None:
    """What a piece spells; None where it is spelled in other characters, or holds a part of a character."""
    content = bytes_of(piece)
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return None
