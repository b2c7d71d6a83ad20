"""AsciiDoc becomes Markdown: its code stays, its comments and settings go, no word of prose is lost."""

from __future__ import annotations

import re

import pytest

from preprocessing.config.inputs import TextInput
from preprocessing.markup.asciidoc import asciidoc_to_markdown
from preprocessing.readers.whole_files import read_whole_file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("= 문서\n홍길동 <a@b.c>\n:toc:\n:ver: 2.1\n\n{ver}판과 {모름}, {nope}.", "# 문서\n\n홍길동 <a@b.c>\n\n2.1판과 {모름}, {nope}."),
        ("== [[앞]]첫 절\n\n<<앞>>과 <<뒤,저기>>, xref:x.adoc[그곳]", "## 첫 절\n\n앞과 저기, 그곳"),
        ("[[뒤]]\n== 둘째 절\n\n<<뒤>>에서", "## 둘째 절\n\n둘째 절에서"),
        ("첫째 제목\n---------\n\n글", "## 첫째 제목\n\n글"),
        ("== 개요 ==\n\n<<개요>>에서\n\n=== C# ===\n\n== a ==b", "## 개요\n\n개요에서\n\n### C#\n\n## a ==b"),
        ("////\n감춘 글\n\n둘째\n////\n보이는 글\n// 한 줄\n이어진 글", "보이는 글\n이어진 글"),
        ("(((색인, 말)))\n글에 (((a)))((낱말))이 있다", "글에 낱말이 있다"),
        ("[source, java]\n----\n  int a = b <c>;  // <1>\n----\n<1> 값", "```java\n  int a = b <c>;  // <1>\n```\n\n<1> 값"),
        ("....\n<script>x</script>\n....", "```\n<script>x</script>\n```"),
        ("[source]\ngit log\n\n글", "```\ngit log\n```\n\n글"),
        ('[source,options="nowrap"]\n----\na\n----', "```\na\n```"),
        ("[source,language=java,linenums]\n----\na\n----", "```java\na\n```"),
        ("글\n\n $ git log\n\n한글로 쓴 들여쓰기\n\n 들여 쓴 우리말 문단입니다", "글\n\n```\n $ git log\n```\n\n한글로 쓴 들여쓰기\n\n 들여 쓴 우리말 문단입니다"),
        (".보기\n* 하나\n** 둘\n* 셋\n\n. 첫\n.. 안\n. 뒤", "**보기**\n\n- 하나\n  - 둘\n- 셋\n\n  1. 첫\n     1. 안\n  2. 뒤"),
        # blocks of an item have its indentation
        ("* 하나\n+\n----\nx\n\n y\n----\n* 둘", "- 하나\n\n  ```\n  x\n\n   y\n  ```\n\n- 둘"),
        ("* 하나\n** 안\n+\n둘째 문단\n이어진 줄\n+\n|===\n|가|나\n|===\n. 셈\n+\nNOTE: 글\n\n밖",
         "- 하나\n  - 안\n\n    둘째 문단\n    이어진 줄\n\n    | 가 | 나 |\n    | --- | --- |\n\n    1. 셈\n\n       **Note:** 글\n\n밖"),
        ("* [x] 한 일\n* [ ] 할 일", "- [x] 한 일\n- [ ] 할 일"),
        ("말뭉치:: 글을 모은 것\n토큰::\n  조각", "말뭉치: 글을 모은 것\n토큰: 조각"),
        ("NOTE: 보라\n\n[TIP]\n쓰라\n\n[WARNING]\n====\n멈추라\n\n둘째\n====", "**Note:** 보라\n\n**Tip:** 쓰라\n\n**Warning:** 멈추라\n\n둘째"),
        ("[quote, 소담, 책]\n____\n첫째\n\n둘째\n____", "> 첫째\n>\n> 둘째\n> — 소담, 책"),
        ("****\n곁글\n****\n\n--\n열린 글\n--", "곁글\n\n열린 글"),
        ("ifdef::web[]\n웹에서\nendif::[]\n\ninclude::a.adoc[]\n\noperation::a[snippets='b']\n\nimage::a.png[그림, 100]", "웹에서\n\n![그림](a.png)"),
        ("https://a.b/c[누리집^]과 https://e.f[], link:x.pdf[문서,window=_blank]", "[누리집](https://a.b/c)과 https://e.f, [문서](x.pdf)"),
        ("*굵게* `a*b*c` `+{x}+` 10^9^ 2*3*4 줄 +\n바꿈", "**굵게** `a*b*c` `{x}` 10^9 2*3*4 줄\n바꿈"),
        ("글footnote:[주석 [a]이다.] kbd:[Ctrl+C] menu:파일[열기] stem:[x^2]", "글 (주석 [a]이다.) Ctrl+C 파일 > 열기 $x^2$"),
        ("stem:[x^2^ *y* {nbsp}] latexmath:[$\\{a[1\\]\\}$]", "$x^2^ *y* {nbsp}$ $\\{a[1]\\}$"),
        ("1. 가\n** 나\n3. 다\n+\n글\n\n문단은\n2020. 1월", "1. 가\n   - 나\n3. 다\n\n   글\n\n문단은\n2020. 1월"),
        ("앞\n\n[source,java]\n----\ninclude::A.java[tag=a]\n----\n\n----\ninclude::B.java[]\nb();\n----", "앞\n\n```\nb();\n```"),
        ("앞\n[source]\n----\na\n----", "앞\n\n```\na\n```"),
        (":site: https://a.kr\n:base: {site}/b\n\nlink:{base}/c[글]", "[글](https://a.kr/b/c)"),
        ("[stem]\n++++\nx^2^ *y*\n++++", "$$\nx^2^ *y*\n$$"),
        ("[참고] 이것\n\n[...]\n\n닫지 않은\n\n----\n코드", "[참고] 이것\n\n[...]\n\n닫지 않은\n\n----\n코드"),
    ],
)  # fmt: skip
def test_markup_becomes_markdown(text, expected):
    assert asciidoc_to_markdown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[cols="1,2"]\n|===\n|이름\n|값\n\n|가\n|1\n둘째 줄\n|===', "| 이름 | 값 |\n| --- | --- |\n| 가 | 1 둘째 줄 |"),
        ("|===\n|가 |나\n2+|합친 것\n|`a\\|b` |*굵게*\n|===",
         "| 가 | 나 |\n| --- | --- |\n| 합친 것 |  |\n| `a\\|b` | **굵게** |"),
        ("|===\n|가 |나\n\n|값\na|[source,json]\n----\n{\n    \"a\": {\n      \"b\":  1\n    }\n}\n----\n|===",
         '| 가 | 나 |\n| --- | --- |\n| 값 | `{` <br> `    "a": {` <br> `      "b":  1` <br> `    }` <br> `}` |'),
        ('[cols="3*"]\n|===\n|가|나|다\n|라|마|바\n|===', "| 가 | 나 | 다 |\n| --- | --- | --- |\n| 라 | 마 | 바 |"),
    ],
)  # fmt: skip
def test_tables_become_tables(text, expected):
    assert asciidoc_to_markdown(text) == expected


