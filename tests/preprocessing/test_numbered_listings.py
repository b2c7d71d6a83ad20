"""Listings that pages and templates write otherwise than as one element or one fence of code."""

import pyarrow as pa
import pytest

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import DOCUMENT
from preprocessing.markup.html_text import html_to_text
from preprocessing.markup.template_listings import fence_listings
from preprocessing.readers.web_pages import convert_page
from preprocessing.steps.clean import clean_batch

CODE = "앞\n\n```\nint a = 1;\n  int b;\n```\n\n뒤"
HEXO = (
    '<figure><table><tr><td class="gutter"><pre><span class="line">1</span><br><span class="line">2</span><br></pre></td>'
    '<td class="code"><pre><span class="line"><b>int</b> a = 1;</span><br><span class="line">  int b;</span><br></pre></td></tr></table></figure>'
)
ROUGE = (
    '<div class="highlight"><pre class="highlight"><code><table class="rouge-table"><tbody><tr><td class="rouge-gutter gl">'
    '<pre class="lineno">1\n2\n</pre></td><td class="rouge-code"><pre>int a = 1;\n  int b;\n</pre></td></tr></tbody></table></code></pre></div>'
)
CHROMA = '<pre><code><span class="ln">1</span>int a = 1;\n<span class="ln">2</span>  int b;\n</code></pre>'
COLOR_SCRIPTER = (
    '<div class="colorscripter-code"><table class="colorscripter-code-table"><tr><td><div><div>1</div><div>2</div></div></td><td><div>'
    '<div style="padding:0 6px; white-space:pre"><span style="color:#a71d5d">int</span>&nbsp;a&nbsp;=&nbsp;1;</div>'
    '<div style="padding:0 6px; white-space: pre">&nbsp;&nbsp;int&nbsp;b;</div></div>'
    '<div><a href="http://colorscripter.com/info#e">Colored by Color Scripter</a></div></td>'
    '<td><a href="http://colorscripter.com/info#e"><span>cs</span></a></td></tr></table></div>'
)


@pytest.mark.parametrize("listing", [HEXO, ROUGE, CHROMA, COLOR_SCRIPTER])
def test_a_listing_has_no_numbers_of_its_lines(listing):
    text = f"<p>앞</p>{listing}<p>뒤</p>"
    assert html_to_text(text) == CODE
    assert html_to_text(f"# 글\n\n{text}") == f"# 글\n\n{CODE}"
    sentences = "".join(f"<p>코드를 설명하는 문장이 {n}개 있어야 본문이 된다.</p>" for n in range(9))
    page = f"<html><body><article>{sentences}{text}{sentences}</article></body></html>"
    assert CODE in convert_page(page.encode(), None, None)[0]


@pytest.mark.parametrize(
    "text",
    [
        "<table><tr><td><pre>1</pre></td><td>값</td></tr><tr><td>2</td><td><pre>b</pre></td></tr></table>",
        "<table><tr><td>3</td><td><pre>int a;</pre></td></tr></table>",
    ],
)
def test_other_numbers_stay(text):
    assert set("123") & set(text) <= set(html_to_text(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% highlight html linenos %}\n<p>가</p>\n{% endhighlight %}", "```html\n<p>가</p>\n```"),
        (
            "- 가\n\n  {%- highlight java -%}\n  int  a;\n  {%- endhighlight -%}",
            "- 가\n\n  ```java\n  int  a;\n  ```",
        ),
        ("> {% highlight c %}\n> int  a;\n> {% endhighlight %}", "> ```c\n> int  a;\n> ```"),
        ("{% highlight C# %}a{% endhighlight %}\n끝", "```C#\na\n```\n끝"),
        ('{{< highlight go "linenos=table" >}}\na  := 1\n{{< /highlight >}}', "```go\na  := 1\n```"),
        (
            "{% codeblock 예제 제목 lang:java https://a.b/c %}\n```\n{% endcodeblock %}",
            "예제 제목\n\n````java\n```\n````",
        ),
        ("```\n{% highlight c %}\n{% endhighlight %}\n```",) * 2,
        ("{% highlight c %} 태그와 {% endhighlight %} 태그를 쓴다.",) * 2,
        ("{% highlight c %}\n끝이 없다.",) * 2,
    ],
)
def test_listings_of_templates_are_fences(text, expected):
    assert fence_listings(text) == expected


def test_a_listing_without_tags_keeps_its_blanks():
    rows = [
        "글  하나",
        "{% highlight c %}\nint  a;\n{% endhighlight %}",
        "글  둘",
        "끝\n\n{{< highlight c >}}\nb  = 1\n{{< /highlight >}}",
    ]
    batch = pa.RecordBatch.from_pylist(
        [
            {"id": str(n), "text": row, "source": "s", "lang": "ko", "meta": "{}"}
            for n, row in enumerate(rows)
        ],
        schema=DOCUMENT,
    )
    batch = batch.slice(1)
    cleaned = clean_batch(batch, CleanConfig(), "auto")[0]["text"].to_pylist()
    assert cleaned == ["```c\nint  a;\n```", "글 둘", "끝\n\n```c\nb  = 1\n```"]
