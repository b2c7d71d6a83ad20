"""Markup, boilerplate and the rules that drop documents."""

import pyarrow as pa
import pytest

from preprocessing.boilerplate import cut_boilerplate
from preprocessing.clean import clean_batch
from preprocessing.documents import DOCUMENT, utf8_buffer
from preprocessing.markup import has_html, html_to_text, mediawiki_to_markdown, unescape
from preprocessing.quality import is_spam
from preprocessing.schema import CleanConfig
from preprocessing.text_kernels import INDEX, measure

ARTICLE = (
    "은행 대출을 알아보는 직장인이 늘고 있다. 전문가들은 급전이 필요하다고 무직자 대출이나 당일 대출 광고를 믿지 말라고 말한다. "
    "금융감독원에 따르면 지난해 불법 사금융 피해 신고는 만 건을 넘었다. 상담이 필요하면 금융감독원 누리집(https://www.fss.or.kr)을 "
    "이용하면 된다. 김 씨는 카드값을 갚으려다 높은 이자에 시달렸다고 털어놓았다. 정부는 서민을 위한 정책 금융을 늘리기로 했다. "
    "한 상담사는 빚을 숨기지 말고 가족과 의논하는 것이 첫걸음이라고 조언했다. 이 제도는 내년부터 전국에서 시행된다."
)
ADVERTISEMENT = "[무방문 당일 대출] 누구나 OK 5분 승인 당일 입금 ☎ 010-0000-1004 이자 첫 달 면제!! 무직자대출 소액대출 연체자대출 http://loan.example"


def run(texts, lang="ko", config=None, markup="auto", source="web"):
    rows = len(texts)
    columns = [[f"d{i}" for i in range(rows)], texts, [source] * rows, [lang] * rows, ["{}"] * rows]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, DOCUMENT)]
    return clean_batch(pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT), config or CleanConfig(), markup)


@pytest.mark.parametrize(
    ("reason", "lang", "text"),
    [
        (None, "ko", ARTICLE),
        ("spam", "ko", ADVERTISEMENT),
        ("too_short", "ko", "네, 알겠습니다."),
        ("hangul_ratio", "ko", "This page is written in English from the first word to the very last one."),
        ("symbol_ratio", "ko", "★☆★☆ ◆◇◆◇ ▶▶▶ 목록 ■□■□ ※※※ ↑↓←→ ◎◎◎ ♣♣♣ 끝 ★☆★☆ ◆◇◆◇"),
        ("bullet_lines", "ko", "\n".join(f"- {word}나무와 {word}꽃" for word in "가나다라마바사아")),
        ("repeated_lines", "ko", "이 글은 회원만 볼 수 있습니다.\n댓글 쓰기\n" * 6),
        ("repeated_words", "ko", "봄이 왔네 봄이 왔어 " * 20),
        (
            "broken_jamo",
            "ko",
            "ㅎㅏㄴㄱㅡㄹ ㅈㅏㅍㅏㄴㅇㅣ ㄱㅗㅈㅏㅇㄴㅏㅆㄷㅏ. ㄱㅡㄹㅈㅏㄱㅏ ㅁㅗㅇㅣㅈㅣ ㅇㅏㄶㄱㅗ",
        ),
        ("mojibake", "ko", "°­¾ÆÁö¿Í ÇÔ²² ¹Ù´å°¡¸¦ °É¾ú´Ù. ¸ð·¡°¡ ¹ß°¡¶ô »çÀÌ·Î"),
        ("mojibake", "ko", "ì•ˆë…•í•˜ì„¸ìš” ì˜¤ëŠ˜ì€ ë‚ ì”¨ê°€ ì¢‹ìŠµë‹ˆë‹¤ ì•ˆë…•í•˜ì„¸ìš”"),
        (
            "lorem",
            "en",
            "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore.",
        ),
        (None, "ko", "영화 너무 재밌어요ㅋㅋㅋㅋㅋㅋㅋㅋ 마지막에 울었어요ㅠㅠㅠㅠㅠㅠㅠ 강추합니다!!!!!!"),
        ("long_lines", "code", "x = [" + "1234, abc, " * 200 + "]\n"),
        ("alphabetic_ratio", "code", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9,\n" * 5),
        (None, "code", "def area(width, height):\n    return width * height\n\nprint(area(2, 3))\n"),
    ],
)
def test_each_rule_drops_what_it_is_for(reason, lang, text):
    result = run([text], lang)
    assert result.reasons.to_pylist() == [reason]
    assert result.counts.dropped == ({reason: 1} if reason else {})


def test_order_of_rows_and_languages_is_kept_and_counts_add_up():
    texts = [ARTICLE, "short", ADVERTISEMENT, "def f():\n    return 'a function of some length'\n"]
    columns = [["a", "b", "c", "d"], texts, ["web"] * 4, ["ko", "en", "ko", "code"], ["{}"] * 4]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, DOCUMENT)]
    result = clean_batch(pa.RecordBatch.from_arrays(arrays, schema=DOCUMENT), CleanConfig())
    assert result.batch["id"].to_pylist() == ["a", "b", "c", "d"]
    assert result.reasons.to_pylist() == [None, "too_short", "spam", None]
    assert result.batch["text"][0].as_py() == ARTICLE
    assert result.counts.documents_in == result.counts.documents_out + result.counts.dropped.total() == 4


