"""Classes of characters in the table for normalization, which ``character_table`` builds.

Owns the numbers only: the family of emotion in the lowest bits, and one bit for each class that an operation handles.
"""

SIZE = 0x20000
# Families of emotion, whose runs are squeezed: a run of SAME or SYLLABLE repeats one character. STARS, HEARTS and MARKS
# have runs of several signs.
FAMILY = 15
LAUGH, TEARS, BAR, DOTS, ELLIPSIS, STARS, HEARTS, MARKS, SAME, SYLLABLE = range(1, 11)
MAX_RATING = 10  # stars or hearts
LONGEST_CODE_LINE = 400  # characters of a line of code without a fence in which runs of signs stay
PARTICLES = "은는이가을를와과의도에로"  # behind the name of a letter
LONGEST_MORSE = 6  # dots and dashes of a letter
LONGEST_CELL = 64  # characters before or behind a run in a string of data
LONGEST_ENTRY = 12  # characters of a number or a variable in a formula
CONTROL, WIDTH, COMPOSES, JAMO, COMPATIBILITY, BACKTICK, BLANK, LINE_FEED, TAB, COLON, SINGLE, TILDE = (
    16 << i for i in range(12)
)
