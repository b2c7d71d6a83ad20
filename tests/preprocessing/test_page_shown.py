"""What a page shows on a click, offers to choose, or lists on its front page is content; controls of the same forms are not."""

import pytest

from preprocessing.readers.web_pages import convert_page

FIRST = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."
SECOND = "밭에 씨를 뿌린 지 두 달이 지나면 꽃이 피고, 서리가 내리기 전에 거두어 햇볕에 말려야 합니다."
A, B = f"<p>{FIRST}</p>", f"<p>{SECOND}</p>"
MENU = "<nav><a href='/a'>상품</a> <a href='/b'>레시피</a></nav>"
NEWS = "<ul><li><a href='/1'>메밀 잔치에 오실 분을 찾습니다 2026.05.01</a></li><li><a href='/2'>밭 문을 여는 때가 바뀌었습니다 2026.05.02</a></li></ul>"


def read_page(body: str, title: str = "누리집") -> list[str]:
    text, _ = convert_page(
        f"<!DOCTYPE html><title>{title}</title><body>{MENU}{body}".encode(), None, "blocks"
    )
    return [line for line in text.split("\n") if line]


KEPT = {
    "a choice around its box": (f"<form>{A}<label><input type='radio' name='q'> 맑은 국물</label></form>", "맑은 국물"),
    "choices in a line": (f"{A}<div><label><input type='radio'>봄</label><label><input type='radio'>가을</label></div>{B}", "봄 가을"),
    "a choice after its box": (f"{A}<div><input type='checkbox' id='q'><label for='q'>들깨 국물</label></div>{B}", "들깨 국물"),
    "a button in a list": (f"{A}<ul><li><button>봄 메밀</button></li><li><button>가을 메밀</button></li></ul>{B}", "- 봄 메밀"),
    "a button in a cell": (f"{A}<table><tr><td>1</td><td><button>김메밀</button></td></tr></table>{B}", "1  김메밀"),
    "the label of a tab": (f"<div role='tablist'><button role='tab'>봄 밭</button></div><div>{A}{B}</div>", "봄 밭"),
    "links to parts of the page": (
        f"{A}<ul class='tabs_menu'><li><a href='#t1'>아침<span>57명</span></a></li><li><a href='#t2'>점심<span>60명</span></a></li></ul>"
        f"<div id='t1'>{A}</div><div id='t2'>{B}</div>", "- 점심60명"),
    "tabs that a script shows": (
        f"<div>{A}<div class='tab_box'><ul><li><a href='#'>평면도</a></li><li><a href='#'>배치도</a></li></ul></div></div>", "- 배치도"),
    "links without a target": (f"<main>{A}<ul class='tap'><li><a class='b1'>소식</a></li><li><a class='b2'>모집</a></li></ul></main>", "- 모집"),
    "attached files": (
        f"<h1>메밀</h1>{A}{B}<section><ul><li><a href='/1'>신청서.hwp <span>(20KB)</span></a></li><li><a href='/2'>안내.pdf <span>(9KB)</span></a></li>"
        "</ul></section>", "- 신청서.hwp"),
    "text with few links": (
        f"{A}{B}<div class='menuContent'><h4>김메밀</h4><p>밭을 가꾸는 여러 모임에서 오래 일해 온 큰 일꾼</p><a href='#a'>자세히</a></div>", "#### 김메밀"),
    "a panel of hidden tabs": (f"{A}<ul class='tab'><li>하나<ul style='display:none'><li>둘째 밭 소식</li></ul></li></ul>{B}", "둘째 밭 소식"),
    "a panel with the name of a tab": (f"{A}<div id='tab-2' class='hidden'><p>둘째 밭 소식</p></div>{B}", "둘째 밭 소식"),
    "an item of tabs": (f"{A}<div class='crop__tabs'><div class='crop__tabs__item hidden'><p>둘째 밭 소식</p></div></div>{B}", "둘째 밭 소식"),
    "pages of a chapter": (
        f"<article><h1>누리집</h1>{A}<section><article><a href='/1'><h2>밭 고르기</h2></a></article>"
        "<article><a href='/2'><h2>씨 뿌리기</h2></a></article></section></article>", "## 씨 뿌리기"),
    "a caption that screen readers do not read": (
        f"{A}<figure><img src='a.png'><figcaption><span aria-hidden='true'>Farmers of the village harvest buckwheat in October</span>"
        f"</figcaption></figure>{B}", "Farmers of the village"),
    "more information that is a link": (f"{A}{B}<p>More info: <a href='/d'>Deployment</a></p><p><a href='/c'>메밀을 심는 때</a></p>", "More info: Deployment"),
    "hidden sentences": (f"{A}<div style='display:none'>{B}</div>", SECOND),
    "one of several panels": (f"<div class='p'>{A}</div><div class='p' style='display: none'>오월의 밭</div>", "오월의 밭"),
    "a window with sentences": (f"{A}<div role='dialog'><h2>메밀차</h2>{B}<button>닫기</button></div>", SECOND),
    "facts in a window": (f"{A}{B}<div class='dialog'><h4>점심</h4><ul><li>메밀국수</li><li>나물</li></ul></div>", "- 메밀국수"),
    "a dialog with sentences": (f"{A}<dialog><h2>메밀차</h2>{B}</dialog>", "## 메밀차"),
    "an aside of an article": (f"<article>{A}<aside><p>참고: 메밀은 서늘한 곳에서 자랍니다.</p></aside>{B}</article>", "참고: 메밀은"),
    "a complementary part with sentences": (f"{A}{B}<div role='complementary'><h2>알림</h2><p>언제든 알려 주세요.</p></div>", "언제든 알려 주세요."),
    "reviews": (f"{A}<div class='reviews'><h3>고객 후기</h3><div><b>별 다섯</b><p>향이 좋아요.</p></div></div>", "향이 좋아요."),
    "text beside a notice": (
        "<main><div><h1>메밀 도구</h1><p>밭을 여는 도구</p><p>© 2026 누리. All rights reserved.</p></div></main>", "밭을 여는 도구"),
    "a menu that is a slogan": (f"<div><p class='nav_t'>밭길 안내</p><h2>메밀</h2>{A}</div>", "밭길 안내"),
    "tags in a card": (
        "<h2>자리</h2>" + f"<a href='/1'><div class='job-tags'><span>밭</span><span>온종일</span></div><h4>농부</h4>{A}</a>" * 2, "밭온종일"),
    "a price in a button": (f"<div>{A}<div class='buyBtn'><a href='#'><span>150,000 원</span>사기</a></div>{B}</div>", "150,000 원"),
    "a list below a heading": (f"<div>{A}<h2>작품</h2><div class='category'>{NEWS}</div></div>", "- 메밀 잔치에"),
    "the news of a front page": (f"<div>{A}{B}</div><section class='notice_wrap'><span>알림</span>{NEWS}</section>", "- 밭 문을"),
    "recent news of a front page": (f"<div>{A}{B}</div><div class='recent'>{NEWS}</div>", "- 밭 문을"),
    "what an author lists below": (f"<div>{A}{B}<h2 id='docs'>관련 문서</h2>{NEWS}</div>", "- 메밀 잔치에"),
    "a sentence in the foot of a post": (f"<article>{A}{B}<div class='post-footer'>오월에 고친 글입니다.</div></article>", "오월에 고친 글입니다."),
    "a title between controls": (f"<div><a href='/b'><img src='b.png'></a>저울 요청 <a href='/c'>요청 취소</a></div>{A}{B}", "저울 요청"),
    "text beside names of icons": (f"<p><i class='material-icons'>health_and_safety</i>민감피부</p>{A}{B}", "민감피부"),
    "tabs of a slide": (f"<section id='visual'><ul class='indicator'><li><a href='#'>봄 밭</a></li><li><a href='#'>가을 밭</a></li></ul></section>{A}{B}", "- 가을 밭"),
    "buttons that do nothing": (f"{A}<div><button>봄 씨</button><button>가을 씨</button><button>겨울 씨</button></div>{B}", "봄 씨 가을 씨 겨울 씨"),
    "a question of a form": (f"{A}<form><label for='q'>몇 평을 심나요?</label><input id='q'></form>{B}", "몇 평을 심나요?"),
    "a numbered field of a form": (f"{A}<form><label for='q'>1. 밭의 크기</label><input id='q'></form>{B}", "1. 밭의 크기"),
    "code in an editor": (f"{A}<textarea class='editor'>plant(seed, depth=3, days=60, water=True)\nharvest()</textarea>{B}", "harvest()"),
    "a fact that is a link": (f"{A}{B}<div><b>누리집:</b> <a href='https://a.kr'>https://a.kr/soba</a></div>", "누리집: https://a.kr/soba"),
    "the foot of a table": (f"{A}{B}<table><tr><td>메밀</td><td>1</td></tr><tfoot class='footer'><tr><td>모두</td><td>1</td></tr></tfoot></table>", "| 모두 | 1 |"),
    "the label of a tab that a command has": (
        f"{A}<div class='seg'><button>설치</button><button>실행하기</button><button>Copy</button></div>" + f"<div class='x'>{A}</div>" * 3, "설치 실행하기 Copy"),
    "a command in a group of tabs": (f"{A}<div class='tabs'><ul><li><button>설치</button></li><li><button>문의하기</button></li></ul></div>{B}", "- 문의하기"),
    "links with as many panels": (
        f"{A}<div class='s'><a href='#'>설치</a> <a href='#'>실행하기</a> <a href='#'>문의하기</a></div>" + f"<div class='x'>{B}</div>" * 3, "실행하기"),
    "a label in a row of a table": (f"{A}<table><tr><th><label>작성자</label></th><td>김메밀</td></tr></table>{B}", "작성자"),
    "a label before its value": (f"{A}<div><label>작성일:</label> 2026-01-02 <label>분류</label><span>밭</span></div>{B}", "작성일:"),
    "a label above what there is to choose": (
        f"{A}<form><label>밭의 크기</label>\n        <div class='c'>\n          <div class='t'>한 마지기</div></div></form>{B}", "밭의 크기"),
    "a sentence about copying": (f"<h1>메밀</h1>{A}<p>무단 복제를 금지하기 때문에 문제를 여기에 올리지는 않는다. 밭에서 읽으면 된다.</p>", "무단 복제를"),
    "facts that a button of an item folds": (
        f"{A}{B}<ul><li><div class='provide_consent'><button>보기</button><div>밭의 이름과 크기와 심는 때를 2년 동안 적어 둔다</div></div></li></ul>",
        "밭의 이름과 크기"),
    "a value in a box": (f"{A}{B}<div class='widget'><span>온도 24도</span></div>", "온도 24도"),
    "a table in a box": (f"{A}{B}<div class='widget'><table><tr><td>온도</td><td>따뜻함</td></tr></table></div>", "온도"),
    "a price in the foot of a card": (f"{A}{B}<div class='product-card'><b>메밀가루</b><div class='card-footer'>3,000원</div></div>", "3,000원"),
    "a title that a script moves": (f"<div class='hidden'><h1>밭 소식</h1></div>{A}{B}", "# 밭 소식"),
    "a sentence in a tip": (f"{A}<p>밭 <span class='tip' role='tooltip'>밭은 들에 있어요.</span></p>{B}", "밭은 들에 있어요."),
    "the title of a post in an archive": (
        f"<div><h2 class='archive__item-title'><a href='/1' rel='permalink'>밭 소식</a></h2><p>오 분</p>{A}</div>{B}", "## 밭 소식"),
    "captions that are links": (
        f"{A}{B}<div><figure><a href='#'><figcaption>밭길</figcaption></a></figure><figure><a href='#'><figcaption>장터</figcaption></a></figure></div>", "장터"),
    "a sentence above pictures of another site": (f"{A}{B}<div class='sns-box'><p>밭이 궁금하신가요?</p><a href='/i'><img src='a.png'></a></div>", "밭이 궁금하신가요?"),
    "a heading and a sentence in the foot of a page": (f"{A}{B}<div class='foot'><h2>밭길 안내</h2><p>예) 봄 밭</p><p>함께 걸어요.</p></div>", "예) 봄 밭"),
    "a text behind a tag with a quotation mark too many": (f"{A}<div class='a' a-b\"><a href=\"/a\"\">밭길</a></div><p>{FIRST} 밭 둘</p>", "밭 둘"),
    "a linked date": (
        f"<h1>밭길</h1><div><div><a href='/d'><time>2026-05-01</time></a></div><p><a href='/t'>밭일</a></p></div>{A}{B}", "2026-05-01"),
    "chapters that DocBook lists": (
        f"<h1>밭길</h1>{A}{B}<div class='itemizedlist'><ul><li><a href='/1'>1장, 씨 고르기</a></li><li><a href='/2'>2장, 밭 갈기</a></li></ul></div>", "- 2장"),
    "addresses behind arrows": (
        f"<h1>밭길</h1>{A}{B}<div>밭을 도와요! <div>→&nbsp;<a href='https://a.kr/'>https://a.kr/</a></div> "
        "<div>→ <a href='https://b.kr/'>https://b.kr/</a></div></div>", "→ https://b.kr/"),
    "the labels of a form that asks for several things": (
        f"<h1>밭일 신청</h1>{A}<form>" + "".join(f"<div><label for='{n}'>{n} *</label><input id='{n}'></div>" for n in ("이름", "연락처", "밭 이름"))
        + f"</form>{B}", "밭 이름 *"),
    "a title that a script moves into view": (f"<main><h2 class='hidden big-title'><span data-aos='fade-up'>밭의 하루</span></h2>{A}{B}</main>", "## 밭의 하루"),
    "a table of what a chapter is about": (
        f"<h1>밭길</h1>{A}<table class='related'><tr><th>연장</th><th>씨앗</th></tr><tr><td><ul><li><a href='/1'>호미</a></li></ul></td>"
        f"<td><a href='/2'>메밀</a></td></tr></table>{B}", "| 연장 | 씨앗 |"),
    "the name of a part in its header": (f"<h1>밭 소식</h1>{A}<div><header class='name'>들깨네 밭</header><span>2026-05-01</span>{B}</div>", "들깨네 밭"),
    "how much harvests please": (
        f"{A}<p>올해 거둔 메밀은 어땠나요?</p><label><input type='radio' name='q'>매우 만족</label><label><input type='radio' name='q'>보통</label>{B}",
        "매우 만족 보통"),
    "more of something in a sentence": (f"{A}<p>씨앗은 <b>밭길</b>에서 <a href='/a'>더 보기</a>를 누르면 나온다.</p>{B}", "씨앗은 밭길에서 더 보기를 누르면 나온다."),
    "a remark below a heading that is called a comment": (
        f"{A}<h2>밭일 신청</h2><div class='h2-comment'><p>밭일을 누리집에서 신청해 보세요.</p></div>{B}", "밭일을 누리집에서 신청해 보세요."),
    "the address that a post gives": (
        f"<h1>밭길</h1>{A}{B}<section><h2>관련링크</h2><ul><li><a href='/go?n=1'><b>http://www.field.kr/</b></a> <span>25회 연결</span></li></ul></section>",
        "http://www.field.kr/"),
    "labels of tabs of which one is marked": (
        f"<h1>밭길</h1>{A}{B}<div><h2>밭 소식</h2><div class='tab'><a href='#' class='on'>알림</a><a href='#'>소식</a><a href='#'>잔치</a></div></div>", "알림"),
    "names of things above what they cost": (
        f"{A}{B}<ul>" + "".join(f"<li><div class='text'><div class='name'><a href='/{n}'>{n} 씨앗</a></div><ul><li>값 : {n}원</li></ul></div></li>" for n in range(4))
        + "</ul>", "3 씨앗"),
    "a chapter about comments with a table of examples": (
        f"<h2>표시</h2>{A}<h2>Comments</h2>{B}<table><tr><th>쓰는 것</th><th>보이는 것</th></tr><tr><td>.. 밭</td><td>들깨</td></tr></table><h2>끝</h2>{A}",
        "| .. 밭 | 들깨 |"),
    "a heading that is a link to itself": (f"<h1>밭길</h1>{A}<h2 id='m'><a href='#m'>더 알아보기</a></h2>{B}", "## 더 알아보기"),
    "a label before its sentence": (f"{A}{B}<p><a href='/m'>더 보기</a><span>를 누르면 씨앗이 나온다.</span></p>", "더 보기를 누르면 씨앗이 나온다."),
    "sources in one language": (
        f"<h1>밭길</h1>{A}{B}<h2>참고한 책</h2><ul>" + "".join(f"<li><a href='https://{n}.com' hreflang='en'>Field {n}</a></li>" for n in "abc") + "</ul>",
        "- Field b"),
    "how much what a shop does pleases": (
        f"{A}<p>장터의 배달 서비스는 얼마나 만족스러웠나요?</p><label><input type='radio' name='q'>만족</label><label><input type='radio' name='q'>불만족</label>{B}",
        "만족 불만족"),
    "a tab about progress": (
        f"<h1>밭길</h1>{A}{B}<div class='tab-pane progress' style='display:none'><p>밭일이 어디까지 왔는지를 적은 문장이며 날마다 바뀐다.</p></div>",
        "밭일이 어디까지 왔는지를 적은 문장이며 날마다 바뀐다."),
    "a short sentence in the foot of a card": (f"<div>{A}<div class='card-footer'>함께 걸어요.</div>{B}</div>", "함께 걸어요."),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_what_a_reader_can_see_stays(kind):
    body, line = KEPT[kind]
    assert any(line in kept for kept in read_page(body))


CUT = {
    "commands beside each other": (f"{A}<div><button>Add field</button><button>모두 지우기</button><button>봄 씨</button></div>{B}", "봄 씨"),
    "a link to the post before": (f"<h1>메밀 심기</h1>{A}{B}<div>이전 글: <a href='/1'>메밀을 심고 거두어 햇볕에 말리는 때</a></div>", "말리는 때"),
    "a command in a list": (f"{A}<ul><li><button>목록 보기</button></li></ul>{B}", "목록 보기"),
    "an agreement": (f"{A}<label><input type='checkbox'> 개인정보 수집에 동의합니다.</label>{B}", "동의합니다"),
    "a choice of a search": (f"{A}<form class='search'><label><input type='radio'> 제목만</label></form>{B}", "제목만"),
    "the label of a field": (f"{A}<label>이름</label><input name='n'>{B}", "이름"),
    "a window to fill in": (f"{A}<div role='dialog'><p>암호를 적어 주세요.</p><input name='pw'></div>{B}", "암호"),
    "a short hidden message": (f"{A}<p style='display:none'>저장되었습니다.</p>{B}", "저장되었습니다"),
    "contents that repeat headings": (
        f"<ul><li><a href='#h'>심는 때</a></li><li><a href='#i'>거두는 때</a></li></ul><h2 id='h'>심는 때</h2>{A}<h2 id='i'>거두는 때</h2>{B}",
        "- 심는 때"),
    "the name of an icon": (f"{A}<span class='material-symbols-outlined'>chevron_right</span>{B}", "chevron"),
    "a title for print": (f"<h1 class='onlyprint'>메밀밭</h1>{A}", "메밀밭"),
    "other posts below an article": (f"<h1>메밀 심기</h1>{A}{B}<div class='box'>{NEWS}</div>", "밭 문을"),
    "a control of a player": (f"{A}<div role='slider'>Loaded: 0%</div>{B}", "Loaded"),
    "tools of an editor": (f"{A}<div role='toolbar'><span>굵게</span><span>기울임</span></div>{B}", "굵게"),
    "what a network recommends": (f"{A}<div class='taboola-below'><b>밭 이야기</b></div>{B}", "밭 이야기"),
    "pages that come round again": (f"<h1>메밀 심기</h1>{A}<div class='recirculation'>{NEWS}</div>{B}", "밭 문을"),
    "numbers of pages": (f"{A}<div class='paginate'><span><a href='/1'>1</a><strong>2</strong><a href='/3'>3</a></span></div>{B}", "123"),
    "crumbs in two words": (f"<ul class='bread-crumb-list'><li><span>밭일</span></li><li><span>씨앗</span></li></ul><h1>메밀 심기</h1>{A}{B}", "밭일"),
    "numbers of pages in buttons": (
        f"{A}{B}<div>" + "".join(f"<button>{n}<span class='blind'>페이지</span></button>" for n in range(1, 6)) + "</div>", "1"),
    "the button that copies code beside tabs": (f"{A}<div class='tabs'><button>npm</button><button class='copy'>Copy</button></div>{B}", "Copy"),
    "the title of a page whose head is broken": (f"<head><title>밭 소식</title></head>{A}{B}", "밭 소식"),
    "a menu in a foot that has a window": (
        f"{A}<div id='footer'><ul><li><a href='/3'>회사소개</a></li><li><a href='/4'>파트너센터</a></li></ul><div>{B * 7}</div></div>", "파트너센터"),
    "an address under a heading in a foot": (
        f"{A}{B}<div class='foot'><h2>밭 누리집</h2><p>주소: 서울특별시 가나구 다라로 12</p><p>문의해 주세요.</p></div>", "밭 누리집"),
    "pages before and behind one of DocBook": (
        f"<h1>밭길</h1>{A}{B}<div class='navfooter'><table><tr><td><a href='/1'><img src='p.png' alt='이전'></a></td><td><a href='/3'>다음</a></td></tr>"
        "<tr><td>1장. 씨 고르기</td><td>3장. 거두어 말리기</td></tr></table></div>", "씨 고르기"),
    "a category beside a linked date": (
        f"<h1>밭길</h1><div><div><a href='/d'><time>2026-05-01</time></a></div><p><a href='/t'>밭일</a></p></div>{A}{B}", "밭일"),
    "a tag with a quotation mark too many": (f"{A}<div class='a' a-b\"><a href=\"/a\"\">밭길</a></div>{B}", "a-b"),
    "a menu in such a tag": (f"<nav class='a' a-b\"><a href='/a'>봄 밭</a> <a href='/b'>들깨</a></nav>{A}{B}", "봄 밭"),
    "the same page in other languages": (
        f"<h1>밭길</h1><p>언어: <a href='/en' hreflang='en'>en</a> | <a href='/fr' hreflang='fr'>fr</a> | <a href='/ko'>ko</a></p>{A}{B}", "fr"),
    "a link that says only that there is more": (f"<article>{A}<a href='/1' class='more'>Read more</a></article><article>{B}</article>", "Read more"),
    "how much a page satisfies": (
        f"{A}{B}<form><p>이 페이지의 정보에 만족하시나요?</p><label><input type='radio' name='q'>매우만족</label><label><input type='radio' name='q'>불만</label>"
        "</form>", "매우만족"),
    "a menu in which this page is marked": (
        f"<div><h3>밭 소개</h3><ul><li><a href='/a'>들깨 밭</a></li><li class='on'><a href='/b'>메밀 밭</a></li><li><a href='/c'>귀리 밭</a></li></ul></div>"
        f"<h3>메밀 밭</h3>{A}{B}", "귀리 밭"),
    "the name of the site in a second header": (
        f"<div class='m_top_wrap'><h1 class='logo'><a href='index.html'>밭 누리집</a></h1><a href='#'>메뉴</a></div><div>{A}{B}</div>", "밭 누리집"),
    "what a page shows while it waits": (f"{A}{B}<div id='loadingLayer' style='display:none'>밭을 부르는 중이니 씨앗을 다 뿌리고 거둘 때까지 이 창을 닫지 말고 조금만 기다려 주시기 바랍니다.</div>", "부르는 중"),
    "pages of a list": (f"{A}{B}<div class='btns'><a href='/1'>1</a><a href='/2'>2</a></div>", "2"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CUT)
def test_controls_and_repetitions_are_cut(kind):
    body, line = CUT[kind]
    lines = read_page(body, "메밀 심기" if "<h1>" in body else "누리집")
    assert lines and not any(line in kept for kept in lines)


@pytest.mark.parametrize(
    "around",
    [
        "<div class='gnb'><ul><li><a href='/a'>상품</a></li><li><a href='/g'>오시는 밭</a></li></ul></div>%S%",
        "<ol class='breadcrumb'><li>처음</li><li>오시는 밭</li></ol>%S%",
        "<p class='path'>홈 &gt; 알림 &gt; <span>오시는 밭</span></p>%S%",
    ],
)
def test_a_title_that_stands_only_in_a_menu_is_kept_once(around):
    assert read_page(around.replace("%S%", A), "오시는 밭 | 누리집") == ["# 오시는 밭", FIRST]
    body = around.replace("%S%", f"<div><h2>오시는 밭</h2>{A}</div>")
    assert read_page(body, "오시는 밭 | 누리집") == ["## 오시는 밭", FIRST]


def test_the_parts_of_an_index_are_its_content_whatever_their_names():
    parts = "".join(
        f"<div class='category'><h2>{name}</h2><ul>"
        + "".join(f"<li><a href='/{name}{n}.html'>{name} {n}</a></li>" for n in range(4))
        + "</ul></div>"
        for name in ("심는 때", "거두는 때", "말리는 때")
    )
    lines = read_page(f"<div id='page-content'><h1>밭일 길잡이</h1>{parts}</div>", "밭일 길잡이")
    assert lines[:3] == ["# 밭일 길잡이", "## 심는 때", "- 심는 때 0"] and lines[-1] == "- 말리는 때 3"
