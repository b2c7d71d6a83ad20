"""The content is all of a page without what is surely around it: what stands above, beside and below its largest part stays."""

import pytest

from preprocessing.readers.web_pages import convert_page

FIRST = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."
SECOND = "밭에 씨를 뿌린 지 두 달이 지나면 꽃이 피고, 서리가 내리기 전에 거두어 햇볕에 말려야 합니다."
LINE = "메밀꽃이 피는 밭을 한눈에 볼 수 있는 길입니다."
PROSE = f"<p>{FIRST}</p><p>{SECOND}</p>"
MAIN = f"<main>{PROSE}</main>"
MENU = "<ul><li><a href='/a'>상품</a></li><li><a href='/b'>레시피</a></li></ul>"
CARDS = f"<a href='/1'><b>심기</b><p>{LINE}</p></a><a href='/2'><b>거두기</b><p>{LINE}</p></a>"


def read_page(body: str, title: str = "누리집") -> list[str]:
    text, _ = convert_page(f"<!DOCTYPE html><title>{title}</title><body>{body}".encode(), None, "blocks")
    return [line for line in text.split("\n") if line]


KEPT = {
    "the title of a page in its header": (f"<header><nav>{MENU}</nav><h1>메밀 잔치</h1></header>{MAIN}", "# 메밀 잔치"),
    "a sentence below it": (f"<header><h2>잔치</h2><p>함께 걸어요.</p><a href='/a'>신청</a></header>{MAIN}", "함께 걸어요."),
    "a title that is no heading": (
        f"<header><a href='/'>처음</a><div class='head__title'>밭 소식</div></header>{MAIN}", "밭 소식"),
    "a slogan in a header": (f"<header><p>농부가 손수 지은 메밀 음식을 파는 가게</p><a href='/a'>시작하기</a></header>{MAIN}",
                             "농부가 손수 지은 메밀 음식을 파는 가게"),
    "a title in what is called header": (f"<div id='header'>{MENU}<div><h1>메밀 잔치</h1></div></div>{MAIN}", "# 메밀 잔치"),
    "a slide above the content": (f"<div class='swiper'><p>메밀꽃 필 무렵</p></div>{MAIN}", "메밀꽃 필 무렵"),
    "facts beside the content": (f"{MAIN}<div><dl><dt>무게</dt><dd>한 되</dd></dl></div>", "무게: 한 되"),
    "a table above the content": (f"<table><tr><th>이름</th></tr><tr><td>메밀</td></tr></table>{MAIN}", "메밀"),
    "a heading below the content": (f"{MAIN}<div><h2>밭 이름</h2><p>누리</p></div>", "## 밭 이름"),
    "a card in a button": (
        f"{MAIN}<button><strong>씨 뿌리기</strong><span>오월 첫 주에 함께 씨를 뿌린다</span></button>", "씨 뿌리기 오월 첫 주에 함께 씨를 뿌린다"),
    "a question with a field": (f"{MAIN}<form><label>밭에서 무엇을 가장 먼저 해 보고 싶은가요?</label></form>",
                                "밭에서 무엇을 가장 먼저 해 보고 싶은가요?"),
    "cards called a menu": (f"<div>{PROSE}</div><div class='visual_menu'>{CARDS}</div>", LINE),
    "cards that a heading does not announce": (
        f"{MAIN}<div><a href='/1'><p>밭에서 하는</p><p>잔치를 모두 확인해 보세요</p></a><a href='/2'><p>거둔 것을 나누는</p>"
        "<p>장터를 찾아와 보세요</p></a></div>", "잔치를 모두 확인해 보세요"),
    "a chapter about comments": (f"<div>{PROSE}<h2>댓글</h2><p>만들기</p><pre>POST /c</pre><p>돌려주는 값</p></div>", "돌려주는 값"),
    "sources of an article": (
        f"<article>{PROSE}<h2>관련 링크</h2><ul><li><a href='https://a.kr/1'>메밀의 갈래</a></li><li><a href='https://b.kr/2'>밭의 흙</a></li>"
        "</ul></article>", "- 메밀의 갈래"),
    "notes below an article": (
        f"<article>{PROSE}</article><div class='footnotes'><ol><li><p><a href='/1'>메밀의 갈래</a></p></li></ol></div>", "메밀의 갈래"),
    "chapters of a manual": (
        f"<div>{PROSE}</div><div><h2>차례</h2><div class='toctree-wrapper'><ul><li><a href='/1'>심기</a></li><li><a href='/2'>거두기</a></li></ul>"
        "</div></div>", "- 심기"),
    "a registration in a history": (
        f"<div>{PROSE}<ul><li>밭을 갈고 집을 지어 회사를 세움</li><li>회사를 옮김(사업자등록번호 : 123-45-67890)</li></ul></div>",
        "- 회사를 옮김(사업자등록번호 : 123-45-67890)"),
    "a part around main": (
        f"<section class='recent'><main><ul>{f'<li><a href=/1>{LINE}</a></li>' * 3}</ul></main></section>", f"- {LINE}"),
    "a remark above the content": (f"<div class='page-comment'><p>{LINE}</p></div>{MAIN}", LINE),
    "text of larger screens": (f"<p class='hidden md:block'>밭 한가운데</p>{MAIN}", "밭 한가운데"),
    "a table that a tab shows": (
        f"{MAIN}<div id='tabs-1'><table><tr><td>만족도</td><td>50</td></tr></table></div><div id='tabs-2'>{PROSE}</div>", "만족도"),
    "facts below a search": (f"{MAIN}<ul class='search-result'><li>모두 열 되</li></ul>", "- 모두 열 되"),
    "a remark in a header of another name": (
        f"<header class='masthead'><div class='masthead-subheading'>밭에서 나는 먹거리</div><a href='/a'>시작하기</a></header>{MAIN}",
        "밭에서 나는 먹거리"),
    "a heading beside a search": (
        f"<div class='hero-search'><h2>모든 밭을 찾아보세요</h2><form><input></form>{MENU}</div>{MAIN}", "## 모든 밭을 찾아보세요"),
    "the beginning of a post in its footer": (
        f"<ul>{f'<li><h3><a href=/1>{LINE}</a></h3><div class=post_footer><p>{FIRST}</p></div></li>' * 3}</ul>", FIRST),
    "facts called a footer": (f"<div>{PROSE}<div class='footer_info'><p>{LINE}</p><p>한 되에 만 원</p></div>{PROSE}</div>",
                              "한 되에 만 원"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_not_surely_around_the_content_stays(kind):
    body, line = KEPT[kind]
    assert any(line in kept for kept in read_page(MENU + body))


HEADING = "<h1>메밀 심기</h1>"
CUT = {
    "numbers of lines of code": (
        f"<div>{PROSE}<table><tr><td class='gutter'><pre>1<br>2</pre></td><td class='code'><pre>let a;<br>let b;</pre></td></tr></table></div>", "1"),
    "many numbers of lines of code": (
        f"<div>{PROSE}<table><tr><td class='gutter'><pre>{'<br>'.join(f'<span class=line>{n}</span>' for n in range(1, 99))}</pre></td>"
        "<td class='code'><pre>let a;<br>let b;</pre></td></tr></table></div>", "98"),
    "best comments": (f"<div>{PROSE}<h3>BEST 댓글</h3><ul><li>밭갈이 멋져요.</li></ul></div>", "밭갈이"),
    "counted best comments": (f"<div>{PROSE}<h3>베스트 댓글 3</h3><ul><li>밭갈이 멋져요.</li></ul></div>", "밭갈이"),
    "an invitation to comment": (f"<div>{PROSE}<p><a href='/1#c'>Comment and share</a></p></div>", "Comment"),
    "commands below the content": (f"<div>{PROSE}<div class='list'>목록</div><div class='list'>수정</div></div>", "수정"),
    "a hidden list in a heading": (
        f"<h3><a href='/c'>밭</a><div><ul style='display:none'><li>누리집</li><li>밭갈이</li></ul></div></h3>{PROSE}", "밭갈이"),
    "the name of the site": (f"<header><h1><a href='/'>누리 밭</a></h1></header>{MAIN}", "누리 밭"),
    "the motto of the site": (f"<header><p>날마다 적는 작은 밭의 일기</p></header><main>{HEADING}{PROSE}</main>", "날마다"),
    "the menu of a header with a title": (f"<header>{MENU}<h2>잔치</h2></header>{MAIN}", "레시피"),
    "controls": (f"<div>뒤로</div>{MAIN}<div>TOP</div>", "TOP"),
    "tags below the content": (f"{MAIN}<div><span>태그</span> <a href='/1'>밭갈이</a>, <a href='/2'>씨앗</a></div>", "밭갈이"),
    "the way to a page": (f"<div>{HEADING}<p><a href='/'>처음</a> &gt; <a href='/f'>밭갈이</a></p>{PROSE}</div>", "밭갈이"),
    "posts under a heading of links": (
        f"<article>{PROSE}<h2>관련 글</h2><ul><li><a href='https://a.kr/1'>밭갈이</a></li><li><a href='https://a.kr/2'>씨앗</a></li></ul></article>",
        "밭갈이"),
    "a board below an article": (
        f"<table><tr><td>{PROSE}</td></tr></table><table><tr><td>번호</td><td>글</td></tr><tr><td>2</td><td><a href='/2'>밭갈이를 마쳤습니다</a></td></tr>"
        "<tr><td>1</td><td><a href='/1'>씨앗을 나눕니다</a></td></tr></table>", "밭갈이"),
    "what a box to check confirms": (f"{MAIN}<form><label>밭갈이 모임이 개인정보를 모으는 것에 동의합니다.</label></form>", "밭갈이"),
    "a column of links": (
        f"<table><tr><td><a href='/1'>밭갈이</a><br><a href='/2'>씨앗</a><br><a href='/3'>거두기</a></td><td>{PROSE}</td></tr></table>", "밭갈이"),
    "a subscription": (f"{MAIN}<div><h3>뉴스레터 구독</h3><p>밭갈이 소식을 보냅니다</p></div>", "밭갈이"),
    "a menu above a page of links": (
        f"<div><a href='/'>밭갈이</a></div><div><h1>누리집</h1><ul>{f'<li><a href=/1>{LINE}</a></li>' * 5}</ul></div>", "밭갈이"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CUT)
def test_what_is_surely_around_the_content_is_cut(kind):
    body, line = CUT[kind]
    lines = read_page(body, "메밀 심기" if HEADING in body else "누리집")
    assert lines and not any(line in kept for kept in lines)


def test_the_title_of_a_page_stands_where_the_page_has_it():
    body = f"<div><p class='date'>오월</p>{HEADING}</div><div>{PROSE}</div>"
    assert read_page(body, "메밀 심기") == ["오월", "# 메밀 심기", FIRST, SECOND]
