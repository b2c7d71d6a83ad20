"""Pictures, fonts and certificates leave the text; their alternative text, what is around them, and short literals stay."""

import base64
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import DOCUMENT, Counts
from preprocessing.markup.html_text import html_to_text
from preprocessing.pii.masking import mask
from preprocessing.steps.clean import clean_batch
from preprocessing.steps.text_operations import normalize_column, rows_with_data
from preprocessing.text.embedded_data import (
    LONGEST_LITERAL,
    SHORTEST_WORD,
    cut_embedded_data,
    cut_embedded_data_in_code,
)

DATA = base64.b64encode(bytes((n * n * 31 + n * 7) % 251 for n in range(1501))).decode()
SMALL = DATA[:120]
PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
NAMES = ("Migrate", "Modernize", "Protect", "Renew")
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 8


def lines_of(data, width=64, end="\n"):
    return end.join(data[i : i + width] for i in range(0, len(data), width))


def clean(text, lang="ko", markup="html", **config):
    column = pa.array([text], pa.large_string())
    return normalize_column(column, pa.array(["d0"]), lang, markup, CleanConfig(**config), Counts())[
        0
    ].as_py()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"글 ![고양이](data:image/png;base64,{DATA}) 끝", "글 ![고양이]() 끝"),
        (f"글 ![고양이](data:image/gif;base64,{PIXEL}) 끝", "글 ![고양이]() 끝"),  # of any length
        (f"글\n\n![](data:image/gif;base64,{PIXEL})\n\n끝", "글\n\n\n\n끝"),
        (f'![a](data:image/png;base64,{DATA} "제목")', '![a](<> "제목")'),
        (f"![a](<data:image/png;base64,{DATA}>)", "![a]()"),
        (f"![a](\n  data:image/png;base64,{lines_of(DATA, 76)}\n)", "![a]()"),
        (f"[![a](data:image/png;base64,{DATA})](https://a.kr)", "[![a]()](https://a.kr)"),
        (f"[내려받기](data:text/csv;base64,{DATA})", "[내려받기]()"),
        ("![배지](data:image/svg+xml,%3Csvg%20f(1)%3E) 글", "![배지]() 글"),
        (f"| 가 | ![나](data:image/png;base64,{DATA}) |", "| 가 | ![나]() |"),
        (f"> - ![나](data:image/png;base64,{DATA})", "> - ![나]()"),
        (
            f"글 ![][image1], ![그림 1][Image1], ![image1]와 [글][image1], ![b][c]\n\n[image1]: <data:image/png;base64,{DATA}>\n[c]: b.png\n",
            "글 , ![그림 1](), 와 [글](), ![b][c]\n\n[c]: b.png\n",
        ),
    ],
)
def test_pictures_of_markdown_keep_their_alternative_text(before, after):
    assert cut_embedded_data(before) == after
    assert cut_embedded_data(after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f'```css\nb {{src: url("data:font/woff2;base64,{DATA}")}}\n```',
            '```css\nb {src: url("data:font/woff2;base64,...")}\n```',
        ),
        (f"`data:image/png;base64,{DATA}`", "`data:image/png;base64,...`"),
        (f"<img src='data:image/png;base64,{DATA}'>", "<img src='data:image/png;base64,...'>"),
        (
            "a{b:url(data:x/y;base64," + "Ab1%2B" * 60 + ")}",
            "a{b:url(data:x/y;base64,...)}",
        ),
        (
            f"//# sourceMappingURL=data:application/json;charset=utf-8;base64,{DATA}\n",
            "//# sourceMappingURL=data:application/json;charset=utf-8;base64,...\n",
        ),
        (
            f"-----BEGIN CERTIFICATE-----\n{lines_of(DATA)}\n-----END CERTIFICATE-----\n글",
            "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n글",
        ),
        (
            f"-----BEGIN PGP SIGNATURE-----\n\n{lines_of(DATA)}\n=aB1c\n-----END PGP SIGNATURE-----",
            "-----BEGIN PGP SIGNATURE-----\n\n...\n-----END PGP SIGNATURE-----",
        ),
        (f"ssh-ed25519 {DATA[:300]} me@host", "ssh-ed25519 ... me@host"),
        (f"modulus: {HEX}.", "modulus: ...."),
        (
            f"Content-Transfer-Encoding: base64\n\n{lines_of(DATA, 76, chr(10))}\n\n안녕하세요",
            "Content-Transfer-Encoding: base64\n\n...\n\n안녕하세요",
        ),
        (f"> {lines_of(DATA, 76, chr(10) + '> ')}\n> 글", "> ...\n> 글"),
        (f"# {lines_of(DATA, 76, chr(13) + chr(10) + '# ')}\r\n글", "# ...\r\n글"),
        ('x = "' + lines_of(DATA, 76, '" +\n    "') + '";', 'x = "...";'),
        ('"key\\n' + lines_of(DATA, 64, "\\n") + '\\nend"', '"key\\n...\\nend"'),
        (f'{{"token": "{DATA[:240]}-{DATA[240:280]}_{DATA[300:600]}-aZ9"}}', '{"token": "..."}'),
    ],
)
def test_other_data_leave_what_is_around_them(before, after):
    assert cut_embedded_data(before) == after
    assert cut_embedded_data(after) == after


