"""Personal data that a column of a statement, an arrow or a door names, and what only looks like it."""

import re

import pytest

from preprocessing.pii.masking import find, mask

VALUES = {
    "rrn": ("jumin_no", "9001011234569", "9203141029384"),
    "passport": ("passport_no", "M88123049", "M90218374"),
    "driver": ("license_no", "119012345678", "119112345699"),
    "phone": ("tel", "0212345678", "0311234567"),
    "card": ("card_no", "4539148803436467", "4916338506082832"),
    "account": ("account_no", "11012345678901", "30212345678912"),
    "secret": ("password", "Abc!2345", "Xyz!9876"),
}
STATEMENTS = [
    "INSERT INTO t({0}) VALUES ('{1}');",
    "insert into t (id, name, {0}, memo) values (1, 'kim, o''neil (a)', '{1}', NULL), (2, 'lee', '{2}', 'x');",
    'INSERT INTO t (`id`, `{0}`, `addr`) VALUES (1, "{1}", NOW());',
]
ROWS = [
    "INSERT INTO t (id, {0}) VALUES\n(1, '{1}'),\n(2, '{2}');",
    "INSERT INTO t\n(id, {0})\nVALUES\n(1, '{1}'),\n(2, '{2}');",
]
CHANGES = ["{0}: {1} -> {2}", "{0} {1} → {2}"]
TIGHT_CHANGES = ["{0} {1}->{2}", "{0} '{1}' => '{2}'"]
EVERYWHERE = [(kind, frame) for kind in VALUES for frame in (*STATEMENTS, *CHANGES)]
NUMBERS = [(kind, frame) for kind in VALUES if kind != "secret" for frame in (*ROWS, *TIGHT_CHANGES)]


@pytest.mark.parametrize(("kind", "frame"), EVERYWHERE + NUMBERS)
def test_the_column_of_a_statement_or_an_arrow_is_as_good_as_a_word(kind, frame):
    name, *values = VALUES[kind]
    masked = mask(frame.format(name, *values))[0]
    assert masked == frame.format(name, *([f"<|{kind}|>"] * 2))
    assert mask(masked)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO orders (id, order_no) VALUES (1, '9001011234568');",
        "INSERT INTO parts (passport_no, part_no) VALUES (NULL, 'M88123049');",
        "INSERT INTO `t` VALUES (1, 'M88123049');",
        "INSERT INTO t (id, password_hash) VALUES (1, '5f4dcc3b5aa765d61d8327deb882cf99');",
        "(passport_no, part_no)\n(1, 'M88123049')",
        "부품 M88123049 -> M90218374",
        "계좌 -> 2024-03-15 -> 11012345678901개",
        "f(passport, (1, 2), VALUES (M88123049",
    ],
)
def test_other_columns_and_arrows_name_nothing(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize(
    "text",
    [
        "### 33.3.2.2 Disabling Packet Generation",
        "> ## **33.3.5.1** Context Switch of IP packets",
        "### 33.2.9.2 TSX and IP Filtering\n자세한 내용은 섹션 33.4.2.2에 있습니다. IP 패킷.",
        'IP 패킷 조건(섹션 33.2.7.2의 "ToPA STOP" 참조)',
        "주소는 BASE(33.2.8.7 섹션 참조)와 MASK(33.2.8.8 섹션 참조)에 있다. IP는 33.2.8.9절에서 다룬다.",
        "Table 33.4.2.2 IP packets, Fig. 12.33.4.1, see Section 33.4.21.2 for IP addresses",
        "그림 12.33.4.1 IP 주소, 부록 12.33.4.2의 IP 주소",
    ],
)
def test_four_numbers_of_a_section_are_no_address(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize(
    "text",
    [
        "### 121.166.90.12 접속 기록",
        "### 54.23.11.8 서버 IP",
        "대표 IP 54.23.11.8 장비",
        "접속 IP는 54.23.11.8 장애 뒤에 바뀌었다",
        "## 서버 54.23.11.8",
    ],
)
def test_an_address_beside_such_words_is_one(text):
    assert set(mask(text)[1]) == {"ip"}


UUID = "63014586-7137-4174-bd2e-ca8581e92fd2"


@pytest.mark.parametrize(
    "text",
    [
        f"![카드](https://github.com/user-attachments/assets/{UUID})",
        f"card {UUID.upper()}",
        "카드 63014586-7137-4174-9123-485819892912",
        "카드 bd2e7137-4539-1488-0343-6467a1b2c3d4, bd2e-4539-1488-0343-6467",
        "연락처 cafe1234-0101-4000-8010-010123456789",
        "은행 계좌 bd2e-110-123-456789",
    ],
)
def test_digits_of_a_longer_id_are_no_number_of_a_person(text):
    assert mask(text) == (text, {})


def test_a_number_beside_a_word_is_no_part_of_an_id():
    assert mask("card-4539-1488-0343-6467")[0] == "card-<|card|>"
    assert mask("카드 4539-1488-0343-6467-face")[0] == "카드 <|card|>-face"


@pytest.mark.parametrize("gap", ["", " ", "-", "에 ", "에", ", ", " 다시 ", ". "])
def test_a_mobile_number_spelled_as_it_is_said(gap):
    assert mask(f"문자는 {gap.join(('공일공', '이구삼팔', '사칠오육'))}으로")[0] == "문자는 <|phone|>으로"


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("현관 비밀번호 ", " 누르세요"),
        ("공동현관 비번: ", ""),
        ("도어락 비밀번호는 ", "입니다"),
        ("현관에서 ", " 누르고 들어오세요"),
        ("공동현관 (비번 ", ")"),
    ],
)
@pytest.mark.parametrize("code", ["2580*", "*2580#", "#2580", "1203*2580#"])
def test_the_code_of_a_door(before, code, behind):
    assert mask(f"{before}{code}{behind}")[0] == f"{before}<|secret|>{behind}"


