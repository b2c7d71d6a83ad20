"""Classes of characters in the table for normalization, which ``character_table`` builds.

Owns the numbers only: the family of emotion in the lowest bits, and one bit for each class that an operation handles.
"""

SIZE = 0x20000
# Families of emotion, whose runs are squeezed: a run of SAME or SYLLABLE repeats one character.
FAMILY = 7
LAUGH, TEARS, BAR, DOTS, ELLIPSIS, SAME, SYLLABLE = range(1, 8)
CONTROL, WIDTH, COMPOSES, JAMO, COMPATIBILITY, BACKTICK, BLANK, LINE_FEED, TAB, COLON, SINGLE = (
    8 << i for i in range(11)
)
