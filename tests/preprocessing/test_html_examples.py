"""Tags that only an example of HTML has stay as they are written, those that lay out Markdown are replaced."""

import pytest

from preprocessing.markup.html_text import html_to_text

BEFORE = "# 제목\n\n글 <b>굵게</b>\n\n"
EXAMPLES = [
    'HTML에서 <html lang="en">은 언어를 지정한다.',
    ': <body onload = "">, body에 사건을 건다',
    "<title>페이지의 이름</title>",
    '<meta charset="UTF-8"> : 부가 정보',
    '값은 <input type="text" name="key" value="a">',
    '<label><input type="radio" name="gift"> 선물 포장</label>',
    '<button type="submit">보내기</button>, <button type="button" class="b">누르기</button>',
    '<form>과 <a href>의 차이',
    '- <img src="" alt=""> : alt는 대신 보이는 글이다',
    "그림을 보여 주는 <img>  tag를 쓴다. <img src='주소'>나 <img src=주소>처럼 쓴다.",
    "<div key={students[i].id}>{students[i].name}</div>",
    '<li v-for="i in items" :key="i.id">{{ i }}</li>',
    '버튼은 <button @click="go">가기</button>',
    "<p>{{ message }}</p>",
    '쓸 때 <div onclick=""> 식으로 넣는다.',
    '- 예: <div class="green red">, <div class="red green">, <style>.red{}</style> : 순서',
    '- 파일의 <div id="root">여기에 들어간다</div>',
    '- <div class="box col-3">col-3</div> : 3칸',
    '예제에서 <div class="three"></div> 를 누르면',
    "<h1>여는 태그</h1>닫는 태그",
    "<br> 라고 하는 태그, <p> 말고 다른 태그\n\n<p> <div> <span> 이 있다",
    "줄바꿈 : <br>",
    "<hr>은 수평선이다",
    "<style>\np { width: 80%; /* 너비 */ }\n</style>",
    "<script>\nlet a = 1; // 값\n</script>",
    "<!-- 설정 -->  // 기록",
    'head 안에 아래 코드를 넣는다.\n<script src="a.js"></script>\n그러면 된다.',
    '### CDN\n\n<script crossorigin src="https://a.com/b.js"></script>',
    "- 블록: <div>, <h1>~<h6>, <ul>\n- <h1>~<h6> 제목 태그",
    '- <ol type="A"> 순서를 알파벳으로\n- <button disabled> 비활성',
    '- <td colspan="2"> 칸 합치기\n- <td rowspan="2">는 합친다',
    "- <p>와 </p> 사이에 쓴다",
    "- <ul> <li> 목록 </li> </ul>\n- <ul><li>목록</li></ul> 형태",
    "- <br/> 줄바꿈\n- <hr> 가로줄",
    "- <pre>는 있는 그대로",
    "- <!-- 글 --> 은 주석이다",
    "<style>\np { width: 80% }  /* 너비 */\n</style>",
    "<script>\nlet a = 1;\n/* 값 */\n</script>",
    '- <a href="주소">글</a> : 링크\n- <iframe src="주소"></iframe> : 다른 페이지',
    "<h1>{title}</h1>\n\n<p>{this.state.count}</p>\n\n<h1>Hello, {name}!</h1>",
    "제목은 <h1>제목</h1>으로 쓴다\n\n예) <p>문단</p>, 예: <h2>제목</h2>\n\nreturn <div>안녕</div>;",
    '<button onclick="go()">누르기</button>',
    '- <p>, <h1>, <ul> 태그\n- <div>는 블록, <b>는 굵게\n- <img src="a.png"> : 그림\n- <b>굵게</b> : 글자',
    "| 태그 | 설명 |\n| --- | --- |\n| <hr> | 가로줄 |\n| <ul>, <ol> | 목록 |\n| <h1> ~ <h6> | 제목 |\n| <tr>, <td> | 칸 |",
    "**<span>**: 줄 안\n\n## 1. <p>와 문단",
    "<hr> : 가로줄\n<p> : 문단\n\n> <br> : 줄바꿈\n\n- <p> 문단\n- <li> 항목",
    '<html>\n<head>\n<title>제목</title>\n</head>\n<body>\n  <h1>안녕</h1>\n</body>\n</html>',
    '<form action="a">\n  아이디: <input name="id"><br>\n  <b>값</b>\n</form>',
    '<ul>\n  <li v-for="a in b">글</li>\n</ul>\n\n<div id="app">\n  {{ message }}\n</div>',
    '| 속성 | 예 |\n| --- | --- |\n| th:with | <div th:with="a=${b}" /> |\n| th:href | <a th:href="@{주소}">글</a> |',
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES)
def test_tags_of_examples_stay(example):
    assert html_to_text(f"{BEFORE}{example}\n\n# 뒤") == f"# 제목\n\n글 굵게\n\n{example}\n\n# 뒤"


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ('글 <p align="center">가운데</p>', "글\n\n가운데"),
        ('제목 <div style="text-align:right">날짜</div>', "제목\n\n날짜"),
        ('<div class="notice">알림</div>', "알림"),
        ('- <input type="checkbox" checked> 할 일', "-  할 일"),
        (
            '<a href="b"><button>버튼</button></a> <button class="b">보내기</button>',
            "버튼 보내기",
        ),
        ('<a href="주소"><img src="b.png"></a>', ""),
        ('<a name="b"></a>글 <img src="b.png"> <span class="c">나</span>', "글  나"),
        ("변경할 수 있다! <br> 대신 이렇게 한다.", "변경할 수 있다!\n대신 이렇게 한다."),
        ("- <b>이름</b> : 값\n- <img src='a.png'> : 그림", "- 이름 : 값\n-  : 그림"),
        ("<ul>\n<li>{{2}, {2, 1}}</li>\n</ul>", "- {{2}, {2, 1}}"),
        ("<div>\n  <b>글</b>\n</div>", "글"),
        ('<img src="">\n\n글 <img alt="주소"> <img src=a.png> <div onclick="go()">나</div>', "글\n\n나"),
        ("<DIV>글</DIV>", "글"),
        ("글 <h3>제목</h3>", "글\n\n### 제목"),
        ('| 가 | <div id="a">글</div> |\n| --- | --- |', "| 가 |  글  |\n| --- | --- |"),
        ("<h2>수식 $x_{a}$</h2>", "## 수식 $x_{a}$"),
        ("<p>$\\mathbb{R}$ 위</p>", "$\\mathbb{R}$ 위"),
        ("<h3>여는 태그와 닫는 태그</h3>", "### 여는 태그와 닫는 태그"),
        ("<style>p { font-family: '나눔' }</style>", ""),
        ('<style>p { font-family: "나눔" }</style>', ""),
        ("<noscript>이 페이지는 스크립트가 필요하다.</noscript>", ""),
        ('<iframe src="https://a.kr">이 브라우저는 틀을 보일 수 없다.</iframe>', ""),
        ("<template>글</template>", ""),
        ("<svg>\n<text>글</text>\n</svg>", ""),
        ('<script>alert("글");</script>', ""),
    ],
)
def test_tags_of_layout_go(layout, text):
    assert html_to_text(f"{BEFORE}{layout}\n\n# 뒤") == blocks_of("# 제목", "글 굵게", text, "# 뒤")


def blocks_of(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)


@pytest.mark.parametrize("mention", ["<ul>, <ol> 등", "<li>는 항목이다", "<ol> 태그", "<ul> : 목록"])
def test_a_mentioned_list_begins_its_line(mention):
    assert html_to_text(f"글 <b>굵게</b>\n\n{mention}") == f"글 굵게\n\n{mention}"


def test_an_example_ends_the_text():
    assert html_to_text(f"{BEFORE}<img src=''> 처럼").endswith("<img src=''> 처럼")


def test_fields_of_pages_have_no_examples():
    field = 'VALUE<p>글</p>\n\n값 <form><input name="a"></form>\n\n<p>뒤</p>'
    assert [html_to_text(field.replace("VALUE", value)).split() for value in ("", "앞")] == [
        ["글", "값", "뒤"],
        ["앞", "글", "값", "뒤"],
    ]
