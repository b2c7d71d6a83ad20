"""Addresses, logins, passwords and identifiers that the words, the form or the frame around them decide."""

import pytest

from preprocessing.pii.masking import mask


@pytest.mark.parametrize("address", ["8.8.8.8", "1.0.0.1", "168.126.63.1", "2001:4860:4860::8844"])
def test_public_resolvers_stay(address):
    assert mask(f"서버 주소는 {address}입니다")[1] == {}
    assert mask(f"ping {address}")[1] == {}


@pytest.mark.parametrize(
    "address",
    ["192.0.2.10", "198.51.100.7", "203.0.113.99", "198.18.4.5", "2001:db8:1::25", "3fff::1:2"]
    + ["192.0.3.10", "198.51.101.7", "203.0.114.99", "168.126.63.9", "208.67.222.21", "2001:4860:4860::8845"],
)
def test_addresses_for_documentation_and_neighbors_of_resolvers_are_masked(address):
    assert mask(f"서버 주소는 {address}입니다")[1] == {"ip": 1}


@pytest.mark.parametrize(
    "line",
    [
        "ssh -i key.pem ubuntu@ec2-3-35-10-20.ap-northeast-2.compute.amazonaws.com",
        "$ ssh -L 8080:localhost:80 root@ssh.server.io",
        "scp a.txt deploy@build.company.kr:/srv",
        "rsync -av dist/ www@web01.company.co.kr:/srv/www",
        "git clone org-12@github.com:team/repo.git",
        "sftp backup@files.company.kr",
    ],
)
def test_the_login_of_a_command_is_no_mailbox(line):
    assert mask(line)[1] == {}


@pytest.mark.parametrize(
    "line",
    [
        "ssh 문의는 kim@company.kr 로",
        "For ssh access mail kim@company.kr please",
        "메일: kim@company.kr:홍길동",
        "kim@company.kr 계정으로 ssh 접속",
    ],
)
def test_a_mailbox_beside_the_name_of_a_command_is_masked(line):
    assert mask(line)[1] == {"email": 1}


@pytest.mark.parametrize("name", ["token", "address", "contract", "apiKey"])
def test_the_address_of_a_contract_is_public_and_a_private_key_is_not(name):
    digits = "8368f7e732d2e433ec56f24b1c71b106e934d263"
    assert mask(f'{name}: "0x{digits}"')[1] == {}
    assert mask(f"{name}: 0x{digits}")[1] == {}
    key = f"0x{digits}{digits[:24]}"
    assert mask(f'privateKey: "{key}"')[0] == 'privateKey: "<|secret|>"'
    assert mask(f"client_secret: {key}")[1] == {"secret": 1}


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("비밀번호: ", ""),
        ("비밀번호는 ", " 입니다"),
        ("비밀번호는 ", "입니다"),
        ("접속 계정 admin / 비번 ", ""),
        ("The password is ", " for now."),
        ("DB_PASSWORD=", ""),
        ("  password: ", "\n  port: 1"),
        ("The admin password is ", "."),
        ("id/pw : admin / ", ""),
        ("mysql -u root -p", " shop"),
        ("sshpass -p ", " ssh root@host"),
        ("redis-cli -a ", " ping"),
        ("requirepass ", ""),
        ("sshpass -p '", "' ssh root@host"),
        ("curl -u admin:", " http://localhost"),
        ("docker login -u kim -p ", ""),
        ("- **비밀번호**: `", "`"),
        ("임시 비밀번호 [", "]"),
        ("비밀번호(초기): ", ""),
        ("Password for admin: ", ""),
        ("비번이 ", "인 계정"),
        ("비밀번호 → ", ""),
        ("| ID | 비밀번호 |\n|---|---|\n| kim | `", "` |"),
        ("<password>", "</password>"),
        ('<add key="Password" value="', '" />'),
        ("define('DB_PASSWORD', '", "');"),
        ('$db_pass = "', '";'),
        ('mysqli_connect("localhost", "root", "', '", "shop")'),
        ("CREATE USER 'app' IDENTIFIED BY '", "'"),
        ("관리자 계정: admin / ", ""),
        ("root / ", ""),
        ("docker run -e MYSQL_ROOT_PASSWORD=", " -p 3306:3306 mysql:8"),
        ("jdbc:mysql://db/shop?user=shop&password=", "&useSSL=false"),
        ('{\\"user\\":\\"kim\\",\\"password\\":\\"', '\\"}'),
        ('"Main": "Host=db;Username=app;Password=', '"'),
        ('- name: DB_PASSWORD\n  value: "', '"'),
        ('<property name="password"><value>', "</value></property>"),
        ("the root password on the staging box is ", ", please rotate it"),
        ("관리자 페이지 암호를 ", " 에서 바꿔 주세요."),
        ("넷플 비번 바꿨어 ", " 이걸로 들어와"),
        ("ID kim PW ", ""),
        ("readonly/", " 계정으로 붙어 주세요"),
        ("Use ", " as the password."),
        ("| ID | PW |\n|---|---|\n| kim | ", " |"),
        ("keytool -genkey -storepass ", ""),
        ("ldapsearch -x -D cn=admin -w ", " -b dc=kr"),
        ("smbclient //nas/share -U kim%", ""),
        ("echo ", " | sudo passwd --stdin kim"),
        ("sqlplus hr/", "@ORCL"),
        ("machine git.company.kr login kim password ", ""),
        ("All passwords: `", "`"),
        ('this.password.equals("', '");'),
        ("'password' => bcrypt('", "'),"),
        ("process.env.ADMIN_PASSWORD ?? '", "'"),
        ("CREATE USER 'kim'@'%' IDENTIFIED BY '", "'"),
        ("      <li>admin / ", "</li>"),
        ("page.fill('input[type=\"password\"]', '", "');"),
        ("Salesperson: `<|email|>` / 비밀번호 `", "`"),
        ("비밀번호 **", "**"),
        ("*비밀번호*: *", "*입니다"),
        ("임시 비밀번호는 **", "**이고 바꿔야 합니다"),
    ],
)
def test_a_password_without_quotes(before, behind):
    value = "Tiger#12" + "57x"
    assert mask(f"{before}{value}{behind}")[0] == f"{before}<|secret|>{behind}"


