"""One labeled article in many layouts of pages, old and new: what an extractor has to keep and to cut whatever the markup.

``LAYOUTS`` are frames with %ARTICLE%, %MENU%, %SIDE% and %FOOT%; ``NAMES`` are names that pages give the element with their
content although they are names of surroundings.
"""

from __future__ import annotations

TITLE = "마을 도서관 이용 안내"
PARAGRAPHS = (
    "마을 도서관은 주민이 책을 빌리고 함께 읽는 곳으로, 지난봄에 새 단장을 마치고 다시 문을 열었습니다.",
    "책은 한 사람이 다섯 권까지 두 주 동안 빌릴 수 있으며, 기다리는 사람이 없으면 한 번 더 늘릴 수 있습니다.",
    "토요일 오후에는 어린이를 위한 이야기 시간이 열리고, 어른을 위한 독서 모임은 목요일 저녁에 모입니다.",
    "도서관 안에서는 음식을 먹을 수 없지만, 물과 뚜껑이 있는 음료는 가지고 들어올 수 있습니다.",
)
ITEMS = ("회원증을 챙겨 옵니다.", "빌린 책은 반납함에 넣습니다.")
CELLS = ("평일", "아홉 시부터 여섯 시까지", "주말", "열 시부터 다섯 시까지")
MENU = ("관장 인사", "찾아오는 길", "자료실", "새로 들어온 책", "문화 강좌", "자원봉사")
SIDE = ("이번 주 인기 도서 모음", "우리 동네 다른 도서관", "전자책 빌리는 곳", "작은 도서관 소식")
FOOT = ("사업자등록번호 123-45-67890", "Copyright © 2026 마을 도서관. All rights reserved.")

_LIST = "<ul>" + "".join(f"<li>{item}</li>" for item in ITEMS) + "</ul>"
_TABLE = "<table border='1'><tr><th>{}</th><td>{}</td></tr><tr><th>{}</th><td>{}</td></tr></table>".format(
    *CELLS
)


def _links(texts: tuple[str, ...], before: str = "<li>", after: str = "</li>") -> str:
    return "\n".join(f'{before}<a href="/p/{n}">{text}</a>{after}' for n, text in enumerate(texts))


