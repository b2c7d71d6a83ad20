"""Notes, substitutions, tables and exports of reStructuredText, AsciiDoc and Org as manuals use them."""

from __future__ import annotations

import pytest

from preprocessing.markup.conversion import convert

RST = {
    "글 [1]_ 과 [#]_ , [#이름]_ , [CIT2002]_ , ``[1]_``.\n\n.. [1] 하나\n.. [#] 둘\n.. [#이름] 셋\n.. [CIT2002] 넷": (
        "글 [^1] 과 [^2] , [^이름] , [CIT2002] , `[1]_`.\n\n[^1]: 하나\n[^2]: 둘\n[^이름]: 셋\n[CIT2002] 넷"
    ),
    ".. [1] 첫 문단\n\n   둘째 문단": "[^1]: 첫 문단\n\n    둘째 문단",
    "|제품| |버전| 과 |밖|, ``|제품|``\n\n.. |제품| replace:: 한글\n   도구\n.. |버전| unicode:: 0xA9 U+2122": "한글 도구 ©™ 과 밖, `|제품|`",
    "|가| |크다| |없다|\n\n.. |가| replace:: |나| 글\n.. |나| replace:: 다\n.. |크다| unicode:: 0x110000\n.. |없다| unicode:: U+D800": "다 글 0x110000 U+D800",
    ".. code-block:: sh\n\n   |상표| 1\n\n.. |상표| unicode:: x2122 \\xA9 &#xAE; .. 주석\n   :trim:\n\n|상표|": "```sh\n|상표| 1\n```\n\n™©®",
    ".. |가| replace:: 나\n   .. 주석\n.. math:: |가|\n\n|가|": "$$\n|가|\n$$\n\n나",
    "예::\n\n    a |제품| b\n\n|제품|\n\n.. |제품| replace:: 도구": "예:\n\n```\na |제품| b\n```\n\n도구",
    "문자\\ [#이름]_ 이다.": "문자[^이름] 이다.",
    "_`줄 안의 대상` 이다.": "줄 안의 대상 이다.",
    ".. thumbnail:: a.png\n   :width: 5\n\n   설명\n\n.. youtube:: abc\n\n끝": "설명\n\n끝",
    ".. only:: html\n\n   글": "글",
}
ASCIIDOC = {
    '[cols="1,2a"]\n|===\n|가\n|* 하나\n* 둘\n\n|나\n|첫\n문단\n\n!===\n!다 !라\n!===\n|===': (
        "| 가 | - 하나 <br> - 둘 |\n| --- | --- |\n| 나 | 첫 문단 <br> 다, 라 |"
    ),
    "|===\n|가 .2+|나 |다\n|라 |마\n3*|바\n2.2+|사|아\n|자\n|===": (
        "| 가 | 나 | 다 |\n| --- | --- | --- |\n| 라 |  | 마 |\n| 바 | 바 | 바 |\n| 사 |  | 아 |\n|  |  | 자 |"
    ),
    "|===\na|[source,sh]\n----\nls\ncd /\n----\n|===": "| `ls` <br> `cd /` |\n| --- |",
    "글footnote:a[주석]과 글footnote:a[].": "글 (주석)과 글.",
    "글\n[#id]\n== 제목": "글\n\n## 제목",
    "용어:: 뜻\n[qanda]\n질문:: 답": "용어: 뜻\n질문: 답",
}
ORG = {
    "#+BEGIN_EXPORT html\n<b>굵게</b> 글\n#+END_EXPORT": "굵게 글",
    "#+BEGIN_EXPORT latex\n\\section{제목}\n#+END_EXPORT": "## 제목",
    "#+BEGIN_EXPORT html :a b\n<b>굵게</b>\n#+END_EXPORT": "굵게",
    "@@html:<br>@@줄 @@latex:\\newpage@@끝": "줄 끝",
    "src_python{print(1)} 과 <<곳>> 글 <<<말>>>": "`print(1)` 과 글 말",
    "* 아침 <<'힣'이 뭐야>>": "# 아침 <<'힣'이 뭐야>>",
}


@pytest.mark.parametrize(
    ("markup", "text", "expected"),
    [
        (markup, *case)
        for markup, cases in (("rst", RST), ("asciidoc", ASCIIDOC), ("org", ORG))
        for case in cases.items()
    ],
)
def test_formal_markup(markup: str, text: str, expected: str) -> None:
    assert convert(markup, text) == expected
