"""JSX in MDX stays as it is written, while elements of HTML beside it become Markdown."""

import pytest

from preprocessing.markup.html_text import html_to_text

CARD = '  <Card\n    title="가"\n    onClick={() => { a({b: 1}) }}\n    code={`\nx {y}\n  z <b>\n`}\n  />'
ROWS = (
    "    {items.map((item) => (\n      <tr key={item.id}>\n        <td>{item.name}</td>\n      </tr>\n    ))}"
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"<div>\n{CARD}\n</div>", CARD),
        (
            f"<table>\n  <thead><tr><th>이름</th></tr></thead>\n  <tbody>\n{ROWS}\n  </tbody>\n</table>",
            ROWS,
        ),
        ("{cond && <b>글</b>}", "{cond && <b>글</b>}"),
    ],
)
def test_components_and_expressions_stay(text, kept):
    result = html_to_text(f"# 제목\n\n{text}\n\n글<br>끝")
    assert kept in result
    assert result.endswith("글\n끝")


def test_tags_beside_jsx_become_markdown():
    assert (
        html_to_text("# 제목\n\n<Tab\n  a='b'>\n<b>글</b> {1}\n</Tab>")
        == "# 제목\n\n<Tab\n  a='b'>\n글 {1}\n</Tab>"
    )


@pytest.mark.parametrize("text", ["<A ", "{a => ", "\n{a => <Foo {", "<A {", "<A \"'", "<A\n{`"])
def test_what_never_closes_stays(text):
    text = f"# 제목\n\n글<br>{text * (100_000 // len(text))}"
    assert html_to_text(text).count("{") == text.count("{")
