"""Measures of documents, compared with plain Python."""

import random
import re
import string
import sysconfig
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.judging.measures import MEASURES, SCHEMA, measure
from preprocessing.kernels import text_counts
from preprocessing.kernels.classes import ENGLISH_STOP_WORDS, KOREAN_STOP_WORDS, STEMS

BLANK = r"[\t-\r \u00a0\u3000\u2000-\u200a]"
HANGUL = "가-힣"
IDEOGRAPH = "\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
LETTER = f"A-Za-z\u3131-\u318e\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff{HANGUL}"
SCRIPT_RUNS = re.compile(
    f"[{HANGUL}]+|(?:[A-Za-z_\u3131-\u318e]|[\u00c0-\u1fff](?<![×÷]))+|[0-9]+|.", re.DOTALL
)
MARKS, CLOSING = ".!?…。！？", "\"')]”’」』〉》"
BULLETS = "-*+•·–●○■□▶▷◆※└"
PLAIN = ".,!?'\"():;-/%…·" + "".join(map(chr, [*range(0x2010, 0x2020), *range(0x3001, 0x3012)]))
EMOTION = "ㅋㅎㅠㅜㅡ"
ASCII_NAMES = string.ascii_letters + string.digits


def is_letter(c):
    return re.fullmatch(f"[{LETTER}{IDEOGRAPH}]", c) is not None


def words_of(text, unit):
    found = re.findall(f"(?:(?!{BLANK}).)+", text, re.DOTALL)
    return found if unit == "blanks" else [run for word in found for run in SCRIPT_RUNS.findall(word)]


def stop_words_of(word, lang):
    """The stop words that a word equals or ends in."""
    found = set()
    if lang != "en":
        run = re.findall(f"[{HANGUL}]*$", word)[0]
        found |= {word for word in KOREAN_STOP_WORDS if run.endswith(word)}
        found |= {stem for stem in STEMS if run[:-1].endswith(stem)}
    if lang != "ko" and word.isascii():
        found |= set(ENGLISH_STOP_WORDS) & {word.lower()}
    return found


def sentence_ends_of(text):
    found = 0
    for line in text.split("\n"):
        words = words_of(line, "blanks")
        for place, word in enumerate(words, 1):
            tail = re.findall(f"[{re.escape(MARKS + CLOSING)}]*$", word)[0]
            marks = [i for i, c in enumerate(tail) if c in MARKS]
            head = word[: len(word) - len(tail)]
            after_letter = marks[:1] == [0] and head and is_letter(head[-1])
            after_closing = any(i and tail[i - 1] in CLOSING for i in marks)
            unmarked = place == len(words) and word[-1] in "다요죠까"
            found += bool(after_letter or after_closing or unmarked)
    return found


def seen_before(items, sizes):
    seen, number, size = set(), 0, 0
    for item, length in zip(items, sizes):
        if item in seen:
            number += 1
            size += length
        seen.add(item)
    return number, size


def top_characters(words, n):
    grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not grams:
        return 0
    gram, times = grams.most_common(1)[0]
    return times * len(" ".join(gram)) if times > 1 else 0


