"""mko tokenizer report: counts against a plain count and by hand, equal for any workers; a page without scripts."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.errors import EXIT_USER_ERROR, ConfigError, DataError
from megatron_ko.tables import width_of
from preprocessing.cli import main
from preprocessing.page.colored_tokens import for_page, for_terminal, tokens_for_display
from preprocessing.page.drawing import Box, Drawing, Words, inline_svg
from preprocessing.page.drawing_files import (
    MARGIN,
    PNG_SCALE,
    light_colors,
    png_available,
    png_file,
    svg_file,
)
from preprocessing.page.efficiency_chart import efficiency_chart
from preprocessing.tokenizers import comparison
from preprocessing.tokenizers.efficiency import (
    FIRST_SYLLABLE,
    Meter,
    TextBatch,
    TextCounts,
    parity,
    rates,
    relative_efficiency,
    single_syllables,
    text_rates,
    token_ratio,
)
from preprocessing.tokenizers.opened import open_tokenizer
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses_command
from tests.preprocessing.test_opened import (
    CODE,
    TEXTS,
    byte_bpe,
    save,
    sentencepiece_model,
    word_piece,
)

HOSTILE = "<script>alert(1)</script>"


def by_hand(folder, merges=("a b", "ab c", "가 나")):
    """A BPE of few characters: ``abc`` and ``가나`` are one token, a blank is a token, everything else is unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["<unk>", *"abc \n가나다", "ab", "abc", "가나"]
    model = {
        "type": "BPE", "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": [m.split(" ") for m in merges],
        "unk_token": "<unk>", "fuse_unk": False, "byte_fallback": False, "dropout": None,
        "continuing_subword_prefix": None, "end_of_word_suffix": None, "ignore_merges": False,
    }  # fmt: skip
    description = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": {"type": "Fuse"}, "model": model}  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(description))
    return folder


def counts(meter, texts):
    batch = TextBatch(texts)
    return batch.counts(), meter.counts(batch)


# --- counts ----------------------------------------------------------------------------------------------


def test_counts_by_hand(tmp_path):
    meter = Meter(open_tokenizer(by_hand(tmp_path)))
    text, tokens = counts(meter, ["abc ab ca\n가나다", "가나", ""])
    # tokens: abc _ ab _ c a \n 가나 다 | 가나; words: abc, ab, ca, 가나다, 가나, of which ca and 가나다 are split
    assert (text.documents, text.bytes, text.characters, text.words) == (3, 25, 15, 5)
    assert (tokens.tokens, tokens.continued_words, tokens.unknown_tokens, tokens.changed_documents) == (10, 2, 0, 0)  # fmt: skip
    assert rates(text, tokens) == {
        "documents": 3, "bytes": 25, "characters": 15, "words": 5, "tokens": 10,
        "bytes_per_token": 2.5, "characters_per_token": 1.5, "tokens_per_word": 2.0, "continued_words": 0.4,
        "byte_tokens": 0.0, "unknown_tokens": 0.0, "changed_documents": 0, "used_tokens": 8,
    }  # fmt: skip
    assert text.syllables.sum() == 5 and text.syllables[ord("가") - FIRST_SYLLABLE] == 2
    single = single_syllables(meter)
    assert [chr(FIRST_SYLLABLE + i) for i in np.flatnonzero(single)] == ["가", "나", "다"]


def test_unknown_characters_are_counted_and_change_the_text(tmp_path):
    meter = Meter(open_tokenizer(by_hand(tmp_path)))
    _, tokens = counts(meter, ["abc xyz a", "abc"])
    assert (tokens.tokens, tokens.unknown_tokens, tokens.changed_documents) == (8, 3, 1)
    assert tokens.continued_words == 1  # xyz, three times unknown


def count_plainly(opened, texts):
    """Tokens, words and split words, one byte at a time."""
    total = cut = words = 0
    for text in texts:
        ids = opened.encode_batch([text])[0].tolist()
        total += len(ids)
        owner = [n for n, i in enumerate(ids) for _ in opened.token_bytes(i)]
        at = 0
        for part in re.split(r"(\s+)", text):
            size = len(part.encode())
            if part.strip():
                words += 1
                cut += len(set(owner[at : at + size])) > 1
            at += size
    return total, words, cut


