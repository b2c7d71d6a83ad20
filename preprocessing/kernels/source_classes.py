"""Classes of ASCII characters in source code: one table of bits that the kernels for source code share."""

from __future__ import annotations

import numpy as np

LETTER, DIGIT, BLANK, HEX, BASE64, NUMBER, MARK, SEPARATOR, SIGN = (np.uint16(1 << i) for i in range(9))


def _classes() -> np.ndarray:
    """``[256] uint16``: the bits of an ASCII character; bytes of other characters have none."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    members = {
        LETTER: letters,
        DIGIT: "0123456789",
        BLANK: " \t\n\r\f\v",
        HEX: "0123456789abcdefABCDEF",
        BASE64: letters + "0123456789+/=",
        NUMBER: "0123456789abcdefABCDEFxX.+-",
        MARK: "{}()[];,:=<>+*&|!?\"'",
        SEPARATOR: ", \t\n\r\"'",  # between elements of a list or parts of a text
        SIGN: "/#-%;\"'<",  # may begin a comment
    }
    table = np.zeros(256, np.uint16)
    for bit, characters in members.items():
        for character in characters:
            table[ord(character)] |= bit
    return table


CLASS = _classes()
