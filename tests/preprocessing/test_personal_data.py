"""Personal data is found next to Hangul; dates, orders and versions are not taken for it."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.documents import Counts
from preprocessing.operations import mask_column
from preprocessing.personal_data import KINDS, PATTERNS, anonymised, mask

FOUND = [
    ("rrn", "주민번호900101-1234567입니다", "주민번호<|rrn|>입니다"),
    ("rrn", "151005-3000001", "<|rrn|>"),  # issued 2015: gender digit 3
    ("rrn", "번호 850228 - 2****** 확인", "번호 <|rrn|> 확인"),
    ("phone", "전화는010-1234-5678이고", "전화는<|phone|>이고"),
    ("phone", "01000009876로", "<|phone|>로"),
    ("phone", "문의.010 0000 4321", "문의.<|phone|>"),
    ("phone", "02-123-4567 또는 +82-10-0000-2468", "<|phone|> 또는 <|phone|>"),
    ("phone", "관리실(031)000-1234", "관리실<|phone|>"),
    ("card", "카드4111 1111 1111 1111이고", "카드<|card|>이고"),
    ("card", "결제한 카드 4012888888881881로", "결제한 카드 <|card|>로"),
    ("account", "계좌번호: 가람은행 110-000-123456 예금주", "계좌번호: 가람은행 <|account|> 예금주"),
    ("account", "통장 123456-00-123456으로", "통장 <|account|>으로"),
    ("email", "메일주소hong@naver.com입니다", "메일주소<|email|>입니다"),
    ("email", "<nora.feldspar@example.co.kr>,", "<<|email|>>,"),
    ("ip", "서버 203.0.113.25로 접속", "서버 <|ip|>로 접속"),
]
HARD_NEGATIVES = [
    "2024-03-15에 만나요", "주문번호 20240315123456", "계좌를 2024-03-15에 만들었다", "입금일 2024-03-15-1200", "991399-1234567",
    "900231-1234567", "9001011234569", "4111 1111 1111 1112", "송장 1234-5678-9012-3456", "파이썬 3.12.1.4 버전", "버전 10.20.30.40",
    "v120.64.30.99", "127.0.0.1", "192.168.0.10", "10.1.2.3", "192.0.2.0/24", "256.300.1.1", "1.2.3.4.5", "1588-1588", "0.01012345678",
    "3.141592653589793", "2000000", "1,000,000원", "123-45-67890", "978-89-12345-67-8", "@decorator", "git@github.com:a/b.git", "a@b",
    "공 010-12-345", "은행에 3번 갔다", "2019-2020 시즌 1010-2020",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), FOUND)
def test_found_next_to_hangul(kind, text, expected):
    masked, counts = mask(text)
    assert masked == expected
    assert set(counts) == {kind}


@pytest.mark.parametrize("text", HARD_NEGATIVES)
def test_hard_negatives_stay(text):
    assert mask(text) == (text, {})


def test_rrn_without_a_separator_needs_its_checksum():
    digits = "900101123456"
    check = (11 - sum(int(d) * w for d, w in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))) % 11) % 10
    assert mask(f"{digits}{check}")[0] == "<|rrn|>"
    assert mask(f"{digits}{(check + 1) % 10}")[1]["rrn"] == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([t for _, t, _ in FOUND] + HARD_NEGATIVES + ["가나", " ", "\n", "은", "<|rrn|>"]),
        max_size=6,
    )
)
def test_masking_twice_is_masking_once_and_columns_agree_with_texts(parts):
    text = "\n".join(parts)
    once, _ = mask(text)
    assert mask(once) == (once, {})
    column = mask_column(pa.array([text], pa.large_string()), pa.array(["a"]), list(KINDS), Counts())
    assert column.to_pylist() == [once]  # a hint that misses a row would show here


def test_only_the_kinds_asked_for():
    assert mask("a@b.kr 010-1234-5678", ["phone"])[0] == "a@b.kr <|phone|>"


def test_examples_in_reports_do_not_leak():
    for _, text, _ in FOUND:
        hidden = anonymised(text)
        for pattern in PATTERNS:
            assert not any(pattern.check(m) for m in pattern.regex.finditer(hidden))