ARTICLES = {
    "paragraphs": f"<h2>{TITLE}</h2>" + "".join(f"<p>{p}</p>" for p in PARAGRAPHS) + _LIST + _TABLE,
    "breaks": f"<b>{TITLE}</b><br><br>" + "<br><br>".join(PARAGRAPHS) + "<br><br>" + "<br>".join(ITEMS + CELLS),
    "blocks": f"<div>{TITLE}</div>" + "".join(f"<div><span>{p}</span></div>" for p in PARAGRAPHS) + _LIST + _TABLE,
    "fonts": f"<center><font size=5>{TITLE}</font></center>"
    + "".join(f"<p><font face='굴림'>{p}</font>" for p in PARAGRAPHS)
    + _LIST
    + _TABLE,
    "sections": "".join(f"<section><h3>{n}. 알림</h3><p>{p}</p></section>" for n, p in enumerate((TITLE, *PARAGRAPHS), 1))
    + _LIST
    + _TABLE,
    "definitions": f"<h3>{TITLE}</h3><dl>" + "".join(f"<dt>항목 {n}</dt><dd>{p}</dd>" for n, p in enumerate(PARAGRAPHS))
    + "</dl>" + _LIST + _TABLE,
    "items": f"<h3>{TITLE}</h3><ul>" + "".join(f"<li>{p}</li>" for p in (*PARAGRAPHS, *ITEMS)) + "</ul>" + _TABLE,
    "rows": f"<table><tr><td>{TITLE}</td></tr>" + "".join(f"<tr><td>{p}</td></tr>" for p in PARAGRAPHS) + "</table>"
    + _LIST + _TABLE,
    "pre": f"<pre>{TITLE}\n\n" + "\n\n".join(PARAGRAPHS) + "\n\n" + "\n".join(ITEMS + CELLS) + "</pre>",
    "word": f"<div class=WordSection1><p class=MsoNormal><b><span style='font-size:16.0pt'>{TITLE}<o:p></o:p></span></b></p>"
    + "".join(f"<p class=MsoNormal><span lang=KO style='font-family:\"맑은 고딕\"'>{p}</span></p>" for p in PARAGRAPHS)
    + _LIST + _TABLE + "</div>",
    "hwp": f'<P CLASS=HStyle0 STYLE="line-height:160%;"><SPAN STYLE="font-size:15pt">{TITLE}</SPAN></P>'
    + "".join(f'<P CLASS=HStyle0><SPAN STYLE=\'font-family:"함초롬바탕"\'>{p}</SPAN></P>' for p in PARAGRAPHS)
    + _LIST + _TABLE,
}  # fmt: skip
_HEAD = f'<html><head><meta charset="utf-8"><title>{TITLE} - 마을 누리집</title></head>'
_UL = f"<ul>{_links(MENU)}</ul>"
_SIDE = f"<ul>{_links(SIDE)}</ul>"
_FOOT = "<br>".join(FOOT)
LAYOUTS = {
    "html5": f"<!DOCTYPE html>{_HEAD}<body><header><nav>{_UL}</nav></header><main><article>%ARTICLE%</article></main>"
    f"<aside>{_SIDE}</aside><footer>{_FOOT}</footer></body></html>",
    "divs": f"{_HEAD}<body><div id=header><div id=gnb>{_UL}</div></div><div id=content>%ARTICLE%</div><div id=sidebar>{_SIDE}</div>"
    f"<div id=footer>{_FOOT}</div></body></html>",
    "no names": f"{_HEAD}<body><div><div>{_UL}</div></div><div>%ARTICLE%</div><div>{_SIDE}</div><div>{_FOOT}</div></body></html>",
    "no body": f"<title>{TITLE}</title><div class=menu>{_UL}</div><div class=text>%ARTICLE%</div><div class=foot>{_FOOT}</div>",
    "fragment": "<div>%ARTICLE%</div>",
    "form": f'{_HEAD}<body><form name="aspnetForm" method="post" id="aspnetForm"><input type=hidden name="__VIEWSTATE" value="a">'
    f"<div class=top-menu>{_UL}</div><div class=cont>%ARTICLE%</div><div class=footer>{_FOOT}</div></form></body></html>",
    "tables": f"{_HEAD}<body bgcolor=white><table width=800><tr><td colspan=2><table><tr>{_links(MENU, '<td>', '</td>')}</tr></table>"
    f"</td></tr><tr><td width=150 valign=top>{_links(SIDE, '', '<br>')}</td><td width=650>%ARTICLE%</td></tr><tr><td colspan=2>{_FOOT}"
    "</td></tr></table></body></html>",
    "text in cells": f"{_HEAD}<body><center><table><tr><td>{_links(MENU, '', ' | ')}</td></tr></table><table><tr><td>%ARTICLE%</td></tr>"
    f"</table><table><tr><td>{_FOOT}</td></tr></table></center></body></html>",
    "center": f"{_HEAD}<body><center>{_links(MENU, '', ' | ')}<hr>%ARTICLE%<hr>{_FOOT}</center></body></html>",
    "bare": f"{_HEAD}<body>{_links(MENU, '', ' | ')}<hr>%ARTICLE%<hr>{_FOOT}</body></html>",
    "open nav": f"{_HEAD}<body><nav>{_UL}<div class=page>%ARTICLE%</div><div class=footer>{_FOOT}</div></body></html>",
    "all in header": f"{_HEAD}<body><header><nav>{_UL}</nav><div>%ARTICLE%</div></header><footer>{_FOOT}</footer></body></html>",
    "all in aside": f"{_HEAD}<body><nav>{_UL}</nav><aside>%ARTICLE%</aside><footer>{_FOOT}</footer></body></html>",
    "all in footer": f"{_HEAD}<body><nav>{_UL}</nav><footer>%ARTICLE%</footer></body></html>",
    "noscript": f"{_HEAD}<body><div class=gnb>{_UL}</div><noscript>자바스크립트를 켜 주세요.</noscript><div id=app>%ARTICLE%</div>"
    f"<footer>{_FOOT}</footer></body></html>",
    "shown by script": f'{_HEAD}<body><div class=gnb>{_UL}</div><div id=page style="display:none">%ARTICLE%</div>'
    f"<footer>{_FOOT}</footer></body></html>",
    "invisible at first": f'{_HEAD}<body style="visibility: hidden"><div class=gnb>{_UL}</div><div class="wrap">%ARTICLE%</div>'
    f"<footer>{_FOOT}</footer></body></html>",
    "cdata": f'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">'
    f"<html xmlns='http://www.w3.org/1999/xhtml'><head><title>{TITLE}</title><script>//<![CDATA[\nvar a = '</div>';\n//]]></script></head>"
    f"<body><div id='nav'>{_UL}</div><div id='wrap'>%ARTICLE%</div><div id='footer'>{_FOOT}</div></body></html>",
    "saved": f"<!DOCTYPE html>\n<!-- saved from url=(0027)https://example.com/a/1.html -->\n{_HEAD}<body><div class=lnb>{_UL}</div>"
    f"<div class=view>%ARTICLE%</div><div class=side>{_SIDE}</div></body></html>",
    "unclosed": f"{_HEAD}<body><div class=menu>{_UL}</div><div class=wrap><div class=inner><b>%ARTICLE%<div class=copyright>{_FOOT}",
    "misnested": f"{_HEAD}<body><div class=menu><span>{_UL}</div></span><p><div class=cont>%ARTICLE%</p></div><div class=footer>{_FOOT}"
    "</div></div></body></html>",
    "gnuboard": f'{_HEAD}<body><div id="hd"><nav id="gnb">{_UL}</nav></div><div id="wrapper"><div id="container"><article id="bo_v">'
    '<header><h2 id="bo_v_title">마을 도서관</h2></header><section id="bo_v_info">작성자 관리자 조회 12회</section><section id="bo_v_atc">'
    f'<div id="bo_v_con">%ARTICLE%</div></section></article></div><div id="aside">{_SIDE}</div></div><div id="ft">{_FOOT}</div></body></html>',
    "xe": f'{_HEAD}<body><div class="xe"><div class="gnb">{_UL}</div><div class="content"><div class="board_read"><div class="read_header">'
    '<p class="meta">관리자 조회 수 12</p></div><div class="read_body"><!--BeforeDocument(1,0)--><div class="document_1_0 xe_content">'
    f'%ARTICLE%</div><!--AfterDocument(1,0)--></div></div></div><div class="lnb">{_SIDE}</div><div class="footer">{_FOOT}</div></div></body></html>',
    "zeroboard": f"{_HEAD}<body><table width=90% border=0><tr><td>{_links(MENU, '', ' | ')}</td></tr></table><table width=90% class=zv3_view>"
    "<tr><td>Name 관리자 Hit 12</td></tr><tr><td style='word-break:break-all;'><span style=line-height:160%><table border=0 width=100%>"
    f"<tr><td>%ARTICLE%<!--<--></td></tr></table></span></td></tr></table><table><tr><td>{_FOOT}</td></tr></table></body></html>",
    "tistory": f'{_HEAD}<body id="tt-body-page"><div id="wrap"><header id="header">{_UL}</header><div class="area_view"><div class="entry-content">'
    f'<div class="tt_article_useless_p_margin contents_style">%ARTICLE%</div></div></div><aside id="aside">{_SIDE}</aside>'
    f'<footer id="footer">{_FOOT}</footer></div></body></html>',
    "naver": f'{_HEAD}<body><div id="blog-gnb">{_UL}</div><div id="postListBody"><div class="post_ct"><div class="se-viewer"><div class="se-main-container">'
    f'<div class="se-component se-text"><div class="se-component-content">%ARTICLE%</div></div></div></div></div></div><div class="widget">{_SIDE}</div></body></html>',
    "kboard": f'{_HEAD}<body class="page has-sidebar"><div class="menu">{_UL}</div><div id="primary"><div id="kboard-default-document"><div class="kboard-document-wrap">'
    f'<div class="kboard-content"><div class="content-view">%ARTICLE%</div></div></div></div></div><div id="secondary" class="widget-area">{_SIDE}</div></body></html>',
    "egov": f'{_HEAD}<body><div id="skipNav"><a href="#c">본문 바로가기</a></div><div class="header">{_UL}</div><div id="container"><div id="lnb">{_SIDE}</div>'
    f'<div id="contents" class="sub_contents"><div class="contents_wrap">%ARTICLE%</div></div></div><div id="footer">{_FOOT}</div></body></html>',
    "tailwind": f'{_HEAD}<body><div class="sticky top-0 hidden md:flex"><nav>{_UL}</nav></div><div class="relative overflow-hidden print:block group-hover:banner">'
    f'<div class="hidden md:block mx-auto max-w-3xl">%ARTICLE%</div></div><footer class="bg-gray-50">{_FOOT}</footer></body></html>',
    "react": f'{_HEAD}<body><div id="root"><div class="Header_nav__a1b2c"><nav>{_UL}</nav></div><div class="Layout_sideWrap__x9"><div class="css-1q2w3e">%ARTICLE%'
    f'</div></div><footer class="Footer_root__z">{_FOOT}</footer></div></body></html>',
    "frames": f"{_HEAD}<frameset cols='20%,80%'><frame src='a.html'><noframes><body>%ARTICLE%</body></noframes></frameset></html>",
    "mail": f"{_HEAD}<body><table align=center width=600><tr><td><table width=100%><tr><td>%ARTICLE%</td></tr></table></td></tr>"
    f"<tr><td>{_FOOT}</td></tr></table></body></html>",
    "details": f"{_HEAD}<body><nav>{_UL}</nav><details open><summary>더 읽기</summary>%ARTICLE%</details><footer>{_FOOT}</footer></body></html>",
    "fieldset": f"{_HEAD}<body><div class=menu>{_UL}</div><form><fieldset><legend>안내</legend>%ARTICLE%</fieldset></form></body></html>",
    "list": f"{_HEAD}<body><ul class=nav>{_links(MENU)}</ul><ul class=wrap><li>%ARTICLE%</li></ul><div class=footer>{_FOOT}</div></body></html>",
    "label": f"{_HEAD}<body><div class=gnb>{_UL}</div><label>%ARTICLE%</label><div class=footer>{_FOOT}</div></body></html>",
    "blockquote": f"{_HEAD}<body><div class=gnb>{_UL}</div><blockquote>%ARTICLE%</blockquote><div class=footer>{_FOOT}</div></body></html>",
    "tabs": f'{_HEAD}<body><div class=gnb>{_UL}</div><div class="tabs"><div class="tab-pane" id="t1">%ARTICLE%</div></div><div class=footer>{_FOOT}</div></body></html>',
    "custom elements": f"{_HEAD}<body><site-menu>{_UL}</site-menu><app-root><page-view>%ARTICLE%</page-view></app-root><site-footer>{_FOOT}</site-footer></body></html>",
}  # fmt: skip
FIRST = f"<h2>{TITLE}</h2><p>{PARAGRAPHS[0]}</p><p>{PARAGRAPHS[1]}</p>"
SECOND = f"<h3>모임</h3><p>{PARAGRAPHS[2]}</p><p>{PARAGRAPHS[3]}</p>{_LIST}{_TABLE}"
_MENUS = f"<div class=gnb>{_UL}</div>"
_END = f"<footer>{_FOOT}</footer>"
ADDRESS = "상호: 마을누리 | 대표: 홍길동 | 주소: 서울특별시 가나구 다라로 12, 3층 | 전화: 02-000-0000 | 팩스: 02-000-0001"
POLICY = (
    "누구든지 전자우편주소의 수집을 거부하는 의사가 명시된 누리집에서 자동으로 전자우편주소를 수집하여서는 아니 됩니다.",
    "이를 어기면 정보통신망 이용촉진 및 정보보호 등에 관한 법률에 따라 처벌을 받을 수 있으니 유의하시기 바랍니다.",
    "본 개인정보 처리방침은 회사가 운영하는 누리집을 통해 모으는 개인정보의 종류와 처리하는 방법을 알리려고 마련되었습니다.",
)
_POLICY = "".join(f"<p>{p}</p>" for p in POLICY * 6)
SPLIT = {
    "main and sections": f"<main class=sub><div class=inner>{FIRST}</div></main><section class=guide><div>{SECOND}</div></section>",
    "sections": f"<section class=a><div>{FIRST}</div></section><section class=b><div>{SECOND}</div></section>",
    "articles": f"<div class=auto><article>{FIRST}</article><article>{SECOND}</article></div>",
    "article and text": f"<section><article>{FIRST}</article></section><div class=greeting>{SECOND}</div>",
    "text and article": f"<div class=hello>{FIRST}</div><section><article>{SECOND}</article></section>",
    "hero": f"<section class=sub-hero><h1>{TITLE}</h1><p>{PARAGRAPHS[0]}</p></section><section class=detail><p>{PARAGRAPHS[1]}</p>{SECOND * 1}</section>",
    "header of the article": f"<article><header><h2>{TITLE}</h2><p>{PARAGRAPHS[0]}</p></header><div class=body><p>{PARAGRAPHS[1]}</p>{SECOND}</div></article>",
    "columns": f"<table><tr><td width=50%>{FIRST}</td><td width=50%>{SECOND}</td></tr></table>",
    "rows": f"<table><tr><td>{FIRST}</td></tr></table><table><tr><td>{SECOND}</td></tr></table>",
    "content and more": f"<div id=content>{FIRST}</div><div class=more>{SECOND}</div>",
    "aside with facts": f"<div class=body>{FIRST}</div><div class=panel>{SECOND}</div>",
    "accordion": f"<h2>{TITLE}</h2><div class=accordion><h3><button class='accordion-button collapsed'>{ITEMS[0]}</button></h3><div class='accordion-collapse'>"
    f"{PARAGRAPHS[0]}</div><h3><button class='accordion-button'>{ITEMS[1]}</button></h3><div>{PARAGRAPHS[1]}</div></div><p>{PARAGRAPHS[2]}</p>"
    f"<p>{PARAGRAPHS[3]}</p>{_TABLE}",
}  # fmt: skip
"""Articles in several neighboring elements."""
AROUND = {
    "plain": f"{_HEAD}<body>{_MENUS}%ARTICLE%{_END}</body></html>",
    "wrapped": f"{_HEAD}<body><div id=wrap>{_MENUS}<div id=container>%ARTICLE%</div><div class=side>{_SIDE}</div>{_END}</div></body></html>",
    "address": f"{_HEAD}<body>{_MENUS}%ARTICLE%<footer><p>{ADDRESS}</p><p>{_FOOT}</p></footer></body></html>",
    "unnamed address": f"{_HEAD}<body>{_MENUS}<div>%ARTICLE%</div><div class=x1><p>{ADDRESS}</p><p>{_FOOT}</p></div></body></html>",
    "policy before": f"{_HEAD}<body><div class=modal__background><h5>이메일무단수집거부</h5>{_POLICY}</div>{_MENUS}%ARTICLE%{_END}</body></html>",
    "policy after": f"{_HEAD}<body>{_MENUS}%ARTICLE%{_END}<div id=privacyModal class=modal><div class=modal-content><span class=close>×</span>"
    f"<h2>개인정보 처리방침</h2><div class=modal-body>{_POLICY}</div></div></div></body></html>",
    "policy layer": f"{_HEAD}<body>{_MENUS}<div class=sub>%ARTICLE%</div>{_END}<div class=layer_pop><strong>이용약관</strong><div>{_POLICY}</div></div></body></html>",
}  # fmt: skip
NAMES = (
    "sidebar", "category", "menu", "comment", "reply", "popup", "banner", "footer", "header", "top", "bottom", "nav", "widget", "search",
    "print", "share", "tags", "related", "recent", "modal", "layer", "side", "login", "quick", "toc", "breadcrumb", "hidden", "blind",
    "ad", "archive", "location", "btn", "social", "copyright", "skip", "util", "head", "ranking", "bookmark", "gnb", "lnb", "navbar",
)  # fmt: skip
NAMED = f"{_HEAD}<body><div class=gnb><ul>{_links(MENU)}</ul></div><div %NAME%>%ARTICLE%</div><div class=footer>{_FOOT}</div></body></html>"