@pytest.mark.parametrize(
    "line",
    [
        "비밀번호: {}",
        "- PW: {}",
        "ID: kim / PW: {}",
        "비밀번호는 {}입니다",
        '"password": "{}"',
        "계정: kim / {}",
    ],
)
def test_letters_and_digits_are_a_password_where_nothing_else_can_be_meant(line):
    assert mask(line.format("gaon2025"))[0] == line.format("<|secret|>")
    assert mask(line.format("Sha256"))[1] == {}


def test_the_end_of_emphasis_is_not_masked():
    assert mask("**서버 root/qwer12!**")[0] == "**서버 root/<|secret|>**"


@pytest.mark.parametrize(
    "line",
    [
        "비밀번호: 영문+숫자 8자 이상",
        "비밀번호는 8자 이상이어야 합니다",
        "password: changeme",
        "password: ${DB_PASSWORD_1}",
        "password = get_password2()",
        "password: string_2",
        "password=abc12345&user=kim",
        "password: kim@company1.example/1",
        "비밀번호는 user123!처럼 쉬우면 안 된다",
        "mysql -P3306 -p",
        "if password != a1#b2c3d4:",
        "['email', 'password', 'address12']",
        "password server#1:",
        "| 비밀번호 | 10자리 |",
        "| 항목 | 비밀번호 |\n|---|---|\n| 방식 | bcrypt12 |",
        "로그인/회원가입 화면2",
        "account: savings / checking1",
        "비밀번호: 첫 로그인 후 변경1!",
        "POSTGRES_PASSWORD=mysecretpassword postgres:15-alpine",
        'ProxyPass "/" "h2c://web/"',
        "pass `k8s_join_command` to it",
        "비밀번호 변경 PR#1234 참고",
        "passwd<span style='color:#f92672'>()</span>",
        "PW=$(vault get e993c4e1-6e22-4fe8-a52d-2a5214d9d0c0)",
        "암호를 보냅니다. 참고: `~POP3.quit`",
        "sqlplus scott/tiger@db:1521/orcl",
        "Secret → `oauth2-proxy`",
        '{"pw": "", "role": "e2e-user1"}',
        "login(user, password=ADMIN_PW1)",
        "비밀번호는 `bcryptjs2`로 해시 저장",
        "TOKEN=7123456789:AAH1bGciOiJSUzI1...",
        "비밀번호 설정: **root/cimv2** 이름공간",
        "비밀번호 **root/cimv2**",
        "비밀번호: PKCS#8 PEM",
        "비밀번호 재설정 링크 (구분선: `#E4E3E3`)",
        "password: `Int32Array`",
        "secret = 'Validation::HS256'",
        "결과: PASS · commit `a1b2c3d4`",
        "Password file: +DATA/ORCL_x1y/orapwORCL_x1y",
        "- services-auth: `com.google.android.gms:play-services-auth:21.2.0`",
        "비밀번호는 **SHA256** 으로",
        "비밀번호 **AES-256-CBC**",
        "password = *args2",
        "'개인 키'의 비밀번호가 PKCS#8 PEM",
        "DNA 비밀번호 (Main_12891_이름.java)",
    ],
)
def test_what_is_no_password(line):
    assert mask(line)[1].get("secret", 0) == 0