def duplicate_characters(words, n):
    seen, found, i = set(), 0, 0
    while i <= len(words) - n:
        gram = tuple(words[i : i + n])
        if gram in seen:
            found += sum(map(len, gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return found


def plain_lists(text):
    """``(words, those in pieces of one or two, rare syllables)``"""
    pieces = [
        sum(any(c in ASCII_NAMES or c >= "\x80" for c in word) for word in words_of(piece, "blanks"))
        for piece in re.split(r"[,/|#;:>\t\n]", text)
    ]
    rare = sum("가" <= c <= "힣" and not is_in_ks_x_1001(c) for c in text)
    return sum(pieces), sum(words for words in pieces if words <= 2), rare


def is_in_ks_x_1001(syllable):
    try:
        return len(syllable.encode("euc_kr")) == 2
    except UnicodeEncodeError:
        return False


def plain_measure(text, lang, unit):
    def share(a, b):
        return a / max(b, 1)

    visible = re.sub(BLANK, "", text)
    every = text.split("\n")
    lines = [line for line in every if re.sub(BLANK, "", line)]
    paragraphs = [
        part
        for part in "\n".join(line if re.sub(BLANK, "", line) else "" for line in every).split("\n\n")
        if part.strip("\n")
    ]
    words, blank_words = words_of(text, unit), words_of(text, "blanks")
    spoken = [word for word in words if any(is_letter(c) or c in "0123456789" for c in word)]
    stripped = [re.sub(f"^{BLANK}+|{BLANK}+$", "", line) for line in lines]
    content = [tuple(words_of(line, unit)) for line in lines]
    in_parts = [
        tuple(tuple(words_of(line, unit)) for line in part.strip("\n").split("\n")) for part in paragraphs
    ]
    line_repeats = seen_before(content, [len("".join(c)) for c in content])
    part_repeats = seen_before(in_parts, [sum(len(w) for c in part for w in c) for part in in_parts])
    triples = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    return {
        "characters": len(text),
        "bytes": len(text.encode()),
        "visible": len(visible),
        "hangul": sum("가" <= c <= "힣" for c in text),
        "jamo": sum(
            "ㄱ" <= c <= "\u318e" and c not in EMOTION and is_letter(a) for a, c in zip(" " + text, text)
        ),
        "emotion": sum(c in EMOTION for c in text),
        "letters": sum(map(is_letter, text)),
        "digits": sum(c in "0123456789" for c in text),
        "plain": sum(c in PLAIN for c in text),
        "latin1": sum(
            "\x80" <= a <= "\xff" and "\x80" <= b <= "\xff" and b != "\xa0" for a, b in zip(text, text[1:])
        ),
        "replacement": text.count("\ufffd"),
        "lines": len(lines),
        "paragraphs": len(paragraphs),
        "longest_line": max(len(re.sub(f"{BLANK}+$", "", line)) for line in every),
        "bullet_lines": sum(line[0] in BULLETS and not line.startswith("**") for line in stripped),
        "ellipsis_lines": sum(line.endswith(("...", "…")) for line in stripped),
        "short_lines": sum(len(line) <= 30 for line in lines),
        "ended_lines": sum(line[-1] in MARKS + '"”' for line in stripped),
        "newlines": text.count("\n"),
        "sentence_ends": sentence_ends_of(text),
        "words": len(words),
        "symbol_words": len(words) - len(spoken),
        "blank_words": len(blank_words),
        "alphabetic_words": sum(any(map(is_letter, word)) for word in blank_words),
        "stop_words": len(set().union(*(stop_words_of(word, lang) for word in words))),
        "function_words": sum(bool(stop_words_of(word, lang)) for word in words),
        **dict(zip(("list_words", "listed_words", "rare_hangul"), plain_lists(text))),
        "mean_line_length": share(len(text), len(lines)),
        "mean_word_length": share(sum(map(len, spoken)), len(spoken)),
        "duplicate_lines": share(line_repeats[0], len(lines)),
        "duplicate_line_characters": share(line_repeats[1], len(visible)),
        "duplicate_paragraphs": share(part_repeats[0], len(paragraphs)),
        "duplicate_paragraph_characters": share(part_repeats[1], len(visible)),
        "repeated_words": share(len(triples) - len(set(triples)), len(triples)),
        **{f"top_{n}_gram": share(top_characters(words, n), len(text)) for n in (2, 3, 4)},
        **{f"duplicate_{n}_gram": share(duplicate_characters(words, n), len(text)) for n in range(5, 11)},
    }


def compare(texts, lang, unit="scripts"):
    found = measure(pa.array(texts, pa.large_string()), lang, unit)
    assert found.schema == SCHEMA
    for text, row in zip(texts, found.to_pylist()):
        expected = plain_measure(text, lang, unit)
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-6), repr(text[:200])


_PIECES = "가나다요 의은는이에서으로했있 ab the be to 12 _ ㅋㅋ ㄱ é × 漢 あ . , ! ? … ... - • ( ) \" ' ” 。 # ★ 😀 𠀀 \ufffd \xa0 \u2009"
PIECES = (
    *_PIECES.split(" "), " ", " ", "\n", "\n\n", "\n \n", "있다.", "했다", "에서", "that", "THE", "봄이 왔네 ", "여름", "\t", "\r", "",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
REPETITIVE = st.lists(st.sampled_from(["가 ", "나 ", "ab ", "1", "\n", "."]), max_size=120).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.one_of(TEXTS, REPETITIVE, st.text(max_size=40)), min_size=1, max_size=6),
    lang=st.sampled_from(["ko", "en", "code"]),
)
@pytest.mark.parametrize("unit", ["scripts", "blanks"])
def test_measures_equal_plain_python(texts, lang, unit):
    compare(texts, lang, unit)


