"""Pages of wikis as dumps have them: captions, rows, values and lists of templates stay, and no holes are left."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.config.inputs import WikiDumpInput
from preprocessing.markup.conversion import mediawiki_to_markdown
from preprocessing.markup.missing_values import SENTENCES_WITH_HOLES
from preprocessing.markup.wiki_page import WikiPage
from tests.preprocessing.units import read


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("[[파일:강.jpg|섬네일|250px|[[한강]]의 겨울]]\n강이 언다.", "한강의 겨울\n\n강이 언다."),
        ("강이 [[File:a.png|thumb|left|upright=1.2|alt=강|언 강]]언다.", "강이 언다.\n\n언 강"),
        ("[[파일:표지.svg|24px|보이지 않는 말]] 미테", "미테"),  # without a frame the words are a tooltip
        ("[[파일:a.jpg|섬네일|200x300픽셀|오른쪽]]글", "글"),
        ("== 층 ==\n[[파일:a.png|섬네일|(a) 한 층. <math>N=1</math>|220x220px]][[파일:b.png|섬네일|(b) 두 층]]층은 둘이다.",
         "## 층\n\n(a) 한 층. $N=1$\n\n(b) 두 층\n\n층은 둘이다."),
        ("<youtube>_cmSVW</youtube>\n== 지도 ==\n글", "## 지도\n글"),
        ("{|\n| [[파일:a.jpg|섬네일|다리]] || 1972년\n|}", "| 다리 | 1972년 |\n| --- | --- |"),
        (
            '글\n<gallery caption="다리들" widths="200">\n파일:a.jpg|[[한강]] 다리<ref>주</ref>\nFile:b.jpg\nb.png|alt=그림|마포\n</gallery>',
            "글\n\n다리들\n- 한강 다리\n- 마포",
        ),
        ("{{여러그림|그림1=a.jpg|설명1=앞면|그림2=b.jpg|설명2=뒷면}}\n동전이다.", "앞면\n\n뒷면\n\n동전이다."),
        ("* [[File:a.jpg|thumb|앞]]\n* [[Bild:b.jpg|mini|뒤]]", "- 앞\n- 뒤"),
        ("{{gallery|width=180|File:a.jpg|앞|File:b.jpg|뒤}}", "앞\n\n뒤"),
    ],
)  # fmt: skip
def test_captions_of_pictures_stay(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("여당\n* {{범례|#EB001F|[[가나당]] (38석)}}\n* {{전거 통제}}\n야당", "여당\n- 가나당 (38석)\n\n야당"),
        ("{{plainlist|\n* 가\n* 나\n}}", "- 가\n- 나"),
        ("도시는 {{hlist|서울|부산}} 둘이다.", "도시는 서울, 부산 둘이다."),
        ("{{unbulleted list|가|나}}", "- 가\n- 나"),
        ("{{접기|제목=가사|내용=첫 줄\n둘째 줄}}", "가사\n첫 줄\n둘째 줄"),
        (
            "{{fs player|no=7|nat=KOR|name=홍길동|pos=FW}}\n{{fs player|no=9|nat=KOR|name=김솔|pos=GK}}",
            "- 7, KOR, 홍길동, FW\n- 9, KOR, 김솔, GK",
        ),
        (
            "{{에피소드 목록|회차=1|제목=첫눈|줄거리=눈이 오는 날에<br />두 사람이 만난다.|LineColor=ff0000}}",
            "- 1, 첫눈, 눈이 오는 날에 두 사람이 만난다.",
        ),
        (
            "{{historical populations|1721|65300|1750|113289|1800|172132|footnote=a}}",
            "| 1721 | 65300 |\n| --- | --- |\n| 1750 | 113289 |\n| 1800 | 172132 |",
        ),
        ("{{대사집|\n그는 오늘도 산을 오르며 노래를 불렀다.\n}}", "그는 오늘도 산을 오르며 노래를 불렀다."),
        ("글{{내용주|그는 오늘도 산을 오르며 노래를 불렀다.}}", "글"),
        ('{|\n! 곡 !! 순위\n|-\n| 가 || rowspan="2" {{n/a}}\n|-\n| 나\n|}', "| 곡 | 순위 |\n| --- | --- |\n| 가 | 해당 없음 |\n| 나 |  |"),
        ("<div style='a'>{|\n| 가 || 나\n|}</div>", "| 가 | 나 |\n| --- | --- |"),
        ("{|\n! 음반 !! 정보\n|-\n| 가 || 발매\n* 1992년\n* 1995년\n|}", "| 음반 | 정보 |\n| --- | --- |\n| 가 | 발매 1992년, 1995년 |"),
    ],
)  # fmt: skip
def test_lists_rows_and_series_of_templates_stay(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ('{{{!}} class="wikitable"\n{{!-}}\n! 가 {{!!}} 나\n{{!-}}\n{{!}} 1 {{!!}} 2\n{{!}}}\n글{{#if:a|{{nowrap|b{{!}}}}}}',
         "| 가 | 나 |\n| --- | --- |\n| 1 | 2 |\n\n글b|"),
        ("글.<ref>a</ref>{{,}}<ref>b</ref> [[/하위/]] [[/하위]]", "글. 하위 /하위"),
        ("<gallery>\n파일:a.jpg|thumb|앞\n</gallery>\n{{파노라마|그림=b.jpg|설명=뒤}}", "- 앞\n\n뒤"),
        ("{|\n! 참가한 나라 !! 선수 이름 !! 시간\n|-\n| {{fbu|20|KOR}} || {{flagIOCmedalist|박솔|KOR|2008 하계}} || 5{{su|p=+1|b=−2}}\n|}", "| 참가한 나라 | 선수 이름 | 시간 |\n| --- | --- | --- |\n| 대한민국 U-20 | 박솔 | 5^+1_(−2) |"),
        ("{{축구 경기 상자 접기|날짜=3월 3일|팀1=가|점수=2–0|팀2=나}}", "- 3월 3일, 가, 2–0, 나"),
        ("{{순위표 시작}}\n{{순위표 줄|순위=3|팀=가|승=15}}\n|}", "- 3, 가, 15"),
        ("{{권 목록|권=1|날짜=1월 5일|목록=* 가<br />* 나}}\n{{권 목록|권=2|날짜=2월 5일}}", "- 1, 1월 5일\n- 가\n- 나\n- 2, 2월 5일"),
        ("{{곡 목록|표제=앞면|곡1=밤|작사1=김|시간1=3:52}}", "앞면\n1. 밤 (김, 3:52)"),
        ("{{대화|가=왜 왔니?|나=그냥.}}", "가: 왜 왔니?\n나: 그냥."),
        ("{{Scroll box|height=9em|text=\n* 검\n* 방패\n}}", "- 검\n- 방패"),
        ("{{아종 목록|시베리아호랑이|벵골호랑이}}", "- 시베리아호랑이, 벵골호랑이"),
        ("; 민호\n: {{성우|김철수}}\n: 주인공이다.", "민호: 김철수\n주인공이다."),
        ("! 그림에서 위치가 바뀌었다.!!\n\n글", "! 그림에서 위치가 바뀌었다.!!\n\n글"),  # no table
        ("<tabber>\n하나=첫째\n|-|\n둘=둘째\n</tabber>", "**하나**\n\n첫째\n\n**둘**\n\n둘째"),
        ('<tabs><tab name="하나">첫째</tab></tabs>', "**하나**\n\n첫째"),
    ],
)  # fmt: skip
def test_rows_dialogs_and_tabs_stay(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("역은 {{서울 지하철|2}}과 {{노선|3}}의 역이다.", "역은 서울 지하철 2호선과 3호선의 역이다."),
        ("가는 {{승|1}} {{패|2}}로 졌고 {{명|186}}이 왔다.", "가는 1승 2패로 졌고 186명이 왔다."),
        ("몸길이는 {{범위|250|390|cm}}이고 {{당시 나이|1944|5|1|1960|3|15}}세이다.", "몸길이는 250–390 cm이고 15세이다."),
        ("학명은 {{라틴어 학명|Panthera|tigris}}이다.", "학명은 Panthera tigris이다."),
        ("그 판은 {{발매|일본|1999년 3월|한국|2000년 5월}}에 나왔다.", "그 판은 일본: 1999년 3월, 한국: 2000년 5월에 나왔다."),
        ("{|\n| KT || {{Winning percentage|79|53}} || {{승률|1|1|2}}\n|}", "| KT | .598 | .500 |\n| --- | --- | --- |"),
        ("수열이다. {{OEIS|id=A000045}} 글{{공백}}글 {{*}} 글", "수열이다. (OEIS A000045) 글 글 • 글"),
        ("{{mono|a {{=}} b}} {{math|x {{=}} y}} {{†|2010}} {{화|3}}", "`a = b` $x = y$ †2010 3화"),
        ("{{respell|LUN|dən}}, {{IPAc-en|uk|l|ʌ|n}}, {{convert|5|to|10|km|mi}}", "LUN-dən, /lʌn/, 5 to 10 km"),
        ("{{convert|6|ft|2|in|m}}, {{convert|8|km2|sqmi|0}}, {{val|5|ul=km|up=s}}", "6 ft 2 in, 8 km2, 5 km/s"),
        ("그는 {{서수|3}} 대회와 {{서수|4}}번째 대회에서 {{년도|1991}}에 {{연도|1990}}년대 {{년|1991년}}", "그는 3번째 대회와 4번째 대회에서 1991년에 1990년대 1991년"),
        ("The {{ordinal|2}}, {{ordinal|11}} and {{ordinal|23}} day", "The 2nd, 11th and 23rd day"),
        ("{{법조문|민법|750}}와 {{조문|형법|347의2|1}}, {{법조문|민법|839-2}}, {{법조문|헌법|제10조}}은", "민법 제750조와 형법 제347조의2 제1항, 민법 제839조의2, 헌법 제10조은"),
        ("질량은 {{E|1.9|30}} kg, 3{{E|9}} kg이다.", "질량은 1.9×10^30 kg, 3×10^9 kg이다."),
        ("{|\n| 가 || {{금01}} || {{은메달2}}\n|-\n| 나 || {{동03}} 2008 || {{금02}}\n|}\n그는 {{은02}} 은메달을 땄다.",
         "| 가 | 금메달 | 은메달 |\n| --- | --- | --- |\n| 나 | 동메달 2008 | 금메달 2 |\n\n그는 은메달을 땄다."),
        ("{{오른쪽 정렬|1919년}}\n{{c|'''민족 대표'''}}", "1919년\n**민족 대표**"),
    ],
)  # fmt: skip
def test_values_are_as_the_template_shows_them(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("== 제원 ==\n{{항공기 제원|날개폭=9 m|최고속도(km/h)=1,600|출처=가}}\n== 무장 ==\n[[파일:a.jpg|섬네일|그림]]\n{{무장|기관포 1문|AIM-9=4발}}\n[[분류:가]]",
         "## 제원\n- 날개폭: 9 m\n- 최고속도(km/h): 1,600\n## 무장\n\n그림\n\n- 기관포 1문\n- AIM-9: 4발"),
        ("== Specifications (A) ==\n{{Aircraft specs|ref=B|prime units?=met|genhide=yes|length m=13.14|length ft=43|length in=1|max speed kmh=1,600\n"
         "|max speed note=at sea level|armament=\n* gun\n* bombs\n}}\n== See ==\nText",
         "## Specifications (A)\n- Length: 13.14 m, 43 ft 1 in\n- Max speed: 1,600 km/h (at sea level)\n- Armament:\n  - gun\n  - bombs\n## See\nText"),
        ("== 성능 ==\n빠르다.\n{{항공기 제원|길이=1 m}}\n{{항공기 제원|길이=2 m}}\n{{항공기 무장|총=1}}\n{{각주}}", "## 성능\n빠르다.\n- 길이: 1 m\n- 길이: 2 m\n- 총: 1"),
        # at the side
        ("== 총 ==\n{{총기 제원|구경=5.56}}\n소총이다.\n== 글 ==\n{{제원 상자|길이=3}}\n{{항공기 정보|길이=3}}", "## 총\n\n소총이다."),
        ("{{함선 제원|길이=100}}\n글이다.", "글이다."),
        ("{{구별|가}}\n{{함선 제원|길이=100}}\n== 가 ==\n글이다.", "## 가\n글이다."),
    ],
)  # fmt: skip
def test_specifications_that_end_a_section_stay(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{인용 상자|푸른 밤<br />나는<br>\n부른다|출처=1절}}", "> 푸른 밤\n> 나는\n> 부른다\n> — 1절"),
        (
            "{{곡 목록|제목1=밤|길이1=3:52|작사1=가|작곡1=가|참고1=연주|제목11=낮}}",
            "1. 밤 (가, 연주, 3:52)\n2. 낮",
        ),
        ("{{축구 선수|no=1|nat=KOR|name=이범}}\n글", "- 1, 대한민국, 이범\n글"),
        (
            "{|\n! 화 !! 제목\n{{회차 목록|회=1|제목=출발}}\n|-\n| 2 || 끝\n|}",
            "| 화 | 제목 |\n| --- | --- |\n| 1 | 출발 |\n| 2 | 끝 |",
        ),
        ("{{Div col|3}}\n* 가\n{{Div col end}}", "- 가"),
        ("{{Math theorem|이름=정리|소수는 무한하다.}}", "정리. 소수는 무한하다."),
        ("식\n{{NumBlk|:|<math>a=b</math>|{{EquationRef|1}}}}\n식 {{EquationNote|1}}은", "식\n\n$a=b$\n\n식 (1)은"),
        ("{{math|{{abs|''x''}} &le; {{sqrt|2}}}} {{sqrt|5}}", r"$|x| ≤ \sqrt{2}$ $\sqrt{5}$"),
        ("10{{sup|6}} 년, CO{{sub|2}}, {{minus}}3, 5{{~}}7, {{+-|3}}", "10^6 년, CO2, −3, 5~7, ±3"),
        ("E{{음악|플랫}}장조, {{UTC|+9}}, {{val|2|-|5|u=km}}", "E♭장조, UTC+9, 2–5 km"),
        ("{{sfrac|1+{{sqrt|5}}|2}}, {{frac|2}}, {{nuclide|우라늄|235}}", r"(1+$\sqrt{5}$)/2, 1/2, 우라늄-235"),
        (
            "{{4강 대진표|RD1=준결승|RD1-team1=가|RD1-score1=3|RD1-team02='''나'''|RD1-score02=1|RD2-team1=다}}\n글",
            "- 준결승, 가 3, **나** 1\n- 다\n글",
        ),
        ("글 {{여백|3}} {{빈줄|2}} 말\n{{목차 제한|3}}끝", "글 말\n끝"),
        ("{{RA|14|29|42.9}}, {{DEC|−62|40|46}}, {{ICD10|H|25|1|h|25}}", "14h 29m 42.9s, −62° 40′ 46″, H25.1"),
        ("{{version|o|1.0}}({{약어|타율|AVG}}, {{sort|나|다}}){{글꼴|serif|라}}", "1.0(타율, 다)라"),
        ("“{{어떤 강조|바람}}”은 《{{어떤 이름|꽃}}》와 ({{어떤 틀|뜻}}) 다르다.", "“바람”은 《꽃》와  다르다."),
        ("{|\n| {{모르는 말|수원}} || {{정당색|가}}\n|-\n| 화성 || 2\n|}", "| 수원 | |\n| --- | --- |\n| 화성 | 2 |"),
        ("길이는 {{어떤 값|35}}, 이다. {{분류|3}} 끝\n{{나란히|3}}", "길이는 35, 이다. 끝"),
        ("{{Equation box 1|equation=<math>a</math>}} {{transl|sa|dvi}} {{국기선수|박|KOR}} {{pi}}", "$a$\n\n dvi 박 π"),
        ("{{인용 상자|제목=독대|오랑캐는 망한다.|출처=《송서》}}", "> 독대\n> 오랑캐는 망한다.\n> — 《송서》"),
        ("{{인용문|간다.|이순신|제목=일기|출처=문집}}", "> 간다.\n> — 이순신, 일기, 문집"),
        ("{{증명 시작|제목=정리 2의 증명}}\n식이다.\n{{증명 끝}}", "정리 2의 증명\n\n식이다."),
        ("{{인용문|내용=간다.|저자=이순신|출처=《일기》}}", "> 간다.\n> — 이순신, 《일기》"),
        ("{{#if: 1 | 앞 | 뒤}} {{#if: | 앞 | 뒤}}{{#time:Y|now}} 글", "앞 뒤 글"),
        ("[mailto:a@b.kr 편지] [https://a.kr 집]", "편지 집"),
        ("<pre>\n<!-- 가 -->\n</pre><!-- 나 -->\n<nowiki><!--</nowiki>글", "```\n<!-- 가 -->\n```\n\n<!--글"),
        ("<nowiki>*</nowiki> 별 <nowiki>*</nowiki>\n<nowiki># 값</nowiki>", "\\* 별 *\n\\# 값"),
        ("<code>a>(b)</code>", "`a>(b)`"),
        (
            '<table class="a">\n<tr><th>회</th><th colspan="2">수</th></tr>\n<tr><td>1</td><td>2</td><td>\n3</td></tr></table>',
            "| 회 | 수 | |\n| --- | --- | --- |\n| 1 | 2 | 3 |",
        ),
        ("# 가\n## 나\n## 다\n#: 이어짐\n# 라\n* 마\n# 바\n\n*# 사", "1. 가\n   1. 나\n   2. 다\n   이어짐\n2. 라\n- 마\n1. 바\n\n  1. 사"),
        ("<ol>\n<li>가</li>\n<li>나<ul><li>다</li></ul></li>\n</ol>\n글", "1. 가\n2. 나\n   - 다\n\n글"),
        ("{|\n|\n1절\n: 높은 산\n: 푸른 물\n| 나\n|}", "| 1절 높은 산 푸른 물 | 나 |\n| --- | --- |"),
    ],
)  # fmt: skip
def test_text_of_templates_and_tags_stays(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext).replace("|  |", "| |") == markdown


def test_tables_of_climate_stay():
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    named = "".join(f"|{month} high C={number}\n" for number, month in enumerate(months))
    markdown = mediawiki_to_markdown(f"{{{{Weather box|width=auto\n{named}|year high C=\n}}}}")
    assert markdown.split("\n") == [
        "|  | " + " | ".join(months) + " |",
        "|" + " --- |" * 13,
        "| high (°C) | " + " | ".join(map(str, range(12))) + " |",
    ]
    named = "".join(f"|{month}월 기온 °C={month}\n" for month in range(1, 13))
    markdown = mediawiki_to_markdown(f"{{{{날씨 상자|위치=가\n{named}|연간 기온 °C=9\n}}}}")
    assert markdown.startswith("|  | 1월 | 2월 |")
    assert "| 12월 | 연간 |" in markdown
    assert "| 기온 (°C) | 1 | 2 |" in markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("({{llang|de|Berlin}} {{IPA-all|bɛ}} {{소리|de.ogg}})은 {{출처|a}} 수도", "(독일어: Berlin bɛ)은 수도"),
        ("{{모르는 이름|홍길동}}은 간다.", "홍길동은 간다."),
        ("그는 {{어떤 값|오백|x}}명을 이끌었다.", "그는 오백명을 이끌었다."),
        ("{{국기그림|KOR}}이순신, 서울{{주|가나}}은, {{앵커|가}}가 보인다.", "이순신, 서울은, 가 보인다."),
        ("{{USA}} 보스턴, {{NAM}} 빈트후크, {{국기|KOR}}", "미국 보스턴, 나미비아 빈트후크, 대한민국"),
        ("{{음양력|1397|5|15|4|10}}에", "1397년 5월 15일 (음력 4월 10일)에"),
        ("''{{모르는 틀}}'' '''굵게 (2018)\n다음", "굵게 (2018)\n다음"),  # emphasis ends with its line
        ("글<br clear=left>\n끝", "글\n끝"),
        ("값{{(}}1{{)}} 2009{{endash}}2014", "값{1} 2009–2014"),
        ("Asda ({{IPAc-en|'|æ|z|d|ə}}; {{née|Kim}}) {{ISBN|978-3}}", "Asda (/'æzdə/; née Kim) ISBN 978-3"),
    ],
)  # fmt: skip
def test_templates_in_sentences_leave_no_holes(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown


@pytest.mark.parametrize(
    ("wikitext", "written_on", "markdown"),
    [
        ("{{나이|1990|5|3}}세", date(2021, 5, 2), "30세"),
        ("{{나이|1990|5|3}}세", date(2021, 5, 3), "31세"),
        ("{{나이|1990|5|3|2001|1|1}}세", None, "10세"),
        ("{{나이|1990|5|3}}", None, "1990년 5월 3일"),
        ("({{나이|1990|5|3}}세)는 {{만 나이|1990}}살", None, "(1990년 5월 3일생)는 1990년생"),
        ("{{age in days|2020|2|28|2020|3|1}}일", None, "2일"),
        ("{{나이|3000|1|1}} {{나이|가}}", date(2021, 5, 2), "3000년 1월 1일"),
        ("{{CURRENTYEAR}}년 {{PAGENAME}}", date(2021, 5, 2), "2021년 서울"),
    ],
)
def test_ages_and_spans_are_those_of_the_day_of_the_revision(wikitext, written_on, markdown):
    assert mediawiki_to_markdown(wikitext, page=WikiPage("서울", written_on)) == markdown


def test_dumps_compute_ages_with_their_timestamp(tmp_path):
    (tmp_path / "a.xml").write_text(
        "<mediawiki><page><title>가</title><ns>0</ns><id>1</id><revision><timestamp>2021-05-03T00:00:00Z</timestamp>"
        "<text>그는 {{나이|1990|5|3}}세이다.</text></revision></page></mediawiki>",
        "utf-8",
    )
    rows, bad = read(tmp_path / "a.xml", WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko"))
    assert not bad
    assert rows[0]["text"] == "# 가\n\n그는 31세이다."


def test_a_dump_counts_the_sentences_that_need_a_value_of_the_wiki(tmp_path):
    (tmp_path / "a.xml").write_text(
        "<mediawiki><page><title>가</title><ns>0</ns><id>1</id><revision><id>1</id>"
        "<text>글은 {{NUMBEROFARTICLES}}개이다. 둘째 문장이다.</text></revision></page></mediawiki>",
        "utf-8",
    )
    rows, left_out = read(tmp_path / "a.xml", WikiDumpInput(type="wiki_dump", paths=["x"], lang="ko"))
    assert [row["text"] for row in rows] == ["# 가\n\n둘째 문장이다."]
    assert [(record.rule, SENTENCES_WITH_HOLES in record.cause) for record in left_out] == [
        ("left-out", True)
    ]


def test_words_of_cells_follow_the_language_of_the_page():
    table = "{|\n! %s\n|-\n| {{yes}}\n|}"
    assert mediawiki_to_markdown(table % "찬성하는가").endswith("예")
    assert mediawiki_to_markdown(table % "Released in Korea (한국)").endswith("Yes")


@given(
    st.lists(
        st.sampled_from(
            [
                "[[파일:a.jpg|섬네일|",
                "가나",
                "]]",
                "{{x|",
                "}}",
                "\n",
                "|",
                "* ",
                "\x02",
                "\x03",
                "<gallery>",
                "</gallery>",
            ]
        )
    )
)
def test_broken_pictures_lose_no_words_outside(parts):
    text = "앞말\n\n" + "".join(parts) + "\n\n"
    markdown = mediawiki_to_markdown(text)
    assert markdown.startswith("앞말")
    assert not set(markdown) & {"\x02", "\x03"}
