"""NamuMark, the syntax of NamuWiki: what becomes Markdown, what goes, and that no text is lost."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.markup.conversion import namumark_to_markdown
from preprocessing.steps.text_operations import markup_of


@pytest.mark.parametrize(
    ("namumark", "markdown"),
    [
        ("== 개요 ==\n글\n=== [[서울|역사]] ===\n글", "## 개요\n\n글\n\n### 역사\n\n글"),
        ("==# 접힌 제목 #==\n글", "## 접힌 제목\n\n글"),
        ("== 빈 제목 ==\n[include(틀:상세 내용, 문서명=가)]\n== 다음 ==\n글", "## 다음\n\n글"),
        ("'''굵게'''와 ''기울임'', '''''둘 다''''', __밑줄__", "**굵게**와 *기울임*, ***둘 다***, 밑줄"),
        ("글 ''' 빈칸 '''과 '작은따옴표'", "글  빈칸 과 '작은따옴표'"),
        ("~~취소~~ --취소-- 2018--2019 ----가", "~~취소~~ ~~취소~~ 2018--2019 ----가"),
        ("2^^10^^, H,,2,,O, 가,,나", "2^10, H2O, 가,,나"),
        ("[[대한민국]]의 [[서울특별시|서울]] [[분류:도시]][[파일:a.png|width=20]]", "대한민국의 서울"),
        ("[[총대#s-3|총대 메는]] 일, [[총대#개요]], [[:분류:도시]], [[/역사]], [[C#]]", "총대 메는 일, 총대, 분류:도시, 역사, C#"),
        ("[[https://a.kr|[집단연구] 자화상]], [[https://a.kr|기사]][[https://a.kr|#]] [[https://a.kr]]",
         "[집단연구] 자화상, 기사 https://a.kr"),
        ("[[https://a.kr|[[파일:아이콘.png]]]] 링크", "링크"),
        ("[[https://a.kr|[1]]]과 [[가|[나]]] 다[* 참고 [[라|마]]] [[[바|사]]]", "과 [나] 다[^1] [사]\n\n[^1]: 참고 마"),
        ('조선은 {{{#!wiki style="display:inline"\n200년 동안}}} 평화{{{#!wiki style="display: inline; display: none;"\n를}}}로웠다.', "조선은 200년 동안 평화로웠다."),
        ("[[가|[[파일:a.svg|height=20]] 나]] 참고\n * [[가|[[파일:a.svg]] 다]]", "나 참고\n- 다"),
        ("가[*1 나] 다[* 라]", "가[^1] 다[^2]\n\n[^1]: 나\n[^2]: 라"),
        ("[목차]\n[youtube(abc)] 영상\n[각주]\n[[분류:가]][[분류:나]]", "영상"),
        ("'''가[br]나''' ~~다[br]라~~", "**가\n나** ~~다\n라~~"),
        ("가[br]나 [ruby(東京, ruby=도쿄)] [anchor(a)][대괄호] [1]", "가\n나 東京(도쿄) [대괄호] [1]"),
        ("## 주석\n글", "글"),
        (" * 항목\n{{{#!latex\n\\frac12\n}}}\n글 {{{#!latex x}}}은", "- 항목\n\n$$\\frac12$$\n\n글 $$x$$은"),
        ("#redirect 서울", ""),
        ("#넘겨주기 서울", ""),
        ("= 서울시 =\n#redirect 서울", ""),
        ("= 제목 =\n== 개요 ==\n글", "# 제목\n\n## 개요\n\n글"),
        ("제도로[* 2014년의 [[선거]]가 [최초]이다.], 또[*A 이름.] 다시[*A]",
         "제도로[^1], 또[^A] 다시[^A]\n\n[^1]: 2014년의 선거가 [최초]이다.\n[^A]: 이름."),
        ("가[* 밖[* 안] 끝] 나", "가[^1] 나\n\n[^1]: 밖[^2] 끝\n[^2]: 안"),
        ("가[* 두 줄의\n각주] 나", "가[^1] 나\n\n[^1]: 두 줄의 각주"),
        ("가[* 닫지 않음", "가[* 닫지 않음"),
        (" * 하나\n  * 둘\n 이어지는 글\n * 셋\n끝", "- 하나\n  - 둘\n    이어지는 글\n- 셋\n\n끝"),
        (" 1. 첫째\n 1.#5 다섯째\n  a. 안", "1. 첫째\n5. 다섯째\n   a. 안"),
        (" 들여쓴 글", "들여쓴 글"),
        ("> 인용\n>> 안\n>끝\n글", "> 인용\n>\n> > 안\n>\n> 끝\n\n글"),
        ("가\n----\n[include(틀:나)]\n----\n다", "가\n\n---\n\n다"),
        ("----\n가", "가"),
        ("{{{#red 빨강}}} {{{+2 '''크게'''}}} {{{#fff,#000 {{{-1 작게}}}}}}", "빨강 **크게** 작게"),
        ("{{{[[글자]]}}} {{{ `a` }}} {{{#redirect 문서}}}", "`[[글자]]` `` `a` `` `#redirect 문서`"),
        ("{{{#!syntax python\n# 주석\n# 둘\nprint('''a''')\n}}}\n끝", "```python\n# 주석\n# 둘\nprint('''a''')\n```\n\n끝"),
        ("{{{\n그대로 '''글'''\n}}}", "```\n그대로 '''글'''\n```"),
        ('{{{#!wiki style="color:red" dark-style="a"\n== 안 ==\n글}}}', "## 안\n\n글"),
        ("{{{#!folding [ 펼치기 · 접기 ]\n숨은 글\n}}}", "숨은 글"),
        ("{{{#!folding 수상 내역\n숨은 글\n}}}", "수상 내역\n숨은 글"),
        ("{{{#!html <b>굵게</b>}}}", "굵게"),
        ("[math(x^2 + y_1)], <math>a</math>", "$x^2 + y_1$, $a$"),
        ("{{{닫지 않음 {{{닫음}}}", "{{{닫지 않음 `닫음`"),
        ("\\[[글]] \\'\\'\\'가", "[[글]] '''가"),
        ("||<-2><tablealign=right> 제목 ||\n|| 가 || 나 ||\n||<|2> 다 || 라 ||\n|| 마 ||\n글",
         "| 제목 |  |\n| --- | --- |\n| 가 | 나 |\n| 다 | 라 |\n|  | 마 |\n\n글"),
        ("|표 제목|가||나||\n||다||라||", "표 제목\n| 가 | 나 |\n| --- | --- |\n| 다 | 라 |"),
        ("||||가||나||\n||1||2||3||", "| 가 |  | 나 |\n| --- | --- | --- |\n| 1 | 2 | 3 |"),
        ("||<bgcolor=#fff>'''법'''\n제1조 글\n\n제2조 글||\n끝", "**법**\n제1조 글\n\n제2조 글\n\n끝"),
        ("||가||{{{#!wiki style=\"a\"\n||<width=50%>나||다||\n||라||마||}}}||", "| 가 | 나, 다; 라, 마 |\n| --- | --- |"),
        ('||가[br]나||{{{#!wiki style="a"\n * 다\n * 라}}}||', "| 가 나 | 다 라 |\n| --- | --- |"),
        ("|| 닫지 않은 표", "|| 닫지 않은 표"),
        ("[math(\\{1, 2\\})], [math(10\\,\\text{km})], [math(f(g(x)))], 50\\%", "$\\{1, 2\\}$, $10\\,\\text{km}$, $f(g(x))$, 50%"),
        ("== [math(a\\_b)] ==\n||[math(\\|x\\| || y)]||나||", "## $a\\_b$\n\n| $\\|x\\| \\|\\| y$ | 나 |\n| --- | --- |"),
        ("가 [math(x \\\\\n+ y)] 나", "가 $x \\\\ + y$ 나"),
        ("{{{[math(\\{x\\})]}}} {{{#!syntax tex\n[math(x)]\n}}}", "`[math(\\{x\\})]`\n\n```tex\n[math(x)]\n```"),
        ("가수([age(1992-05-03)]세)는 (만 [age(1992-05-03)]세) 살", "가수는 살"),
        ("그는 [[1992년]]생으로 올해 [age(1992-05-03)]세이다. 가수이다.[* 지금 [date]에 본다.]", "가수이다."),
        ("||국적||[include(틀:국기, 국명=대한민국)]||\n||팀||[include(틀:국기, 국명=영국, 출력= )] 첼시||", "| 국적 | 대한민국 |\n| --- | --- |\n| 팀 | 첼시 |"),
        ("{{{#!folding [ 역대 가격 펼치기 · 접기 ]\n가\n}}}", "역대 가격\n가"),
        ("||나이||[age(1992-05-03)]세||\n||출생||[[1992년]] ([age(1992-05-03)]세)||", "| 나이 |  |\n| --- | --- |\n| 출생 | 1992년 |"),
        ("||가||{{{#!syntax python\ndef f():\n    return 1\n}}}||", "가\n\n```python\ndef f():\n    return 1\n```"),
        ("||원문1[br]원문2[br][br]원문3||번역1[br]번역2[br][br]번역3||",
         "| 원문1 | 번역1 |\n| --- | --- |\n| 원문2 | 번역2 |\n| 원문3 | 번역3 |"),
        (" 1. 가\n 1. 나\n  * 다\n 1. 라\n글\n 1. 마", "1. 가\n2. 나\n   - 다\n3. 라\n\n글\n1. 마"),
        ("{{{#!wiki style=\"a\"\n가[* 하나]\n||나[* 둘]||다||}}}\n라[* 셋]",
         "가[^1]\n\n| 나[^2] | 다 |\n| --- | --- |\n\n라[^3]\n\n[^1]: 하나\n[^2]: 둘\n[^3]: 셋"),
        ("{{|상자 글|}}", "상자 글"),
        ("앞\n{{{#!wiki style=\"a\"\n가운데 글}}}다음\n{{{#!folding 제목\n글}}}\n끝", "앞\n\n가운데 글\n\n다음\n\n제목\n글\n\n끝"),
        ("{{{#!style\n.a {color: red}\n}}}글{{{#!dark-style .a {}\n}}}", "글"),
        ("가[* [[https://a.kr|[1\\]]] 참고] [[나|[다\\]]]", "가[^1] [다]\n\n[^1]: 참고"),
        ("{{{|| 가 || 나 ||\n|| 다 || 라 ||}}}마", "```\n|| 가 || 나 ||\n|| 다 || 라 ||\n```\n\n마"),
        ("\x025\x03 글 \x020\x03", "5 글 0"),
    ],
)  # fmt: skip
def test_namumark_becomes_markdown(namumark, markdown):
    assert namumark_to_markdown(namumark) == markdown


def test_the_source_chooses_the_markup():
    assert [markup_of("auto", name) for name in ("namuwiki", "namuwiki_2021", "wiki", "news")] == [
        "namumark",
        "namumark",
        "mediawiki",
        "html",
    ]


WORDS = st.sampled_from(["가나다", "라마", "바", "사아 자", "1905", "a"])
INLINE = st.sampled_from(
    [
        "{}",
        "'''{}'''",
        "''{}''",
        "~~{}~~",
        "__{}__",
        "[[{}]]",
        "[[문서|{}]]",
        "{{{{{{#red {}}}}}}}",
        "{{{{{{+1 {}}}}}}}",
        "[* {}]",
        "{{{{{{{}}}}}}}",
    ]
).flatmap(lambda form: WORDS.map(lambda word: (form.format(word), word)))
BLOCK = st.sampled_from(
    ["{}", "== {} ==\n글", " * {}", "> {}", "||{}||가||", "||{}||", "{{{{{{#!wiki style=\"a\"\n{}\n}}}}}}", "{{{{{{#!folding 접기\n{}\n}}}}}}"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(BLOCK, st.lists(INLINE, min_size=1, max_size=4)), max_size=8))
def test_no_word_is_lost(blocks):
    text, words = [], Counter()
    for form, inside in blocks:
        text.append(form.format(" ".join(piece for piece, _ in inside)))
        words.update(syllable for _, word in inside for syllable in re.findall("[가-힣]", word))
    shown = Counter(re.findall("[가-힣]", namumark_to_markdown("\n".join(text))))
    assert not words - shown
