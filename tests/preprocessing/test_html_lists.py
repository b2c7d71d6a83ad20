"""Items of HTML have the marks that a page shows, and images of emoji are text, in documents and in pages."""

import pytest

from preprocessing.markup.html_text import html_to_text

LISTS = [
    ("<ol><li>가</li><li>나<ol><li>다</li></ol></li><li>라</li></ol>", "1. 가\n2. 나\n   1. 다\n3. 라"),
    ("<ul><li>가<ol><li>나</li></ol></li></ul>", "- 가\n  1. 나"),
    ("<ol start='5'><li>가</li><li>나</li></ol>", "5. 가\n6. 나"),
    ('<ol start="0"><li>가</li><li value="7">나</li><li>다</li></ol>', "0. 가\n7. 나\n8. 다"),
    ("<ol reversed start=3><li>가</li><li>나</li></ol>", "3. 가\n2. 나"),
    (
        "<ol reversed><li>셋</li><li>둘<ul><li>가</li></ul></li><li>하나</li></ol>",
        "3. 셋\n2. 둘\n   - 가\n1. 하나",
    ),
    ("<ol reversed=''><li>나<li>가</ol><ol reversed><li>가</li></ol>", "2. 나\n1. 가\n\n1. 가"),
    (
        "<ol><li><b>1.</b> 가</li><li>2) 나</li><li>③ 다</li><li>- 라</li><li>05 마</li></ol>",
        "- 1. 가\n- 2) 나\n- ③ 다\n- 라\n- 05 마",
    ),
    (
        "<ul><li>- 가</li><li><p>- 나</p><ul><li> - 다</li></ul></li><li>-5도</li></ul>",
        "- 가\n- 나\n  - 다\n- -5도",
    ),
    (
        "<ol><li>3.5인치</li><li>10만 원</li><li>2026년</li><li>30 문제</li><li>5 개</li></ol>",
        "1. 3.5인치\n2. 10만 원\n3. 2026년\n4. 30 문제\n- 5 개",
    ),
    (
        '<ol type="a"><li>가</li><li>나</li></ol><ol type="I" start="9"><li>다</li></ol>',
        "a. 가\nb. 나\n\nIX. 다",
    ),
    ('<ol type="A" start="28"><li>가</li></ol>', "AB. 가"),
    ('<ol style="list-style: none"><li>가</li></ol>', "- 가"),
    ('<ol class="m-0 list-unstyled"><li>가</li></ol>', "- 가"),
    ('<ol data-start="7"><li>가</li></ol>', "1. 가"),
    ("<ol>" + "<li>가</li>" * 10 + "</ol>", "\n".join(f"{n}. 가" for n in range(1, 11))),
    ("<li>가</li></ol><ol><li>나</li></ol>", "- 가\n\n1. 나"),
    (
        "<ul><li><input type='checkbox' checked disabled> 씻기</li><li><label><input disabled type=checkbox>썰기</label></li>"
        "<li><p><input type='checkbox' id='cbx_1' disabled=''> 끓이기</p></li></ul>",
        "- [x] 씻기\n- [ ] 썰기\n- [ ] 끓이기",
    ),
    ("<ul><li><input type='checkbox' name='agree' checked> 동의</li></ul>", "- 동의"),
    (
        "<ol><li><p>설명 <a href='#r1' class='footnote-backref'>↩︎</a></p></li><li>둘&nbsp;<a href=#r2>&#8617;&#xfe0e;</a></li></ol>",
        "1. 설명\n\n2. 둘",
    ),
    ("<p><kbd>↩</kbd>를 <a href='k'>↩ 키</a>라고 한다.</p>", "`↩`를 ↩ 키라고 한다."),
    (
        '<pre class="chroma"><code class="hljs language-c++">int a;</code></pre><pre><code>b</code></pre>',
        "```c++\nint a;\n```\n\n```\nb\n```",
    ),
    ("<p>부등호는 <code>&amp;lt;</code>, A &amp;amp; B</p>", "부등호는 `&lt;`, A &amp; B"),
    ('<p>좋다 <img class="emoji" src="a.png" alt="👍🏽"/>!</p>', "좋다 👍🏽!"),
    ("<p>좋다 <img alt='❤️' src=a.png> <img src=a.png alt=1️⃣></p>", "좋다 ❤️ 1️⃣"),
    ('<p>좋다 <img class="emoji" alt=":smile:" src="a.png">.</p>', "좋다 :smile:."),
    ('<p>좋다<img src="a.png" alt="그림 👍"><img src="a.png" alt="">.</p>', "좋다."),
]


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_marks_of_items_and_emoji(text, expected, page):
    assert html_to_text(f"<html><body>{text}</body></html>" if page else text) == expected