@pytest.mark.parametrize(
    "text",
    [
        f"```html\n<img src='data:image/gif;base64,{PIXEL}'>\n```",
        f"`![점](data:image/png;base64,{SMALL})`처럼 씁니다.",
        f"```md\n![점](data:image/png;base64,{SMALL})\n```",
        f"url(data:image/png;base64,{DATA[:LONGEST_LITERAL]})",
        "integrity sha512-" + DATA[:86] + "==",
        "data:image/png;base64,... 처럼 시작합니다. `data: {a: 1}`",
        "https://a.kr/" + "Path1/" * 60,
        "원주율은 3." + "1415926535" * 60,
        "염기 서열 " + "ACGTTGCA" * 60,
        "=" * 400 + "\n" + "-" * 400 + "\n" + "a" * 400,
        "\n".join(f"{n:08x}  " + "7f 45 4c 46 " * 4 + " |.ELF|" for n in range(0, 1600, 16)),
        "\n".join(["f" + "0123456789abcdef" * 4 + "  file.txt"] * 9),  # checksums of files
        "0x8be65246\n"
        + "\n".join(f"  {n:064x}" for n in (0x123, 0x80, 0xE0, 2, 0x456, 0x789)),  # words of a contract
        "![그림](a.png) [글][data] ![image1]\n\n[data]: https://a.kr\n[image1]: b.png",
        "<svg xmlns='http://www.w3.org/2000/svg'><path d='" + "M0 0h24v24H0z" * 40 + "'/></svg>",
        f"[놀이터](https://site.example/play?a=3#code/{DATA[:260]}-{DATA[300:360]}-aZ9) 글",
        f"[놀이터](https://site.example/play#code/{DATA[:600]}-a-_{DATA[:400]}) 글",
        f"https://site.example/{HEX} 주소",
        "```sql\nSELECT A,\n"
        + "".join(
            f"{name}CurrentServersOfCustomersWithPropensityAboveLicenses5OfAllProducts,\n" for name in NAMES
        )
        + "B FROM T\n```",
    ],
)
def test_text_that_only_looks_like_data_and_short_literals_stay(text):
    assert cut_embedded_data(text) == cut_embedded_data_in_code(text) == text


def test_one_character_more_than_a_literal_is_cut():
    head, after = "url(data:image/png;base64,", "url(data:image/png;base64,...)"
    assert cut_embedded_data(f"{head}{DATA[: LONGEST_LITERAL + 1]})") == after
    assert cut_embedded_data_in_code(f"{head}{DATA[: LONGEST_LITERAL + 1]})") == after


def test_private_keys_are_left_to_the_mask():
    text = f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{lines_of(DATA)}\n-----END RSA PRIVATE KEY-----"
    assert cut_embedded_data(text) == text
    assert mask(f"키\n{text}\n끝", ["secret"])[0] == "키\n<|secret|>\n끝"
    pair = f"{text}\n-----BEGIN CERTIFICATE-----\n{lines_of(DATA)}\n-----END CERTIFICATE-----"
    assert cut_embedded_data(pair).endswith(
        "KEY-----\n-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----"
    )