def page(layout: str, article: str) -> str:
    """A page of LAYOUTS with one of ARTICLES."""
    return LAYOUTS[layout].replace("%ARTICLE%", ARTICLES[article])


def named_page(attribute: str, article: str) -> str:
    """A page whose article is in an element with a misleading name: ``class="sidebar"``."""
    return NAMED.replace("%NAME%", attribute).replace("%ARTICLE%", ARTICLES[article])


def split_page(around: str, split: str) -> str:
    """A page of AROUND with one of SPLIT."""
    return AROUND[around].replace("%ARTICLE%", SPLIT[split])


def page_of(article: str, menu: str, side: str, foot: str) -> str:
    """A page of an article and its surroundings, each in an element with %X%."""
    return f"{_HEAD}<body>{menu.replace('%X%', _UL)}{article}{side.replace('%X%', _SIDE)}{foot.replace('%X%', _FOOT)}</body></html>"


def lost(text: str) -> list[str]:
    """Blocks of the article that the text has not."""
    return [block for block in (TITLE, *PARAGRAPHS, *ITEMS, *CELLS) if block not in text]


def kept(text: str) -> list[str]:
    """Blocks of the surroundings that the text has."""
    return [block for block in (*MENU, *SIDE, *FOOT, ADDRESS, *POLICY) if block in text]
