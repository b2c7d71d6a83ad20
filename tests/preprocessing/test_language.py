"""The language of documents, on written examples and compared with plain Python."""

import re
import sysconfig
from bisect import bisect
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import DOCUMENT, utf8_buffer
from preprocessing.judging import line_kinds
from preprocessing.kernels import language_words, languages
from preprocessing.steps.clean import clean_batch
from preprocessing.text.language import LANGUAGE_COLUMNS, detect

KOREAN = (
    "은모래 시장에는 아침마다 생선을 파는 사람들이 모인다. 다솜이는 어머니를 따라 시장에 갔다가 길을 잃었다."
)
ENGLISH = "Every morning the fishermen of the village gather at the market. A boy who had followed his mother lost his way."
SAMPLES = {
    "ko": [
        KOREAN,
        "영화 너무 재밌어요ㅋㅋㅋ 마지막에 울었어요ㅠㅠ 강추합니다!!!",
        "파이썬의 `list.append(x)` 메서드는 리스트 끝에 항목을 더합니다. `a[len(a):] = [x]` 와 같습니다.",
        "삼성전자 005930 주가 71,200원 ▲1,300 (+1.86%) 거래량 12,345,678",
        "大韓民國은 民主共和國이다. 대한민국의 主權은 國民에게 있고, 모든 權力은 國民으로부터 나온다.",
    ],
    "en": [
        ENGLISH,
        "Click here to see the newest results of the match",
        "The naïve café owner served crème brûlée to the guests, and they asked for more of it.",
        "This function returns the length of `items` (see `len`); it raises TypeError for numbers.",
    ],
    "code": [
        "def area(width, height):\n    # 넓이를 구한다\n    return width * height\n\nprint(area(2, 3))\n",
        '#include <stdio.h>\n\nint main(void) {\n    printf("%d\\n", 3);\n    return 0;\n}\n',
        "public class Point {\n    private final int x;\n    public int getX() { return this.x; }\n}\n",
        "const add = (a, b) => a + b;\nmodule.exports = { add };\n",
        "fn main() {\n    let v: Vec<i32> = vec![1, 2];\n    println!(\"{:?}\", v);\n}\n",
        "SELECT name, COUNT(*) AS n FROM users WHERE age >= 20 GROUP BY name;\n",
        'for f in *.txt; do\n  mv "$f" "${f%.txt}.md"\ndone\n',
        '{"name": "dasom", "tags": ["a", "b"], "size": {"w": 1, "h": 2}}',
    ],
    "mixed": [
        f"{KOREAN}\n{ENGLISH}",
        f"{ENGLISH}\n\n{KOREAN}",
        f"{KOREAN} {KOREAN}\n\n{ENGLISH}",
    ],
    "other": [
        "Jeden Morgen versammeln sich die Fischer auf dem Markt, und der Junge ist mit der Mutter gekommen.",
        "Chaque matin, les pêcheurs du village se retrouvent au marché, et le garçon est venu avec sa mère.",
        "Cada mañana los pescadores del pueblo se reúnen en el mercado, y el niño vino con su madre.",
        "Ogni mattina i pescatori del villaggio si ritrovano al mercato, e il ragazzo non è venuto con la madre.",
        "Todas as manhãs os pescadores da aldeia se reúnem no mercado, e o menino não veio com a mãe.",
        "Elke ochtend komen de vissers van het dorp op de markt, en de jongen is met zijn moeder meegegaan.",
        "Varje morgon samlas fiskarna på torget, och pojken som var med sin mor hade gått vilse.",
        "Każdego ranka rybacy zbierają się na rynku, a chłopiec nie wie, jak wrócić do domu.",
        "Her sabah balıkçılar pazarda toplanır ve bir çocuk annesi için balık alır.",
        "Setiap pagi para nelayan berkumpul di pasar, dan anak itu datang dengan ibunya untuk membeli ikan.",
        "Mỗi buổi sáng những người đánh cá tụ họp ở chợ và cậu bé đi cùng mẹ.",
        "Каждое утро рыбаки собираются на рынке, и мальчик пришёл с матерью.",
        "Κάθε πρωί οι ψαράδες μαζεύονται στην αγορά και το παιδί ήρθε με τη μητέρα του.",
        "كل صباح يجتمع الصيادون في السوق وجاء الولد مع أمه.",
        "בכל בוקר הדייגים מתאספים בשוק והילד בא עם אמו.",
        "हर सुबह मछुआरे बाज़ार में इकट्ठा होते हैं और लड़का अपनी माँ के साथ आया।",
        "ทุกเช้าชาวประมงมารวมตัวกันที่ตลาดและเด็กชายมากับแม่",
        "毎朝、村の漁師たちが市場に集まる。少年は母親と一緒に来て、道に迷った。",
        "每天早上，村里的渔民都聚集在市场上。男孩跟着母亲来了。",
        "12345 67890 !!! ???",
        "",
    ],
}  # fmt: skip
ALL = [(language, text) for language, texts in SAMPLES.items() for text in texts]