def test_measures_of_real_source_code():
    root = Path(sysconfig.get_paths()["stdlib"])
    compare(
        [(root / name).read_text("utf-8") for name in ("this.py", "bisect.py", "abc.py", "heapq.py")], "code"
    )


def test_a_document_by_hand():
    text = "- 봄이 왔다.\n- 봄이 왔다.\n\n여름은 언제 올까...\n끝났어요\n"
    row = measure(pa.array([text], pa.large_string()), "ko").to_pylist()[0]
    assert (row["lines"], row["paragraphs"], row["bullet_lines"], row["ellipsis_lines"]) == (4, 2, 2, 1)
    assert (row["ended_lines"], row["sentence_ends"], row["short_lines"]) == (3, 4, 4)
    assert row["words"] == 2 * 4 + 7  # - 봄이 왔다 . twice; 여름은 언제 올까 . . . 끝났어요
    assert row["blank_words"] == 10
    assert row["duplicate_lines"] == pytest.approx(1 / 4)
    assert row["duplicate_line_characters"] == pytest.approx(len("-봄이왔다.") / row["visible"])
    assert row["top_2_gram"] == pytest.approx(2 * len("- 봄이") / len(text))


def test_stop_words_are_those_of_the_language():
    texts = pa.array(["나는 학교에서 책을 읽었다", "the end of that"], pa.large_string())
    assert measure(texts, "ko")["stop_words"].to_pylist() == [4, 0]
    assert measure(texts, "en")["stop_words"].to_pylist() == [0, 3]
    assert measure(texts, "mixed")["stop_words"].to_pylist() == [4, 3]


def test_a_slice_of_a_column_has_the_measures_of_its_rows():
    texts = ["하나 둘 셋", "", "a b\n\nc", "넷 다섯 넷 다섯 넷 다섯"]
    whole = measure(pa.array(texts, pa.large_string()), "ko").to_pylist()
    assert measure(pa.array(texts, pa.large_string()).slice(1, 2), "ko").to_pylist() == whole[1:3]
    assert measure(pa.array([], pa.large_string()), "ko").num_rows == 0


def test_repetition_is_found_in_the_first_words_of_an_endless_document():
    most = text_counts.MAX_WORDS
    head = "가 나 다 라 " * (most // 4)
    tail = "마바 " * 1000
    row = measure(pa.array([head + tail], pa.large_string()), "ko").to_pylist()[0]
    assert row["words"] == most + 1000
    # all but the first of each, of the head alone
    assert row["duplicate_5_gram"] == pytest.approx(0.5, rel=1e-5)
    assert row["top_2_gram"] == pytest.approx(3 * most / 4 / len(head), rel=1e-5)


def test_every_measure_has_a_sentence():
    assert len({entry.name for entry in MEASURES}) == len(MEASURES)
    assert all(entry.sentence.endswith(".") for entry in MEASURES)


@pytest.mark.slow
def test_measures_of_much_random_text():
    random.seed(0)
    for _ in range(300):
        texts = ["".join(random.choices(PIECES, k=random.choice([5, 50, 2000]))) for _ in range(8)]
        compare(texts, "ko", random.choice(["scripts", "blanks"]))
