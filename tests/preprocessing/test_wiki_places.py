"""Templates that no table knows, parser functions, links and tables as pages of wikis show them."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.markup.conversion import mediawiki_to_markdown
from preprocessing.markup.wiki_functions import evaluate
from preprocessing.markup.wiki_page import WikiPage

PAGE = WikiPage("한글", date(2021, 8, 7))


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        # values in sentences, whatever follows them
        ("점수는 {{모르는 값|99|100}}점, {{어떤 범위|70|90}}%이다.", "점수는 99 100점, 70–90%이다."),
        ("판결({{어떤 판례|2012헌마192}})과 기호: {{어떤 기호|♀}})은", "판결(2012헌마192)과 기호: ♀)은"),
        ("단추 {{Key press|A}} 단추, 말 {{어떤 말|xcl|բառ}}", "단추 A 단추, 말 բառ"),
        ("* {{l|en|one}}, {{l|en|two}}", "- one, two"),
        ("그는 {{출시|1998|3|31}}에 와서 ({{생몰년|1902|9|7|1934|12|24}}) 갔다.", "그는 1998년 3월 31일에 와서 (1902년 9월 7일 ~ 1934년 12월 24일) 갔다."),
        ("값 {{어떤 스타일|color:red|19.0%}} {{숫자 정렬|7600000|760만}}장", "값 19.0% 760만장"),
        ("{{해태 타이거즈}}는 ({{CO2}}) 96.5%가 {{이산화 탄소}}이며", "해태 타이거즈는 (CO2) 96.5%가 이산화 탄소이며"),
        ("경기: {{fb-rt|KOR}} {{flagIOC|JPN}}", "경기: 대한민국 일본"),
        ("〈{{위키문헌 링크|진달래꽃}}〉", "〈진달래꽃〉"),
        ("[[파일:a.png|섬네일|{{범례|red|어제}}{{범례|blue|오늘}}]]폴로늄(<sup>210</sup>Po), {{핵종|Au|197}}", "어제 오늘\n\n폴로늄(210Po), Au-197"),
        ("비율({{퍼센트|75.2}}, {{퍼센트|1|3|1}}), {{약}} {{변환|12|C}}의 {{배|RMS|타이타닉}}과 {{USS|메인}}", "비율(75.2%, 33.3%), 약 12 °C의 RMS 타이타닉과 USS 메인"),
        ("나이 {{birth date and age2|2002|5|31|1973|4|26}}, 지하철 [[파일:2.svg|20px]] 2호선\n* {{모르는 노선|강릉선}}\n** 강릉역",
         "나이 1973년 4월 26일, 지하철 2호선\n- 강릉선\n  - 강릉역"),
        ("그는 {{인용구|티끌 밖이다}}라고 했다. ''p''<sub>''n''</sub>은 {{임시링크|막장 (음식)|lt=막장|en|M}}", "그는 “티끌 밖이다”라고 했다. *p*_n은 막장"),
        ("{{인용문|\n# 하나\n# 둘\n|책}}\n글 {{OEIS|A000040}}", "> 1. 하나\n> 2. 둘\n> — 책\n\n글 (OEIS A000040)"),
        ("{|\n| align=left | {{어떤 선수단|소련|하계}} || 55\n|}", "| 소련, 하계 | 55 |\n| --- | --- |"),
        ("{|\n!#!!값\n|-\n|#1||{{증가}} 3\n* 가\n* 나\n|}", "| # | 값 |\n| --- | --- |\n| #1 | ▲ 3 가, 나 |"),
        ("현대({{llang|en|Hyundai}}, {{한국거래소|005380}})는", "현대(영어: Hyundai, 005380)는"),
        ("<code>for (;;)</code>의 <code>swap()</code>은 main()과 가()나 {{유니코드|U+AC00}}, 나({{소리|a.ogg}}, {{출처|b}})는", "`for (;;)`의 `swap()`은 main()과 가나 U+AC00, 나는"),
        ("{|\n| <nowiki>|</nowiki> || <math>|x|</math>\n|}\n{{연도|1905}}\n글", "| \\| | $\\|x\\|$ |\n| --- | --- |\n\n글"),
        ("조사 ([[파일:a.svg|15px]] 문서){{,}} 땅 {{수|12,000|평}}", "조사 (문서), 땅 12,000평"),
        # notes follow their word, icons and anchors have names
        ("글이다.{{쪽|3}} 글{{평|가나}}. 글{{rp|23-25}} {{국기그림|KOR}} 한국{{앵커|가}}", "글이다. 글. 글 한국"),
        ("왕({{일본 이름|도쿠가와|德川|とくがわ}})은 {{모르는 말|세종|world}} 때", "왕(도쿠가와, 德川, とくがわ)은 세종(world) 때"),
        ("신사（{{jpn|j=青島神社|hg=セイ}}）와 그는 {{clarify|text=한 달|date=2015}} 뒤에", "신사（青島神社, セイ）와 그는 한 달 뒤에"),
        ("약 {{convert|800|e6km}}, {{birth year and age|1964|08}}, {{IPAc-en|a.ogg|ˈ|f|r}}", "약 800×10^6 km, 1964년 8월, /ˈfr/"),
        ("{{By|2006}} 시즌 {{hs|9999}}해제", "2006 시즌 해제"),
        ("{|\n| '''{{flagicon|KOR}} [[한국]]''' || '''가''' || 3660{{resize|80%|×}}36 || {{Yes2}}\n|}",
         "| **한국** | **가** | 3660×36 | |\n| --- | --- | --- | --- |"),
        ("{|\n|{{SortKeyName|호세|가르시아}}\n|1810\n|}", "| 호세 가르시아 | 1810 |\n| --- | --- |"),
        ("{{Cquote|문장이다.|20px|20px|햄릿|1막}}", "> 문장이다.\n> — 햄릿, 1막"),
        ("글{{풀이주|그는 오늘도 산을 오른다.}} “{{따온 말|너는 간다.}}”라고 {{임의|<math>x</math>}}는", "글 “너는 간다.”라고 $x$는"),
        # empty values, arguments by number, labels, years
        ("가({{생몰년|?|?}}), 나({{생몰년|1970|}}), 다({{재위 기간|1392|1398}}), 라({{생몰년|30|일}})는",
         "가(?–?), 나(1970–), 다(1392–1398), 라(30 일)는"),
        ("가({{llang|en|}})는 {{lang|en|2=word}}, {{lang|2=Wort|1=de}}, {{시작일|1=1990|2=5}}이다.", "가는 word, Wort, 1990년 5월이다."),
        ("{{국기|KOR|1949|이름=한국}}과 {{fb|jpn}}, {{깃발 나라|페루}}는 {{임시링크|막장 (음식)|en|M|막장}}, {{임시링크|장|fr|J|en}}을",
         "한국과 일본, 페루는 막장, 장을"),
        ("{{code|int main()|c}} {{key press|Ctrl|C}}, {{†}}공룡, {{한자|漢字|한자}}, {{val|1.67|(51)|e=-27}}, {{val|1|+2|-3}}",
         "`int main()` Ctrl+C, †공룡, 漢字(한자), 1.67(51)×10^-27, 1^+2_(−3)"),
        ("{{별점|4.5|5}}를 받은 {{circa|1500|1550}} 그림, {{개통일|1974|8|15}}에", "4.5/5를 받은 c. 1500–1550 그림, 1974년 8월 15일에"),
        # in a word, and ideographs behind it
        ("제{{어떤 말|삼}}회 태평{{어떤 글|양}}에서 세종{{어떤 음|世宗}}은", "제삼회 태평양에서 세종(世宗)은"),
        # notices in the line of the text
        ("{{구별|가}} {{혼동|나}} {{같이 보기|다}} {{비슷한 이름|라}} 글이다.", "글이다."),
        # a noun is missing; an anchor is none
        ("또 {{세계유산 링크|경주}}가 지정되었고, {{인용|범}}은 왔다. {{앵커|가}}가 보인다.", "또 경주가 지정되었고, “범”은 왔다. 가 보인다."),
        ("키는 {{키 변환|183|cm}}이다. 코드는 {{ATC|N06|BC01}}, {{성경|창세기|1:3}}에, 0.2{{%}} {{US달러|746억}}", "키는 183 cm이다. 코드는 N06BC01, 창세기 1:3에, 0.2% US$746억"),
        ("{{첫글자|나}}는 간다.\n\n{{어떤 말|나}} 간다.", "나는 간다.\n\n나 간다."),
        ("* {{l|ko|학교생활|學校生活}}\n* {{t|de|Schule|f}}, {{m|la|aqua||물}}, {{bor|ko|en|bus}}", "- 學校生活\n- Schule, aqua (물), 영어 bus"),
        ("{{아이스하키 경기|date=2월 10일|team1={{fb|KOR}}|score=0–8|team2={{fb|SUI}}}}\n{{정리|이름=역|성립하지 않는다.}}",
         "- 2월 10일, 대한민국, 0–8, 스위스\n\n역. 성립하지 않는다."),
        # boxes
        ("{{정의 목록|아니리|말로 하는 부분이다.|발림|몸짓이다.}}", "아니리\n\n말로 하는 부분이다.\n\n발림\n\n몸짓이다."),
        ("{{어떤 상자|가|나|다|라|마}}\n{{모르는 틀|가|나}}\n글", "글"),
        ("{{어떤 목록|2002년|대상|배우|가나}}\n글", "- 2002년, 대상, 배우, 가나\n글"),
        ("{{글상자|\n제1조\n제2조\n}}\n글", "제1조\n제2조\n\n글"),
        ("{{어떤 블록|1=<math>a</math>}}", "$a$"),
        ("{{넓은 그림|a.jpg|1000px|본 산}}\n글{{pad|2em}}글", "본 산\n\n글 글"),
        ("{{어떤 그림|파일:a.jpg|앞|파일:b.jpg|뒤}}", "앞\n\n뒤"),
        ("{{cl header}}\n{{cl team|p=1|t=가}}\n{{cl team|p=2|t=나}}\n{{cl footer}}", "- 1, 가\n- 2, 나"),
        ("{{가계도| |FA |y|MO |FA=가|MO=나}}\n{{가계도| |,|-|^|-| | }}\n{{가계도| |ME |ME=다}}", "- 가, 나\n\n- 다"),
        ("{|\n|-\n{{정당 이름과 빛|가당}}\n| 홍길동 || 51\n|}", "| 가당 | 홍길동 | 51 |\n| --- | --- | --- |"),
    ],
)  # fmt: skip
def test_unknown_templates_show_what_their_place_asks_for(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE).replace("|  |", "| |") == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{clade|label1=가목|1={{clade|1=나과|2={{clade|label1=다과|1={{clade|1=라속|2=마속}}}}}}}}",
         "- 가목\n  - 나과\n  - 다과\n    - 라속\n    - 마속"),
        ("{{Round4|6월 1일|가|1|나|0|6월 2일|다|2 (4)|라|2 (3)}}", "- 6월 1일, 가 1, 나 0\n- 6월 2일, 다 2 (4), 라 2 (3)"),
        ("{{조상표|1=1. 가|2=2. 나}}", "- 1. 가\n- 2. 나"),
        ("{{x}}\n|-\n| 1 || 2\n|-\n| 3\n| 4\n{{끝}}\n\n글", "| 1 | 2 |\n| --- | --- |\n| 3 | 4 |\n\n글"),
        ("{{표}}\n! 가 !! 나\n|-\n| 1 || 2\n|}\n글\n\n|}", "| 가 | 나 |\n| --- | --- |\n| 1 | 2 |\n\n글"),
        ("| 값 = 1\n글", "| 값 = 1\n글"),
        ("{{mvar|b}}{{sup|2}} {{mvar|a}}<sub>1</sub>", "$b^{2}$ $a_{1}$"),
        ("{{EquationNote|1|(1)}} {{EquationNote|2}} {{sqrt|''D''}} {{IPA|ko|su}}", "(1) (2) $\\sqrt{D}$ su"),
    ],
)  # fmt: skip
def test_trees_brackets_and_rows_without_a_table(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{#switch: b | a = 1 | b | c = 2 | #default = 3}}{{#switch: x | a = 1 | 4}}", "24"),
        ("{{#ifeq: 1 | 1.0 | 가 | 나}}{{#ifeq: a | b | 다}}{{#if: | 라 | 마}}", "가마"),
        ("{{#ifexpr: 3 > 2 | 예 | 아니오}} {{formatnum:{{#expr: 100*12014277/24561916 round 2}}}}%", "예 48.91%"),
        ("{{#time:Y년 n월 j일|2009-10-04}} {{#time:Y}}", "2009년 10월 4일 2021"),
        ("{{lc:ABC}} {{uc:kbo}} {{ucfirst:sk}} {{plural:2|하나|둘}} {{PAGENAME}}", "abc KBO Sk 하나 한글"),
        ("글{{#invoke:모듈|함수}}{{#tag:ref|주}}", "글"),
        ("{{formatnum:8855}} {{수표기:-1234567.5}} {{formatnum:8,855|R}} {{formatnum:1998|NOSEP}} {{nts|8855}}", "8,855 -1,234,567.5 8855 1998 8,855"),
    ],
)  # fmt: skip
def test_functions_with_known_arguments_are_computed(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{SS|Great Britain}} sank at {{ordinal|21}} place.", "SS Great Britain sank at 21st place."),
        ("{{ordinal|21}} place is lost, {{some icon|21}} ship is not.", "21st place is lost, ship is not."),
        ("{{some mark|here}} London is a city.", "London is a city."),
        ("It cost {{inflation|US|100|1950}} dollars. It is new.", "It is new."),
        ("# {{lb|en|informal|dated}} A house.\nHe said {{\"'}}no{{'\"}}.", "1. (informal, dated) A house.\n\nHe said \"'no'\"."),
    ],
)  # fmt: skip
def test_templates_of_english_sentences(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("* {{sense|a cat}} {{l|en|lion}}, {{qualifier|rare|old}} [[tiger]]\n* {{vern|black panther}}",
         "- (a cat) lion, (rare, old) tiger\n- black panther"),
        ("# {{plural of|en|cat}}\n# {{initialism of|lang=en|post meridiem}}.\n# {{w|Crow}}", "1. plural of cat\n2. initialism of post meridiem.\n3. Crow"),
        ("From {{affix|en|hypo-|-onym}}, {{suffix|abase|ment|lang=en}}, {{bor|en|fr|mot||word}}.", "From hypo- + -onym, abase + ment, French mot (word)."),
        ("* {{en icon|x}} [http://a.b page] and {{언어링크|en}} [http://a.b page]", "- page and page"),
        ("* {{bandiera|Peru|nome}}: [[Lima]]\n* {{bandiera|Peru}} [[Lima]]", "- Peru: Lima\n- Lima"),
        ("* {{Script|Copt|Ⲁ}} : letter\n* {{Commons category|Lima}}", "- Ⲁ : letter"),
    ],
)  # fmt: skip
def test_words_of_dictionaries_and_items(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("The letter {{angbr|a}}, 3500&nbsp;{{sc|bc}}, {{in lang|fr}} and {{bartable|87.5||2||background:red}}%.", "The letter a, 3500\u00a0bc, (in French) and 87.5%."),
        ('He "goes."{{rp|20}} To {{bibleref|Mark|3:25|9}}, {{SimpleNuclide2|lithium|7}}.', 'He "goes." To Mark 3:25, lithium-7.'),
        ("'''{{Japonês|Gundam|機動}}''' is {{YouTube|zi0ENw-JlUI|An American}}, (†{{taxlink|Corvus}})", "**Gundam (機動)** is An American, (†Corvus)"),
        ("Born {{OldStyleDate|February 2|1905|January 20}}. The density is {{Pop density|36|7|km2|prec=1}} now.", "Born February 2 1905 (January 20). The density is 5.1/km2 now."),
    ],
)  # fmt: skip
def test_values_in_english_sentences(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{4강토너먼트|RD1=준결승|6월 25일|가|'''1'''|나|0|6월 26일|다|'''1'''|라|0}}", "- 6월 25일, 가 **1**, 나 0\n- 6월 26일, 다 **1**, 라 0"),
        ("그는 {{인용문|이 바보.|소녀}} 하며 던진다. {{대사|천재니까!}}가 말버릇이다.", "그는 “이 바보.” (소녀) 하며 던진다. 천재니까!가 말버릇이다."),
        ("{{그래픽 노블 목록|권번호=1|발매일=1992년|챕터=* 가\n* 나}}\n{{그래픽 노블 목록|권번호=2}}", "- 1, 1992년\n- 가\n- 나\n- 2"),
        ("성({{zh-stp|s=紫禁城|t=紫禁城|p=Zǐ}}, {{llang|mnc|v=a}})은 {{버전|1.23}}이다.", "성(紫禁城, Zǐ)은 1.23이다."),
        ("{{출처 필요|꽃이라 한다.}} 또{{출처 필요|2015년}} {{법령|법률|471}}호로 {{달러|35억}}이다.", "꽃이라 한다. 또 법률 제471호로 $35억이다."),
        ("* {{서울 지하철 3호선}} : 안국\n* 파리{{*}}니스", "- 서울 지하철 3호선 : 안국\n- 파리 • 니스"),
        ("{{목록 접기|제목=배달계|배달|한서}}\n{{접기 시작|제목=가}}글{{접기 끝}}", "배달계\n배달\n한서\n\n가\n글"),
        ("식 {{ket|ψ}}{{=}}{{ket|1}}+{{ket|2}}, 3{{frac|1|2}} 큰술, {{시각|05|46}}에 {{어떤 임기|1990|1995}} {{투표|35|명}}이", "식 ψ=1+2, 3 1/2 큰술, 05:46에 1990–1995 35명이"),
        ("{{인용문 상자|제목=전문|인용문=유구한 역사|출처=헌법}}\n돈은 {{북한 원}}(KPW)이다.", "> 전문\n> 유구한 역사\n> — 헌법\n\n돈은 북한 원(KPW)이다."),
        ("여기서 {{math|{{vec|a}}}}는 수이고, 농도는 {{농도|0.04|%}}이다.\n* {{음성 기호|k}}와 {{IPA|k}}", "여기서 $a$는 수이고, 농도는 0.04 %이다.\n- k와 k"),
        ("{{rquote|right|나는 간다.|뉴턴}}\n글. 버전은 {{최신 안정판 버전/가}}이다. {{키 누르기|Ctrl|F1}}", "> 나는 간다.\n> — 뉴턴\n\n글. Ctrl+F1"),
        ("{{verse translation|lang=zh|國之語音|나라의 말소리}}\n{{축구 경기 상자|팀1=가|점수=2–1|팀2=나}}", "國之語音\n나라의 말소리\n\n- 가, 2–1, 나"),
        ("{{시 인용|한라산 자락에<br />눈이 내린다|지은이=가|제목=나}}\n{{웹 인용|url=a|제목=글}}", "> 한라산 자락에\n> 눈이 내린다\n> — 가, 나"),
    ],
)  # fmt: skip
def test_quotations_results_and_folded_lists_of_templates(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown", "removed"),
    [
        ("대한민국의 인구는 {{대한민국의 인구|41110}} 명이다. 수도는 서울이다.", "수도는 서울이다.", 1),
        ("시(인구 {{인구|가}}명, 면적 3.5km<sup>2</sup>)는 크다. 또", "시(면적 3.5km^2)는 크다. 또", 0),
        ("면적은 5 km, 인구는 {{프랑스 코뮌 인구|68}}명(2018년)이며, 밀도는 3명이다.", "면적은 5 km, 밀도는 3명이다.", 1),
        ("시 ({{#invoke:인구|가}}명)는 크다.", "시는 크다.", 0),
        ("문서는 {{NUMBEROFARTICLES}}개이다. 오늘은 {{CURRENTDAYNAME}}이다. 비가 온다.", "비가 온다.", 2),
        ("* 인구: {{인구|가}}명\n* 면적: 3km", "- 면적: 3km", 1),
        ("== 인구 ==\n약 {{formatnum:{{인구|가}}}}명이 산다.\n== 땅 ==\n넓다.", "## 땅\n넓다.", 1),
        ("{|\n| 가 || {{formatnum:{{인구|가}}}}명 || 넓다.\n|}", "| 가 |  | 넓다. |\n| --- | --- | --- |", 1),
        ("글이다. {{#invoke:모듈|함수}}\n{{데이터}}\n\n글 {{#if:|가}}", "글이다.\n\n글", 0),
    ],
)  # fmt: skip
def test_a_sentence_with_a_value_that_only_the_wiki_has_is_removed(wikitext, markdown, removed):
    left_out = Counter()
    assert mediawiki_to_markdown(wikitext, page=PAGE, left_out=left_out) == markdown
    assert left_out.total() == removed


@pytest.mark.parametrize(
    ("wikitext", "korean", "english"),
    [
        ("{{시작 날짜|1998|4|23}} {{birth date|1998|04|23}}", "1998년 4월 23일 1998년 4월 23일", "1998-04-23 1998-04-23"),
        ("{{일자|2018-06-13}} {{날짜|연=2018|월=6}} {{날짜|옛날}}", "2018-06-13 2018년 6월 옛날", "2018-06-13 2018-06 옛날"),
        ("({{생몰년|1902|9|7|1934|12|24}})", "(1902년 9월 7일 ~ 1934년 12월 24일)", "(1902-09-07–1934-12-24)"),
        ("{{#dateformat:2009-10-04|ymd}} {{재위|1392|1398}}", "2009년 10월 4일 1392–1398", "2009-10-04 1392–1398"),
        ("{{기간|m=48|s=12}}, {{duration|1||5}}, {{재생 시간|분=3|초=5}}, {{duration|s=5}}", "48:12, 1:00:05, 3:05, 0:05", "48:12, 1:00:05, 3:05, 0:05"),
    ],
)  # fmt: skip
def test_dates_have_the_form_of_the_page(wikitext, korean, english):
    for is_korean, markdown in ((True, korean), (False, english)):
        assert mediawiki_to_markdown(wikitext, page=WikiPage("x", None, is_korean)) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("값 12{{±|3|0.5}} cm, {{±|3}}", "값 12^+3_(−0.5) cm, ±3"),
        ("꽃({{학명|Leontopodium|[[한다|Hand.-Mazz.]]}})은 {{학명|Rosa}}", "꽃(Leontopodium Hand.-Mazz.)은 Rosa"),
        ("C{{music|#}} B{{music|b}} {{music|time|3|4}} ({{음악|4분음표}}=60)", "C♯ B♭ 3/4 (♩=60)"),
        ("가 {{골|36|pen.}}, 나 {{goal|11||45+1}}, 21권{{작은 글씨|(어린이)}}", "가 36 (pen.), 나 11, 45+1, 21권(어린이)"),
        ("{{월일|10|24}} {{시분|10|30}}에", "10월 24일 10시 30분에"),
        ("{|\n| {{gold1}} || 가\n|}", "| 금메달 | 가 |\n| --- | --- |"),
        ("{|\n! 탄수화물 | 20.1 g\n|-\n| nowrap | 지방 || 3 g\n|-\n| 가 || `a | b`\n|}", "| 탄수화물 | 20.1 g |\n| --- | --- |\n| 지방 | 3 g |\n| 가 | `a \\| b` |"),
        ("{|\n! 이름 | 나이 | 키\n|-\n! nowrap | 가 !! style=a | 2 || |x|y\n|}", "| 이름 | 나이 | 키 |\n| --- | --- | --- |\n| 가 | 2 | x\\|y |"),
        ("{|\n! scope=col | 다 | 라\n|-\n| 1 || style=a | 2 | 3\n|}", "| 다 | 라 |\n| --- | --- |\n| 1 | 2 \\| 3 |"),
        ("{{금메달}} 홍길동\n금메달 {{금메달}} 3개를 땄다.", "금메달 홍길동\n금메달 3개를 땄다."),
        ("제{{서수|3}}회 {{서수|4}}회 {{서수|5}} 대회", "제3회 4회 5번째 대회"),
        ("* 가\n*: 나\n** 다\n**: 라\n글\n: 마", "- 가\n  나\n  - 다\n    라\n\n글\n마"),
        ("l'''amour'' et '''mot'''", "l'*amour* et **mot**"),
        ("값은 {{유로|3만}}({{원|4천만}})이다. {{삼국유사|2|기이}}와 {{국보|32}}인 탑, {{국보|1|숭례문}}을 보라.", "값은 €3만(₩4천만)이다. 삼국유사 2 기이와 국보 제32호인 탑, 국보 제1호 숭례문을 보라."),
        ("{|\n| {{정당링크|가당}} || {{사퇴}} 12월 1일 || {{후보지명}}\n|-\n| {{IPAlink|n}} || {{출생일과 만나이|1994|9|12}} || 가{{/}}나\n|}",
         "| 가당 | 사퇴 12월 1일 | 후보지명 |\n| --- | --- | --- |\n| n | 1994년 9월 12일 | 가/나 |"),
        ("{{IPA|jje|tɕe}}라 하는 {{태그|div}}는 ''7''{{'}}에 {{as of|2010}} 기준이다.", "tɕe라 하는 `<div>`는 *7*'에 2010년 기준이다."),
        ("* {{깃발|일본}}\n* {{사퇴}} 1일\n{{축구 상자|팀1=가|점수=2|팀2=나}}", "- 일본\n- 사퇴 1일\n- 가, 2, 나"),
        ("{{single chart|Germany|4|artist=X|access-date=1 May|refname=g}}\n{{single chart|Austria|5|artist=X}}", "- Germany, 4\n- Austria, 5"),
        ("{|\n| {{타입|풀}}{{타입|독}} || {{타입|불}} || {{연표|가}}\n|-\n| colspan=2 align=center style=\"a:b\" {{N/A}} || 기엘{{dagger}}\n|}",
         "| 풀 독 | 불 | 가 |\n| --- | --- | --- |\n| 해당 없음 |  | 기엘† |"),
        ("그는 {{언제|최근}} 왔다. 또{{언제|2015년}} {{시작 날짜와 나이|2008|9|29}}에 {{사상자|둘|셋}}을 냈다.\n{{날짜 없음}}\n: 글", "그는 최근 왔다. 또 2008년 9월 29일에 둘(셋)을 냈다.\n\n글"),
        ("{{정리|쌍대 정리|어느 수든 그 수의 쌍대가 있다.}}", "쌍대 정리. 어느 수든 그 수의 쌍대가 있다."),
        ("국가무형문화재 {{국가무형문화재|23}} 산조와 서울 지하철 {{서울 지하철|2}}, {{KTX}} 열차", "국가무형문화재 제23호 산조와 서울 지하철 2호선, KTX 열차"),
        ("{{인용|모자를 벗으시오, 여러분. 천재입니다.}} — 슈만\n\n값은 {{비용|100|100}}, {{미화|3}}이다.", "> 모자를 벗으시오, 여러분. 천재입니다.\n> — 슈만\n\n값은 100 100, US$3이다."),
        ("{|\n| {{정당 링크|가당 (나라)|가당}} || {{정렬 키|01}}Op. 26\n|}\n* {{intitle|가}}", "| 가당 | Op. 26 |\n| --- | --- |"),
        ("{|\n| {{TS}} || 10℃ {{이하}}, 9℃\n|}\n* 문과 {{졸업}} (1941년)\n* {{기}} (1942년)", "| TS | 10℃ 이하, 9℃ |\n| --- | --- |\n\n- 문과 졸업 (1941년)\n- 기 (1942년)"),
        ("글{{모르는|가나}}{{모르는|다라}}. {{E|1.9|30}} kg, {{E|9}}", "글. 1.9×10^30 kg, ×10^9"),
        ("새 판은 {{최신 버전|가}}이다. 글", "글"),
        (":; 앞차기\n:: 찬다.\n:: 또", "앞차기: 찬다.\n또"),
        ("박지훈{{.}}이준호{{·}}김솔{{•}}최담", "박지훈 · 이준호 · 김솔 • 최담"),
        (";솔베이법\n:소금물에 넣는다.\n:굽는다.\n; '''소다:'''\n: 캔다.", "솔베이법: 소금물에 넣는다.\n굽는다.\n**소다:** 캔다."),
        ("; 두더지 : 우체부\n: 친구\n;목록\n:* 하나\n;각주\n\n:글", "두더지 : 우체부\n친구\n목록\n  - 하나\n각주\n\n글"),
        ("{|\n|\n;용어\n:뜻\n|| 2\n|}", "| 용어: 뜻 | 2 |\n| --- | --- |"),
        (":<math>\n\\begin{align}\na\n\\end{align}\n</math>", "$$\\begin{align}\na\n\\end{align}$$"),
        ("{|\n| <math>a\n|b|</math> || 2\n|}", "| $a \\|b\\|$ | 2 |\n| --- | --- |"),
    ],
)  # fmt: skip
def test_terms_tolerances_and_formulas_of_lines(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown


def test_sums_end_in_numbers_or_nothing():
    cases = [
        "2^3 + floor(2.7)",
        "7 mod 4",
        "3391946 / 770.02 round 0",
        "1/0",
        "9^9^9",
        "a + 1",
        "(" * 90,
        "abs(-007)",
    ]
    assert [evaluate(case) for case in cases] == [10, 3, 4405, None, None, None, None, 7]
    for case in ("sin(3)", "1e400", "10 round -1e9", "(" * 90 + "1" + ")" * 90 + "^-1e9", "9^9^9^9"):
        assert evaluate(case) is None


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("[[미디어:a.ogg|듣기]][[Media:a.ogg]]", "듣기"),
        ("[[가|나|다]] [[절댓값||x|]]", "나|다 |x|"),
        ("[[#역사]]\n[[가#나]]", "#역사\n가#나"),
        ("[[:en:Foo]][[en:Foo]] [[ ko :Bar]][[CSI: NY]]", "en:Foo CSI: NY"),
        ("[http://a.b/\"가\" 나] [http://a.b/''다''] [HTTP://a.b　라] [http://a.b [마] 바] [http://a.b/<b>사</b>]",
         '"가" 나 *다* 라 [마] 바 사'),
        ("[[파일:a.png|섬네일=b.png|설명]][[Lêer:c.jpg|thumb|links|앞]]글", "설명\n\n앞\n\n글"),
        ("__init__ __TOC__ __목차__ __NOTOC__x", "__init__   x"),
        ("<pre><nowiki>\n<b>\n</nowiki></pre><code>&amp;nbsp;</code><pre />", "```\n<b>\n```\n\n`&nbsp;`"),
        ('<source lang="sql" enclose="none">A = 1</source> 문', "`A = 1` 문"),
    ],
)  # fmt: skip
def test_links_and_code_are_those_of_the_page(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown


@given(
    st.lists(
        st.sampled_from(
            ["{{x|", "}}", "{|", "|}", "|-", "\n", "| 가 || 나", "글", "{{x|1}}\n", "!", "#expr:1"]
        )
    )
)
def test_no_mixture_of_marks_loses_the_words_around_it(parts):
    markdown = mediawiki_to_markdown("앞말\n\n" + "".join(parts) + "\n\n== 절 ==\n뒷말")
    assert markdown.startswith("앞말")
    assert "뒷말" in markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("이 말은 {{etyl|la|en}} {{m|la|pater||아버지}}에서 왔다.", "이 말은 라틴어 pater (아버지)에서 왔다."),
        ("파리({{lang-fr|Paris}}, {{llang|la|Lutetia}})는 도시이다.", "파리(프랑스어: Paris, 라틴어: Lutetia)는 도시이다."),
        ("파리({{lang-fr|Paris|label=없음}}, {{lang|la|Lutetia}})는 도시이다.", "파리(Paris, Lutetia)는 도시이다."),
        ("From {{inh|en|enm|water}}, {{bor+|en|fr|mot|t=word}}, {{cog|xx-zz|aqua}} in books of the time.",
         "From Middle English water, Borrowed from French mot (word), aqua in books of the time."),
        ("{{As of|2020}}, there were five. It is {{as of|2021|lc=y}} seven here.",
         "As of 2020, there were five. It is as of 2021 seven here."),
        ("그는 {{시작 날짜|1998}}에 회사를 세웠고 {{종료일|2001|4}}에 팔았다.", "그는 1998년에 회사를 세웠고 2001년 4월에 팔았다."),
    ],
)  # fmt: skip
def test_words_that_only_the_template_has_are_shown_where_a_code_tells_them(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("환승: {{2호선}}, {{수도권 전철 신분당선}}\n글", "환승: 2호선, 수도권 전철 신분당선\n글"),
        ("{|\n| 강남 || {{2호선}} {{신분당선}}\n| 서울역 || {{경의중앙선}} · {{공항철도}}\n|}",
         "| 강남 | 2호선 신분당선 | 서울역 | 경의중앙선 · 공항철도 |\n| --- | --- | --- | --- |"),
        ("* {{대한민국}} 홍길동\n* {{4호선}} 사당역", "- 대한민국 홍길동\n- 4호선 사당역"),
        ("글이다.\n{{경부선}}\n{{대한민국}}", "글이다."),  # boxes below the article
        ("글이다.{{경부선}} 다음 글이다. {{웃음}}", "글이다. 다음 글이다."),
        ("* 가 {{구분선}} 나", "- 가 나"),
        ("* 드라마 {{재방송}}\n* 글이다. {{웃음}}\n* 가 {{단 끝}}\n글 {{웃음}}", "- 드라마 재방송\n- 글이다.\n- 가\n\n글"),
        ("{|\n| 드라마 {{재방송}} || 2\n|-\n| 뉴스 {{생방송}}\n| 3\n|}", "| 드라마 재방송 | 2 |\n| --- | --- |\n| 뉴스 생방송 | 3 |"),
        ("그는 {{지봉유설|2|2권}}에서 {{삼국사기|45}}를 읽었다.", "그는 지봉유설 2권에서 삼국사기 45를 읽었다."),
    ],
)  # fmt: skip
def test_templates_named_by_what_they_show_leave_no_hole_in_lists(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize("name", ["접기 시작", "숨김 시작", "펼치기 시작", "hidden begin", "collapse top"])
@pytest.mark.parametrize("title", ["제목=전체 명단", "title=전체 명단", "전체 명단|2"])
def test_the_title_of_a_fold_that_begins_stays(name, title):
    text = mediawiki_to_markdown(f"글\n{{{{{name}|{title}}}}}\n* 가\n{{{{접기 끝}}}}")
    assert [line for line in text.split("\n") if line] == ["글", "전체 명단", "- 가"]


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("글이다.\n{{portal|Korea|History|Art|Music}}", "글이다."),
        ("글이다.\n{{sister bar|가|나|다|라}}", "글이다."),
        ("{{domain|가|나}}\n{{domain|다|라}}", "- 가, 나\n- 다, 라"),  # not named as a reference to the main article
        ("그는 {{모호|말}}이라 했다.", "그는 말이라 했다."),
    ],
)  # fmt: skip
def test_one_word_of_a_name_has_one_meaning_in_every_place(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        # units and counters that a name has
        ("길이는 {{km|510.36}}, 넓이는 {{ha|3467}}, 기온은 {{℃|14.1}}, {{해리|8100}}와 {{톤|280}}톤이다.",
         "길이는 510.36 km, 넓이는 3467 ha, 기온은 14.1 ℃, 8100해리와 280톤이다."),
        ("인구는 {{만|7000}} 명, 값은 {{금액|2조 3천억|달러}}, 온도는 {{온도 범위|15|25|℃}}, 키는 {{키|164|cm}}이다.",
         "인구는 7000만 명, 값은 2조 3천억 달러, 온도는 15–25 ℃, 키는 164 cm이다."),
        ("성운 {{NGC|224}}와 {{RFC|2616}}, {{통화|JPY|3000}}을 {{시간|3|30}} 동안 2.0{{±}}0.1로 {{배|1.5}} 늘렸다.",
         "성운 NGC 224와 RFC 2616, JPY 3000을 3시간 30분 동안 2.0±0.1로 1.5배 늘렸다."),
        ("값 {{val|3.2e-5|u=m}}, {{수치|6.8|%}}, 유로({{€}}), 넓이 5 km{{²}}", "값 3.2×10^-5 m, 6.8%, 유로(€), 넓이 5 km²"),
        ("{|\n| {{ntsh|17932}} 17,932 || {{nts|8524}} || ({{mg/L}})\n|}", "| 17,932 | 8,524 | (mg/L) |\n| --- | --- | --- |"),
        # days
        ("[[1월 10일]]({{음력|12|4}})과 3월 28일{{음력|2월 22일}}, 4월 25일({{양음력|3월 20일}}), 2010년 {{날짜|12|9}}이다.",
         "1월 10일(음력 12월 4일)과 3월 28일(음력 2월 22일), 4월 25일(3월 20일), 2010년 12월 9일이다."),
        ("({{임기|1948년 8월|1957년 12월}})와 {{서수|20}}세기", "(1948년 8월 ~ 1957년 12월)와 20세기"),
        # what a word is followed by: a year, a large number, a law and its number, numbers of a list
        ("노래 {{음반|사과|2010}}과 (책 {{도서|나무|2001}}), 책({{도서|나무|2001}}), {{판매량|KOR|313,000}}이다.",
         "노래 사과(2010)과 (책 나무(2001)), 책(나무, 2001), 대한민국 313,000이다."),
        ("{{법령|공직선거법|108}}와 {{유산|사적|56|고양 행주산성}}", "공직선거법 제108조와 사적 제56호 고양 행주산성"),
        ("* {{버스 노선|서울|9404|8541}}\n* 음식: {{음식 목록|피자|국수|밥}}", "- 서울 9404, 8541\n- 음식: 피자, 국수, 밥"),
        # codes of airports are no countries, those of players are
        ("{{공항|HND}} 공항({{airport codes|HND|RJTT}})", "HND 공항(IATA: HND, ICAO: RJTT)"),
        ("글 {{rint|seoul|2}} 글, {{국기나라|영국}}{{국기나라|미국}}", "글 글, 영국 미국"),
        ("{|\n| {{노선 기호|신분당선}} || {{국기그림|KOR}} 가\n|-\n| {{국기그림|KOR}} || {{회색|1928}}\n|}",
         "| 신분당선 | 가 |\n| --- | --- |\n| 대한민국 | 1928 |"),
        # figures that are written out; those by code only the wiki has
        ("수도는 로마이고 인구는 {{인구 수|59,433,744|명}}이다. 인구는 {{인구|11680}}이다.", "수도는 로마이고 인구는 59,433,744명이다."),
        ("* {{국도|39}}·{{국도|43}}\n* {{국민의힘/meta/shortname}} 후보", "- 국도 39호선·국도 43호선\n- 국민의힘 후보"),
        ("글{{주|2022년 3월 9일}}, {{버전|l|show=1}}", "글,"),
        ("버스 {{버스|간선|150}}·{{버스|간선|151}}, 산({{산|건달산|336}}), {{어떤 나라|대한민국|20}}", "버스 간선 150·간선 151, 산(건달산 336), 대한민국"),
        ("말씀({{성경|요한|3|16}})과 {{변환|100|sqkm|sqmi}}, 동경 {{도|126|44|E}}", "말씀(요한 3:16)과 100 km2, 동경 126 44 E"),
        ("글이다.<ref name=a/>{{,}}<ref>나</ref>{{,}}<ref name=b/> 글{{sfn|가}}{{,}}{{sfn|나}} 글<ref name=a/><sup>,</sup><ref>나</ref>.", "글이다. 글 글."),
        # a noun before longer particles, and a word between words
        ("그는 {{육군 대장}}이었다. 그는 {{어떤 대통령}}으로서 {{어느 장관}}처럼 살았다.", "그는 육군 대장이었다. 그는 어떤 대통령으로서 어느 장관처럼 살았다."),
        ("2006년 {{국수전}} 우승, 잎은 {{삼출엽}} 모양. {{웃음}} 글", "2006년 국수전 우승, 잎은 삼출엽 모양. 글"),
        ("글\n{{번역 확장 필요|en}}", "글"),
        ("그 글자.<sup>{{w|Phonetic_Alphabet|Wp}}</sup>", "그 글자."),
        ("* 1986년 {{11월 1일}}: 승격 ({{법률|3808}})\n* {{한국철도|호남선}} {{광주송정역}} - [[KTX]] {{이야기 시작}}",
         "- 1986년 11월 1일: 승격 (법률 제3808호)\n- 호남선 광주송정역 - KTX"),
        ("{|\n| {{cm|460}}{{×}}{{cm|880}} || 책 ({{번역|회화론}}){{refn|가}}{{,}}<ref>나</ref>\n|}", "| 460 cm×880 cm | 책 (회화론) |\n| --- | --- |"),
        ("* 제작: {{국기그림|KOR}}, {{국기그림|USA}}\n* 김 ({{국기그림|KOR}})\n* 이 / {{국기그림|KOR}} 박", "- 제작: 대한민국, 미국\n- 김 (대한민국)\n- 이 / 박"),
    ],
)  # fmt: skip
def test_numbers_keep_the_word_that_their_template_has(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("글\n{{대사|알리지 말라}}라고 하였다.", "글\n알리지 말라라고 하였다."),
        ("{{어떤 글|형제는 {{인용문|진리}}를 본다.|나|다|라}}", "형제는 “진리”를 본다.\n\n나\n\n다\n\n라"),
        ("노래 ({{회차|1|13}})", "노래 (1, 13)"),
        ("{{선거 결과 시작|제목=서울특별시장}}\n{{선거 결과|정당=가|득표=26}}", "서울특별시장\n\n- 가, 26"),
        ("{{축구 명단 시작}}\n{{축구 명단|번호=22|국적=KOR|이름=김}}\n{{축구 명단 끝}}", "- 22, 대한민국, 김"),
        ("{{인구 변천|제목=군의 인구|1966|146213|1970|143000|2010|54000}}",
         "군의 인구\n\n| 1966 | 146213 |\n| --- | --- |\n| 1970 | 143000 |\n| 2010 | 54000 |"),
        ("{{법 상자|제24조|집행은 판결에 기초하여 한다.}}", "제24조\n\n집행은 판결에 기초하여 한다."),
        ("{{한문|今臣戰船|지금 신에게 전선이 아직 있사옵니다}}", "今臣戰船\n\n지금 신에게 전선이 아직 있사옵니다"),
        ("{{축구 상자 접기|날짜=1일|팀1=가|점수=1–0|팀2=나}}", "- 1일, 가, 1–0, 나"),
        ("{{그림 여럿|image1=a.jpg|caption1=성벽|image2=b.jpg|caption2=우물}}", "성벽\n\n우물"),
        ("{{정리|이름|문장이다.|증명이다.}}", "이름. 문장이다.\n\n증명이다."),
        # works of a person, not the sources of a note
        ("* {{서적 인용|저자=김갑동|제목=책|출판사=나무|연도=1983|isbn=1}}\n* {{cite journal|last=Lee|first=A.|last2=Kim|title=On|journal=Math}}\n"
         "글{{서적 인용|제목=책}}", "- 김갑동, 책, 나무, 1983\n- Lee, A., Kim, On, Math\n\n글"),
        ("* {{웹 인용|url=http://a.kr|제목=책}}\n* 글", "- 글"),
    ],
)  # fmt: skip
def test_rows_quotations_and_boxes_stay_where_they_are_text(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=PAGE) == markdown
