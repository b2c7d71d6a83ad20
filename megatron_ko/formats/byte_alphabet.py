"""The 256 characters in which byte-level BPE (GPT-2) spells its pieces, one per byte."""

from __future__ import annotations


def _letters() -> list[str]:
    """Printable Latin-1 bytes map to themselves; all others map, in order, to U+0100 and above."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


LETTERS = _letters()
_BYTES = {letter: byte for byte, letter in enumerate(LETTERS)}


def spell(text: str) -> str:
    """Returns the UTF-8 bytes of ``text`` in this alphabet."""
    return "".join(LETTERS[byte] for byte in text.encode("utf-8"))


def bytes_of(piece: str) -> bytes | None:
    """Bytes that a byte-level piece spells, or None if it contains other characters."""
    return bytes(_BYTES[letter] for letter in piece) if all(letter in _BYTES for letter in piece) else None


def text_of(piece: str) -> str | None:
    """Text that a byte-level piece spells, or None if it contains other characters or incomplete UTF-8."""
    content = bytes_of(piece)
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return None
