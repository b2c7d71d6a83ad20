"""An unusual shape drops a document only with a second sign of bad text; sentences of its own keep it."""

import pyarrow as pa
import pytest

from preprocessing.config.rules import FilterConfig
from preprocessing.judging import rules
from preprocessing.steps.measure import measure_batch
from tests.preprocessing.test_rules import NAMES

SENTENCES = (
    "바람은 산에서 바다로 불고, 배는 그 바람을 타고 섬으로 간다. 어부는 새벽에 그물과 등불을 싣고 나가서 해가 질 때까지 돌아오지 않는다. "
    "그러나 비가 오는 날에는 마을의 사람도 아이와 함께 집에서 쉰다. 우리는 이 마을을 위해 작은 등대를 세울 것이다."
)
FORMULA = "$H_n = W_q x_t + \\sum_i softmax(QK^T / d_k) V_i + LayerNorm(x_{t-1})$\n"
CAPTION = "가마우지 '오늘도 열 마리 이상'[포토]\n\n[새소식 강릉, 나무늘보 기자] 3일 오후 강원 강릉 경포호수에서 열린 '2031 물고기배 철새리그 결승시리즈' 가마우지와 논병아리의 5차전 경기, 가마우지 막내의..."
HEADLINES = "\n\n".join(
    f"☞{line}"
    for line in [
        '내년에도 2% 번식 가능할까... 새 이동전망에 쏠리는 관심...습지 수출 우려에 3%로 하향...숲 전문가 "1%대 서식 배제 못해"',
        "'두루미 바람' 남쪽 섬 불똥?…北, 갈대 우회 이동 조사...2016년에 이어 또 우회이동 조사",
        "겨울철새 돌아온다 철원부터 순천만까지…제철 맞은 '이것'...탐조업계 본격적인 망원경 마케팅...새벽 탐조 열기 이번주 최고",
        "까치집 47년만에 최고치...전봇대 둥지 70%↑...산까치도 연초대비 84% 급증...한전 물량비축 한몫...부담커진 정비업계 인력 고심",
        '올빼미 소음 1등급 설계 적용...기술모델 정립 "숲속 속삭이는 수준"...비용 책임 저감도 연구용역',
    ]
)
EXCERPT = "연못에 사는 왜가리의 수를 세는 방법을 다시 적었습니다. 물가의 둥지에서 시작해 숲까지 걸으며, 셀 때마다 시간과 날씨도 함께 적습니다."
VERSES = (
    "아침의 연못은 고요하고",
    "갈대는 물가로 고개를 숙이네",
    "왜가리는 먼 섬에서 오고",
    "어부와 아이들이 길을 걷네",
    "저녁의 등불을 배에 싣고",
    "우리는 이 노래를 부르네",
)
FRAME = f"├{'─' * 6}┼{'─' * 20}┤\n"
BOXES = FRAME + "".join(f"│ {name} │ {'▓' * n} {'░' * (30 - n)} │\n" for n, name in enumerate(NAMES)) + FRAME
CHART = "연못지기 물레 목록입니다.\n\n" + "\n".join(
    f"- `{key}` : Pond keeper 물레 목록 {name} 정보와 예시 값" for key, name in zip("abcdefgh", ("이름", "버전", "이름공간", "기본 값", "위치", "방향", "높이", "깊이"))
)  # fmt: skip
TITLES = "| No. | 제목      | Directory   |\n|-----|-----------|-------------|\n" + "".join(
    f"| {n}1{n} | {name}     | `{n}1{n}_{name}` |\n" for n, name in enumerate(NAMES[:4])
)
MENU = "".join(
    f"+ {name} {word}\n"
    for name, word in zip(NAMES, ("설정 문의", "목록", "검색 예약", "구매", "상담", "비교") * 2)
)
DENSE_CODE = "".join(f"pond.on('fish{n}', (e) => {{swim(e.depth, {n});pond.log(e)}}); " for n in range(40))
FLAT_CODE = " ".join(f"for (int i{n} = 0; i{n} < {n}; i{n}++) {{ pond[i{n}] += fish; }}" for n in range(12))


