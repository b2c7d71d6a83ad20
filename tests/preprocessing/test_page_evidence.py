"""A name or a share of links alone cuts nothing between sentences: links, controls or a place outside of them must agree."""

import pytest

from preprocessing.readers.web_pages import convert_page

FIRST = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."
SECOND = "밭에 씨를 뿌린 지 두 달이 지나면 꽃이 피고, 서리가 내리기 전에 거두어 햇볕에 말려야 합니다."
LINE = "메밀꽃이 피는 밭을 한눈에 볼 수 있는 길입니다."
A, B = f"<p>{FIRST}</p>", f"<p>{SECOND}</p>"
CARDS = "<ul><li><a href='/1'>봄 소식</a></li><li><a href='/2'>여름 소식</a></li></ul>"
BOX = "<div class='%s'><div><span>씨 뿌리기</span><span>김매기</span></div></div>"


def read_page(body: str, title: str = "누리집") -> list[str]:
    text, _ = convert_page(f"<!DOCTYPE html><title>{title}</title><body>{body}".encode(), None, "blocks")
    return [line for line in text.split("\n") if line]


KEPT = {
    "facts under a name": (f"<div>{A}{BOX % 'about-charge'}{B}</div>", "씨 뿌리기 김매기"),
    "a category inside of a card that is a link": (
        f"<div>{A}<a href='/1'><div class='name'>{LINE}</div><div class='item-category'>밭갈이</div></a>{B}</div>", "밭갈이"),
    "a remark called comment": (f"<div>{A}<div class='comment'>{LINE}</div>{B}</div>", LINE),
    "cards without a name": (f"<div>{A}<div class='box'>{CARDS}</div>{B}</div>", "- 봄 소식"),
    "an offer below the last sentence": (
        f"<div>{A}{B}<section class='location'><h3>밭</h3><p>나라 길 <a href='tel:1'>031</a></p></section></div>", "### 밭"),
    "a heading below a row of a table": (
        f"<div>{A}<table><thead><tr class='main-category'><td>이름</td><td>무게</td></tr></thead><tr><td>메밀</td><td>1</td></tr></table></div>",
        "| 이름 | 무게 |"),
    "a warning called overlay": (f"<main><div class='warning-overlay'><p>{LINE}</p></div>{A}{B}</main>", LINE),
    "the end of an article": (f"<article>{A}{B}<footer><p>농부 김메밀</p></footer></article>", "농부 김메밀"),
    "a registration in a table of facts": (
        f"<div>{A}<table><tr><td>이름</td><td>누리</td></tr><tr><td>사업자등록번호</td><td>123-45-67890</td></tr></table>{B}</div>",
        "| 사업자등록번호 | 123-45-67890 |"),
    "a heading with a value of Tailwind": (f"<div>{A}<h4 class='mt-[var(--header-h)]'>봄 밭</h4>{B}</div>", "#### 봄 밭"),
    "a heading with a control in a name": (
        f"<div>{A}<div class='toc-content'><div><h2>봄 밭</h2></div><button onclick='c()'>복사</button></div>{B}</div>", "## 봄 밭"),
    "a widget of a library": (f"<div>{A}<div class='ui-widget-content'><input><p>무게와 값</p></div>{B}</div>", "무게와 값"),
    "a caption that names its owner": (
        f"<div>{A}{B}<figure><img src='a.png'><figcaption>메밀밭의 가을 © 누리</figcaption></figure></div>", "메밀밭의 가을 © 누리"),
    "an article of links beside others": (
        "<section>" + "".join(
            f"<article class='c{n}'><span>{text}</span><h4><a href='/{n}'>{n}월의 국수</a></h4><a href='/{n}'>보기</a></article>"
            for n, text in ((4, LINE), (5, LINE), (6, "글"))
        ) + f"</section><p>{SECOND}</p>", "#### 6월의 국수"),
    "a registration in a table below": (
        f"<div>{A}{B}<table><tr><th>이름</th><td>누리</td></tr><tr><th>사업자등록번호</th><td>123-45-67890</td></tr></table></div>",
        "| 사업자등록번호 | 123-45-67890 |"),
    "a registration below a heading": (
        f"<div>{A}<div><h3>알림</h3><ul><li>밭 이름: 누리</li><li>사업자등록번호: 123</li></ul></div>{B}</div>", "- 사업자등록번호: 123"),
    "a rule about cookies": (f"<div>{A}<p>쿠키의 운영에 관한 사항</p><p>페이지를 쓰려면 쿠키를 허용하셔야 합니다.</p>{B}</div>",
                             "페이지를 쓰려면 쿠키를 허용하셔야 합니다."),
    "what React sends later": (f"<main><h1>메밀</h1></main><div hidden id='S:1'>{A}{B}</div>", FIRST),
    "a part of main with a heading": (f"<main><div class='a'><h2>봄 밭</h2></div><div class='b'>{A}{B}</div></main>", "## 봄 밭"),
    "a section of cards below the last sentence": (
        f"<div>{A}{B}<section><h2>밭 소식</h2>{CARDS}<a href='/3'>가을 소식</a></section></div>", "- 봄 소식"),
    "who signs an article": (f"<main><article><div>{A}{B}</div><div>농부 김메밀</div></article></main>", "농부 김메밀"),
    "a section with a heading before another one": (
        f"<section><h4>연장</h4><p>호미</p><p>낫</p></section><section>{A}{B}</section>", "호미"),
    "what an agency recommends": (
        f"<div class='recommend'><div><h4>메밀 고르기</h4><p>{LINE}</p></div>{CARDS.replace('소식', LINE)}</div>"
        + "<ul class='review'>" + f"<li><a href='/3'>{FIRST}</a></li>" * 3 + "</ul>", f"- 봄 {LINE}"),
    "a sentence whose mark stands apart": (
        f"<div>{A}{B}</div><div id='menu'><p>차림</p><h2>다양한 메밀 음식을 밭에서 즐겨 보세요 !</h2></div>", "## 다양한 메밀 음식을 밭에서 즐겨 보세요 !"),
    "a slide that a script shows": (f"<div>{A}<div class='text-wrap hidden'>{B}</div></div>", SECOND),
    "a title beside the beginning of a post": (
        f"<main><article><a href='/1'>메밀 심기</a><div class='abstract-content'>{A}{B}</div></article></main>", "메밀 심기"),
    "every part of a page of links": (
        "<div class='main_content'>" + "".join(
            f"<div class='con{n}'><b>{head}</b><ul>" + f"<li><a href='/{n}'><b>{n} 밭 소식</b><p>{LINE * n}</p></a></li>" * 3 + "</ul></div>"
            for n, head in ((2, "최신 뉴스"), (3, "알림"), (9, "고른 글"))
        ) + "</div>", "2 밭 소식"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_one_kind_of_evidence_cuts_nothing(kind):
    body, line = KEPT[kind]
    assert any(line in kept for kept in read_page(body))


MENU = "<div class='left_menu'><ul><li onclick=\"location.href='/a'\">상품</li><li onclick=\"location.href='/b'\">레시피</li></ul></div>"
CUT = {
    "cards with a name": (f"<div>{A}<div class='related'>{CARDS}</div>{B}</div>", "봄 소식"),
    "cards after the last sentence": (f"<div>{A}{B}<div class='box'>{CARDS}</div></div>", "봄 소식"),
    "other pages below a title written anew": (
        f"<h1>메밀 밭을 심고 가꾸는 법</h1>{A}{B}<div class='related'>{CARDS.replace('소식', LINE)}</div>", "봄 메밀꽃이"),
    "links that a script opens": (f"<p>{LINE}</p><div>{MENU}{A}{B}</div>", "레시피"),
    "a window to log in": (
        f"<div>{A}</div><div class='login_modal'><form><input name='id'><p>{LINE}</p>{B}</form></div>", LINE),
    "a message above the page": (f"<div>{A}{B}</div><div class='toast'><p>{LINE}</p></div>", LINE),
    "a side bar after the last sentence": (
        f"<div>{A}{B}</div><div class='sidebar'><b>밭 안내</b><span>평일만</span></div>", "밭 안내"),
    "advertisements": (f"<div>{A}<div class='ad'>메밀 반값</div>{B}</div>", "메밀 반값"),
    "a navigation that has most of a page of links": (
        f"<nav><span>{'밭 일기와 메밀 소식을 적습니다 ' * 2}</span>{CARDS * 9}</nav><div><h1>밭</h1><ul><li><a href='/3'>메밀 심기</a></li>"
        "<li><a href='/4'>메밀 거두기</a></li><li><a href='/5'>메밀 말리기</a></li></ul></div>", "봄 소식"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CUT)
def test_two_kinds_of_evidence_cut(kind):
    body, line = CUT[kind]
    lines = read_page(body, "메밀 밭을 잘 심고 가꾸는 법")
    assert lines and not any(line in kept for kept in lines)