def test_no_word_is_lost_whatever_the_blocks():
    blocks = [
        "----",
        "====",
        "|===",
        "____",
        "....",
        "--",
        "****",
        "++++",
        "* ",
        ". ",
        "용어:: ",
        "[NOTE]",
        "+",
        "",
        ".",
    ]
    lines = [f"{blocks[(7 * n + n * n // 3) % len(blocks)]}\n글{n}번 `코드{n}` *말{n}*" for n in range(400)]
    converted = asciidoc_to_markdown("\n".join(lines))
    for n in range(400):
        for word in (f"글{n}번", f"코드{n}", f"말{n}"):
            assert re.search(rf"{word}(?!\d)", converted), word


@pytest.mark.parametrize("suffix", [".adoc", ".asciidoc", ".asc"])
def test_the_suffix_selects_the_conversion(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_text("== 제목\n\n글")
    item = TextInput(type="text", paths=["x"], lang="detect")
    assert read_whole_file(file, file.name, None, item, "a", lambda bad: None)[0][1] == "## 제목\n\n글"


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        (',===\n이름,값\n포트,"80, 443"\n,===\n', ["| 이름 | 값 |", "| --- | --- |", "| 포트 | 80, 443 |"]),
        (":===\n이름:값\n시각:12\\:30\n:===\n", ["| 이름 | 값 |", "| --- | --- |", "| 시각 | 12:30 |"]),
        (
            '[%header,format=csv,separator=;]\n|===\n이름;값;뜻\n`a`;"x|y"\n|===\n',
            ["| 이름 | 값 | 뜻 |", "| --- | --- | --- |", "| `a` | x\\|y |  |"],
        ),
        ("[format=tsv]\n|===\n이름\t값\n가\t나\n|===\n", ["| 이름 | 값 |", "| --- | --- |", "| 가 | 나 |"]),
        (f",===\n가,{'나' * 140_000}\n,===\n", [f"| 가 | {'나' * 140_000} |", "| --- | --- |"]),
    ],
)
def test_tables_of_separated_values_become_tables(source, rows):
    assert [line for line in asciidoc_to_markdown(source).split("\n") if line.strip()] == rows
