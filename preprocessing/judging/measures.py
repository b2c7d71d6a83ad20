"""Measures a document: characters, lines, paragraphs, words, and repetition.

Owns the table of measures and their computation from the counts of ``kernels.text_counts``; ``rules`` judges. Repetition
is that of Gopher (arXiv:2112.11446, table A1), in words that are runs of one script. Such words approximate Korean
morphemes, which attached particles would otherwise hide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from preprocessing.documents import utf8_buffer
from preprocessing.text.mojibake import rare_syllables

Unit = Literal["scripts", "blanks"]


@dataclass(frozen=True)
class Measure:
    """A column. ``quotient`` names the two counts that are divided; None where the column is a count itself."""

    name: str
    sentence: str
    quotient: tuple[str, str] | None = None

    @property
    def type(self) -> pa.DataType:
        return pa.float32() if self.quotient else pa.int32()


MEASURES = (
    Measure("characters", "Characters (code points)."),
    Measure("bytes", "Bytes of UTF-8."),
    Measure("visible", "Characters other than blanks and line ends."),
    Measure("hangul", "Hangul syllables."),
    Measure("jamo", "Single jamo behind another letter (not ㄱ. ㄴ. of a list), without those of laughter and tears."),
    Measure("emotion", "Jamo of laughter and tears: ㅋ ㅎ ㅠ ㅜ ㅡ."),
    Measure("letters", "Letters of any script, including Hangul, jamo and ideographs."),
    Measure("digits", "Digits 0 to 9."),
    Measure("plain", "Punctuation of ordinary prose: . , ! ? ' \" ( ) : ; - / % and quotation marks."),
    Measure("latin1", "Characters of the Latin-1 supplement that follow another (not ···): a sign of a wrong decoding."),
    Measure("replacement", "Replacement characters U+FFFD."),
    Measure("lines", "Lines with a visible character."),
    Measure("paragraphs", "Runs of lines with a visible character."),
    Measure("longest_line", "Characters of the longest line, without the blanks at its end."),
    Measure("bullet_lines", "Lines that start with a bullet, except bold words (**)."),
    Measure("ellipsis_lines", "Lines that end in an ellipsis."),
    Measure("short_lines", "Lines of at most 30 characters."),
    Measure("ended_lines", "Lines that end in a mark: . ! ? … 。 or a quotation mark."),
    Measure("newlines", "Line ends."),
    Measure("sentence_ends", "Marks after a letter and before a blank, and Korean lines ending in 다 요 죠 까 without one."),
    Measure("words", "Words: runs of Hangul, of letters, of digits; every other visible character alone."),
    Measure("symbol_words", "Words with neither letter nor digit."),
    Measure("blank_words", "Words between blanks (Korean: eojeol)."),
    Measure("alphabetic_words", "Words between blanks with a letter."),
    Measure("stop_words", "Number of different stop words; a weak sign of running text."),
    Measure("function_words", "Words that equal or end in a stop word."),
    Measure("list_words", "Words between blanks, and between separators of lists: , / | # ; : > and tabs."),
    Measure("listed_words", "Of them, those in pieces of one or two words between separators and line ends."),
    Measure("rare_hangul", "Syllables that are not among the 2,350 of KS X 1001."),
    Measure("mean_line_length", "Characters per line with a visible character.", ("characters", "lines")),
    Measure("mean_word_length", "Mean length of words with a letter or digit.", ("word_characters", "spoken_words")),
    Measure("duplicate_lines", "Share of lines that repeat an earlier one; ignores blanks.", ("line_repeats", "lines")),
    Measure("duplicate_line_characters", "Share of visible characters in repeated lines.", ("line_repeat_characters", "visible")),
    Measure("duplicate_paragraphs", "Share of paragraphs that repeat an earlier one.", ("paragraph_repeats", "paragraphs")),
    Measure(
        "duplicate_paragraph_characters",
        "Share of visible characters in repeated paragraphs.",
        ("paragraph_repeat_characters", "visible"),
    ),
    Measure("repeated_words", "Share of three-word sequences that repeat an earlier one.", ("repeated_triples", "triples")),
    *(
        Measure(f"top_{n}_gram", f"Share of characters in the most frequent sequence of {n} words, if it occurs twice.",
                (f"top_{n}", "recorded_characters"))
        for n in (2, 3, 4)
    ),
    *(
        Measure(f"duplicate_{n}_gram", f"Share of characters in repeated sequences of {n} words.",
                (f"duplicate_{n}", "recorded_characters"))
        for n in range(5, 11)
    ),
)  # fmt: skip
SCHEMA = pa.schema([(measure.name, measure.type) for measure in MEASURES])


def measure(column: pa.Array, lang: str, unit: Unit = "scripts") -> pa.RecordBatch:
    """One row per text, one column per entry of MEASURES; division by 0 gives 0.

    ``lang`` selects the stop words (``ko``, ``en``, otherwise both). ``unit`` defines a word: a run of one script, or
    the text between blanks as in other tools. Repetition is measured in the first four million words.
    """
    counts = _count(column, lang, unit)
    arrays = []
    for entry in MEASURES:
        if entry.quotient:
            arrays.append(pa.array(_divide(*(counts[name] for name in entry.quotient))))
        else:
            arrays.append(pa.array(counts[entry.name].astype(np.int32)))
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _count(column: pa.Array, lang: str, unit: Unit) -> dict[str, np.ndarray]:
    from preprocessing.kernels import classes, text_counts

    data, offsets = utf8_buffer(column)
    sizes = np.diff(offsets)
    table = text_counts.count(
        data,
        offsets,
        *classes.tables(),
        classes.SCRIPTS if unit == "scripts" else classes.ANY_SCRIPT,
        classes.stop_words(lang),
        ~rare_syllables(),
        text_counts.scratch_for(int(sizes.max(initial=0))),
    )
    counts = {name: table[:, i] for i, name in enumerate(text_counts.COUNTS)}
    counts["bytes"] = sizes
    counts["spoken_words"] = counts["words"] - counts["symbol_words"]
    counts["triples"] = np.maximum(counts["recorded_words"] - 2, 0)
    return counts


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return (above / np.maximum(below, 1)).astype(np.float32)
