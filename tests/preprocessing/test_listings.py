"""Listings without fences in Korean prose: found, compared with plain Python, and left out of language and measures."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.documents import utf8_buffer
from preprocessing.judging import line_kinds, listings, prose
from preprocessing.judging.line_kinds import LISTING, PROSE
from preprocessing.kernels import listings as kernel
from preprocessing.text.language import detect

BEFORE = "함수가 호출될 때 스택이 어떻게 바뀌는지 확인해 보겠습니다. 먼저 베이스 포인터를 저장하고 지역 변수를 위한 공간을 확보합니다."
AFTER = "여기서 주목할 부분은 반환값이 레지스터에 담긴다는 점입니다. 최적화 옵션을 켜면 훨씬 짧은 명령어로 바뀝니다."
LISTINGS = {
    "assembler": "main:\n        push    rbp\n        mov     rbp, rsp\n        mov     DWORD PTR [rbp-4], 5\n        mov     eax, DWORD PTR [rbp-4]\n        add     eax, edx\n        call    printf\n        leave\n        ret",
    "flush assembler": "main:\npush rbp\nmov rbp, rsp\nsub rsp, 16\nmov edi, OFFSET FLAT:.LC0\nmov eax, 0\ncall printf\nleave\nret",
    "AT&T": "pushq   %rbp\nmovq    %rsp, %rbp\nmovl    $5, -4(%rbp)\nleaq    .LC0(%rip), %rdi\ncall    printf@PLT\nxorl    %eax, %eax\nret",
    "commented assembler": "mov eax, 5      ; 다섯을 넣는다\nmov ebx, 7      ; 일곱을 넣는다\nadd eax, ebx\nint 0x80        ; 부른다\nret",
    "objdump": "0000000000001149 <add>:\n    1149:\tf3 0f 1e fa\tendbr64\n    114d:\t55\tpush   rbp\n    114e:\t48 89 e5\tmov    rbp,rsp\n    1160:\tc3\tret",
    "ARM": "ldr r0, [r1]\nadd r0, r0, #4\nstr r0, [r1]\ncmp r0, #10\nbne loop\nbl printf",
    "gdb": "(gdb) disas main\nDump of assembler code for function main:\n   0x0000555555555129 <+0>:\tpush   %rbp\n   0x000055555555512a <+1>:\tmov    %rsp,%rbp\n   0x000055555555513c <+19>:\tret\nEnd of assembler dump.",
    "stack trace": 'Exception in thread "main" java.lang.NullPointerException: s is null\n\tat com.example.app.UserService.find(UserService.java:42)\n\tat com.example.app.UserController.get(UserController.java:27)\n\tat java.base/java.lang.Thread.run(Thread.java:833)\nCaused by: java.sql.SQLException: Connection refused\n\t... 38 more',
    "traceback": 'Traceback (most recent call last):\n  File "/srv/app/main.py", line 12, in <module>\n    run()\n  File "/srv/app/main.py", line 8, in run\n    load("data.csv")\nFileNotFoundError: [Errno 2] No such file or directory: \'data.csv\'',
    "log": "2024-03-01 10:12:33.120  INFO 2311 --- [main] com.example.Application : Starting Application using Java 17\n2024-03-01 10:12:34.901  INFO 2311 --- [main] o.s.b.w.embedded.tomcat : Tomcat initialized with port(s): 8080\n2024-03-01 10:12:35.990 ERROR 2311 --- [main] o.s.boot.SpringApplication : Application run failed",
    "kernel log": "[    0.004210] x86/fpu: Supporting XSAVE feature 0x001: 'x87 floating point registers'\n[    1.220133] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n[    2.104551] EXT4-fs (sda1): mounted filesystem with ordered data mode",
    "SQL": "SELECT u.id, u.name, COUNT(o.id) AS orders\nFROM users u\nLEFT JOIN orders o ON o.user_id = u.id\nWHERE u.created_at >= '2024-01-01'\nGROUP BY u.id, u.name\nHAVING COUNT(o.id) > 3;",
    "nginx": "server {\n    listen 80;\n    server_name example.com;\n    location / {\n        try_files $uri $uri/ =404;\n    }\n}",
    "Cisco": "interface GigabitEthernet0/1\n description uplink to core\n switchport trunk allowed vlan 10,20,30\n no shutdown\n!\nrouter ospf 1\n network 10.0.0.0 0.255.255.255 area 0",
    "YAML": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n      - name: web\n        image: nginx:1.25",
    "INI": "[mysqld]\ndatadir=/var/lib/mysql\nsocket=/var/lib/mysql/mysql.sock\nmax_connections=500\ninnodb_buffer_pool_size=4G",
    "data": "[{'ForNum': 53165,\n  'addrCd': 1111,\n  'gungu': '종로구',\n  'resNm': '창덕궁',\n  'rnum': 1},\n {'ForNum': 0,\n  'addrCd': 1117,\n  'gungu': '용산구',\n  'rnum': 2}]",
    "shell": "$ sudo apt-get install -y build-essential cmake git\n$ git clone https://example.com/example/repo.git\n$ cd repo && mkdir build && cd build\n$ cmake .. -DCMAKE_BUILD_TYPE=Release\n$ make -j4",
}  # fmt: skip
ENGLISH = "Every morning the fishermen of the village gather at the market, and a boy who had followed his mother lost his way."
NEWS = (
    'South Korea\'s economy grew 2.6% in 2023, the Bank of Korea said.\nAnalysts had expected 2.5%. "It was a surprise," Kim said, '
    "citing a 3.1% rise in exports to the U.S., China and Japan (its top markets).\nThe won traded at 1,331.2 per dollar, up 0.4%."
)
SOURCES = {
    "comments": "#include <stdio.h>\n// 이 프로그램은 두 수를 더한 값을 화면에 보여 줍니다. 먼저 수를 읽고 더한 다음에 출력합니다.\nint main(void) {\n    int a = 1;\n    int b = 2;\n    printf(\"%d\\n\", a + b);\n    return 0;\n}\n",
    "star comments": "/**\n * 사용자를 찾아서 돌려주는 서비스입니다. 없으면 예외를 던집니다.\n * 캐시를 먼저 살펴보고 없을 때에만 데이터베이스를 읽습니다. 그래서 빠릅니다.\n */\npublic class A {\n    private final int x = 1;\n    public int get() { return this.x; }\n}\n"
    + "class B { int y = 2; }\n" * 12,
    "docstring": '"""두 수를 더한 값을 돌려줍니다. 먼저 수를 읽고 더한 다음에 출력합니다. 없으면 예외를 던집니다. 그래서 빠릅니다."""\nimport os\nimport sys\n\nx = os.path.join("a", "b")\nprint(sys.argv[1], x)\n'
    + "y = os.path.join(x, sys.argv[1])\n" * 9,
}  # fmt: skip


def column(*texts):
    return pa.array(texts, pa.large_string())


def language_of(text):
    return detect(column(text)).languages[0]


def kinds_of(text):
    return [line.kind for line in line_kinds.lines_of(text)]


def test_both_definitions_have_the_same_numbers():
    for name in ("MIN_LINES", "MIN_SIGNS", "MAX_FUNCTION_WORDS", "MIN_SYLLABLES", "SENTENCE"):
        assert getattr(listings, name) == getattr(kernel, name)
    assert frozenset(word.encode() for word in kernel.FUNCTION_WORDS) == listings.FUNCTION_WORDS
    assert kernel.SIGNS.encode() == listings.SIGNS and kernel.STRONG.encode() == listings.STRONG


@pytest.mark.parametrize("times", [1, 3, 6])
@pytest.mark.parametrize("name", LISTINGS)
def test_prose_with_a_listing_is_korean_and_its_rules_read_prose_alone(name, times):
    text = "\n\n".join([BEFORE, *[LISTINGS[name]] * times, AFTER])
    assert language_of(text) == "ko"
    assert prose.find_prose(column(text)).text.to_pylist()[0].split("\n\n")[-1].strip() == AFTER
    assert [line.bytes.decode() for line in line_kinds.lines_of(text) if line.kind == PROSE] == [
        BEFORE,
        AFTER,
    ]


@pytest.mark.parametrize("name", sorted(LISTINGS.keys() - {"commented assembler"}))
def test_a_listing_alone_is_not_korean_and_stays_prose_for_the_rules(name):
    assert language_of(LISTINGS[name]) != "ko"
    assert LISTING not in kinds_of(LISTINGS[name])


@pytest.mark.parametrize("quoted", [f"{ENGLISH}\n{ENGLISH}\n{ENGLISH}", NEWS])
def test_english_text_is_no_listing(quoted):
    text = f"{BEFORE}\n\n{quoted}\n\n{AFTER}"
    assert LISTING not in kinds_of(text)
    assert language_of(text) == "mixed"


@pytest.mark.parametrize(
    "lines",
    [
        "Home\nAbout Us\nProducts & Services\nContact",
        "John Smith\nMary Jones\nAnn-Marie O'Neill",
        "Machine Learning\nDeep Learning\nNatural Language Processing (NLP)",
        "| a | b(1) |\n|---|---|\n| c=1 | d=2 |",
        "1. Intro (0:45)\n2. Hello (3:12)\n3. Goodbye (4:01)",
        "* a(1) = 2\n* b(1) = 2\n* c(1) = 2",
        "push rbp\nmov rbp, rsp",  # two lines
        "```\nmov eax, 5\nadd eax, 1\nret 0x1\n```",
        "Python으로 a(1), b[2]를 씁니다.\nC#에서 {x: 1}을 씁니다.\nhttps://a.kr/가나 x=1",
    ],
)
def test_menus_names_tables_and_lists_are_no_listings(lines):
    assert LISTING not in kinds_of(f"{BEFORE}\n\n{lines}\n\n{AFTER}")


@pytest.mark.parametrize("name", SOURCES)
def test_source_code_with_korean_comments_stays_code(name):
    assert language_of(SOURCES[name]) == "code"
    assert LISTING not in kinds_of(SOURCES[name])


def test_few_sentences_are_no_prose_around_a_listing():
    assert LISTING not in kinds_of(f"출력 결과입니다.\n\n{LISTINGS['log']}")
    assert LISTING in kinds_of(f"{BEFORE}\n\n{LISTINGS['log']}")


PIECES = [
    "\n", "\n", "\n\n", " ", "    ", "\t", "a", "mov eax, 5\n", "x(1)", "the ", "of", "12", ".", "a.b", "=", "{", ";", " ; ", "//", " // ", "# ",
    "## ", "--", " -- ", "* ", "+ ", "- ", "1. ", "1234. ", "> ", "| ", "```\n", "~~~\n", "````", '"""', "/*", "<!", "<", "가", "漢", "é", "\r", "\x0b", "\x7f",
    BEFORE, BEFORE + "\n", "\n" + AFTER + "\n", LISTINGS["AT&T"] + "\n", LISTINGS["commented assembler"] + "\n", "가나다라마바사아자차 abc\n",
    "'a': '가나',\n", "{'가': 1}\n", ' "가"] \n', "'가', // 나\n", "'", ",", "]",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), min_size=1, max_size=4))
def test_the_kernel_equals_plain_python(texts):
    data, offsets = utf8_buffer(column(*texts))
    found = kernel.find_listings(data, offsets, np.arange(len(texts)))
    for n, text in enumerate(texts):
        lines = text.encode().split(b"\n")
        ends = [sum(len(line) + 1 for line in lines[: k + 1]) - 1 for k in range(len(lines))]
        got = {
            k
            for r, begin, end in found
            if r == n
            for k in range(len(lines))
            if begin - offsets[n] <= ends[k] - len(lines[k]) and ends[k] <= end - offsets[n]
        }
        assert got == listings.find_listings(lines), text