@pytest.mark.parametrize(
    "text",
    [
        'd="M9 2.5a.75.75 0 100 1.5.75.75 0 000-1.5z"',  # numbers of a drawn path need no blank
        "c1.2-.4 1.9-.62 1.48.22.78 1.4-41.2 71.3",
        "network 5.5.224.0 is up",
        "| C 클래스 | 192.0.0.0 | 223.255.255.255 |",
        '"accountId": "16737760170"',
        'name="Gaon.Core" publicKeyToken="3a13f649e28eb09a"',
        "driver_id=119011223344",
        "공사번호 13-25-331244-56",
        "00/110/011/00000111",
        "010_3312_4456.png",
        "값 4000 3000 2000 1000",
        "은행잎 331-1244-561장",
        "2001:db00::0/ffff:ff00::",
        'password = "Reset#{code}2024"',
    ],
)
def test_numbers_of_drawings_files_networks_and_identifiers_stay(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("account", "우리 1002-354-853996"),
        ("account", "하나 620-910123-45607"),
        ("account", "국민 48270683131158 입금"),
        ("card", "카드 4111/1111/1111/1111"),
        ("secret", 'pass\u0077ord = "Ga\u006fn!2025pw"'),
        ("secret", "Authorization: Bea\u0072er q7XlBt4VrZ8wNyC3hDj6SpGa"),
        ("email", "{u'owner': u'gaon@site.kr'}"),
        ("ip", "192.0.2.1"),
        ("ip", "Rev 203.0.113.4"),
    ],
)
def test_a_form_or_a_frame_is_enough(kind, text):
    assert mask(text)[1] == {kind: 1}


@pytest.mark.parametrize(
    "name", ["api.key", "serviceKey", "signingKey", "X-Naver-Client-Secret", "Authorization: KakaoAK"]
)
def test_keys_of_services(name):
    separator = " " if "KakaoAK" in name else "="
    value = "c7Qm" + "2kXv9LpT4zRw8NbY5hDj3sGf6aEu%2B"[: 22 if separator == " " else None]
    assert mask(f"{name}{separator}{value}")[0] == f"{name}{separator}<|secret|>"


@pytest.mark.parametrize(
    "frame", ["인증키(서비스키)는 {} 를 사용하세요", "--token {}", "x?serviceKey={}&page=1", "API key is {}."]
)
def test_a_random_key_needs_no_line_of_its_own(frame):
    key = "Zk81LqMw" + "0tRvXy29BnCd7HsE"
    assert mask(frame.format(key))[0] == frame.format("<|secret|>")
    assert mask(frame.format("my-key-for-page-12-v2"))[1] == {}


def test_a_mailbox_and_a_password_need_no_word():
    assert mask("- Sales: `kim@site.kr` / `Tiger#1257x`")[0] == "- Sales: `<|email|>` / `<|secret|>`"
    assert mask("kim@site.kr / +82 10-2345-6789")[1] == {"email": 1, "phone": 1}
    assert mask("kim@site.kr / seoul 2 floor3")[1] == {"email": 1}


def test_values_of_a_long_line_without_a_word_near():
    line = " ".join(f"a{number}b=c{number}" for number in range(20000))
    assert mask(f"{line} 비밀번호: Tiger#1257x")[1] == {"secret": 1}


def test_code_that_looks_for_a_key_is_none():
    begin, end = "-----BEGIN OPENSSH PRIVATE " + "KEY-----", "-----END OPENSSH PRIVATE " + "KEY-----"
    assert mask(f'start = "{begin}"\nend = "{end}"')[1] == {}
    assert mask(f"{begin}\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n{end}")[1] == {"secret": 1}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("driver", "면허번호: 11 - 93 - 578802 - 48"),
        ("driver", "면허정보 11.92.782227.54"),
        ("passport", "여권번호-M99046524"),
        ("rrn", "910909 1828836 (주민번호)"),
        ("account", "새마을 9002-1831-0052-1"),
        ("account", "우리 1002864137905"),
    ],
)
def test_numbers_with_other_signs_between_or_their_name_behind(kind, text):
    assert mask(text)[1] == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "라이선스 키 11-22-333333-44",
        "프로젝트 코드 12-23-456789-01",
        "상자 12-34-567890-12",  # no license of 1934
        "송금액 USD 1234567890",
        "코드 D123A4567 부품",
        "새마을호 예매 입장 1234567890",
    ],
)
def test_numbers_of_other_things(text):
    assert mask(text)[1] == {}


def test_the_mark_of_a_string_in_code_stays():
    assert mask("'email': u'gaon@site.kr',")[0] == "'email': u'<|email|>',"
    assert mask("to u'gaon@site.kr or o'neil@site.kr")[0] == "to <|email|> or <|email|>"


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("기부금영수증 : 02) 880-1234", {"phone": 1}),
        ("등기 문의 (031) 880-1234", {"phone": 1}),
        ("영수증 : 02-880-1234", {}),
        ("영수증 번호 02-8801-1234", {}),
    ],
)
def test_the_code_of_an_area_in_parentheses_makes_a_telephone(line, counts):
    assert mask(line)[1] == counts