def languages_of(texts):
    return list(detect(pa.array(texts, pa.large_string())).languages)


@pytest.mark.parametrize(("language", "text"), ALL, ids=[f"{language}-{text[:20]}" for language, text in ALL])
def test_languages_by_example(language, text):
    assert languages_of([text]) == [language]


CODE = "```js\n" + "const add = (a, b) => { return a + b; };\n" * 20 + "```"
PROSE_WITH_CODE = {
    "reference": ("톰 &amp; 제리 &lt;재방송&gt;", "ko"),
    "references": ("&quot;안녕&quot;&nbsp;&#8212; &lt;b&gt;", "ko"),
    "tags": ('<div class="a"><p class="b" id=\'c\'>짧은 글</p></div>\n<br/>', "ko"),
    "HTML links": ('<a href="https://a.kr/?x=1&y=2">여기</a>를 눌러 주세요.', "ko"),
    "fence": (f"# 더하기\n\n두 수를 더하는 함수를 만들어 봅시다. 아래와 같습니다.\n\n{CODE}\n\n- 이렇게 하면 끝입니다.", "ko"),
    "tildes": (f"두 수를 더하는 함수를 만들어 봅시다. 아래와 같이 쓰면 됩니다.\n{CODE.replace('```', '~~~')}", "ko"),
    "indented fence": (f"1. 두 수를 더하는 함수를 만들어 봅시다. 이렇게 씁니다.\n\n   {CODE}\n\n2. 끝입니다.", "ko"),
    "span": ("`const add = (a, b) => { return a[0] + b[0]; };` 로 더합니다.", "ko"),
    "english": (f"The two numbers are added with the function that is shown here.\n\n{CODE}", "en"),
    "only fence": (CODE, "code"),
    "title": (f"# 예\n\n{CODE}", "code"),
    "unclosed": (CODE[:-3], "code"),
    "address": ("https://a.example.kr/b/c_d?e=f\n봄꽃이 피는 곳을 적어 둔다", "ko"),
    "addresses": ("\n".join(f"http://box{n}.example.kr/{n}" for n in range(20)), "other"),
    "titles and addresses": ("\n".join(f"- 봄꽃 [http://box{n}.example.kr/{n}]" for n in range(20)), "ko"),
    "links": ("\n".join(f"* [{name} Park](https://github.com/{name})" for name in ("Ann", "Bo", "Cy")), "en"),
    "picture": (f'두 그림을 나란히 놓고 다른 곳을 찾습니다.\n\n<img src="data:image/png;base64,{"iVBORw0KGgo" * 300}">', "ko"),
    "packed definition": (f"---\ntitle: 사용자 만들기\napi: eJ{'zt1WlFv2kAQ' * 300}\n---\n\n새 사용자를 만듭니다. 이메일은 이미 쓰이지 않은 것이어야 합니다.", "ko"),
    "log": ("\n".join(f"2025-12-14 10:02:38,643 INFO [w-{n}] com.example.sky.Main - 재시도 id={n} (18ms)" for n in range(9)), "other"),
    "access log": ('127.0.0.1 - - [10/Oct/2025:13:55:36 -0700] "GET /a_b.gif?c=d HTTP/1.0" 200 2326\n' * 9, "other"),
    "emphasis": ("Note that this is a **plain English** sentence about how the **database** is designed to handle **graphs**.", "en"),
    "English around formulas": ("If $M$ is an $A$-module, then the dimension of $M$ is the dimension of the ring.", "en"),
    "variables": ("for f in $(ls of the pond); do mv $f $f.bak; done\necho $x to $y and $z that it has\n$a = $b + $c;", "code"),
    "powers": ("a **= b\nf(*a, **b)\n/**\n * x[0]\n */\nc = a ** 2 + b**2", "code"),
    "roles": ("The :ref:`GenericAlias <types-a>` and :ref:`Union <types-b>` are types. Only ``GenericAlias`` is exposed, see ``x[0]``.", "en"),
    "calls": ("`cd(a)` && `ls(b)` | sort > of\nx = `pwd`; y = `id -u`", "code"),
    "records with times": ('{"at": "2025-12-14 10:02:38", "name": "Ann", "tags": [1, 2]}\n' * 9, "code"),
    "lists": ("## 접근 통제\n\n" + "1. #### DAC\n\n   사용자를 기반으로 접근을 제어하는 방법\n\n   - `rwx` : 소유자\n\n   <img src=\"a.png\" alt=\"b\">\n\n" * 5, "ko"),
    "lists without headings": ("- 서버 쪽 이야기를 나누었다\n  - 시험에 대한 문제도 나왔다\n    ex) Thread, Network(TCP/IP)\n\n  <img src=\"a.png\">\n" * 3, "ko"),
    "tags with attributes": ("## 사람들\n\n" + "<Member name=\"Ann\" photo=\"/a/b.jpg\" title=\"Engineer\">\n  봄에 시작하여 여름까지 문서를 썼습니다. 산을 좋아합니다.\n</Member>\n\n" * 4, "ko"),
    "file names": ("# 둘러보기\n\n* [구성요소](parts_of.md)\n* [파일 권한](file_permission_management.md)\n* [Changelog](b/c_d.html#e)", "ko"),
    "capitals": ("# TIL\n\n## TIL 학습 내용\n\n- pinia\n- plugin\n- firebase", "ko"),
    "a few names": ("---\ntitle: \"보관함\"\nlayout: \"archives\"\nurl: \"/archives/\"\nsummary: \"모든 기사입니다.\"\n---", "ko"),
    "starred comment": ("class A {\n" + "    /**\n     * 두 수를 더하는 함수를 만든다.\n     * 아래와 같이 쓴다.\n     */\n    int add(int a, int b) { return a + b; }\n\n" * 4 + "}", "code"),
    "front matter": ("---\nlayout  : wiki\nupdated : 2023-03-05 19:30:32 +0900\ntag     : vim book\nresource: 20/FFBCFB\nparent  : [[language]]\n---\n* TOC\n{:toc}\n\n봄에 핀 꽃의 이름을 적어 두었다가 다시 찾아본다.", "ko"),
    "front matter in capitals": ("+++\ntitle = \"봄꽃 이야기를 적는 방법\"\ndate = 2023-06-22\nkeywords = [\"references\", \"draft\"]\nauthor = [\"Ann Lee\"]\n+++\n산에 핀 꽃을 보고 적었다", "ko"),
    "labels of links": ("\n".join(f"- [들꽃 {n}](/a_b/c-{n}.html?d=e&f={{g}}) ([x](https://a.kr/{n}))" for n in range(12)), "ko"),
    "table of links": ("| | |\n|---|---|\n" + "\n".join(f"| [꽃말]({n}_a.md) | [![씨앗](b{n}.svg)](https://c.kr/{n}/d-e_f.svg) |" for n in range(9)), "ko"),
    "cards": ('<div class="grid">\n' + '<div class="card"><a href="/a/b.html" class="c d"><img src="/e/f.png" alt=""/><span>봄꽃</span></a></div>\n' * 12 + "</div>", "ko"),
    "formulas": ("# 행렬\n\n다음 두 행렬의 곱을 구하면 아래와 같은 결과를 얻는다.\n\n" + "$$A_{ij} = \\sum_{k=1}^{n} B_{ik} C_{kj}, \\quad f(x) = \\frac{a}{b}$$\n\n" * 9, "ko"),
    "names of files only": ("".join(f"* tool-v1.{n}.0-linux-amd64.tar.gz\n" for n in range(20)), "code"),
    "comments among tags": ("// 화면을 그린다. 이 함수는 이름을 받아서 화면에 보여 준다.\nconst list = () => <ul className=\"a\">{items.map((x) => <li key={x.id}>{x.name}</li>)}</ul>;\nexport default list;\n" * 3, "code"),
    "notes in sections": ("# 색인 만들기\n\n색인은 자료를 빨리 찾기 위한 것이다. 쓰기는 그만큼 느려지므로 자주 찾는 열에만 만드는 것이 좋다.\n\n" + "".join(f"## {title}\n\n{CODE}\n{CODE}\n\n" for title in ("색인의 종류와 차이", "쪼개진 색인 다시 만들기", "쓰지 않는 색인 찾기")), "ko"),
    "numbered solutions": ("".join(f"## {n}번\n\n{CODE}\n" for n in range(9)), "code"),
    "sentences in fences": ("---\ntitle: \"how to find the largest of the gaps\"\ntags: [\"of the list\"]\n---\n\n```\n두 수 사이의 거리 중에서 가장 큰 것을 돌려주세요.\n* 수는 모두 다릅니다.\n```\n\n```\ninput: 9\noutput: 2\n설명: 거리가 가장 큰 두 수입니다.\n```\n", "ko"),
    "comments in fences": ("```\n" + "// 두 점 사이의 거리를 구하는 함수이다.\nfunction dist(a, b) { return Math.hypot(a.x - b.x, a.y - b.y); } // 거리\n" * 6 + "```\n", "code"),
    "names among Korean": ("# 흐름\n\n* 자료를 흐름으로 다룬다. 원본은 바뀌지 않는다.\n* 한 번 쓴 흐름은 닫혀서 다시 쓸 수 없다.\n\n## 쓰는 것\n\n* Stream Builder\n* Collectors and Files\n* Optional\n* Spliterator\n* Iterator\n* Comparator\n", "ko"),
    "spans of three marks": ("바꾼 것을 잠시 치워 두려면 다음 명령을 쓴다. 나중에 다시 꺼낼 수 있다.\n\n```git stash push -m \"the name of it\" -- [path of the file]```\n\n```git stash pop with the index of it```\n", "ko"),
    "explanation and commented code": ("배낭 문제\n담을 수 있는 무게가 정해진 배낭에 물건을 골라 넣어 값을 가장 크게 한다. 쪼갤 수 없는 물건이면 표를 채워서 푼다.\n\n" + "def fill(items, limit):\n    best = [0] * (limit + 1)  # 무게마다 가장 큰 값을 적는다\n    for w, v in items:  # 물건을 하나씩 보면서\n        best[w] = max(best[w], best[0] + v)  # 더 큰 값으로 바꾼다\n    return best[limit]\n\n" * 3, "ko"),
    "poem in front matter": ("---\ntitle: 겨울 마음\npoem: |-\n  물장수가 귓속으로 들어와 내 눈을 열었다.\n  오늘은 따스하겠구나.\nnote: \"I translated these poems\n" + "  a few years ago in order to get to know the poet and the mood of the time better\n" * 9 + "  \"\n---\n", "en"),
    "component": ('return <div className="a" id={x}>{this.props.children}</div>;\nconst a = `x${y}`;', "code"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROSE_WITH_CODE)
def test_text_outside_of_code_decides(name):
    text, language = PROSE_WITH_CODE[name]
    assert languages_of([text]) == [language]


def test_a_column_has_the_languages_of_its_rows_and_slices():
    texts = [text for _, text in ALL]
    whole = languages_of(texts)
    assert whole == [language for language, _ in ALL]
    column = pa.array(texts, pa.large_string())
    assert list(detect(column.slice(3, 7)).languages) == whole[3:10]
    assert list(detect(pa.array([], pa.large_string())).languages) == []


@pytest.mark.parametrize("cut", [b"\xea\xb0", b"\xeb", b"a \xed\x9e", b" \xea"])
def test_a_row_that_ends_within_a_syllable_terminates(cut):
    offsets = pa.array([0, len(cut)], pa.int64()).buffers()[1]
    column = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(cut + b"\x80" * 4))
    assert len(detect(column).languages) == 1