@pytest.mark.parametrize("as_lines", [False, True])
def test_notebooks_lose_the_pictures_of_their_outputs(as_lines):
    picture = [line + "\n" for line in lines_of(DATA, 76).split("\n")] if as_lines else DATA + "\n"
    outputs = {"data": {"image/png": picture, "text/plain": ["<Figure>"]}}
    notebook = {"cells": [{"source": ["plot(x)"], "outputs": [outputs]}], "nbformat": 4}
    cleaned = json.loads(clean(json.dumps(notebook, indent=1), "code"))
    left = cleaned["cells"][0]["outputs"][0]["data"]
    assert "".join(left["image/png"]).strip() == "..."
    assert left["text/plain"] == ["<Figure>"] and cleaned["cells"][0]["source"] == ["plot(x)"]


def test_other_data_in_source_code_are_left_to_the_rules():
    text = f"KEY = '{DATA}'\n"
    assert clean(text, "code") == text
    assert clean(f"a{{b:url(data:x/y;base64,{DATA})}}", "code") == "a{b:url(data:x/y;base64,...)}\n"


def test_the_option_leaves_everything():
    text = f"글 ![고양이](data:image/png;base64,{DATA}) 끝"
    assert clean(text, cut_embedded_data=False) == text
    assert clean(text) == "글 ![고양이]() 끝"


def test_html_drops_pictures_and_keeps_literals_in_fences():
    fence = f'```html\n<img src="data:image/gif;base64,{PIXEL}">\n```'
    assert html_to_text(f'가 <img src="data:image/png;base64,{DATA * 3}" alt="x"> 나\n\n{fence}').split() == [
        "가", "나", *fence.split()
    ]  # fmt: skip
    assert html_to_text(
        f'<html><body><p>가<img src="data:image/png;base64,{DATA * 3}">나</p></body></html>'
    ).split()


def test_counts_and_language_of_a_document_that_is_mostly_a_picture():
    rows = [{"id": "1", "text": f"두루미가 왔다.\n\n![두루미](data:image/png;base64,{DATA * 20})", "source": "a", "lang": "", "meta": "{}"}]  # fmt: skip
    cleaned, _, counts = clean_batch(pa.RecordBatch.from_pylist(rows, schema=DOCUMENT), CleanConfig())
    assert cleaned["text"].to_pylist() == ["두루미가 왔다.\n\n![두루미]()"] and cleaned[
        "lang"
    ].to_pylist() == ["ko"]
    assert counts.changed["embedded_data"] == 1


PIECES = [
    "글", "\n", " ", "![", "[", "](data:", "]", ")", "(", "image/png", ";base64,", "<", ">", '"', "'", "```\n", "`", "[a]: ", "data:",
    "a", "![a]", "%2B", "\\n", "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----\n",
    PIXEL, SMALL, DATA[:64] + "\n", DATA[:SHORTEST_WORD], DATA[: LONGEST_LITERAL + 1], "0" * 70, "가" * 70, '" +\n"', '"image/png": "',
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=16).map("".join), min_size=1, max_size=5))
def test_rows_that_are_not_read_would_not_change(texts):
    rows = set(rows_with_data(pa.array(texts, pa.large_string())))
    for change in (cut_embedded_data, cut_embedded_data_in_code):
        assert {n for n, text in enumerate(texts) if change(text) != text} <= rows


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join))
def test_only_ascii_is_cut_and_twice_is_once(text):
    once = cut_embedded_data(text)
    assert once.count("글") + once.count("가") == text.count("글") + text.count("가")
    assert cut_embedded_data(once) == once


@pytest.mark.parametrize(
    "piece", ["](data:", "](data:;base64,", "![", "[a]: data:", "A1b", "](data:(a)", "-----BEGIN PRIVATE KEY-----\n" + DATA[:70], " ", "`"]
)  # fmt: skip
def test_hostile_text_costs_time_in_proportion_to_its_length(piece):
    for start in ("](data:;base64,", "-----BEGIN PRIVATE KEY-----"):
        assert isinstance(cut_embedded_data(start + piece * (400_000 // len(piece))), str)
