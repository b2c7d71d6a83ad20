"""An article in many layouts: all of its blocks are kept, menus and footers are not, whatever the markup and its names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.readers.bad_records import RecordError
from preprocessing.readers.web_pages import convert_page
from tests.preprocessing import page_layouts

pytest.importorskip("resiliparse")
WRAPPERS = (
    "<div %A%>%X%</div>", "<section %A%>%X%</section>", "<table %A%><tr><td>%X%</td></tr></table>", "<center>%X%</center>",
    "<form %A%>%X%</form>", "<table><tr><td width=100></td><td %A%>%X%</td></tr></table>", "<article %A%>%X%</article>",
    "<main %A%>%X%</main>", "<font>%X%</font>", "<div %A%>%X%", "<ul %A%><li>%X%</li></ul>", "<dl><dd %A%>%X%</dd></dl>",
    "<fieldset>%X%</fieldset>", "<blockquote>%X%</blockquote>", "<aside %A%>%X%</aside>", "<header %A%>%X%</header>",
    "<nav %A%>%X%", "<p %A%>%X%</p>", "<span>%X%</span>", "<b>%X%</b>",
)  # fmt: skip
ATTRIBUTES = [
    "",
    *(
        form.format(name)
        for name in page_layouts.NAMES
        for form in ("class={}", "id={}", 'class="x {}-area"')
    ),
]
EXAMPLES = 300


def extract(page: str) -> str:
    try:
        return convert_page(page.encode(), "utf-8", "blocks")[0]
    except RecordError:
        return ""


def faults(page: str) -> tuple[list[str], list[str]]:
    text = extract(page)
    return page_layouts.lost(text), page_layouts.kept(text)


@pytest.mark.parametrize("layout", page_layouts.LAYOUTS)
def test_the_article_is_kept_and_its_surroundings_are_not_in_each_layout(layout):
    assert {name: faults(page_layouts.page(layout, name)) for name in page_layouts.ARTICLES} == {
        name: ([], []) for name in page_layouts.ARTICLES
    }


@pytest.mark.parametrize("around", page_layouts.AROUND)
def test_an_article_in_several_elements_is_kept(around):
    assert {name: faults(page_layouts.split_page(around, name)) for name in page_layouts.SPLIT} == {
        name: ([], []) for name in page_layouts.SPLIT
    }


@pytest.mark.parametrize("name", page_layouts.NAMES)
def test_a_misleading_name_hides_no_article(name):
    for attribute in (f'class="{name}"', f'id="{name}"'):
        for article in page_layouts.ARTICLES:
            assert faults(page_layouts.named_page(attribute, article)) == ([], []), (attribute, article)


@given(
    article=st.sampled_from([*page_layouts.ARTICLES.values(), *page_layouts.SPLIT.values()]),
    wrappers=st.lists(st.tuples(st.sampled_from(WRAPPERS), st.sampled_from(ATTRIBUTES)), max_size=4),
    menu=st.sampled_from(["<div class=gnb>%X%</div>", "<nav>%X%</nav>", "<div>%X%</div>"]),
    side=st.sampled_from(["", "<div class=side>%X%</div>", "<aside>%X%</aside>"]),
    foot=st.sampled_from(["<footer>%X%</footer>", "<div>%X%</div>", "<div class=copy>%X%</div>"]),
)
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
def test_no_nesting_of_elements_and_names_hides_the_article(article, wrappers, menu, side, foot):
    for wrapper, attribute in wrappers:
        article = wrapper.replace("%A%", attribute).replace("%X%", article)
    assert faults(page_layouts.page_of(article, menu, side, foot)) == ([], [])


@pytest.mark.parametrize(
    "charset",
    [
        "",
        '<meta charset="euc-kr">',
        "<meta http-equiv=Content-Type content='text/html; charset=ks_c_5601-1987'>",
    ],
)
@pytest.mark.parametrize("layout", ["tables", "text in cells", "zeroboard", "bare"])
def test_pages_in_cp949_are_read_alike(layout, charset):
    page = page_layouts.page(layout, "breaks").replace('<meta charset="utf-8">', charset).replace("©", "(c)")
    text = convert_page(page.encode("cp949"), None, "blocks")[0]
    assert page_layouts.lost(text) == [] and page_layouts.MENU[0] not in text
