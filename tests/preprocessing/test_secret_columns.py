"""Passwords and keys below the title of their column and below a label, and what only stands below one."""

import pyarrow as pa
import pytest

from preprocessing.documents import Counts
from preprocessing.pii.masking import KINDS, mask, mask_column
from preprocessing.pii.secret_columns import find_lines_below

PASSWORD, KEY = "Kx7!mq29", "h4Rk9Zt2Qw8Lp5Xn3Bv7Ys6D"
TABLES = [
    "아이디,{name}\nkim,{value}\npark,{other}",
    "{name},이름\n{value},kim\n{other},park",
    'id;"{name}"\n"kim";"{value}"\n"park";"{other}"',
    "id\t{name}\tmemo\nkim\t{value}\ta\npark\t{other}\tb",
    "계정 | {name}\nkim | {value}\npark | {other}",
    "| 계정 | {name}      | 비고 |\n|:--|:--:|--|\n| kim | `{value}` | a |\n| park | **{other}** | b |",
    "글\n\n    | 계정 | {name} |\n    | -- | -- |\n    | kim | {value} |\n    | park | {other} |\n\n글",
    "INSERT INTO t (id, {name}, memo) VALUES\n(1, '{value}', 'a'),\n(2, '{other}', 'b');",
    "insert into t\n(id, `{name}`)\nvalues\n(1, '{value}'),\n(2, '{other}');",
]
LABELS = [
    "비밀번호\n{0}",
    "- PW\n: {0}",
    "## 초기 비밀번호(Password)\n\n`{0}`",
    "ID\n: admin\nPassword:\n{0}\n\n글",
]
MADE = [
    "SECRET_KEY={4}",
    "SECRET_KEY = {0}",
    "smtp.login('kim', '{1}')",
    "앱 비밀번호는 {1} 이렇게 열여섯 자입니다.",
    "jwt.sign({{ id: user.id }}, '{2}', {{ expiresIn: '1h' }});",
    "jwt.decode(token, '{2}', algorithms=['HS256'])",
    "$ sudo cat /var/lib/jenkins/secrets/initialAdminPassword\n{3}",
]
MADE_VALUES = (
    "kku)kz-&q49#jym96=6vgb14^*!u(5c&y7m(#ptj2=h4$$qor_",
    "bqzt mxko wyre pvdn",
    "Sk9x2QmPz71vLr4T",
    "94e229996fe599cbecbce06fb4911b4a",
    "django-insecure-3vd@$1l)e=0r^(xk2h!z8s_n6w&q+b9mj5t-c*p7yfo4ugia(1",
)
NOT_MADE = [
    "SECRET_KEY=your-secret-key-here-your-secret-key-here-your-secret",
    "jwt.verify(token, publicKey1)",
    "jwt.sign(payload, process.env.KEY1, {expiresIn: '1h'})",
    "jwt.decode(token, 'RS256')",
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "타임스탬프 1694752123456 은행 API 로그",
    "과제번호 2021-0-01373-001 우리은행 협력",
]
OTHER_LINES = [
    "auth(\n  password,\n  authPluginData1,\n  authPluginData2,\n)",
    "f(id, password);\nf(admin1, Kx7mq29Zt);",
    "| 항목 | 비밀번호 |\n|---|---|\n| 최소 길이 | 8자 |\n| 해시 | SHA256 |",
    "| 항목 | 비밀번호 |\n|---|---|\n| 규칙 | 영문 8자 Kx7!mq29 형식 |",
    "token,id,count\nGPT4,55,7\nlong_token_name_12,5,5",
    "| Method | Path | Token |\n|---|---|---|\n| POST | /api/v2/items | X |",
    "이름,금액\nkim,Kx7!mq29",
    "비밀번호\n8자 이상 20자 이하",
    "Password\nConfirm Password2",
    "비밀번호를 적으세요\nKx7!mq29",
    "암호\nAES256-GCM",
    "암호,버전\nECDHE-RSA-AES256-GCM-SHA384,TLSv1.2\nDES-CBC3-SHA,TLSv1.0\n3DES-EDE,X",
    "- Password\n- Email2FA\n- OAuth2",
    "비밀번호:\nMariaDB10.6",
]


def mask_as_column(text: str) -> str:
    column, ids = pa.array([text], pa.large_string()), pa.array(["a"], pa.large_string())
    return mask_column(column, ids, KINDS, Counts())[0][0].as_py()


@pytest.mark.parametrize("frame", TABLES)
@pytest.mark.parametrize(
    ("name", "value", "other"),
    [("비밀번호", PASSWORD, "haneul2024"), ("password", PASSWORD, "p@rk0304"), ("api_key", KEY, KEY[::-1])],
)
def test_the_title_of_a_column_names_its_secrets(frame, name, value, other):
    masked = frame.format(name=name, value="<|secret|>", other="<|secret|>")
    text = frame.format(name=name, value=value, other=other)
    assert mask(text)[0] == mask_as_column(text) == masked
    assert mask(masked)[0] == masked


@pytest.mark.parametrize("frame", LABELS)
def test_the_label_above_names_a_password(frame):
    text = frame.format(PASSWORD)
    assert mask(text)[0] == mask_as_column(text) == frame.format("<|secret|>")


@pytest.mark.parametrize("text", OTHER_LINES)
def test_other_lines_below_such_words_stay(text):
    assert mask(text)[0] == mask_as_column(text) == text


@pytest.mark.parametrize("row", ["a,password,b", "| 1 | 비밀번호 |", "(password, values"])
def test_rows_that_look_like_titles_are_read_once(row):
    """Reading the rows below each of them again would take hours."""
    rows = 50_000
    text = "VALUES\n" + f"{row}\n" * rows
    assert find_lines_below(text)[-1] == rows


@pytest.mark.parametrize("line", MADE)
def test_keys_that_programs_make_are_found_without_quotes_and_in_calls(line):
    text, expected = line.format(*MADE_VALUES), line.format(*["<|secret|>"] * len(MADE_VALUES))
    assert mask(text)[0] == expected
    assert mask_as_column(text) == expected


@pytest.mark.parametrize("line", NOT_MADE)
def test_placeholders_names_and_other_numbers_stay(line):
    assert mask(line)[0] == mask_as_column(line) == line
