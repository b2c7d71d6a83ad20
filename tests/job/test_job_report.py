"""The report holds the numbers, shows hostile text as text, and loads nothing from anywhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from megatron_ko.errors import EXIT_USER_ERROR, DataError
from megatron_ko.job.report.__main__ import main
from megatron_ko.job.report.collect import read_facts, smooth
from megatron_ko.job.report.summary import summarize
from preprocessing.page.charts import Bar, Line, Panel, bar_chart, line_chart, ticks
from preprocessing.page.palette import shades_of
from preprocessing.page.text_diff import before_and_after, visible
from tests.job.conftest import HOSTILE


def page_of(runs: Path) -> str:
    assert main([str(runs)]) == 0
    return (runs / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    "number",
    [
        "3.93 M",  # parameters
        "20.5 k",  # tokens: 40 steps of 512
        "42.0 s",  # training time: start to end
        "5.432", "2.716",  # last validation loss and bits per byte (half of it) of ko
        "50,000", "75.0%",  # available tokens, target share
        "15,360", "0.31",  # 160 samples x 128 tokens x 0.75 trained, over 50,000
        "1,234", "1,211", "2.00 MB", "1.50 MB", "near duplicate",
        "300</text>", "90</text>",  # 3.0 / 1.0 and 2.79 / 3.1 in percent
        "0.0391", "1.4e-06", "verified", "ranks        2 = tensor 2",
    ],
)  # fmt: skip
def test_page_holds_the_number(job_folder: Path, number: str) -> None:
    assert number in page_of(job_folder)


def test_hostile_text_is_shown_not_run(job_folder: Path) -> None:
    page = page_of(job_folder)
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;") >= 3  # id, text and sample
    assert "\u202e" not in page and "U+202E" in page
    elements = Elements(page).found
    assert not [tag for tag, _ in elements if tag in ("script", "iframe", "object", "embed", "form")]
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]


def test_page_loads_nothing(job_folder: Path) -> None:
    page = page_of(job_folder)
    for tag, attributes in Elements(page).found:
        assert tag not in ("link", "img", "base")
        assert not {"src", "srcset", "xlink:href", "action"} & set(attributes)
        assert not re.match(
            r"[a-z]+:|/", attributes.get("href") or ""
        )  # within the page or the folder of runs
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style and "url(" not in style[1] and "@import" not in style[1]


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("data/manifest.json", "mko data run"),
        ("train/metrics.jsonl", "mko train"),
        ("train/hf/verification.json", "mko checkpoint to-hf"),
        ("train/samples.json", "mko generate"),
    ],
)
def test_missing_file_names_the_command(
    job_folder: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    (job_folder / name).unlink()
    assert main([str(job_folder)]) == EXIT_USER_ERROR
    message = capsys.readouterr().err
    assert str(job_folder / name) in message and command in message
    assert not (job_folder / "report.html").exists()


def test_metrics_without_validation(job_folder: Path) -> None:
    path = job_folder / "train" / "metrics.jsonl"
    kept = [line for line in path.read_text().splitlines() if '"valid"' not in line]
    path.write_text("\n".join(kept))
    with pytest.raises(DataError) as caught:
        read_facts(job_folder)
    assert caught.value.rule == "no-metrics" and "'valid'" in str(caught.value)


def test_no_english_only_tokenizer(job_folder: Path) -> None:
    path = job_folder / "data" / "tokenizer_report.json"
    text = path.read_text()
    start, end = text.index('"english_only": {'), text.index('}, "english_only_problem"')
    path.write_text(
        text[:start] + '"english_only": null' + text[end:].replace(": null}", ': "too small <b>"}')
    )
    assert "too small &lt;b&gt;" in page_of(job_folder)


def test_time_between_two_parts_of_a_run_does_not_count(job_folder: Path) -> None:
    path = job_folder / "train" / "metrics.jsonl"
    lines = path.read_text().splitlines()[:-1]
    again = lines[0].replace('"time": 1000.0', '"time": 9000.0')
    end = lines[-1].replace('"time": 1042.0', '"time": 9010.0')
    path.write_text("\n".join([*lines, again, end]) + "\n")
    assert read_facts(job_folder).seconds == 42.0 + 10.0


def test_the_baseline_of_initial_weights_is_shown(job_folder: Path) -> None:
    metrics = job_folder / "train" / "metrics.jsonl"
    lines = metrics.read_text(encoding="utf-8").splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    first = next(record for record in records if record["kind"] == "valid")
    names = first["loss"]
    baseline = {
        **first,
        "step": 0,
        "loss": dict.fromkeys(names, 8.125),
        "bits_per_byte": dict.fromkeys(names, 4.0625),
    }
    metrics.write_text("".join([json.dumps(baseline) + "\n", *lines]), encoding="utf-8")
    page = page_of(job_folder)
    assert "8.125" in page and "4.062" in page and "before training" in page
    text = summarize(job_folder, Path("examples/x"), [("Train", 12.34, True), ("Export", 2.0, False)])
    assert "before training" in text and text.count("4.062") == len(names)


def test_summary(job_folder: Path) -> None:
    text = summarize(job_folder, Path("examples/x"), [("Train", 12.34, True), ("Export", 2.0, False)])
    assert "5.432       2.716" in text
    assert str(job_folder / "report.html") in text and str(job_folder / "data" / "report.html") in text
    assert {"12.3", "2.0"} <= set(text.split())
    assert "mko init" in text and "mko init" not in summarize(
        job_folder, Path("my_job"), [("Train", 1.0, True)]
    )


def test_final_loss_is_the_one_that_training_printed_last(job_folder: Path) -> None:
    facts = read_facts(job_folder)
    assert f"{facts.train[-1]['loss']:.4f}" in page_of(job_folder)


def test_files_are_links_that_a_copied_folder_keeps(job_folder: Path, tmp_path: Path) -> None:
    links = [a["href"] for tag, a in Elements(page_of(job_folder)).found if tag == "a" and "href" in a]
    assert "train/metrics.jsonl" in links and "data/report.html" in links
    assert main([str(job_folder), "--out", str(tmp_path / "elsewhere.html")]) == 0
    page = (tmp_path / "elsewhere.html").read_text(encoding="utf-8")
    assert (job_folder.resolve() / "train" / "metrics.jsonl").as_uri() in page


def test_domains_of_one_language_differ_in_shade() -> None:
    shades = shades_of(["ko_docs", "en", "ko_reviews", "ko", "web"])
    assert list(shades.values())[:4] == ["ko", "en", "ko second", "ko third"]
    assert shades["web"].startswith("other")


# --- parts -----------------------------------------------------------------------------------------------


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 600, 6) == [0, 100, 200, 300, 400, 500, 600]
    assert ticks(4.13, 8.4, 5) == [5, 6, 7, 8]
    assert ticks(2, 2) == [2]


def test_smoothing_keeps_a_straight_line() -> None:
    values = [float(x) for x in range(100)]
    assert smooth(values)[10:90] == pytest.approx(values[10:90])
    assert smooth([3.0]) == [3.0]


def test_line_chart_survives_one_point_and_nan() -> None:
    assert "polyline" in line_chart([Line("a", "ko", [(5, 1.0)])], Panel(), "one")
    chart = line_chart([Line("a<b", "ko", [(1, 1.0), (2, float("nan")), (3, 2.0)])], Panel(), "with <gap>")
    assert "nan" not in chart.split("points=")[1].split(">")[0]
    assert "a&lt;b" in chart and "with &lt;gap&gt;" in chart


def test_bar_chart_lengths_are_proportional() -> None:
    chart = bar_chart([Bar("a", 50, "ko", "50"), Bar("b", 100, "en", "100")], "x", mark=100.0)
    for height in (20, 15):  # on a wide and on a narrow screen
        short, long = (float(width) for width in re.findall(rf'width="([\d.]+)" height="{height}', chart))
        assert long == pytest.approx(2 * short, abs=0.02)


def test_difference_of_texts() -> None:
    before, after = before_and_after("가나\u200b다 \n\n", "가나다")
    assert str(before) == '가나<del><span class="code-point">U+200B</span></del>다<del>·↵\n↵\n</del>'
    assert str(after) == "가나다"
    assert str(visible("<a>\n한")) == "&lt;a&gt;\n한"
