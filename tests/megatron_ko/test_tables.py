"""Tables and text in the width of a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.tables import format_table, hang, terminal_width, width_of, wrap

ROWS = [("", "bytes/\ntoken", "words"), ("ours", "3.5", "12"), ("한국", "12.25", "7")]


def test_numbers_are_aligned_right_and_headers_at_the_bottom():
    assert format_table(ROWS, width=80) == [
        "      bytes/",
        "       token  words",
        "ours     3.5     12",
        "한국   12.25      7",
    ]


def test_columns_that_do_not_fit_follow_in_blocks_with_the_first_column():
    assert format_table(ROWS, width=18)[0] == "     bytes/"  # the narrow gap suffices
    assert format_table(ROWS, width=12) == [
        "      bytes/",
        "       token",
        "ours     3.5",
        "한국   12.25",
        "",
        "      words",
        "ours     12",
        "한국      7",
    ]


@pytest.mark.parametrize("width", [30, 60])
def test_sentences_are_wrapped_in_their_column(width):
    lines = format_table(
        [("rule", "pieces", "meaning"), ("digits", "12", "contains a digit " * 4)],
        width=width,
        sentences=True,
    )
    assert max(map(len, lines)) <= width
    assert " ".join(line.split("  ")[-1].strip() for line in lines).count("contains a digit") >= 3


@pytest.mark.parametrize("header", [[], [("rule", "pieces", "meaning")]])
@pytest.mark.parametrize("width", [24, 40])
def test_the_label_of_a_wrapped_sentence_is_beside_its_first_line(header, width):
    rows = [("digits", "12", "first words of many"), ("hangul", "3", "other words of many")]
    lines = format_table([*header, *rows], width=width, sentences=True)
    for label, *_, sentence in rows:
        [first] = [line for line in lines if sentence.split()[0] in line]
        assert first.startswith(label)


@given(st.text(st.sampled_from("ab 가나\n"), max_size=120), st.integers(21, 40))
def test_wrapped_text_fits_and_keeps_its_characters(text, width):
    lines = wrap(text, "# ", width)
    assert max(map(width_of, lines)) <= width
    assert "".join(line[2:] for line in lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_a_line_hangs_below_its_text_and_paths_stay_whole():
    path = "/a/" + "b" * 40
    assert hang(f"from         the folder {path}, 2 rows", 13, 40) == [
        "from         the folder", f"             {path},", "             2 rows",
    ]  # fmt: skip
    assert hang("steps        3", 13, 40) == ["steps        3"]


def test_without_a_terminal_lines_have_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() == 80


def test_wide_characters_take_two_columns_and_combining_marks_none():
    assert width_of("가a") == 3
    assert width_of("e\u0301") == 1