def test_an_honest_article_on_loans_is_no_spam_however_short_its_advertisement_twin():
    assert not is_spam(ARTICLE)
    assert is_spam(ADVERTISEMENT)
    assert not is_spam("카지노 카지노 카지노 카지노 http://a.kr")  # one subject, many mentions
    assert not is_spam(ADVERTISEMENT.replace("☎", "").replace("http://loan.example", ""))  # nobody to contact


def test_statistics_agree_with_python():
    text = "- 가나다 abc 12!\n\n- 가나다 abc 12!\nㅋㅋ ㄱ �★\n"
    row = measure(*utf8_buffer(pa.array([text], pa.large_string())))[0]
    seen = {name: int(row[i]) for name, i in INDEX.items()}
    visible = [c for c in text if not c.isspace()]
    assert seen["characters"] == len(text)
    assert seen["visible"] == len(visible)
    assert seen["hangul"] == sum("가" <= c <= "힣" for c in text) == 6
    assert (seen["jamo"], seen["emotion"], seen["digits"], seen["replacement"]) == (1, 2, 4, 1)
    assert seen["letters"] == 6 + 6 + 3
    assert (seen["lines"], seen["bullets"], seen["longest_line"]) == (3, 2, 13)
    assert seen["repeated_in_lines"] == len("-가나다abc12!")
    words = text.split()
    triples = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    assert (seen["triples"], seen["repeated_triples"]) == (len(triples), len(triples) - len(set(triples)))


@pytest.mark.parametrize(
    "text",
    [
        "식 a < b 그리고 c > d 이면 x<y 이다.",
        "파이썬에서 `<b>` 와 `</b>` 는 태그이다.",
        "주소 http://a.kr/?a=1&copy=2&lt=3 을 보라",
        "List<String> 과 Map<K, V>",
    ],
)
def test_text_without_markup_is_left_alone(text):
    assert not has_html(text)
    assert html_to_text(text) == text


def test_html_becomes_text():
    page = (
        "<html><head><title>제목</title><style>p{color:red}</style></head><body><h2>봄나물</h2><p>물기를&nbsp;꼭 <b>짜야</b> "
        "합니다.<br/>끝</p><!-- 광고 --><script>var a='<p>x</p>';</script><ul><li>하나</li><li>둘 &lt;셋&gt;</li></ul>"
        "<pre>if x:\n    y  =  1</pre></body></html>"
    )
    assert html_to_text(page).replace("\u00a0", " ") == (
        "## 봄나물\n\n물기를 꼭 짜야 합니다.\n끝\n\n- 하나\n- 둘 <셋>\n\n```\nif x:\n    y  =  1\n```"
    )
    assert unescape("&amp;nbsp;&quot;") == '\u00a0"'


def test_mediawiki_becomes_markdown():
    page = (
        "{{정보\n| a = {{b}}\n}}\n'''측우기'''(測雨器)는 [[조선|옛 조선]]의 기구이다.<ref name=\"x\">주석 [[a]]</ref>\n[[파일:a.png|섬네일|[[링크]] 설명]]\n"
        '== 구조 ==\n* 하나\n** 둘\n# 셋\n{| class="wikitable"\n! 항목 !! 값\n|-\n| 깊이 || style="x" | 31\n|}\n'
        '<syntaxhighlight lang="python">\nx = []\nif x:\n    # 주석\n    y = 1\n</syntaxhighlight>\n[[분류:기구]]'
    )
    assert mediawiki_to_markdown(page) == (
        "**측우기**(測雨器)는 옛 조선의 기구이다.\n\n## 구조\n- 하나\n  - 둘\n1. 셋\n| 항목 | 값 |\n| --- | --- |\n| 깊이 | 31 |\n\n"
        "```python\nx = []\nif x:\n    # 주석\n    y = 1\n```"
    )


def test_by_lines_go_at_the_ends_only():
    body = "국회에서 연설했다. 이 기자 회견은 길었다.\n홍길동 기자\n다음 날도 회견이 열렸다.\n둘째 문단이다.\n셋째 문단이다."
    middle = f"첫 문단.\n둘.\n셋.\n넷.\n{body}\n하나.\n둘째.\n셋째.\n넷째.\n다섯째.\n여섯째."
    assert cut_boilerplate(middle) == middle
    page = "입력 2024.03.15 오후 3:00\n(은모래=한빛뉴스) 강다솜 기자 = 감 농가가 바쁘다.\n본문이다.\n강다솜 기자 dasom@news.example\nⓒ 한빛뉴스, 무단 전재 및 재배포 금지"
    assert cut_boilerplate(page).split() == ["감", "농가가", "바쁘다.", "본문이다."]
    assert cut_boilerplate("이 기자는 말했다. 모두가 들었다.") == "이 기자는 말했다. 모두가 들었다."


def test_markup_is_kept_in_code_and_where_it_is_switched_off():
    code = 'PAGE = "<p>hello</p><br/>"\nprint(PAGE)  # &nbsp; stays\n'
    assert run([code], "code").batch["text"][0].as_py() == code
    prose = "태그 설명: <p>문단</p> 과 <br/> 그리고 &nbsp; 를 배운다. 이 글은 예제를 담고 있다."
    assert run([prose], "ko", markup="none").batch["text"][0].as_py() == prose