@pytest.fixture(scope="module")
def meters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    (folder / "sp.model").write_bytes(sentencepiece_model())
    return [
        Meter(open_tokenizer(folder / "sp.model")),
        Meter(open_tokenizer(save(folder / "bytes", byte_bpe()))),
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("abc가나다힣ㅋ漢👍 \n\t\u00a0\u3000\u2581<s>1_(")), max_size=6))
def test_counts_equal_a_plain_count(meters, texts):
    # str.split and \s also split at others (U+001C), which the texts do not contain
    texts = [*texts, *KO[:2], *CODE]
    for meter in meters:
        text, tokens = counts(meter, texts)
        aligned = [t for t in texts if "\u2581" not in t or meter is meters[1]]
        others = [t for t in texts if t not in aligned]
        total, words, cut = count_plainly(meter.tokenizer, aligned)
        rest = counts(meter, others)[1] if others else None
        assert text.words == sum(len(t.split()) for t in texts)
        assert tokens.tokens == total + (rest.tokens if rest else 0)
        assert tokens.continued_words == cut + (rest.continued_words if rest else 0)
        assert tokens.changed_documents == len(others)
        assert words <= text.words


def test_counts_add_up(meters):
    for meter in meters:
        whole = counts(meter, TEXTS)[1]
        parts = [counts(meter, [text])[1] for text in TEXTS]
        total = sum(parts[1:], parts[0])
        assert np.array_equal(total.used, whole.used)
        assert (total.tokens, total.continued_words, total.byte_tokens) == (whole.tokens, whole.continued_words, whole.byte_tokens)  # fmt: skip


def test_byte_tokens_are_fallbacks_or_parts_of_characters(meters):
    sentencepiece, bytelevel = meters
    assert counts(sentencepiece, ["漢"])[1].byte_tokens == 3
    ids = bytelevel.tokenizer.encode_batch(["漢"])[0]
    assert counts(bytelevel, ["漢"])[1].byte_tokens == len(ids) > 1
    assert counts(bytelevel, ["a b"])[1].byte_tokens == 0


def test_a_dummy_prefix_changes_nothing_and_belongs_to_no_word(tmp_path):
    (tmp_path / "p.model").write_bytes(sentencepiece_model(add_dummy_prefix=True))
    meter = Meter(open_tokenizer(tmp_path / "p.model"))
    for text in [*KO[:3], *EN[:3], "a", ""]:
        _, tokens = counts(meter, [text])
        owner = [n for n, i in enumerate(meter.tokenizer.encode_batch([text])[0]) for _ in meter.tokenizer.token_bytes(int(i)) or b""]  # fmt: skip
        cut, at = 0, 1
        for part in re.split(r"(\s+)", text):
            cut += bool(part.strip()) and len(set(owner[at : at + len(part.encode())])) > 1
            at += len(part.encode())
        assert (tokens.changed_documents, tokens.continued_words) == (0, cut)


def test_tokenizers_that_change_the_text_are_counted_word_by_word(tmp_path):
    meter = Meter(open_tokenizer(save(tmp_path / "bert", word_piece())))
    text = "The Sea ZZZQ Theß"
    _, tokens = counts(meter, [text])
    alone = [len(meter.tokenizer.encode_batch([word])[0]) for word in text.split()]
    assert tokens.changed_documents == 1 and tokens.continued_words == sum(n > 1 for n in alone)
    assert sum(alone) == tokens.tokens


def test_formulas():
    assert relative_efficiency(50, 200) == 25.0  # four times the tokens of the chosen one
    assert token_ratio(200, 50) == 0.25
    assert relative_efficiency(5, 0) is None and token_ratio(0, 5) is None
    text = TextCounts(documents=1, bytes=10, characters=4, words=0)
    plain, bounded = text_rates(text, 3), text_rates(text, 3, digits=4, least=1)
    assert (plain["bytes_per_token"], plain["tokens_per_word"]) == (3.333333, None)
    assert (bounded["bytes_per_token"], bounded["tokens_per_word"]) == (3.3333, 3.0)


