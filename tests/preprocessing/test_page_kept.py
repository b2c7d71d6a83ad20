"""What real pages lost: names of places inside of the content, titles that are links, introductions, answers in buttons."""

import pytest

from preprocessing.markup.html_text import html_to_text
from preprocessing.readers.web_pages import convert_page

FIRST = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."
SECOND = "밭에 씨를 뿌린 지 두 달이 지나면 꽃이 피고, 서리가 내리기 전에 거두어 햇볕에 말려야 합니다."
LINE = "메밀꽃이 피는 밭을 한눈에 볼 수 있는 길입니다."
PROSE = f"<p>{FIRST}</p><p>{SECOND}</p>"
POLICY = (
    "회사는 이용자의 개인정보를 중요하게 생각하며, 모은 정보를 정한 목적 밖으로 쓰지 않을 것을 약속드립니다."
)


def read_page(body: str, title: str = "누리집") -> list[str]:
    text, _ = convert_page(f"<!DOCTYPE html><title>{title}</title><body>{body}".encode(), None, "blocks")
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (f"<div class='hero'><h2>밭길</h2><p>밭을 걸어 보세요</p></div><div class='a'>{PROSE}</div>", "밭을 걸어 보세요"),
        ("<h1>밭</h1><p>홍길동</p><div class='toc'><dl class='toc'>" + "".join(f"<dt><a href='{n}.html'>{n}. 밭의 일 {n}</a></dt>" for n in range(12))
         + "</dl></div>", "3. 밭의 일 3"),
        (f"<div class='hero'><h2>밭길</h2><p>함께 걸어요.</p><a href='/r'>예약</a></div><div class='a'>{PROSE}</div>", "함께 걸어요."),
        (f"<main><div class='box'>밭의 규칙을 알려 드리는 글이니 꼭 읽으세요.<div class='info'>{PROSE * 4}</div></div></main>",
         "밭의 규칙을 알려 드리는 글이니 꼭 읽으세요."),
        (f"<div>{PROSE}<div class='card'><p>{FIRST}</p><p class='sub-footer'>{LINE}</p></div></div>", LINE),
        (f"<div>{PROSE}<section class='main-promotion'><h3>알림</h3><p>{LINE}</p><a href='/a'>더 보기</a></section></div>", LINE),
        (f"<div>{PROSE}<div class='part'><div class='top_area'><h3>밭</h3></div><p>{LINE}</p></div>{PROSE}</div>", "### 밭"),
        (f"<div>{PROSE}<ul><li class='top'>번호와 이름</li><li>1 메밀</li></ul></div>", "- 번호와 이름"),
        (f"<div>{PROSE}<table><tr><th class='head'>이름</th><th class='head'>무게</th></tr><tr><td>메밀</td><td>1</td></tr></table></div>",
         "| 이름 | 무게 |"),
        (f"<div>{PROSE}<section class='location'><h3>오시는 길</h3><p>{LINE}</p><a href='tel:1'>전화</a></section></div>", LINE),
        (f"<div>{PROSE}<div class='search-result'><p>{LINE}</p></div></div>", LINE),
        (f"<div>{PROSE}<div class='about-charge'>{'<p>씨 뿌리기, 김매기, 거두기를 맡은 사람</p>' * 7}</div></div>",
         "씨 뿌리기, 김매기, 거두기를 맡은 사람"),
        (f"<div>{PROSE}<ul class='t'><li>하나</li></ul><ul class='t' style='display:none'><li>둘</li></ul></div>", "- 둘"),
        (f"<div>{PROSE}<dl><dt>언제?</dt><dd class='answer'><button>{LINE}</button></dd></dl></div>", LINE),
        (f"<div>{PROSE}<p>자세한 것은 <a href='/a'>메밀을 심고 거두는 법을 적은 글</a>에 있다.</p></div>",
         "자세한 것은 메밀을 심고 거두는 법을 적은 글에 있다."),
        (f"<div>{PROSE}<div class='toctree-wrapper'><p>목차:</p><ul><li><a href='/a'>깔기</a></li></ul></div></div>", "- 깔기"),
        (f"<section class='archives'><h2>글</h2>{PROSE}</section><section class='archives'>{PROSE}<p>{LINE}</p></section>", LINE),
        (f"<div>{PROSE}<table><tr><td class='category'><a href='/c'>메밀</a></td><td>봄</td></tr><tr><td>귀리</td><td>봄</td></tr></table></div>",
         "| 메밀 | 봄 |"),
        (f"<div>{PROSE}<table><tr><td class='comment'><a href='/c'>메밀</a></td><td>봄</td></tr><tr><td>귀리</td><td>봄</td></tr></table></div>",
         "| 메밀 | 봄 |"),
        (f"<div>{PROSE}<dl><dt class='list-category'><a href='/c'>메밀</a></dt><dd class='archive'><a href='/d'>봄에 심는다</a></dd></dl></div>",
         "메밀: 봄에 심는다"),
        (f"<div>{PROSE}<ul><li class='list-group-category'><a href='/c'>메밀</a></li><li>귀리</li></ul></div>", "- 메밀"),
        (f"<div>{PROSE}<div class='category'><a href='/c'>메밀</a></div>{PROSE}</div>", "메밀"),
        (f"<article><aside><h2>품종</h2><ul><li>메밀</li></ul><a href='/a'>씨</a></aside>{PROSE}</article>", "- 메밀"),
        (f"<div>{PROSE}<h2 id='a'><a href='#a' class='header-anchor'>1.1. </a>밭</h2></div>", "## 1.1. 밭"),
        (f"<div>{PROSE}<h2 id='a'><a href='#a' class='header-anchor'><span>밭</span></a></h2></div>", "## 밭"),
        (f"<div>{PROSE}<h3>\n<a href='/c'>밭</a>\n<div><ul><li>메밀</li></ul></div></h3></div>", "### 밭"),
        (f"<div><table><tr><th>이름</th><th>삭제</th></tr><tr><td>메밀</td><td>1</td></tr></table>{PROSE}</div>", "| 이름 | 삭제 |"),
        (f"<h1>누리집</h1><section><header><h2>밭의 일</h2></header>{PROSE}</section>", "## 밭의 일"),
        (f"<h1>누리집</h1><p>{FIRST}</p><section><header><h2>최근 글</h2></header><ul><li>메밀의 한살이</li></ul></section>", "## 최근 글"),
        (f"<div>{PROSE}<section id='online-course'><h2>강좌</h2><p>씨 뿌리기</p></section></div>", "씨 뿌리기"),
        (f"<div>{PROSE}<section class='ad-course'><h2>강좌</h2><p>씨 뿌리기</p></section></div>", "씨 뿌리기"),
        (f"<p>밭의 일입니다.</p><div><ul><li><a href='#t1'>고르기</a></li><li><a href='#t2'>거두기</a></li><li><a href='#'>빻기</a></li></ul></div>{PROSE}",
         "- 고르기"),
        ("<ul class='step-tab'>" + "".join(f"<li><a href='javascript:void(0)'><span>0{n}</span> 밭의 일</a></li>" for n in range(3)) + f"</ul>{PROSE}",
         "- 01 밭의 일"),
        (f"<div>{PROSE}<div><b>전화</b> <a href='tel:02-000-0000'>02-000-0000</a></div></div>", "전화 02-000-0000"),
        (f"<div>{PROSE}<div><b>편지</b> <a href='mailto:a@b.kr'><b>a@b.kr</b></a></div></div>", "편지 a@b.kr"),
        (f"<table><tr><th>알림</th></tr><tr><td><div>첨부</div><div><a href='/1'>밭.jpg</a> <a href='/2'>밭.doc</a></div></td></tr>"
         f"<tr><td>{FIRST}</td></tr><tr><td>{SECOND}</td></tr></table>", "밭.jpg 밭.doc"),
    ],
)  # fmt: skip
def test_content_that_its_name_or_place_hid_stays(body, line):
    assert line in read_page(body)


