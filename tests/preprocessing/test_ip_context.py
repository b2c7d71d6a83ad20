"""The evidence for four numbers: features, the table of weights, and the crossed cases that it is fitted on."""

import re

import pytest

from preprocessing.pii import ip_context, ip_numbers
from preprocessing.pii.masking import mask
from tests.preprocessing.fit_ip_weights import TABLE, fit, read_examples
from tests.preprocessing.ip_frames import crossed_cases
from tests.preprocessing.measure_personal_data import read_cases


def evidence(text, title=""):
    found = re.search(r"[0-9]+(?:\.[0-9]+){3}", text)
    assert found
    return ip_context.evidence(text, *found.span(), title)


@pytest.mark.parametrize(
    ("address", "version"),
    [
        ("서버 14.140.7.118", "서버 버전 14.140.7.118"),
        ("접속지 18.101.22.7", "카카오톡 18.101.22.7"),
        ('host = "3.40.22.100"', '__version__ = "3.40.22.100"'),
        ("ssh root@3.40.22.10", "react@3.40.22.10"),
        ("http://13.40.122.100/a", "Whale/13.40.122.100"),
        ("13.40.22.100에서 로그인", "13.40.22.100에서 수정된 버그"),
    ],
)
def test_the_text_decides_about_the_same_numbers(address, version):
    assert evidence(address) > 0 >= evidence(version)


def test_the_numbers_decide_where_the_text_does_not():
    sums = [evidence(f"{numbers} 확인") for numbers in ("211.33.90.12", "84.0.90.12", "3.1.9.12")]
    assert sums == sorted(sums, reverse=True) and sums[0] > 0 > sums[2]


@pytest.mark.parametrize(
    "text",
    [
        "게임 서버 아이피가 5.9.12.34 맞나요?",
        "IP는 4.5.6.7이고 포트는 443입니다",
        "host: 2.3.4.1",
        "remote_addr=1.2.3.9",
    ],
)
def test_numbers_that_are_called_an_address_are_one(text):
    assert "<|ip|>" in mask(text)[0]
    assert (
        evidence("BIG-IP 2.3.4.5") <= 0
        and mask("BIG-IP 2.3.4.5, IP 1.2.3.4 버전")[0] == "BIG-IP 2.3.4.5, IP 1.2.3.4 버전"
    )


def test_a_title_of_a_column_counts():
    assert evidence("| 14.3.90.12 |", "공인 IP") > evidence("| 14.3.90.12 |", "버전")


def test_four_other_numbers_nearby_count():
    def sum_beside(other):
        text = f"14.3.90.12 {other}"
        return ip_context.evidence(text, 0, 10, "")

    assert sum_beside("211.133.190.112") > sum_beside("3.1.9.12")


@pytest.mark.parametrize(
    "text",
    [
        "서버 버전 3.7.5.1, 주소 {}",
        "서버 주소 {}, 버전 3.7.5.1",
        "chrome 120.0.0.0 으로 {} 접속 시 경고",
        '{} - - "GET /a HTTP/1.1" 200 "FortiClient/7.2.4.1"',
        "공인 IP는 {}이고 펌웨어는 3.0.4.1입니다",
    ],
)
@pytest.mark.parametrize("address", ["61.133.90.169", "18.62.64.232"])
def test_a_version_in_the_same_line_does_not_hide_an_address(text, address):
    masked, counts = mask(text.format(address))
    assert masked == text.format("<|ip|>") and counts == {"ip": 1}


def test_words_beyond_other_numbers_are_far():
    text = "웨일 버전 3.7.5.1, 주소 14.3.90.12, 모듈 버전 4.1.2.3"
    start = text.index("14.3")
    found = ip_context.features(text, start, start + 10, "")
    assert {"near:주소", "far:버전", "far:웨일"} <= found
    assert "near:버전" not in found and "near:모듈" not in found


def test_the_ratios_of_the_numbers_follow_from_their_classes():
    assert ip_numbers.weight_of_numbers("14.140.7.118") == 2 + 14 + round(0.15 * (-4 + 37 - 27 + 29))
    assert ip_numbers.weight_of_numbers("3.1.9.12") == -20 - 55 + round(0.15 * (-30 - 29 - 27 + 2))


@pytest.mark.parametrize("front", ["foo==", "foo/bar:", "setup_", "C:\\Program Files\\Foo\\"])
def test_a_place_of_versions_counts_against_an_address(front):
    assert evidence("ssh root@14.3.90.12") > 0 >= evidence(f"{front}14.3.90.12")


def test_an_address_may_touch_a_name_that_ends_in_ip():
    assert mask("mobileIP121.166.90.12로 접속")[0] == "mobileIP<|ip|>로 접속"
    assert mask("fooBar121.166.90.12")[1] == {}


def test_a_masked_neighbor_reads_like_its_placeholder():
    """A blot during the search is longer than the placeholder of the next run; both must decide alike."""
    blot, placeholder = "<|ip|||||||||>", "<|ip|>"
    text = "서버 {} → 12.40.7.18"
    features = [
        ip_context.features(line, len(line) - 10, len(line), "")
        for line in (text.format(blot), text.format(placeholder))
    ]
    assert features[0] == features[1] and "left:⏎" not in features[0]
    assert mask(mask("서버 4.101.22.3 → 4.101.22.9")[0])[1] == {}


def test_every_line_of_the_table_is_a_family_a_weight_and_values_named_once():
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    names = [(family, value) for family, _, *values in rows for value in values]
    assert len(names) == len(set(names))
    assert all(int(weight) for _, weight, *_ in rows)
    families = {family for family, _ in names}
    assert families - {"bias"} == {
        "left", "left0", "left1", "left2", "right", "right0", "right1", "right2", "sides", "owner", "second", "next",
        "near", "far", "title", "before", "behind", "between", "name", "place", "peer",
    }  # fmt: skip


def test_the_fit_tells_two_contexts_apart_and_is_deterministic():
    cases = [case for case in crossed_cases() if case.text.startswith(("서버 ", "크롬 "))]
    examples = read_examples(cases)
    weights = fit(examples, [])
    assert weights == fit(examples, [])
    assert weights["owner:서버"] > 0 > weights["owner:크롬"]


def test_crossed_cases_are_the_same_each_time_and_mark_their_addresses():
    cases = crossed_cases()
    assert cases == crossed_cases() != crossed_cases(seed=2)
    for case in cases:
        assert "{" + "word}" not in case.text
        assert all(re.fullmatch(r"[0-9]+(?:\.[0-9]+){3}", case.text[s.start : s.end]) for s in case.spans)


def test_the_weights_are_right_about_the_cases_they_are_fitted_on():
    examples = read_examples(read_cases())
    weights = ip_context._weights()
    wrong = sum(
        (weights["bias"] + e.of_numbers + sum(weights.get(f, 0) for f in e.features) > 0) != e.is_address
        for e in examples
    )
    assert wrong <= 0.01 * len(examples)