def test_paragraphs_are_counted_by_language():
    german = SAMPLES["other"][0]
    page = f"{KOREAN}\n{KOREAN}\n\n{ENGLISH}\n\n\nx = [f(i) for i in y];\nz = x[0]\n \n每天早上，村里的渔民都聚集在市场上。\n\n{KOREAN}"
    found = pa.RecordBatch.from_pydict(detect(pa.array([page, german, ""], pa.large_string())).columns())
    assert found.schema == LANGUAGE_COLUMNS
    assert [list(row.values())[1:] for row in found.to_pylist()] == [[2, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_source_files_with_long_comments_are_code():
    root = Path(sysconfig.get_paths()["stdlib"])
    names = (
        "bisect.py",
        "heapq.py",
        "textwrap.py",
        "dataclasses.py",
        "string.py",
        "contextlib.py",
        "json/decoder.py",
    )
    assert languages_of([(root / name).read_text("utf-8") for name in names]) == ["code"] * len(names)


def test_listed_words_have_their_own_slots():
    english, foreign, keywords = (
        set(w.split()) for w in (language_words.ENGLISH, language_words.FOREIGN, language_words.KEYWORDS)
    )
    words = english | foreign | keywords
    keys, marks = language_words.tables()[2:]
    assert all(word.isascii() and len(word) <= language_words.LONGEST_WORD for word in words)
    assert (keys > 0).sum() == (marks > 0).sum() == len(words)
    assert not english & foreign


# --- the counts in plain Python ------------------------------------------------------------------------------

BLOCKS = (
    (0x80, "symbol"), (0xC0, "accented"), (0x280, "symbol"), (0x380, "foreign"), (0x1100, "hangul"), (0x1200, "foreign"),
    (0x1E00, "accented"), (0x1F00, "foreign"), (0x2000, "symbol"), (0x3040, "kana"), (0x3100, "hangul"), (0x31C0, "symbol"),
    (0x3400, "ideograph"), (0xA000, "foreign"), (0xAC00, "hangul"), (0xE000, "symbol"),
)  # fmt: skip
SIGNS = {
    "_": "underscore",
    "(": "open",
    "[": "open",
    "{": "brace",
    "}": "brace",
    ";": "brace",
    "=": "equals",
    ".": "dot",
}
WORDS = {
    name: set(words.split())
    for name, words in (
        ("en", language_words.ENGLISH),
        ("foreign", language_words.FOREIGN),
        ("keyword", language_words.KEYWORDS),
    )
}


def kind_of(token):
    c = ord(token[0])
    if c >= 0x80:
        return BLOCKS[bisect([start for start, _ in BLOCKS], c) - 1][1]
    if token[0] in " \t\r\v\f":
        return "blank"
    if token.isalpha():
        return "letter"
    return (
        "digit" if token.isdigit() else SIGNS.get(token) or ("sign" if token in "<>+*&|^~\\@$#" else "quiet")
    )


TAG = re.compile("<[A-Za-z/!][^<>]*>")
REFERENCE = re.compile("&[A-Za-z0-9#]{1,31};")
ADDRESS = re.compile('https?://(?=[^\\x00-\\x20])[^\\x00-\\x20"<>)\\]`\\x80-\\U0010ffff]*')
PATH = re.compile(r"(?<=\])\((?:[/#.]|[^\x00-\x20)]*\.(?:md|ht))[^\x00-\x20)]*\)")
STAMP = re.compile(r"(?<=[0-9][0-9]):[0-9]{2}:[0-9]{2}")
WORD = re.compile("[A-Za-z]+|.", re.DOTALL)


def end_of_skipped(line, at):
    """The end of the tag or code span at ``at``; ``at`` without one."""
    if line[at] == "`":
        length = len(line[at:]) - len(line[at:].lstrip("`"))
        ends = (
            run.end()
            for run in re.finditer("`+", line)
            if run.start() >= at + length and len(run[0]) == length
        )
        return next(ends, at)
    match = TAG.match(line, at)
    return match.end() if match else at


def is_bold(line, at):
    """Whether the star at ``at`` is one of two beside a word."""
    first = at - (line[at - 1 : at] == "*")
    before, after = line[first - 1 : first] if first else " ", line[first + 2 : first + 3] or " "
    return line[first : first + 2] == "**" and (before <= " ") != (after <= " ") and before != "/"


def tokens_of(line, skips):
    """Pairs of a token (a word, a character, a character reference, an address; "" for a tag or code span, None for the path of a
    link) and its kind."""
    at = 0
    while at < len(line):
        end = end_of_skipped(line, at) if skips and line[at] in "`<" else at
        if end > at:
            yield "", "quiet"
        elif path := PATH.match(line, at):
            end = path.end()
            yield None, "quiet"
        else:
            inside_word = at > 0 and line[at - 1].isascii() and line[at - 1].isalpha()
            match = (
                REFERENCE.match(line, at)
                or (not inside_word and ADDRESS.match(line, at))
                or WORD.match(line, at)
            )
            assert match is not None
            end = match.end()
            if match.re is WORD:
                kind = "stamp" if STAMP.match(line, at) else kind_of(match[0])
                yield match[0], "quiet" if match[0] == "*" and is_bold(line, at) else kind
            else:
                yield match[0][0], "quiet"
        at = end


def plain_line(line):
    """The line without its tags and code spans if it is a sentence outside of them, else all of the line."""
    tokens = list(tokens_of(line, True))
    if any(kind == "hangul" for _, kind in tokens) or all(token != "" for token, _ in tokens):
        return count_line(line, tokens)
    english, at = 0, 0
    begins = True
    for token, _ in tokens[: tokens.index(("", "quiet")) + 1]:
        english += (token or "").lower() in WORDS["en"]
        if token in ("", "`", "<") and not english and not re.search("[\u1000-\udfff]", line[at:]):
            begins = False
        at += len(token or "")
    english = sum((token or "").lower() in WORDS["en"] for token, _ in tokens)
    return count_line(line, tokens if begins and english >= 2 else list(tokens_of(line, False)))


FENCE = re.compile(r"[ \t\r\v\f]*(?P<marks>`{3,}(?=[^`]*$)|~{3,}(?=[A-Za-z0-9 \t\r]*$))")


def fence_end(lines, n):
    """The number of the last line of fenced code that begins in line ``n``; ``n`` without one."""
    match = FENCE.match(lines[n])
    if match:
        for last in range(n + 1, len(lines)):
            bare = lines[last].lstrip(" \t").rstrip(" \t\r")
            if len(bare) >= len(match["marks"]) and not bare.strip(match["marks"][0]):
                return last
    return n


def count_line(line, tokens):
    """Language of a line, its weight, indent, whether it begins with a sign of comments, its words and accented letters."""
    logged = False
    seen, before, words, calls, dots, indent, first, signs_at_start = (
        Counter(),
        "newline",
        [],
        0,
        0,
        0,
        None,
        "",
    )
    for n, (token, kind) in enumerate(tokens):
        if not token:
            before = kind
            continue
        if kind == "blank":
            indent += (4 if token == "\t" else 1) * (first is None)
            before = kind
            continue
        if kind == "stamp":
            keyword = first is not None and first.lower() in WORDS["keyword"]
            logged = logged or not (seen["equals"] or seen["brace"] or calls or keyword)
            kind = "quiet"
        if kind == "letter":
            words.append(token)
            dots += before == "dot" and sum(seen.values()) > 1
        calls += kind == "open" and before in ("letter", "underscore", "digit")
        if kind == "dot" and before not in ("letter", "digit"):
            kind = "quiet"
        if first is None:
            first = token
            signs_at_start = "".join(token or "" for token, _ in tokens[n : n + 2])
        seen[kind] += len(token)
        before = kind
    keyword = first is not None and first.lower() in WORDS["keyword"]
    strong = 2 * (seen["equals"] + seen["brace"] + calls) + 3 * keyword
    signs = strong + seen["underscore"] + dots + seen["sign"]
    hangul, latin, elsewhere = (
        seen["hangul"],
        seen["letter"],
        seen["kana"] + seen["ideograph"] + seen["foreign"],
    )
    korean = hangul >= 1 and 4 * hangul >= latin
    if korean and 2 * hangul >= elsewhere and 4 * strong < 3 * hangul:
        language = "ko"
    elif elsewhere > hangul + latin:
        language = "other"
    elif not logged and signs >= 2 and 3 * signs >= len(words) + hangul // 2:
        language = "code"
    else:
        language = "ko" if korean else "latin" if latin >= 2 else None
    weight = sum(seen.values()) + hangul + seen["kana"] + seen["ideograph"]
    return language, weight, indent, signs_at_start.startswith(("#", "//")), words, seen["accented"]


class Outline:
    """Remembers whether lines are in a list or below a heading of Markdown, where an indent makes no comment."""

    def __init__(self):
        self.listed = self.outlined = False

    def is_comment(self, line, language, indent, sign):
        line = line.lstrip(" \t\r\v\f")
        heading = indent == 0 and re.match("#{2,6}[ \t]", line) is not None
        self.outlined |= heading
        marks = line_kinds.MARKS.match(line.encode())
        assert marks is not None
        if marks["bullet"] and not (line.startswith("*") and indent % 2):
            self.listed = True
        elif indent == 0 or (language == "code" and line[0] not in "<`"):
            self.listed = False
        indented = indent > 1 and not self.listed and not self.outlined
        return language not in ("code", None) and ((sign and not heading) or indented)


def plain_counts(text):
    found: Counter[str] = Counter(dict.fromkeys(map(str, languages.COUNTS), 0))
    paragraph: Counter[str] = Counter()
    lines, after, outline = [*text.split("\n"), ""], 0, Outline()
    for n, line in enumerate(lines):
        if n < after:
            continue
        end = fence_end(lines, n)
        if end > n or not line.strip(" \t\r\v\f"):
            if paragraph:
                order = ("ko", "latin", "code", "other")
                found[f"para_{max(order, key=lambda name: (paragraph[name], -order.index(name)))}"] += 1
            paragraph.clear()
            fenced = sum(ord(c) > 32 for line in lines[n + 1 : end] for c in line)
            found["fenced"] += fenced
            found["para_code"] += fenced > 0
            after = end + 1
            continue
        language, weight, indent, sign, words, accents = plain_line(line)
        comment = outline.is_comment(line, language, indent, sign)
        if language:
            found[language] += weight
            paragraph[language] += weight
            found["comment"] += weight * comment
        found["accents"] += accents
        found["latin_words"] += len(words)
        found["english_words"] += sum(word.lower() in WORDS["en"] for word in words)
        found["foreign_words"] += sum(
            word.lower() in WORDS["foreign"] and not word[1:2].isupper() for word in words
        )
    return [found[name] for name in languages.COUNTS]


_PARTS = "- * ** *** **a b** a**b /** 12. > ## ### http:// https://a.kr/b](c) ](/b) ](#c) ](.d ](e.md) ](f.htm#g) ](h.i) DER TIL 12:34:56 :34:56 가나 다 あい 漢字 д é x def the der return if f( a.b a_b = {} ; : // # <b> </b> < <a ` `` ``` ~~~ ~~~~ &amp; &#1; &lt &x=; > \u1100 \u1ea0 ㄱ ㅋㅋ 12 \ua000 😀 — ï […] "
PARTS = (
    *_PARTS.split(" "), " ", " ", "    ", "\t", "\n", "\n", "\n```\n", "\n```py\n", "\n~~~\n", "\n\n", "\n \n", "Strasse", "pythonic_names", ".x", "1.5",
)  # fmt: skip
GENERATED = st.one_of(st.lists(st.sampled_from(PARTS), max_size=50).map("".join), st.text(max_size=30))


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(GENERATED, min_size=1, max_size=5))
def test_counts_are_those_of_plain_python(texts):
    found = languages.count(*utf8_buffer(pa.array(texts, pa.large_string())), language_words.tables())
    assert [list(row) for row in found] == [plain_counts(text) for text in texts]


def test_counts_of_real_source_code_are_those_of_plain_python():
    texts = [
        *(text for _, text in ALL),
        (Path(sysconfig.get_paths()["stdlib"]) / "heapq.py").read_text("utf-8"),
    ]
    found = languages.count(*utf8_buffer(pa.array(texts, pa.large_string())), language_words.tables())
    assert [list(row) for row in found] == [plain_counts(text) for text in texts]


def test_the_language_of_wikitext_is_that_of_its_prose():
    """Its templates look like code, and code is not converted."""
    text = "한국의 면적은 {{단위|100|km2}}이고 {{날짜|1446-10-09}}에 반포되었다. {{lang|en|Hello}}라고 했다."
    rows = [
        {"id": "1", "text": text, "source": "wiki", "lang": "", "meta": ""},
        {"id": "2", "text": text, "source": "web", "lang": "", "meta": ""},
        {"id": "3", "text": "int main() { return f({{1, 2}, {3}}); }\n" * 9, "source": "wiki", "lang": "", "meta": ""},
    ]  # fmt: skip
    cleaned, _, counts = clean_batch(pa.RecordBatch.from_pylist(rows, schema=DOCUMENT), CleanConfig())
    assert cleaned["lang"].to_pylist() == ["ko", "code", "code"]
    assert cleaned["text"].to_pylist()[:2] == [
        "한국의 면적은 100 km2이고 1446-10-09에 반포되었다. Hello라고 했다.",
        f"{text}\n",  # as source code ends
    ]
    assert counts.changed["mediawiki"] == 1


def test_markdown_with_fences_is_no_code_for_its_tables_of_parameters():
    row = "| `{0}` | string \\| number | `{0} = {{}}` | 값을 담습니다. |\n"
    tables = "| 이름 | 형식 | 기본값 | 뜻 |\n|---|---|---|---|\n" + "".join(
        row.format(f"name_{n}") for n in range(40)
    )
    text = f"# 함수\n\n함수가 받는 값을 적은 표입니다.\n\n```js\ncall({{}});\n```\n\n{tables}"
    assert languages_of([text]) == ["ko"]


def test_a_text_of_one_formula_with_tags_is_no_code():
    assert languages_of(["x<sub>1</sub> + x<sub>2</sub> = 10", "x<sub>1</sub> = 10 이다."]) == ["other", "ko"]
    assert languages_of(["el.innerHTML = 'x<sub>1</sub>';", "<b>a</b> = x<sub>1</sub>;"]) == ["code", "code"]