@pytest.mark.parametrize(
    "text",
    [
        "현관 앞 3동 2580호",
        "공동현관 비밀번호 **2580**",
        "도어락 초기 비밀번호는 1234* 입니다",
        "현관 매트 60*90 두 장",
        "출입문 규격 2100*900",
        "대문 번호 12*",
    ],
)
def test_what_is_no_code_of_a_door(text):
    assert mask(text) == (text, {})


def test_many_rows_of_a_statement():
    rows = ",\n".join(f"({number}, 'M{88000000 + number}')" for number in range(3000))
    text = f"INSERT INTO t (id, passport_no) VALUES\n{rows};"
    assert len(find(text, ["passport"])) == len(re.findall("M88", text))


@pytest.mark.parametrize(
    "text",
    [
        "탑승객 여권번호: 1) {0} 2) {1}",
        "여권 만료 전 번호 {0} / 새 번호 {1}",
        "여 권 번 호 : {0} ({1})",
        '{{"name": "passport_no", "value": "{0}"}}, {1}',
        "護照號碼 {0}, travel document no. {1}",
        "여권번호\n- {0} 홍길동\n- {1} 김하늘",
    ],
)
def test_passports_in_lists_fields_and_other_languages(text):
    masked = mask(text.format("M40001928", "M65849573"))[0]
    assert masked == text.format("<|passport|>", "<|passport|>")
    assert mask(masked)[0] == masked


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ACCOUNT_NO={}|1002-702-469459", "account"),
        ("국민 {} 으로 3만원 보내|100093767162", "account"),
        ("후원 국민 {}|524901 01 456123", "account"),
        ("계 좌 번 호 {}|857638-04-854552", "account"),
        ("?email={}&x=1|kim77%40naver.com", "email"),
        ("주민번호_{}|020914-4168362", "rrn"),
        ("비 밀 번 호 : {}|Minji#0947", "secret"),
        ("props.put(\"mail.smtp.password\", \"{}\");|monkey7548", "secret"),
        ("WiFi.begin(\"home\", \"{}\");|sarang5017", "secret"),
        ("basicAuth: 'admin:{}'|Seoul@8049", "secret"),
        ("const KAKAO_KEY = '{}';|b282e2a7c91a5a97a327707c2822009b", "secret"),
        ("sqlserver://db:1433;user=sa;password={}|korea@8734", "secret"),
        ("curl --user kim:{} https://x.kr|Haneul@1223", "secret"),
        ("HttpHeaders.setBasicAuth('kim', '{}')|admin$3463", "secret"),
        ("unzip -P {} a.zip|monkey2951", "secret"),
        ("az login -u a -p {}|korea!4713", "secret"),
        ("sudo useradd -p {} kim|tiger$5813", "secret"),
        ("pswd: {}|Haneul#1092", "secret"),
        ("패스워드 = {} 로 세팅했습니다|dolphin5852", "secret"),
        ('<meta-data android:name="com.kakao.sdk.AppKey" android:value="{}" />|a27a31afb251f7162a4930278010f46b', "secret"),
        ("실명번호 {}|791110-6080874", "rrn"),
        ("SWIFT SHBKKRSE, A/C {}|3333-86-7551774", "account"),
        ("discord.com/api/webhooks/112233445566778899/{}|" + "x7Kq2mZ9tR4wLpN8vBc3" * 3, "secret"),
    ],
)  # fmt: skip
def test_other_forms_of_context(text, kind):
    frame, value = text.split("|")
    assert mask(frame.format(value))[0] == frame.format(f"<|{kind}|>")


@pytest.mark.parametrize(
    "text",
    [
        "여권번호 예: M00000000",
        "여권 케이스 모델 M12345678",
        "Windows license 12-34-567890-12-XX",
        "이미지 11-12-123456-12.png",
        "농협 공판장 2023-2024-12",
        "AWS account 559198857556",
        "export AWS_ACCOUNT=559198857556",
        "정부의 참여 권고 문서 M12345678",
        "여권 <|passport|>\n부록 A12345678",
        "체계 좌우 123-456-789012",
        "여권용 프린터 카트리지 M12345678",
        "토스 2024-1234-5678 논문",
        "md5(비밀번호)=5f4dcc3b5aa765d61d8327deb882cf99",
        "기업 123-45-67890",
        "var CFG_KEY = 'aip.sync.v1';",
        "PLUGIN_KEY=d7fcc0dd-48ae-4660-9f16-9880a277b80a",
    ],
)
def test_numbers_and_names_of_things_stay(text):
    assert mask(text) == (text, {})