@pytest.mark.parametrize(
    "title",
    [
        "<p class='title'><a href='/1'>메밀 심기</a></p>",
        "<div class='post-header'><header><h2><a href='/1'>메밀 심기</a></h2></header></div>",
        "<header><h2><a href='/1'>메밀 심기</a></h2><span>분류</span><a href='/c'>밭</a></header>",
    ],
)
def test_titles_of_posts_that_are_links_stay_above_their_beginnings(title):
    posts = "".join(
        f"<article class='p'>{title}<div class='text'><p>{text}</p></div></article>"
        for text in (FIRST, SECOND)
    )
    assert sum("메밀 심기" in line for line in read_page(f"<main>{posts}</main>")) == 2


def test_titles_in_rows_of_a_board_stay():
    row = "<div class='row'><div>{0}</div><div class='t'><a href='/{0}'>모집 공고 {0}</a></div><div>관리자</div></div>"
    lines = read_page(
        f"<main><p>{FIRST}</p><p>{SECOND}</p><div>{''.join(map(row.format, range(4)))}</div></main>"
    )
    assert [line for line in (f"모집 공고 {n}" for n in range(4)) if line not in lines] == []


def test_each_article_of_a_page_of_links_stays():
    lists = "".join(
        f"<article class='{name}'><h2>{name}</h2><ul>{f'<li><a href=/x>{name} 소식 알림</a> 2026.1.1</li>' * size}</ul></article>"
        for name, size in (("사고", 6), ("공사", 5), ("행사", 4))
    )
    lines = read_page(f"<main><section>{lists}</section></main>")
    assert [line for line in ("## 사고", "## 공사", "## 행사") if line not in lines] == []


