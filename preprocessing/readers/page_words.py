"""Names and headings by which pages mark what is not their main content, Korean and English."""

from __future__ import annotations

import functools
import re

_MENUS = frozenset((
    "nav", "navi", "navigation", "navbar", "gnb", "lnb", "snb", "menu", "breadcrumb", "breadcrumbs", "crumb", "crumbs", "sitemap", "skip",
))  # fmt: skip
MENUS = _MENUS | {"allmenu"}
"""Words of menus, in which the title of a page is no heading."""
NAVIGATION = _MENUS | frozenset((
    "pagination", "paginate", "paginator", "paging", "pager", "accessibility", "toc", "catlinks", "navheader", "navfooter", "util", "toolbar", "quick", "quickmenu",
))  # fmt: skip
SURROUNDINGS = frozenset((
    "footer", "foot", "copyright", "copyrights", "sidebar", "aside", "widget", "banner", "ad", "ads", "advert", "adsense",
    "adsbygoogle", "advertisement", "outbrain", "taboola", "zergnet", "popup", "modal", "dialog", "toast", "cookie", "cookies", "cookiebar", "consent",
    "gdpr", "share", "sharing", "sharedaddy", "sns", "newsletter", "login", "signup", "search", "button", "btn",
    "btns", "charge",
))  # fmt: skip
CATEGORIES = frozenset(("category", "categories"))
"""Words of a list of links, and of the one link that says what a text beside it is about."""
OTHER_PAGES = CATEGORIES | frozenset((
    "related", "recommend", "popular", "recent", "recirc", "recirculation", "prevnext", "tags", "hashtag", "archive", "archives",
))  # fmt: skip
LISTS_OF_LINKS = (_MENUS | OTHER_PAGES) - {"skip"}
"""Words that mark nothing where there is no link."""
MARKING = NAVIGATION | SURROUNDINGS | OTHER_PAGES
LINE_NUMBERS = frozenset(("gutter", "lineno", "linenos", "lntd", "linenodiv", "linenumber", "linenumbers"))
CONTROLS = frozenset((
    "login", "signup", "button", "btn", "btns", "share", "sharing", "sns", "skip", "pagination", "paginate", "paginator", "paging", "pager",
    "prevnext", "search", "ad", "ads", "advert", "adsense", "adsbygoogle", "advertisement", "outbrain", "taboola", "zergnet",
))  # fmt: skip
"""Words of MARKING that no content without sentences has."""
SLOTS = frozenset(("pagination", "paginate", "paginator", "paging", "pager", "ad", "ads"))
"""Words of CONTROLS that name carousels and goods with facts, too."""
BUTTONS = frozenset(("button", "btn", "btns"))
LOGINS = frozenset(("login", "signup", "newsletter"))
"""Words of windows whose sentences invite to sign in."""
OFFERS = frozenset(("banner", "location", "search"))
"""Names of what leads to other pages, and as often of what the page itself offers."""
PLACES = frozenset(("bottom", "header", "page-header", "top"))
"""Names that say where a block is, within the content as often as around it."""
HEADERS = frozenset(("header", "visual", "hero"))
"""Words of what a page begins with, its name, its menus and often its title."""
COMMENTS = frozenset(("comment", "comments", "disqus", "livefyre"))
REPLIES = frozenset(("reply", "replies", "respond"))
"""Words of comments below an article, and as often of the posts of a thread."""
WHOLE_NAMES = frozenset((
    "header", "page-header", "head_wrap", "header_wrap", "top", "topbar", "location", "path", "bottom", "ft", "headerbar",
    "sitesub", "printfooter", "article-licensing", "table-of-contents", "prevnext",
    "online-list",
))  # fmt: skip
"""Classes and ids whose words alone are too common."""
ANCHORS = frozenset(("headerlink", "anchor-link", "header-anchor", "permalink"))
"""Names of links from a heading to itself, mostly ``#`` or a sign."""
HIDDEN = ANCHORS | frozenset((
    "blind", "sr-only", "screen-reader-text", "visually-hidden", "visuallyhidden", "screen_out", "sound_only", "mw-editsection", "hidden",
    "skip-link", "onlyprint",
    "material-icons", "material-icons-outlined", "material-icons-round", "material-symbols-outlined", "material-symbols-rounded",
))  # fmt: skip
ROLES = frozenset(("navigation", "banner", "contentinfo"))
CONTROLLING_ROLES = frozenset((
    "menu", "menubar", "progressbar", "scrollbar", "search", "slider", "spinbutton", "timer", "toolbar", "tooltip",
))  # fmt: skip
"""Roles of controls, such as those of a player; sentences in them are text."""
WINDOWS = frozenset(("dialog", "alertdialog"))
TABS = frozenset(("tab", "tabs", "tablist", "tabmenu", "tabpanel", "pane"))
"""Names of labels that show parts of a page, and of these parts."""
FORMS = frozenset(("search", "filter", "filters", "login", "signin", "sort"))
"""Names of forms whose choices are no content."""
SURE = frozenset((
    "footer", "foot", "copyright", "copyrights", "gnb", "lnb", "snb", "navbar", "navheader", "navfooter", "breadcrumb", "breadcrumbs", "crumb", "crumbs", "cookie",
    "cookies", "cookiebar", "consent", "gdpr", "toast",
))  # fmt: skip
"""Words that mark even the largest element, where its name has no word of CONTENT."""
FEET = frozenset(("foot", "footer"))
"""Words of what a page or a part of it ends with."""
SIDES = frozenset(("sidebar", "aside", "toc", "newsletter", "signup"))
"""Names of what stands beside the content, whatever it says."""
CARDS = frozenset(("card", "item", "product"))
"""Names of one of several like parts of a page."""
POPUPS = frozenset(("popup", "pop", "modal", "layer", "dialog", "overlay"))
"""Words that mark what a page shows above itself on request, such as its policies."""
CALLOUTS = frozenset((
    "callout", "note", "tip", "warning", "admonition", "info", "hint", "important", "caution", "example", "box", "pullquote",
    "quote", "danger",
))  # fmt: skip
CONTENT = frozenset((
    "content", "contents", "article", "articlebody", "post", "postbody", "entry", "view", "viewer", "body", "main", "read",
    "detail", "details", "text", "document", "doc", "docs", "markdown", "story", "news", "board", "bbs", "bbsview", "con",
    "cont",
))  # fmt: skip
TITLES = frozenset((
    "title", "tit", "subject", "headline", "heading", "subheading", "subtitle", "slogan", "tittle", "titlewrap", "titarea", "bbstit", "viewtit"
))  # fmt: skip
DISCUSSION = frozenset(
    ("forum", "viewtopic", "thread", "topic", "discussion", "discussions", "question", "qna")
)
"""Words in the names of pages whose comments are main content."""
QUESTIONS = re.compile(
    r"Q\s*(?:&|and)\s*A|QnA|(?:1\s*:\s*1\s*|상품\s*)?(?:문의|질문)(?:\s*(?:게시판|답변|과\s*답변|하기))?|묻고\s*답하기",
    re.IGNORECASE,
)
"""Matches the heading of a board of questions, whose comments are answers, whole."""
LONGEST_CONTACT, LONGEST_NOTICE = 400, 240  # characters
_NOT_OWN = frozenset(
    ("has", "with", "without", "no", "is", "not", "hide", "show", "for", "above", "before", "embed", "wp")
)
_POST = re.compile(r"\b(?:type-\w+|hentry)\b")
_TAXONOMY = re.compile(r"(?:category|tag|type|format|status|post|author|series|topic|channel)-\S+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-zA-Z0-9가-힣]+")

