"""Entries of Wiktionary: sounds, readings, relations, examples and columns of words stay."""

import pytest

from preprocessing.markup.conversion import mediawiki_to_markdown
from preprocessing.markup.wiki_page import WikiPage


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{IPA|ˈkɑːsə|영|ˈkæsɚ|미}}", "ˈkɑːsə (영), ˈkæsɚ (미)"),
        ("* {{IPA|en|/kɑː/|/kæ/}}\n* {{IPA|ko|su}}", "- /kɑː/, /kæ/\n- su"),
        ("{{발음 듣기|en-uk-car.ogg|영국|en-us-car.ogg|미국}}\n# 차", "1. 차"),
        (":* {{lang|ja|この{{r|'''猫'''|ねこ}}は{{r|白|しろ}}い。}} 흰 고양이다.{{r|kim2001}}",
         "- この**猫**(ねこ)は白(しろ)い。 흰 고양이다."),
        ("* 일본어: {{t+|ja|柿|tr=かき, kaki}}\n* 독일어: {{t|de|Kaki|f}}\n* 우르두어: {{t|ur|tr=kaki}}",
         "- 일본어: 柿 (かき, kaki)\n- 독일어: Kaki\n- 우르두어: kaki"),
        ("{{m|grc|λόγος||말|tr=lógos}}에서", "λόγος (lógos, 말)에서"),
        ("# {{ko-hanja form of|기차|철도 위를 달리는 차}}", "1. hanja form of 기차 (철도 위를 달리는 차)"),
        ("# {{inflection of|be||2|s|lang=en}} in speech\n# {{plural of|en|car}} of a train", "1. inflection of be in speech\n2. plural of car of a train"),
        ("#: {{ux|ja|阿%吽の呼%吸|あ%うんのこ%きゅう|찰떡호흡|lit=아흠의 호흡}}", "阿吽の呼吸 (あうんのこきゅう, 찰떡호흡, 아흠의 호흡)"),
        ("#: {{ux|ko|50% 할인이다|It is 50% off}}", "50% 할인이다 (It is 50% off)"),
        ("#: {{예문|ko|밤이 깊다|출처=어느 시}}", "밤이 깊다 (어느 시)"),
        ("# 차\n{{파생어|기차|마차}}\n{{합성어 상자|기찻길}}", "1. 차\n\n파생어: 기차, 마차\n합성어: 기찻길"),
        ("# large\n#: {{syn|en|big|vast}} {{ant|en|small}}", "1. large\n   Synonyms: big, vast Antonyms: small"),
        ("{{der3|en|title=Terms|handcar|railcar}}", "Terms\n- handcar\n- railcar"),
        ("{{외국어|\n* 구자라트어: [[કુતરો]]\n|\n* 스웨덴어: [[hund]]\n* 덴마크어: [[hund]]\n}}",
         "- 구자라트어: કુતરો\n\n- 스웨덴어: hund\n- 덴마크어: hund"),
        ("{{trans-top|a vehicle}}\n* {{t|ko|차}}\n{{trans-bottom}}", "a vehicle\n\n- 차"),
        ("* {{R:표준국어대사전|153245}}\n* 책", "- 책"),
        ("글\n{{C|en|Cars|Trains}}", "글"),
        ("# A\n#* {{quote-book|en|year=1962|author=Kim|title=Book|page=6|passage=It was.|t=뜻}}\n# {{given name|en|male}}\n# {{place|en|city|s/Texas|c/USA}}",
         "1. A\n   - 1962, Kim, Book: It was. (뜻)\n2. a male given name\n3. city in Texas, USA"),
        ("#* {{RQ:Bible|Genesis|22|5}}\n#* {{RQ:dum:Brief|Si maken bekent die '''nu'''|They make known}}\n# {{given name|female|lang=en}}",
         "- Genesis, 22, 5\n   - Si maken bekent die **nu** (They make known)\n1. a female given name"),
        ("* {{homophones|en|Buck|bok}}\n* {{rhymes|en|ʊk|s=1}}\n<pages index=\"a.pdf\" from=3 to=5 />", "- Homophones: Buck, bok\n- Rhymes: ʊk"),
        ("{{ja-noun|柿|hira=かき}}\n{{조|3}} 글", "한글 (かき, 柿)\n제3조 글"),
        # the word of the page, unless it is written
        ("{{ko-noun|hanja=漢字}}\n# 글", "한글 (漢字)\n1. 글"),
        ("'''한글'''\n{{ko-verb|nm=없음|한글은}}", "**한글**\n(한글은)"),
        ("{{en-verb|es|ing|ed}}\n{{en-noun|head=man|men}}\n{{head|de|noun|plural|Häuser}}", "한글\nman (men)\n한글 (plural Häuser)"),
    ],
)  # fmt: skip
def test_words_of_dictionaries_keep_what_the_page_shows(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext, page=WikiPage("한글")) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("named {{Korean/auto|hangul=^해동_^요순|hanja=海東堯舜|mr=yes|labels=no}} in English", "named 해동요순, 海東堯舜 in English"),
        ("a {{Nihongo|School|学校|extra={{lang|ko|학교}}}} in English", "a School(学校, 학교) in English"),
        ("the site {{in lang|ko|en}} in English", "the site (in Korean and English) in English"),
        ("written {{langx|ja|朝鮮|translit=Chōsen|lit=morning}} in English", "written Japanese: 朝鮮, Chōsen, lit. morning in English"),
        ("written ({{Lang-zh|t=朝鮮|p=Cháoxiǎn}}) as {{lit|morning}} in English", "written (朝鮮, Cháoxiǎn) as lit. morning in English"),
        ("said {{IPA|ko|sʌ.ul|IPA|ko-Seoul.ogg}} in English", "said sʌ.ul in English"),
        ("the king ({{Reign|1400|1418}}), {{as of|2020|alt=today}} a {{sclass|Valiant|tug}}", "the king (r. 1400–1418), today a Valiant-class tug"),
        ("{{Historical populations|5=1949|6=14|7=1960|8=24|9=1970|10=32|align=right}}\nPeople.",
         "| 1949 | 14 |\n| --- | --- |\n| 1960 | 24 |\n| 1970 | 32 |\n\nPeople."),
    ],
)  # fmt: skip
def test_languages_of_english_pages_keep_what_the_page_shows(wikitext, markdown):
    assert mediawiki_to_markdown(wikitext) == markdown