def test_a_policy_in_a_popup_is_no_content_of_a_page_with_a_line():
    popup = f"<div id='privacyModal' class='modal'><h2>개인정보 처리방침</h2>{f'<p>{POLICY}</p>' * 9}</div>"
    page = "<div class='box'><a href='/1'><p>메밀차 (가루)</p></a><a href='/2'><p>메밀차 (볶음)</p></a></div>"
    footer = "<footer><p>상호: 누리 | 주소: 서울특별시 가나구 다라로 12, 3층</p></footer>"
    assert POLICY not in read_page(page + footer + popup, "차 - 누리집")


@pytest.mark.parametrize("mark", ["¶", "#", "\uf0c1"])
def test_a_heading_that_links_itself_is_not_repeated(mark):
    page = f"<ol><li><a href='#'>메밀</a></li></ol><main><h1>메밀<a class='headerlink' href='#m'>{mark}</a></h1>{PROSE}</main>"
    assert [line for line in read_page(page, "메밀 - 문서") if line.startswith("#")] == ["# 메밀"]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<h5><enp>Soba</enp></h5><p><bs>매일 <b>좋</b>다</bs></p>", ["##### Soba", "매일 좋다"]),
        ("<p><span>올림 <time>2023-05-07</time></span><span>고침</span></p>", ["올림 2023-05-07 고침"]),
        (
            "<p><span class='level-item'>올림</span><span class='level-item'><a href='/c'>밭</a></span></p>",
            ["올림 밭"],
        ),
        ("<p><time>2023-05-07</time><span>에 심었다.</span></p>", ["2023-05-07에 심었다."]),
        ("<p>이 기사는 저작권자의 <a href='/l'>CC BY 4.0</a> 라이센스를 따릅니다.</p>", []),
    ],
)
def test_elements_inside_of_lines(html, expected):
    assert read_page(f"<div>{PROSE}{html}</div>")[2:] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("가 [<img src='a.png' alt='메밀'>](https://a.kr/b_(c)) 나", "가  나"),
        ("가 [<img src='a.png'> 메밀](https://a.kr) 나", "가 [ 메밀](https://a.kr) 나"),
        ("`[<img src='a.png'>](u)`<br>나", "`[<img src='a.png'>](u)`\n나"),
    ],
)
def test_a_link_of_which_nothing_is_left_goes(text, expected):
    assert html_to_text(text) == expected