def test_parity_by_hand(tmp_path):
    meter = Meter(open_tokenizer(by_hand(tmp_path)))
    found = parity(meter, [("가나다", "abc"), ("다다", "ab")])  # 2 to 1, 2 to 1
    assert found == {"pairs": 2, "tokens": [4, 2], "parity": 2.0, "median_of_pairs": 2.0}


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Two tokenizers, text in two files, pairs."""
    folder = tmp_path_factory.mktemp("report")
    by_hand(folder / "hand")
    (folder / "sp.model").write_bytes(sentencepiece_model())
    save(folder / "bytes", byte_bpe())
    rows = [{"text": f"{text} {HOSTILE}\u202e" * 3, "lang": lang} for lang, texts in (("ko", KO), ("en", EN), ("code", CODE)) for text in texts]  # fmt: skip
    (folder / "text").mkdir()
    for name, some in (("a", rows[::2]), ("b", rows[1::2])):
        (folder / "text" / f"{name}.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in some))  # fmt: skip
    (folder / "pairs.jsonl").write_text('{"ko": "바다는 넓다", "en": "The sea is wide"}\n')
    return folder


def command(job, *more, text=True):
    given = [str(job / "sp.model"), f"gpt={job / 'bytes'}", f"by hand={job / 'hand'}"]
    return main(["tokenizer", "report", *given, *(["--text", str(job / "text")] if text else []), *map(str, more)])  # fmt: skip


def test_the_report_is_written_and_the_same_for_any_workers(job, tmp_path, capsys):
    for workers in (1, 2):
        out = tmp_path / str(workers)
        assert command(job, "--out", out, "--workers", workers, "--pairs", job / "pairs.jsonl", "--base", "gpt") == 0  # fmt: skip
    printed = capsys.readouterr().out
    assert max(width_of(line) for line in printed.splitlines() if str(tmp_path) not in line) <= 80
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert set(names) >= {"report.html", "measurements.json", "efficiency.svg"}
    assert ("efficiency.png" in names) == png_available()
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    found = json.loads((tmp_path / "1" / "measurements.json").read_text())
    assert list(found["languages"]) == ["ko", "en", "code", "all"]
    first, second, _ = found["tokenizers"]
    for lang in found["languages"]:
        one, two = first["by_language"][lang], second["by_language"][lang]
        assert one["relative_efficiency"] == 100.0 and two["token_ratio"] == 1.0
        assert two["relative_efficiency"] == round(100 * one["tokens"] / two["tokens"], 4)
        assert one["token_ratio"] == round(one["tokens"] / two["tokens"], 6)
        assert f"{two['relative_efficiency']:.1f}" in printed
    langs = [lang for lang in found["languages"] if lang != "all"]
    for made in found["tokenizers"]:
        assert sum(made["by_language"][lang]["tokens"] for lang in langs) == made["by_language"]["all"]["tokens"]  # fmt: skip
    assert found["tokenizers"][0]["parity"]["pairs"] == 1 and "ko/en" in printed
    assert found["tokenizers"][2]["by_language"]["ko"]["unknown_tokens"] > 0.5


def test_unused_tokens_do_not_occur_in_the_text(job):
    specs = [comparison.TokenizerSpec(str(job / "hand"), "hand")]
    meter = Meter(specs[0].open())
    counted = comparison.count(specs, [str(job / "text")], 1)
    found = comparison.compare([meter], counted, 0, 0, [], [])["tokenizers"][0]
    text = "".join(json.loads(line)["text"] for path in (job / "text").iterdir() for line in path.read_text().splitlines())  # fmt: skip
    used = set(meter.tokenizer.encode_batch([text])[0].tolist()) - {0}
    assert (found["ids"], found["special_tokens"], found["unused_tokens"]) == (12, 1, 11 - len(used))


def test_the_page_shows_hostile_text_and_loads_nothing(job, tmp_path):
    assert command(job, "--out", tmp_path, "--workers", 1) == 0
    page = (tmp_path / "report.html").read_text()
    assert HOSTILE not in page and "\u202e" not in page and "U+202E" in page
    assert not re.search(r"<script|<link|<img|src=|@import|url\(", page)
    assert "--pairs FILE" in page  # parity needs them
    assert 'class="t1"' in page and re.search(r'title="id \d+ · [0-9A-F ]+"', page)


def test_texts_in_the_terminal(job, capsys):
    assert command(job, "--show", "가나 漢x", text=False) == 0
    printed = capsys.readouterr().out
    assert "by hand: 4 " in printed and "가나| |<unknown>|<unknown>" in printed
    assert "<E6>|<BC>|<A2>" in printed and "\x1b" not in printed


def test_tokens_in_colors(meters):
    tokens = tokens_for_display(meters[0].tokenizer, "가 漢\x1b\n")
    assert "".join(t.text for t in tokens if t.kind == "text").replace("↵", "").startswith("가")
    parts = [t for t in tokens if t.kind == "part"]
    assert [t.text for t in parts][:3] == ["E6", "BC", "A2"] and parts[0].of.startswith("漢")
    colored = for_terminal(tokens, True)
    assert "\x1b[30;48;5;153m" in colored and "U+001B" in colored
    # every line resets its colors
    assert all(line.count("\x1b[30;") == line.count("\x1b[0m") for line in colored.split("\n"))
    assert "part of 漢" in for_page(tokens)


@pytest.mark.parametrize(
    "arguments, error, rule, value",
    [
        ([], ConfigError, "missing-text", "--text"),
        (["--out", "x"], ConfigError, "missing-text", "--text"),
        (["--text", "missing-folder"], DataError, "no-text", "missing-folder"),
        (["--text", "EMPTY"], DataError, "no-text", "empty.txt"),
        (["--text", "TEXT", "--relative-to", "other"], ConfigError, "unknown-tokenizer", "--relative-to"),
        (["--text", "TEXT", "--base", "other"], ConfigError, "unknown-tokenizer", "--base"),
        (["--text", "TEXT", "--pairs", "nowhere.jsonl"], DataError, "missing-file", "nowhere.jsonl"),
        (
            ["--text", "TEXT", "--pairs", "PAIRS", "--pair-fields", "ko", "fr"],
            DataError,
            "missing-field",
            "fr",
        ),
        (["same", "same", "--show", "x"], ConfigError, "duplicate-name", "same"),
    ],
)
def test_mistakes_are_refused(job, tmp_path, arguments, error, rule, value):
    (tmp_path / "empty.txt").write_text("")
    paths = {"EMPTY": tmp_path / "empty.txt", "TEXT": job / "text", "PAIRS": job / "pairs.jsonl"}
    words = [str(paths.get(word, word)) for word in arguments]
    refuses_command(["tokenizer", "report", f"by hand={job / 'hand'}", *words], rule, value, error=error)


def test_a_mistake_is_one_line_without_a_traceback(job, capsys):
    assert main(["tokenizer", "report", str(job / "hand")]) == EXIT_USER_ERROR
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1 and "Traceback" not in shown


def test_text_without_words_has_no_number_for_words(job, tmp_path, capsys):
    (tmp_path / "blank.txt").write_text(" \n \n")
    assert main(["tokenizer", "report", str(job / "hand"), "--text", str(tmp_path / "blank.txt")]) == 0
    assert re.search(r"hand +1\.00 +1\.00 +- +- ", capsys.readouterr().out)


# --- the chart -------------------------------------------------------------------------------------------

PANELS = [("ko", {"ours": 100.0, "other": 40.0}), ("en", {"ours": 100.0, "other": None})]


def test_the_chart_is_to_scale_and_has_the_line_at_100():
    drawing = efficiency_chart(PANELS, "ours")
    root = ElementTree.fromstring(svg_file(drawing))
    rects = [r for r in root.iter() if r.tag.endswith("rect")][1:]  # the first is the background
    ours, other, _ = (float(r.get("width", "0")) for r in rects)
    assert other / ours == pytest.approx(0.4, rel=0.01)
    mark = light_colors()["mark"]
    lines = [r for r in root.iter() if r.tag.endswith("line") and mark in r.get("style", "")]
    assert [float(r.get("x1", "0")) for r in lines][0] == pytest.approx(float(rects[0].get("x", "0")) + ours, abs=0.02)  # fmt: skip
    words = [r.text for r in root.iter() if r.tag.endswith("text")]
    assert {"Korean", "English", "40", "no tokens"} <= set(words)
    assert "var(--ko)" in inline_svg(drawing) and "var(--" not in svg_file(drawing)


def test_the_png_shows_the_same_bars():
    image_of = pytest.importorskip("PIL.Image")
    import io

    drawing = efficiency_chart([("ko", {"ours": 100.0, "한국": 40.0})], "ours")
    image = image_of.open(io.BytesIO(png_file(drawing))).convert("RGB")
    assert image.size == ((drawing.width + 2 * MARGIN) * PNG_SCALE, (drawing.height + 2 * MARGIN) * PNG_SCALE)
    for box in (shape for shape in drawing.shapes if isinstance(shape, Box)):
        middle = [round((v + MARGIN) * PNG_SCALE) for v in (box.x + box.width / 2, box.y + box.height / 2)]
        expected = light_colors()[box.color]
        assert "#{:02x}{:02x}{:02x}".format(*image.getpixel(tuple(middle))) == expected


@pytest.mark.parametrize("write", [svg_file, png_file])
def test_drawings_with_css_classes_are_not_written_to_files(write):
    if write is png_file:
        pytest.importorskip("PIL")
    with pytest.raises(TypeError):
        write(Drawing(10, 10, [Words("a", 0, 0), Box(0, 0, 1, 1, css="bar ko")], "x"))
