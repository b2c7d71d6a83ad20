"""Counts characters, lines, paragraphs and words per document in one pass over UTF-8.

``measures`` interprets the counts; ``repetition`` counts repeated lines, paragraphs and n-grams.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from preprocessing.kernels.characters import BASIS, PRIME, decode, mix
from preprocessing.kernels.classes import (
    BLANK,
    CLASSES,
    DIGIT,
    EMOTION,
    HANGUL,
    IDEOGRAPH,
    JAMO,
    LATIN,
    LETTER,
    NEWLINE,
    PLAIN,
    SYMBOL,
    WRONG,
    count_bits,
    is_bullet,
    is_closing,
    is_final,
    is_mark,
    korean_bits,
    stop_bits,
)
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.repetition import ngrams, repeats, table_size

COUNTS = (
    "characters", "visible", "hangul", "jamo", "emotion", "letters", "digits", "plain", "latin1", "replacement",
    "lines", "paragraphs", "longest_line", "bullet_lines", "ellipsis_lines", "short_lines", "ended_lines", "newlines",
    "sentence_ends", "words", "symbol_words", "word_characters", "blank_words", "alphabetic_words", "stop_words",
    "line_repeats", "line_repeat_characters", "paragraph_repeats", "paragraph_repeat_characters",
    "function_words", "list_words", "listed_words", "rare_hangul", "recorded_words", "recorded_characters", "repeated_triples", "_",
    "top_2", "top_3", "top_4", "duplicate_5", "duplicate_6", "duplicate_7", "duplicate_8", "duplicate_9", "duplicate_10",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(COUNTS)}
WIDTH = len(COUNTS)
(
    _CHARACTERS, _VISIBLE, _HANGUL, _JAMO, _EMOTION, _LETTERS, _DIGITS, _PLAIN, _LATIN1, _REPLACEMENT,
    _LINES, _PARAGRAPHS, _LONGEST, _BULLETS, _ELLIPSES, _SHORT, _ENDED, _NEWLINES,
    _SENTENCES, _WORDS, _SYMBOL_WORDS, _WORD_CHARACTERS, _BLANK_WORDS, _ALPHABETIC, _STOP_WORDS,
    _LINE_REPEATS, _LINE_REPEAT_SIZE, _PARAGRAPH_REPEATS, _PARAGRAPH_REPEAT_SIZE,
    _FUNCTION_WORDS, _LIST_WORDS, _LISTED, _RARE, _RECORDED, _RECORDED_CHARACTERS, _NGRAMS,
) = range(36)  # fmt: skip
SHORT_LINE = 30  # characters (FineWeb, arXiv:2406.17557)
LIST_PIECE = 2  # words of a piece of a list
_SEPARATES = np.zeros(128, np.bool_)  # pieces of a list, as do line ends and tabs
_SEPARATES[[ord(c) for c in ",/|#;:>"]] = True
_TAB = 9
MAX_WORDS = 1 << 22  # words of a document that are searched for repetition: bounds memory to about 300 MB


Scratch = namedtuple(
    "Scratch", "words reach keys places rest hits table owner times lines line_sizes parts part_sizes seen"
)


def scratch_for(longest: int) -> Scratch:
    """Allocates room for documents of up to ``longest`` bytes; unused pages are never touched."""
    words = min(longest, MAX_WORDS) + 1
    lines = longest // 2 + 2
    most = max(words, lines)
    return Scratch(
        words=np.empty(words, np.uint64),
        reach=np.empty(words + 1, np.int32),
        keys=np.empty(words, np.uint64),
        places=np.empty(most, np.int32),
        rest=np.empty(most, np.int32),
        hits=np.empty(table_size(2 * words), np.uint8),
        table=np.empty(table_size(most), np.int32),
        owner=np.empty(most, np.int32),
        times=np.empty(most, np.int32),
        lines=np.empty(lines, np.uint64),
        line_sizes=np.empty(lines, np.int32),
        parts=np.empty(lines, np.uint64),
        part_sizes=np.empty(lines, np.int32),
        seen=np.zeros(CLASSES, np.int64),
    )


@inner()
def _end_line(data, start, first, first_at, last, last_at, length, row):
    """Counts a line by its first and last visible character and its length."""
    row[_LINES] += 1
    bold = first == 42 and first_at < last_at and data[first_at + 1] == 42  # "**" begins a word, not an item
    row[_BULLETS] += is_bullet(first) and not bold
    row[_SHORT] += length <= SHORT_LINE
    row[_ENDED] += is_mark(last) or last == 34 or last == 0x201D
    dots = last == 46 and last_at - 2 >= start and data[last_at - 1] == 46 and data[last_at - 2] == 46
    row[_ELLIPSES] += last == 0x2026 or dots


@inner()
def _latin_run(data, i, end, table, word):
    """Adds the ASCII letters that start at ``i`` to the hash, eight at a time; returns their end, the hash, the last letters."""
    packed, count = np.uint64(0), 0
    while 0 <= i < end and table[data[i]] == LATIN:
        packed = (packed << np.uint64(8)) | np.uint64(data[i])
        count += 1
        i += 1
        if count == 8:
            word = (word ^ packed) * PRIME
            word ^= word >> np.uint64(29)
            packed, count = np.uint64(0), 0
    return i, (word ^ packed) * PRIME, packed


@inner()
def _hangul_run(data, i, end, common, word, c, before):
    """Adds ``c`` and the syllables after it to the hash; returns their end, the hash, the last two characters, the numbers of
    syllables and of those that are not ``common``."""
    count = 1
    rare = np.int64(not common[np.uint64(c - 0xAC00)])
    word = (word ^ np.uint64(c)) * PRIME
    while 0 <= i < end and 0xEA <= data[i] <= 0xED:
        following, step = decode(data, i)
        if not 0xAC00 <= following <= 0xD7A3:
            break
        before, c = c, following
        word = (word ^ np.uint64(c)) * PRIME
        rare += not common[np.uint64(c - 0xAC00)]
        i += step
        count += 1
    return i, word, c, before, count, rare


@inner()
def _syllable_after_blank(data, i, end):
    """The syllable after a blank at byte ``i``; 0 for anything else."""
    if 0 <= i < end - 3 and data[i] == 32 and 0xEA <= data[i + 1] <= 0xED:
        c, _ = decode(data, i + 1)
        if 0xAC00 <= c <= 0xD7A3:
            return c
    return np.int64(0)


@inner()
def _write_characters(seen, total, row):
    """Writes the counts that follow from the number of characters of each class."""
    row[_CHARACTERS] = total
    row[_VISIBLE] = total - seen[BLANK] - seen[NEWLINE]
    row[_HANGUL] = seen[HANGUL]
    row[_EMOTION] = seen[EMOTION]
    row[_LETTERS] = seen[HANGUL] + seen[LATIN] + seen[LETTER] + seen[IDEOGRAPH] + seen[JAMO] + seen[EMOTION]
    row[_DIGITS], row[_PLAIN], row[_REPLACEMENT] = seen[DIGIT], seen[PLAIN], seen[WRONG]
    row[_NEWLINES] = seen[NEWLINE]


@inner()
def _read(data, start, end, table, endings, scripts, stop_words, common, row, s):
    """Writes all counts of one document except repetition; fills words, lines and paragraphs.

    One long function, so that its counters stay in registers; split into functions it takes three times as long.
    """
    seen = s.seen
    seen[:] = 0
    word, length, word_script, word_key, lettered = BASIS, 0, 0, np.uint64(0), False
    in_blanks = alphabetic = False
    line_hash, line_visible, line_length, part_hash, part_visible = BASIS, 0, 0, BASIS, 0
    lines = parts = words = symbol_words = word_characters = blank_words = alphabetic_words = (
        function_words
    ) = 0
    longest = shown = latin1 = sentences = recorded_characters = reached = jamo = 0
    first = last = before = previous = np.int64(0)
    first_at = last_at = np.int64(0)
    last_class = 0
    ending = False
    piece = list_words = listed_words = rare = np.int64(0)
    named = False  # a letter or digit since the last blank or separator
    stops = np.uint32(0)
    total = 0
    i = start
    while 0 <= i <= end:
        at = i
        if i == end:
            c, kind, i = np.int64(10), NEWLINE, i + 1
        else:
            c, step = decode(data, i)
            i += step
            total += 1
            if c < 0x10000:
                kind = np.int64(table[np.uint64(c)])
            else:
                kind = IDEOGRAPH if 0x20000 <= c <= 0x3FFFF else SYMBOL
            seen[np.uint64(kind)] += 1
        script = np.int64(scripts[np.uint64(kind)])
        if (script != word_script or script == 4) and word_script:
            words += 1
            if lettered:
                word_characters += length
            else:
                symbol_words += 1
            bits = stop_bits(endings, last_class, last, before, word_key, length) & stop_words
            stops |= bits
            function_words += bits != 0
            value = mix(word)
            if words <= MAX_WORDS:
                reached += length
                s.words[np.uint64(words - 1)] = value
                s.reach[np.uint64(words)] = reached
                recorded_characters = total
            line_hash = (line_hash ^ value) * PRIME
            word, length, word_key, lettered = BASIS, 0, np.uint64(0), False
        word_script = script
        if kind <= NEWLINE:
            if in_blanks:
                blank_words += 1
                alphabetic_words += alphabetic
                in_blanks = alphabetic = False
            sentences += ending
            line_length += 1
            piece += named
            named = False
            if kind == NEWLINE or c == _TAB:
                list_words += piece
                listed_words += piece if piece <= LIST_PIECE else 0
                piece = np.int64(0)
            if kind == NEWLINE:
                if line_visible:
                    sentences += not ending and is_final(last)
                    _end_line(data, start, first, first_at, last, last_at, line_length - 1, row)
                    s.lines[lines] = line_hash
                    s.line_sizes[lines] = line_visible
                    lines += 1
                    part_hash = (part_hash ^ line_hash) * PRIME
                    part_visible += line_visible
                if part_visible and (not line_visible or i > end):
                    s.parts[parts] = part_hash
                    s.part_sizes[parts] = part_visible
                    parts += 1
                    part_hash, part_visible = BASIS, 0
                longest = max(longest, shown)
                shown = np.int64(0)
                line_hash, line_visible, line_length = BASIS, 0, 0
            ending = False
        else:
            if line_visible == 0:
                first, first_at = c, at
            before, characters = last, 1
            joined, in_blanks = in_blanks, True
            if kind == LATIN:
                i, word, word_key = _latin_run(data, at, end, table, word)
                characters = i - at
                c = np.int64(data[i - 1])
                named = True
            elif kind == HANGUL:
                i, word, c, before, characters, unusual = _hangul_run(data, i, end, common, word, c, last)
                rare += unusual
                named = True
                following = _syllable_after_blank(data, i, end)
                if following:  # word by word; skips the state that a blank between syllables never changes
                    word_characters += length
                    joined_words = joined_characters = np.int64(0)
                    while following:
                        length += characters
                        joined_characters += characters
                        joined_words += 1
                        bits = korean_bits(endings, c, before if length > 1 else 0) & stop_words
                        stops |= bits
                        function_words += bits != 0
                        value = mix(word)
                        if words + joined_words <= MAX_WORDS:
                            reached += length
                            s.words[np.uint64(words + joined_words - 1)] = value
                            s.reach[np.uint64(words + joined_words)] = reached
                            recorded_characters = total + joined_characters + joined_words - 1
                        line_hash = (line_hash ^ value) * PRIME
                        at, last, length = i + 1, c, 0
                        i, word, c, before, characters, unusual = _hangul_run(
                            data, i + 4, end, common, BASIS, following, last
                        )
                        rare += unusual
                        following = _syllable_after_blank(data, i, end)
                    word_key = np.uint64(0)
                    words += joined_words
                    blank_words += joined_words
                    alphabetic_words += joined_words
                    piece += joined_words
                    seen[BLANK] += joined_words
                    seen[HANGUL] += joined_characters
                    word_characters += joined_characters
                    line_visible += joined_characters
                    line_length += joined_characters + joined_words
                    total += joined_characters + joined_words
            else:
                word = (word ^ np.uint64(c)) * PRIME
                if c >= 0x80 or kind == DIGIT:
                    named = True
                elif _SEPARATES[np.uint64(c)]:
                    piece += named
                    named = False
                    list_words += piece
                    listed_words += piece if piece <= LIST_PIECE else 0
                    piece = np.int64(0)
            if HANGUL <= kind <= IDEOGRAPH:
                lettered, alphabetic, ending = True, True, False
                jamo += (kind == JAMO) & joined & (HANGUL <= last_class <= IDEOGRAPH)
            elif is_mark(c):
                ending = ending or (joined and (HANGUL <= last_class <= IDEOGRAPH or is_closing(last)))
            elif not is_closing(c):
                ending = False
                lettered = lettered or kind == DIGIT
            if 0x80 <= c <= 0xFF and 0x80 <= previous <= 0xFF and c != previous:
                latin1 += 1
            seen[np.uint64(kind)] += characters - 1
            total += characters - 1
            line_visible += characters
            line_length += characters
            shown = line_length
            length += characters
            last, last_at, last_class = c, at, kind
        previous = c
    _write_characters(seen, total, row)
    row[_LATIN1], row[_LONGEST], row[_JAMO] = latin1, longest, jamo
    row[_PARAGRAPHS], row[_SENTENCES] = parts, sentences
    row[_WORDS], row[_SYMBOL_WORDS], row[_WORD_CHARACTERS] = words, symbol_words, word_characters
    row[_BLANK_WORDS], row[_ALPHABETIC] = blank_words, alphabetic_words
    row[_STOP_WORDS], row[_FUNCTION_WORDS] = stops, function_words
    row[_LIST_WORDS], row[_LISTED], row[_RARE] = list_words, listed_words, rare
    row[_RECORDED] = min(words, MAX_WORDS)
    row[_RECORDED_CHARACTERS] = total if words <= MAX_WORDS else recorded_characters


@inner()
def _repetition(row, s):
    """Counts the lines, paragraphs and n-grams of one document that occur more than once."""
    repeated = repeats(s.lines, s.line_sizes, row[_LINES], s.places, s.table, s.owner, s.times)
    row[_LINE_REPEATS], row[_LINE_REPEAT_SIZE] = repeated
    repeated = repeats(s.parts, s.part_sizes, row[_PARAGRAPHS], s.places, s.table, s.owner, s.times)
    row[_PARAGRAPH_REPEATS], row[_PARAGRAPH_REPEAT_SIZE] = repeated
    ngrams(
        s.words,
        s.reach,
        row[_RECORDED],
        row[_NGRAMS:],
        s.keys,
        s.places,
        s.rest,
        s.hits,
        s.table,
        s.owner,
        s.times,
    )


@njit()
def count(data, offsets, table, endings, scripts, stop_words, common, s):
    """``[rows, WIDTH] int64`` counts of a UTF-8 column (``data: uint8``, ``offsets: [rows + 1] int64``).

    ``table`` and ``endings`` are ``classes.tables()``; ``scripts`` (SCRIPTS or ANY_SCRIPT) defines words; ``stop_words``:
    bits of the stop words to count; ``common: [11172] bool``: the frequent syllables.
    """
    rows = len(offsets) - 1
    out = np.zeros((rows, WIDTH), np.int64)
    s.reach[0] = 0
    for r in range(rows):
        _read(
            data,
            offsets[r],
            offsets[r + 1],
            table,
            endings,
            scripts,
            np.uint32(stop_words),
            common,
            out[r],
            s,
        )
        out[r, _STOP_WORDS] = count_bits(out[r, _STOP_WORDS])
        _repetition(out[r], s)
    return out