@pytest.mark.parametrize(
    ("reason", "lang", "text"),
    [
        # headlines and the first words of news have few particles, spam has keywords, too
        (None, "ko", CAPTION),
        (None, "ko", HEADLINES),
        ("few_function_words", "ko", CAPTION.replace("막내의", "굿즈 할인 쿠폰 특가 추천 구매")),
        ("listed_words", "ko", " ".join(f"{name} 다시보기 토렌트 {name}" for name in NAMES)),
        # three dots of a headline are no wrong decoding
        (None, "ko", "두루미, 습지 회복 시 뚜렷한 수확 기대···기러기연구소, 목표 상향"),
        ("mojibake", "ko", "ê°€ë‚˜ë‹¤ë¼ë§ˆ ë°”ì‚¬ì•„ìž 두루미가 온다 ì°¨ì¹´íƒ€íŒŒ"),
        # notes among formulas, numbers and boxes
        (None, "ko", SENTENCES + "\n\n" + FORMULA * 40),
        (None, "ko", SENTENCES + "\n" + "\n".join(f"2031-{n:02d}-11 1,{n}12.50 43{n}.30K 0.{n} {n}.5" for n in range(99))),
        (None, "ko", SENTENCES + "\n\n" + BOXES),
        ("symbol_ratio", "ko", BOXES),
        ("number_lines", "ko", "두루미의 표\n" + "\n".join(f"2031년 {n}월 {n}12.5톤 1{n}.25도" for n in range(1, 12))),
        # dates are no sentences: an index of posts is measured by its titles
        (None, "ko", "".join(f"## {name}를 세는 방법\n\n2031-05-{n:02d}\n\n" for n, name in enumerate(NAMES))),
        # the subject of a page and its pairs of words
        (None, "ko", CHART),
        ("repeated_pair", "ko", "\n".join(f"강남 꽃집 {word}" for word in ["가격", "예약", "후기", "위치", "추천", "순위", "주소", "주차", "배달", "결혼", "생일", "개업"])),
        # repetition is a share of the whole document, and of one that has sentences it is less
        (None, "ko", "```\n" + "\n".join(f"pond_{n} = fish(depth={n}, name='p{n}')" for n in range(99)) + "\n```\n" + "함수를 부르고 값을 돌려 받습니다.\n\n" * 8),
        ("repeated_lines", "ko", "함수를 부르고 값을 돌려 받습니다.\n\n" * 8),
        ("repeated_words", "ko", (SENTENCES + " ") * 12),
        # pages for wide and narrow windows hold their content twice, hymns have refrains
        (None, "ko", "".join(f"{verse}, 어부가 마을에서 들려준 {name}의 이야기를 여기에 적어 둔다\n\n" * 2 for verse, name in zip(VERSES, NAMES))),
        (None, "ko", "".join(f"{verse}\n산 위에 바람 불어라\n" for verse in VERSES)),
        ("repeated_lines", "ko", "".join(f"## {title}\n\n{EXCERPT}\n\n" for title in NAMES[:6])),
        # versions of a product, whose words have no Korean particles
        (None, "ko", "".join(f"- Gray Heron {name} 연못 지킴\n" for name in ["Atlas", "Birch", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Haven", "Islet", "Jetty"])),
        # codes in a table whose titles are words of shops
        (None, "ko", "| # | ID | 설명 |\n|---|---|---|\n" + "".join(f"| 10{n} | `kt1000{n}` | {name} |\n" for n, name in enumerate(("주식 매수주문", "주식 매도주문", "주식 정정주문", "주식 취소주문", "현물 매수주문", "현물 매도주문", "현물 취소주문")))),
        ("repeated_words", "ko", "['" + "', '".join((SENTENCES * 4).replace(".", " .").split()) + "']"),
        (None, "en", "".join(f"{step}\n```java\nPond pond = Pond.open(\"west\", Mode.SHARED);\npond.{call}();\npond.close();\nPond.log(\"closed the west pond and its gate\");\n```\n" for step, call in (("저장", "save"), ("조회", "find"), ("삭제", "drop")))),
        # a few titles and words beside much code or many links
        (None, "ko", "**Server that listens to the water**\n\n**Client which sends every single fish to its home again**\n" + "```go\nfor fish := range pond { // 물고기를 센다\n    net.Send(fish)\n}\n```\n" * 9),
        (None, "ko", MENU + "".join(f"   + [{name}](../guide/main/components/page-of-{n}.md)\n" for n, name in enumerate(NAMES * 3))),
        ("listed_words", "ko", MENU),
        # links in sentences, and filler text among them
        (None, "ko", "[물고기 세는 법](https://example.com/pond/long/path/to/the/counting/of/fish/in/clear/water)은 연못을 위한 것이 있습니다. 이 방법은 값을 적습니다."),
        ("link_lines", "ko", "[토토 알아보기](https://example.com/toto/long/path/to/the/site) 가입하는 곳"),
        (None, "ko", SENTENCES + "\n\nLorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor."),
        # pages that lost their line ends, and tables of titles, are called code
        (None, "code", SENTENCES + " " + FLAT_CODE),
        (None, "code", SENTENCES + " " + DENSE_CODE),
        (None, "code", EXCERPT + " " + FLAT_CODE),
        ("minified", "code", SENTENCES + DENSE_CODE.replace(" ", "")),
        ("mean_line_length", "code", "// 값\n" + FLAT_CODE),
        ("long_lines", "code", "// 값\n" + FLAT_CODE * 2),
        # a line or two with Korean have no mean
        (None, "code", "아래를 읽고 답하시오.\\n\\n지문: {context}\\n질문: {question}\\n보기:(A) {a}\\n(B) {b}\\n(C) {c}\\n답: {answer}, 이유: {reason}"),
        # letters of a list are no broken words
        (None, "ko", "".join(f"ㄱ : {a}은, ㄴ : {b}은, ㄷ : {c}은\n" for a, b, c in (("낮", "높", "낮"), ("높", "낮", "높"), ("높", "높", "낮")))),
        (None, "code", TITLES),
        ("alphabetic_ratio", "code", TITLES.translate({ord(syllable): "·" for name in NAMES for syllable in name})),
    ],
)  # fmt: skip
def test_a_shape_alone_drops_no_document(reason, lang, text):
    rows = [{"id": "a", "text": text, "source": "s", "lang": lang, "meta": "{}"}]
    columns = measure_batch(pa.RecordBatch.from_pylist(rows, schema=pa.schema([(name, pa.large_string() if name == "text" else pa.string()) for name in rows[0]])))  # fmt: skip
    assert list(rules.find_reasons(with_secrets(columns), FilterConfig())) == [reason]


def with_secrets(columns):
    return columns.append_column("secrets", pa.array([0] * columns.num_rows, pa.int32()))
