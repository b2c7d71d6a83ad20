"""What masking promises for any text: here for texts made of pieces of the labeled cases, cut anywhere and glued together."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.documents import Counts
from preprocessing.pii.masking import KINDS, PLACEHOLDERS, find, mask, mask_column
from preprocessing.text.matching import available_engine
from tests.preprocessing.measure_personal_data import read_cases

ENGINES = ["re2", *(["hyperscan"] if available_engine() == "hyperscan" else [])]
PIECES = [case.text for case in read_cases()]
GLUE = [
    "",
    " ",
    "\n",
    "\n\n",
    "은 ",
    ",",
    "|",
    "\t",
    "/",
    ": ",
    "<",
    "010-",
    " 계좌 ",
    *PLACEHOLDERS.values(),
]
CHOICES = [list(KINDS), ["phone", "ip"], ["account", "secret"]]


@st.composite
def texts(draw):
    """Up to four pieces, each whole or cut at both ends."""
    text = ""
    for _ in range(draw(st.integers(1, 4))):
        piece = draw(st.sampled_from(PIECES))
        start, end = draw(st.tuples(st.integers(0, 12), st.integers(0, 12)))
        if draw(st.booleans()):
            piece = piece[start : max(start, len(piece) - end)]
        text += piece + draw(st.sampled_from(GLUE))
    return text


@settings(max_examples=100, deadline=None)
@given(texts())
def test_spans_are_in_order_and_apart(text):
    spans = find(text)
    assert spans == sorted(spans)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))
    for kind in KINDS:
        assert {span.kind for span in find(text, [kind])} <= {kind}


@settings(max_examples=100, deadline=None)
@given(texts())
def test_lines_keep_their_order_and_number_and_the_text_between_spans_stays(text):
    masked, counts = mask(text)
    spans = find(text)
    assert sum(counts.values()) == len(spans)
    end, rest = 0, masked
    for span in spans:
        outside = text[end : span.start] + PLACEHOLDERS[span.kind]
        assert rest.startswith(outside)
        rest, end = rest[len(outside) :], span.end
    assert rest == text[end:]
    inside = sum(text.count("\n", span.start, span.end) for span in spans)  # of private keys
    assert masked.count("\n") == text.count("\n") - inside
    if not inside:
        pairs = zip(text.split("\n"), masked.split("\n"), strict=True)
        assert all("<|" in after for before, after in pairs if before != after)


@settings(max_examples=100, deadline=None)
@given(texts(), st.sampled_from(KINDS))
def test_masking_one_kind_creates_no_data_of_another(text, kind):
    """What other kinds find after ``kind`` is masked, they find at the same place before."""
    masked, _ = mask(text, [kind])
    places = _places(text, kind)
    assert len(places) == len(masked) + 1
    before = find(text)
    for span in find(masked, [other for other in KINDS if other != kind]):
        start, end = places[span.start], places[span.end]
        assert any(old.kind == span.kind and old.start < end and start < old.end for old in before)


def _places(text, kind):
    """For each character of the masked text, and for its end, the place in ``text``."""
    places, end = [], 0
    for span in find(text, [kind]):
        places += [*range(end, span.start), *[span.start] * len(PLACEHOLDERS[kind])]
        end = span.end
    return [*places, *range(end, len(text) + 1)]


@settings(max_examples=100, deadline=None)
@given(texts())
def test_a_masked_text_contains_nothing_to_mask(text):
    once, _ = mask(text)
    assert mask(once) == (once, {})


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=50, deadline=None)
@given(some=st.lists(texts(), min_size=1, max_size=4), kinds=st.sampled_from(CHOICES))
def test_columns_are_masked_like_texts_alone(engine, some, kinds):
    column = pa.array(some, pa.large_string())
    ids = pa.array([f"d{row}" for row in range(len(some))], pa.large_string())
    after, numbers = mask_column(column, ids, kinds, Counts(), engine)
    alone = [mask(text, kinds) for text in some]
    assert after.to_pylist() == [text for text, _ in alone]
    assert numbers.tolist() == [[counts[kind] for kind in KINDS] for _, counts in alone]


@pytest.mark.slow
@pytest.mark.parametrize("above", ["", "이름\t비밀번호\t전화\n", "a, b, password\n"])
@pytest.mark.parametrize(
    "piece",
    [
        'password for the new and very old little mail se is "ab!c1def" ',
        "비밀번호: a1b2c3d4! ",
        "auth=(a,",
        "a@b.co ",
        "전화 010-1234-5678, ",
        "900101-1234567\t",
    ],
)
def test_a_long_line_is_searched_in_linear_time(above, piece):
    """A check that reads the line again for each match, or a text copied for each span, would take hours."""
    spans = find(above + piece * (600_000 // len(piece)))
    assert len({span.end - span.start for span in spans[1:-1]}) <= 1