LINKS_HEADING = re.compile(
    r"(?:\W|\d)*(?:(?:관련|연관|추천|인기|최신|최근|다른|비슷한|닮은|뜨거운|많이\s*(?:본|읽은|찾은)|주요|실시간|오늘의|이전|다음|함께\s*(?:본|볼|읽은|읽을|구매한)|"
    r"지금\s*(?:뜨는|많이)|새로\s*(?:쓴|올라온)|핫|베스트|화제의|놓치면|이\s*(?:시각|시간|분야|기자|블로그|카테고리|글과|기사와|상품과))"
    r"[^.!?]{0,20}?(?:기사|뉴스|글|포스트|게시글|게시물|콘텐츠|컨텐츠|상품|제품|영상|동영상|목록|정보|링크|사이트|댓글|검색어|소식|"
    r"태그|꼬리표|레시피|문서|질문|이야기|키워드)(?:들)?(?:\s*(?:더\s*)?보기|\s*목록)?"
    r"|(?:다른\s*(?:사람|분|이)들?[이은]?\s*)?(?:많이|함께|같이)\s*(?:(?:본|볼|읽은|읽을|찾은|산|구매한|보면\s*좋은)\s*\S{1,8}|(?:보면|읽으면)\s*(?:더\s*)?좋(?:아요|습니다))"
    r"|.{0,24}카테고리의\s*다른\s*글|공유(?:하기)?|태그|카테고리|분류|목차|차례|전체\s*메뉴|바로\s*가기|검색|로그인|구독(?:하기)?|달력|"
    r"방문자(?:\s*수)?|퀵\s*메뉴|광고|AD|이\s*글\s*공유하기|글\s*탐색|지난\s*글(?:\s*모음)?|"
    r"related(?:\s+\w+){0,2}|recommended(?:\s+\w+){0,3}|most\s+(?:read|popular|viewed|shared|watched)(?:\s+\w+){0,2}|top\s+stories|read\s+(?:this\s+)?next|go\s+further|up\s+next|"
    r"(?:from\s+)?around\s+the\s+web|editor.{0,2}s.?\s+picks?|popular(?:\s+\w+)?|latest(?:\s+\w+)?|"
    r"recent(?:\s+\w+)?|you\s+(?:may|might)\s+(?:also\s+)?like|more\s+(?:from|in|on|stories|news)\b.{0,30}|share(?:\s+this)?(?:\s+\w+)?|"
    r"(?:posted|filed)\s+(?:in|under)|labels?|tagged|tags?|categor(?:y|ies)|archives?|table\s+of\s+contents|on\s+this\s+page|contents|trending(?:\s+\w+)?|subscribe(?:\s+\w+){0,4}|"
    r"newsletter|advertisement|sponsored|navigation|search|log\s*in|sign\s*(?:in|up)|follow\s+us.{0,20}|"
    r"previous(?:\s+\w+)?|next(?:\s+\w+)?)(?:\W|\d|개|건)*",
    re.IGNORECASE,
)
"""Matches headings of links to other pages, whole."""
CONTENTS = re.compile(r"목차|차례|contents|this page", re.IGNORECASE)
COMMENTS_HEADING = re.compile(
    r"(?:\W|\d)*(?:(?:(?:전체|인기|베스트|best)\s*)?댓글(?:\s*(?:목록|쓰기|달기|남기기|보기|입력(?:하기)?|작성(?:하기)?|등록(?:하기)?))?|답글\s*(?:달기|남기기)|덧글|(?:독자|네티즌|누리꾼|한\s*줄)\s*의견|"
    r"의견\s*(?:쓰기|남기기)|(?:뉴스레터|소식지)\s*(?:구독|신청)(?:\s*하기)?|트랙백|\d*\s*comments?(?:\s+and\s+share)?|leave\s+a\s+(?:comment|reply)|\d+\s*responses?)(?:\W|\d|개|건)*",
    re.IGNORECASE,
)
"""Matches headings of comments and subscriptions, whole."""
_NOTICE = re.compile(
    r"(?=[무재acⓒ©(사홈서페저당쿠통wtp만공콘컨])(?:"  # what the alternatives begin with: most texts are searched for this only
    r"무단\s*(?:전재|복제|배포|도용)[^.!?]{0,40}(?:금지(?!하[기고는면]|해서|했|[되된]|라고|이므로)|금합|금함|금하(?![기는])|처벌|불허)|재배포\s*금지|all\s+rights\s+reserved|"
    r"copyright\s*(?:ⓒ|Ⓒ|©|\(c\)|[:\d]|by\b)|(?<!\S)(?:ⓒ|©)\s*\S|(?<!\S)\(c\)\s*(?:19|20)[0-9]{2}|"
    r"사업자\s*등록\s*번호\W{0,5}[0-9]{3}|통신판매업(?:\s*신고)?(?:\s*번호)?\W{0,5}(?:제|[0-9])|저작권법의\s*보호|"
    r"저작권자의\s+(?:CC\b|크리에이티브)[^.!?]{0,20}(?:4\.0\s*)?라이[선센]스|this\s+(?:post|site|work|page|article)\s+is\s+licensed\s+under|"
    r"(?:사이트|홈페이지|서비스|페이지|저희|당사)[^.!?]{0,30}쿠키(?:를|는|\s*사용|\s*정책).{0,40}(?:사용|동의|허용|저장|씁니다)|"
    r"쿠키\s*(?:사용|정책|저장)에\s*동의|cookies?\b.{0,60}\b(?:accept|agree|consent)|(?:we|this\s+(?:web)?site)\s+uses?\s+cookies|"
    r"만족하(?:십니까|셨습니까|시나요|셨나요)|"
    r"(?:콘텐[츠트]|컨텐츠|페이지)\s*(?:관리\s*)?(?:담당|책임)\s*(?:자|부서)\s*[:：]|공식\s*전자정부)|\A\W*(?:copyright|powered\s+by)\b",
    re.IGNORECASE,
)
LICENSE_HEADING = re.compile(
    r".{0,30}(?:라이선스|라이센스|저작권|licen[sc]e|copyright).{0,20}", re.IGNORECASE
)
"""Matches headings below which a copyright line is content, whole."""
POLICY_HEADING = re.compile(
    r".{0,30}(?:이용\s*약관|개인\s*정보\s*(?:처리|취급|보호|수집)|이메일\s*(?:주소\s*)?무단\s*수집|청소년\s*보호|영상\s*정보\s*처리|쿠키|"
    r"terms\s+of|privacy).{0,30}",
    re.IGNORECASE,
)
"""Matches headings of policies, whole."""
_CONTROL_LABELS = (
    r"home|홈|메인|처음으로|로그인|로그아웃|회원\s*가입|사이트\s*맵|전체\s*메뉴|메뉴|검색|login|log\s*out|sitemap|menu|더\s*보기|top|맨\s*위로|위로|"
    r"닫기|열기|펼치기|(?:본문|주\s*메뉴|메뉴|컨텐츠|콘텐츠)\s*(?:으?로\s*)?(?:바로\s*가기|건너\s*뛰기)|(?:모바일\s*)?메뉴\s*(?:열기|닫기)|english|korean|kor|eng|kr|en|"
    r"한국어|이전|다음|목록|뒤로|글\s*쓰기|수정|삭제|답글|cancel|share\s+post|back\s+to\s+top|(?:previous|next)\s+post"
)
CONTROL_LABEL = re.compile(rf"\W*(?:{_CONTROL_LABELS})\W*", re.IGNORECASE)
"""Matches words of menus that are never titles, whole."""
POLICY_LABEL = re.compile(
    r"\W*(?:(?:서비스|홈페이지|회원)?\s*이용\s*약관|개인\s*정보\s*(?:처리|취급|보호)\s*(?:방침|정책)|이메일\s*(?:주소\s*)?무단\s*수집\s*거부|"
    r"청소년\s*보호\s*정책|찾아\s*오시는\s*길)\W*"
)
"""Matches names of policies in menus, whole."""
MENU_LABEL = re.compile(
    rf"\W*(?:{_CONTROL_LABELS}|마이\s*페이지|장바구니|주문\s*(?:조회|내역)|고객\s*(?:센터|지원)|"
    r"공지\s*사항|(?:자유\s*)?게시판|갤러리|자료실|커뮤니티|(?:회사|기관|학교|병원|협회|센터|법인|교회|단체|학과|브랜드|사업|제품|시설)?\s*소개|인사말|연혁|조직도|"
    r"(?:찾아)?\s*오시는\s*길|이용\s*안내|(?:온라인\s*)?(?:문의|상담|예약)\s*(?:하기)?|1\s*:\s*1\s*문의|자주\s*묻는\s*질문|faq|q\s*&\s*a|이벤트|뉴스|소식|채용\s*(?:정보)?|"
    r"사업\s*분야|보도\s*자료|언론\s*보도|join(?:\s+us)?|about(?:\s+us)?|contact(?:\s+us)?|notice)\W*",
    re.IGNORECASE,
)
"""Matches words of menus, whole."""
CONTACT = re.compile(
    r"사업자\s*(?:등록)?\s*번호|통신\s*판매|\b(?:tel|fax|e-?mail|phone)\b|팩스|(?:대표(?:이사|자|전화|번호)?|주소|상호|전화|이메일)\s*[:：|]|대표\s*전화|"
    r"copyright|[©ⓒ]|all\s+rights|(?:특별시|광역시|특별자치[시도]|[가-힣]{2}도|[가-힣]{2}시|서울|부산|대구|인천|광주|대전|울산)\s+(?:[가-힣]{1,5}[시군구]\s+){1,2}"
    r"[가-힣0-9]{1,9}[로길동읍면가]\s",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[다요오까죠음] ?[.!?]")
AGREEMENT = re.compile(
    r"(?:에|이용)\s*(?:대(?:한|해|하여)\s*)?동의|동의(?:함|합니다|해요|하기|안\s*함|하지\s*않음)?\W*(?:필수|선택)?\W*\Z|(?:보|열|열람하)지\s*않|"
    r"(?:자동|상태)\s*(?:로그인|유지)|아이디\s*(?:저장|기억)|전체\s*선택|비밀\s*글|remember\s+me",
    re.IGNORECASE,
)
"""Finds what a box to check or a button of a window says."""
CONSENT = re.compile(
    r"동의|쿠키|약관|개인\s*정보|수신|cookie|consent|agree|accept|privacy|terms", re.IGNORECASE
)
"""Finds what a request for consent speaks of."""
AD_LABEL = re.compile(r">\s*(?:AD|Ads?|광고|파워\s*링크|스폰서\s*링크|협찬|sponsored|advertisement)\s*<")
"""Finds the label by which a reader knows an advertisement."""
COMMAND = re.compile(
    r"\W*(?:.{0,20}(?:하기|보기|가기|저장|등록|신청|삭제|수정|복사|취소|확인|추가|담기|닫기|열기|접기|펼치기|다운로드|내려\s*받기|인쇄|검색|초기화|선택|적용|제출|전송|"
    r"접수|문의|로그인|로그아웃|예약|구매|찾기|조회|변경|재생|정지|공유|완료|이동|업로드|새로\s*고침)|"
    r"(?:add|back|buy|cancel|clear|close|copy|delete|download|edit|follow|hide|learn|load|log|next|open|play|prev(?:ious)?|read|remove|reply|report|"
    r"reset|save|search|send|share|show|sign|stop|submit|subscribe|upload|view)\b.{0,20}|copied!?|more|이전|다음|목록|답글|신고|"
    r"좋아요|스크랩|찜|장바구니|(?:page\s*)?\d{1,2}(?:\s*(?:페이지|page))?|)\W*(?:\d{1,3}(?:,\d{3})*)?\W*",
    re.IGNORECASE,
)
"""Matches what a button does, whole."""
LINE_END = re.compile(r"(?:(?:니다|니까|세요|[어아해에예]요) ?[.!?~]{0,3}|[가-힣]\.)\s{0,60}<")
"""Finds a polite ending, or a noun with a period, at the end of a line of HTML."""


@functools.lru_cache(maxsize=4096)
def split_names(attribute: str) -> list[list[str]]:
    """Lower-case words of each name in a class or id: ``siteHeader nav_x`` becomes [[site, header], [nav, x]].

    Names of the categories and tags of a post, as WordPress writes them, do not count.
    """
    if not attribute:
        return []
    if _POST.search(attribute):
        attribute = _TAXONOMY.sub("", attribute)
    names = (
        [word.lower() for word in _SEPARATORS.split(_CAMEL.sub("-", name)) if word]
        for name in attribute.split()
        if ":" not in name
        and "[" not in name  # of Tailwind, for some width or with a value: print:block, mt-[var(--header-h)]
    )
    return [words for words in names if words]


def names_own(words: list[str]) -> bool:
    """False for names that describe a page with or without something, what it has found, or what a tab shows: ``has-sidebar``,
    ``search-result``, ``tabs-2``."""
    if (words[-1].isdigit() and "tabs" in words) or words[:2] == ["ui", "widget"]:  # of jQuery UI
        return False
    return not _NOT_OWN.intersection(words[:-1]) and words[-1] not in ("embed", "result", "results")


def is_contact(text: str) -> bool:
    """True for the address and the registrations of who runs a page, which are no prose however long."""
    return len(text) <= LONGEST_CONTACT and not SENTENCE.search(text) and bool(CONTACT.search(text))


@functools.lru_cache(maxsize=4096)
def is_notice(text: str) -> bool:
    """True for a short copyright, cookie or company notice."""
    return len(text) <= LONGEST_NOTICE and bool(_NOTICE.search(text))
