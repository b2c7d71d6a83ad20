"""The page about the data: its numbers match the files, untrusted text is escaped, nothing is loaded."""

import json
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_ko.config.loading import load
from megatron_ko.errors import EXIT_USER_ERROR, DataError
from preprocessing.cli import main
from preprocessing.config.pipeline import RULES, Config
from preprocessing.page.charts import Bar, Line, Panel, bar_chart, line_chart, stacked_bars
from preprocessing.page.distributions import Range, histogram, range_chart, ring
from preprocessing.page.number_text import share_text
from preprocessing.page.template import STYLE
from preprocessing.report import corpus_view, loss_view, measure_view, quarantine
from preprocessing.report.facts import read_facts
from preprocessing.report.groups import row_of
from preprocessing.report.korean_labels import KOREAN
from preprocessing.report.page import unfinished
from preprocessing.report.tally import Tally
from preprocessing.running.context import Context
from preprocessing.scoring import perplexity
from tests.preprocessing.corpus import EN, KO, write_config

HOSTILE = '<script>alert("x")</script>'
BIDI = "\u202e"
EXTRA = """
inputs:
  web: {type: jsonl, paths: [FOLDER/web.jsonl], lang: ko, markup: none}
domains:
  ko: {group: web}
  en: {group: encyclopedia}
  code: {group: code}
score: {perplexity: {books: {model: FOLDER/books.npz, langs: [ko, en], max_perplexity: 1.0e+9}}}
decontaminate: {sets: {quiz: {paths: [FOLDER/quiz.jsonl], format: jsonl, fields: [question], id_field: id}}}
deduplicate: {alarm_documents: 3, alarm_share: 0.3}
tokenizer: {english_only: false}
balance:
  rehydrate: {3: 2}
  token_budget: 100000
  max_epochs: 20
  stages:
    - {name: first, tokens: 70000}
    - {name: second, tokens: 30000, shares: {ko: 0.75, code: 0.25}}
"""
# by hand: six documents are read; three are duplicates, so one is kept; one is too short; one is from the quiz
SAME = " ".join(KO[:4]) + f" {HOSTILE}{BIDI}"
QUIZ = " ".join(KO[8:12])
OTHER = "\n".join(KO[7:3:-1]) + " 문의는 kim@example.com 으로 하십시오."
WEB = [
    *({"id": f"{HOSTILE}{n}", "text": SAME} for n in range(3)),
    {"id": "short", "text": "짧다"},
    {"id": "quiz", "text": QUIZ + " 그리고 다른 이야기가 이어진다."},
    {"id": "other", "text": OTHER},
]
BAD = [
    '{"id": "<img src=x onerror=alert(1)>", "text": "전화 010-1234-5678',
    '{"id": "x"}',
    '{"id": "y"}',
    '{"id": "z", "text": 7}',
]


GROUP_OF = {"ko": "web", "en": "encyclopedia", "code": "code"}


def write_everything(folder):
    """The corpus of all tests with a hostile source, and a step of each kind on."""
    config = write_config(folder)
    lines = [json.dumps(row, ensure_ascii=False) for row in WEB]
    (folder / "web.jsonl").write_text("\n".join([*lines, *BAD]) + "\n", encoding="utf-8")
    (folder / "quiz.jsonl").write_text(
        json.dumps({"id": f"q{HOSTILE}", "question": QUIZ}, ensure_ascii=False)
    )
    texts = pa.array([*KO, *EN], pa.large_string())
    perplexity.save(perplexity.train(*perplexity.prepare(texts), 10_000), folder / "books.npz")
    extra = folder / "extra.yaml"
    extra.write_text(EXTRA.replace("FOLDER", str(folder)), encoding="utf-8")
    return [str(config), str(extra)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run: ``(configuration files, output folder)``."""
    folder = tmp_path_factory.mktemp("everything")
    files = write_everything(folder)
    assert main(["run", *files, "--workers", "1"]) == 0
    return files, folder / "out"


@pytest.fixture(scope="module")
def facts(done):
    return facts_of(done[0])


@pytest.fixture(scope="module")
def page(done):
    return page_of(done[0], done[1])


def facts_of(files, *overrides):
    return read_facts(Context(load(Config, files, list(overrides), RULES)))


def refusal_of(files, *overrides):
    """The error that reading the facts raises."""
    with pytest.raises(DataError) as caught:
        facts_of(files, *overrides)
    return caught.value


def page_of(files, out, *overrides):
    assert main(["report", *files, *overrides]) == 0
    return (out / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element with its attributes, and the text of each cell of a table, by row."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.rows, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


def section(page, name):
    """The part of the page from the heading ``name`` to the end of its section."""
    start = page.index(f'<h2 id="{name}">')
    return page[start : page.index("</section>", start)]


def rows(page, name):
    return {row[0].strip(): row[1:] for row in Elements(section(page, name)).rows if len(row) > 1}


def label(name):
    """Label of a reason or change on the page."""
    return f"{name.replace('_', ' ')} {KOREAN[name]}"


def corpus_rows(out):
    return [
        row for path in sorted((out / "clean").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


# --- numbers ---------------------------------------------------------------------------------------------


def test_composition_is_the_text_of_the_corpus(done, facts, page):
    expected = Counter()
    for row in corpus_rows(done[1]):
        expected[row["source"], row["lang"]] += len(row["text"].encode())
    assert {key: size for key, size in facts.columns.bytes_of.items() if size} == expected
    # the document kept of the group of three is in the corpus twice
    assert facts.columns.documents_of["web", "ko"] == 2
    assert sum(row["source"] == "web" for row in corpus_rows(done[1])) == 3
    total = sum(expected.values())
    code = sum(size for (_, lang), size in expected.items() if lang == "code")
    assert f"code <b>{share_text(code / total)}</b>" in section(page, "composition")
    groups = Counter()
    for row in corpus_rows(done[1]):
        groups[GROUP_OF[row["domain"]]] += len(row["text"].encode())
    by_group = {bar.label: bar.shown for bar in corpus_view.composition(facts)[2]["slices"]}
    assert by_group == {name: share_text(size / total) for name, size in groups.items()}


def test_funnel_and_reasons_of_the_hand_made_source(page):
    reasons = rows(page, "reasons")
    column = reasons["reason"].index("web")
    assert reasons[label("too_short")][column] == reasons[label("contaminated")][column] == "1"
    assert reasons[label("exact_duplicate")][column] == "2"
    web = rows(page, "funnel")["web"]
    assert web[:5] == ["ko", "6", "4", "4", "2"]  # language, read, bad, dropped, kept
    assert "web, filter: 2 of 6" in page and "web, deduplicate: 2 of 6" in page


def test_funnel_is_that_of_the_file(done, facts, page):
    funnel = json.loads((done[1] / "funnel.json").read_text())
    first, last = funnel["steps"][0], funnel["steps"][-1]
    assert f"{first['documents']:,}" in loss_view.lead(facts) and f"{last['documents']:,}" in loss_view.lead(
        facts
    )
    assert loss_view.lead(facts) in page
    for source in funnel["sources"]:
        row = rows(page, "funnel")[source["name"]]
        numbers = [
            source["documents_in"],
            source["bad_records"],
            sum(source["dropped"].values()),
            source["documents_out"],
        ]
        assert row[1:5] == [f"{number:,}" for number in numbers]


def test_changes_and_personal_data(done, facts, page):
    funnel = json.loads((done[1] / "funnel.json").read_text())
    changed = Counter()
    for source in funnel["sources"]:
        changed.update(source["changed"])
    assert rows(page, "changes")[label("squeeze")][0] == f"{changed['squeeze']:,}"
    columns = [pq.read_table(path) for path in (done[1] / "steps" / "clean").glob("*.columns.parquet")]
    documents = sum(np.count_nonzero(table["masked_email"].to_numpy()) for table in columns)
    places = sum(table["masked_email"].to_numpy().sum() for table in columns)
    assert rows(page, "personal")[label("email")][:2] == [f"{documents:,}", f"{places:,}"]
    assert facts.columns.masked["email"] == documents >= 1


def test_bad_records_by_cause(page, facts):
    assert facts.bad_records.causes.total() == len(BAD) + 3  # and the three of the other corpus
    shown = section(page, "bad")
    assert "field &#39;text&#39;" in shown
    counts = dict(re.findall(r"<summary>(.*?) <span class=\"soft\">([\d,]+)</span>", shown))
    assert counts["field &#39;text&#39; is missing; fields: id; set text_field"] == "3"
    assert "010-1234-5678" not in page


def test_duplicates_by_hand(facts, page):
    assert facts.duplicates.sizes == {3: 1, 2: 2}  # the web group, and one each in ko and en
    largest = facts.duplicates.largest[0]
    assert (largest.identity, largest.size, largest.source) == (f"{HOSTILE}0", 3, "web")
    assert largest.text == SAME.replace(BIDI, "")[:300] and largest.other["similarity"] == 1
    assert rows(page, "duplicates")["web"] == ["4", "2", "0", "50.0%"]
    alarms = loss_view.alarms(facts)
    assert any("web" in alarm and "2 of 4" in alarm for alarm in alarms)
    assert page.count('class="alarm"') == len(alarms)


def test_measures_are_those_of_the_texts(done, facts):
    texts = {(row["id"], row["text"]) for row in corpus_rows(done[1]) if row["lang"] == "ko"}
    characters = np.array([len(text) for _, text in texts])
    tally = facts.columns.spreads["ko", "characters"]
    assert tally.total == len(texts)
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        exact = np.quantile(characters, share, method="inverted_cdf")
        assert tally.quantile(share) == pytest.approx(exact, rel=0.004)
    powers = Counter(int(np.log2(number)) for number in characters)
    assert tally.by_power() == powers
    hangul = [np.mean(["가" <= c <= "힣" for c in text if c.isalpha()]) for _, text in texts]
    assert facts.columns.spreads["ko", "hangul"].quantile(0.5) == pytest.approx(
        np.quantile(hangul, 0.5, method="inverted_cdf"), rel=0.004
    )


def test_scores_are_counted_before_and_after(facts, page):
    judged = facts.columns.scored["perplexity_books", "ko"]
    funnel = {source["name"]: source for source in facts.funnel["sources"]}
    assert judged.total == funnel["ko"]["documents_in"] + funnel["web"]["documents_in"]
    kept = facts.columns.scored_kept["perplexity_books", "ko"].total
    assert kept == funnel["ko"]["documents_out"] + funnel["web"]["documents_out"]
    assert ("perplexity_books", "code") not in facts.columns.scored
    assert f"{kept:,} of {judged.total:,}" in section(page, "scores")
    assert "1.00 B" in section(page, "scores")


def test_evaluation_sets(page):
    assert rows(page, "contamination")["quiz"][:5] == ["1", "1", "1", "100.0%", "1"]


def test_tokens_and_stages(done, page):
    manifest = json.loads((done[1] / "manifest.json").read_text())
    shown = [row for row in Elements(section(page, "tokens")).rows if len(row) > 3]
    for entry, row in zip(manifest["sets"], shown[1:]):
        assert row[:3] == [entry["name"], entry["split"], f"{entry['documents']:,}"]
        assert row[4] == f"{entry['tokens']:,}"
    assert shown[-1][4] == f"{sum(entry['tokens'] for entry in manifest['sets']):,}"
    held = {entry["name"]: entry["tokens"] for entry in manifest["sets"] if entry["split"] == "train"}
    stages = rows(page, "stages")
    # 70,000 of 0.5 and then 30,000 of 0.75
    seen = (70_000 * 0.5 / held["ko"], (70_000 * 0.5 + 30_000 * 0.75) / held["ko"])
    assert stages["ko"] == ["50.0%", f"{seen[0]:.2f} epochs", "75.0%", f"{seen[1]:.2f} epochs"]
    assert stages["en"][2:] == ["-", ""]


def test_the_page_is_the_same_again(done, page):
    assert page_of(*done) == page


# --- safety ----------------------------------------------------------------------------------------------


def test_hostile_text_is_shown_not_run(page):
    assert HOSTILE not in page and BIDI not in page and "<img" not in page
    # ids, texts, an item of the quiz
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;") >= 4
    elements = Elements(page).elements
    assert not [
        tag
        for tag, _ in elements
        if tag in ("script", "iframe", "object", "embed", "form", "img", "link", "base")
    ]
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]


def test_the_page_loads_nothing(page):
    for _, attributes in Elements(page).elements:
        assert not {"src", "srcset", "xlink:href", "action"} & set(attributes)
        assert attributes.get("href", "#")[:1] == "#"
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style and "url(" not in style[1] and "@import" not in style[1]


def test_every_link_has_its_heading(page):
    elements = Elements(page).elements
    targets = {attributes["id"] for _, attributes in elements if "id" in attributes}
    assert {attributes["href"][1:] for tag, attributes in elements if tag == "a"} == targets


# --- unfinished and small runs ---------------------------------------------------------------------------


def small(folder, documents, lang="ko"):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"id": f"d{n}", "text": text}, ensure_ascii=False) for n, text in enumerate(documents)
    ]
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = folder / "data.yaml"
    config.write_text(
        f"output: {{folder: {folder / 'out'}}}\n"
        f"inputs: {{a: {{type: jsonl, paths: [{folder / 'a.jsonl'}], lang: {lang}}}}}\n"
        f"domains: {{all: {{}}}}\ntokenizer: {{vocab_size: 400, proof_strings: 300}}\n"
    )
    return [str(config)], folder / "out"


DIFFERENT = [" ".join(KO[n:] + KO[:n])[: 150 + 9 * n] for n in range(12)]


def test_unfinished_steps_are_omitted(tmp_path):
    files, out = small(tmp_path, DIFFERENT)
    for step in ("clean", "measure", "filter"):
        assert main([step, *files, "--workers", "1"]) == 0
    early = page_of(files, out)
    assert unfinished(facts_of(files)) == ["deduplicate", "balance", "encode"]
    assert 'id="duplicates"' not in early and 'id="tokens"' not in early
    assert main(["deduplicate", *files, "--workers", "1"]) == 0
    later = page_of(files, out)
    assert unfinished(facts_of(files)) == ["balance", "encode"] and 'id="duplicates"' in later


def test_a_corpus_of_one_language_without_duplicates(tmp_path):
    words = [
        f"{tree}나무 {n}그루와 {bird}새" for n, (tree, bird) in enumerate(zip("감배밤잣대솔", "참물꿩매닭솔"))
    ]
    texts = [f"{word} 이야기. " + sentence * 3 for word, sentence in zip(words, KO)]
    files, out = small(tmp_path, texts)
    for step in ("clean", "measure", "filter", "deduplicate"):
        assert main([step, *files, "--workers", "1"]) == 0
    page = page_of(files, out)
    assert loss_view.duplicates(facts_of(files))["chart"] is None and "Korean <b>100%</b>" in page
    assert 'id="bad"' not in page


def test_nothing_to_report_is_an_error(tmp_path):
    files, out = small(tmp_path, DIFFERENT)
    assert main(["report", *files]) == EXIT_USER_ERROR
    assert refusal_of(files).rule == "missing-file"
    assert main(["clean", *files, "--workers", "1"]) == 0
    assert main(["report", *files]) == EXIT_USER_ERROR
    assert refusal_of(files).rule == "step-not-finished"
    assert not (out / "report.html").exists()


def test_files_of_different_runs_are_refused(tmp_path):
    files, out = small(tmp_path, DIFFERENT)
    for step in ("clean", "measure", "filter", "deduplicate"):
        assert main([step, *files, "--workers", "1"]) == 0
    funnel = json.loads((out / "funnel.json").read_text())
    funnel["steps"][-1]["documents"] += 1
    (out / "funnel.json").write_text(json.dumps(funnel))
    assert refusal_of(files).rule == "different-runs"
    (out / "steps" / "deduplicate.json").unlink()
    error = refusal_of(files)
    assert error.rule == "step-not-finished" and "'deduplicate'" in str(error)


def test_an_input_that_was_not_read_is_refused(tmp_path):
    files, out = small(tmp_path, DIFFERENT)
    for step in ("clean", "measure", "filter"):
        assert main([step, *files, "--workers", "1"]) == 0
    more = f"inputs.b={{type: jsonl, lang: ko, paths: [{tmp_path / 'a.jsonl'}]}}"
    error = refusal_of(files, more)
    assert error.rule == "step-not-finished" and "'b-00000'" in str(error)


def test_a_step_that_was_enabled_later_is_required(tmp_path):
    files, out = small(tmp_path, DIFFERENT)
    for step in ("clean", "measure", "filter"):
        assert main([step, *files, "--workers", "1"]) == 0
    score = "score.perplexity={b: {model: b.npz, langs: [ko]}}"
    error = refusal_of(files, score)
    assert error.rule == "step-not-finished" and "'score'" in str(error)
    sets = "decontaminate.sets={q: {paths: [q.txt], format: txt}}"
    error = refusal_of(files, sets)
    assert error.rule == "missing-file" and "decontamination.json" in str(error)


# --- parts -----------------------------------------------------------------------------------------------


def test_tally_against_sorting():
    values = np.random.Generator(np.random.PCG64(3)).lognormal(3, 4, 5000).astype(np.float32)
    tally = Tally()
    for part in np.array_split(values, 7):
        tally.add(part)
    for share in (0.0, 0.001, 0.37, 0.5, 0.999, 1.0):
        exact = np.sort(values)[max(0, int(np.ceil(share * len(values))) - 1)]
        assert exact * (1 - 0.004) <= tally.quantile(share) <= exact
    assert tally.by_power() == Counter(int(power) for power in np.floor(np.log2(np.maximum(values, 1))))
    assert sum(tally.by_power(1000.0).values()) == 5000 and max(tally.by_power(1000.0)) == 9


def test_tally_counts_steps_and_small_whole_numbers_exactly():
    tally = Tally()
    tally.add(np.array([0.0, 0.05, 0.1, 0.1, 0.25, 0.99, 1.0], np.float32))
    assert tally.by_step(np.linspace(0, 1, 11)) == [2, 2, 1, 0, 0, 0, 0, 0, 0, 2]
    whole = Tally()
    whole.add(np.arange(512))
    assert [whole.quantile((n + 1) / 512) for n in range(512)] == list(range(512))


@pytest.mark.parametrize(
    ("cause", "general"),
    [
        ("not JSON: Expecting ',' delimiter: line 1 column 17 (char 16)", "not JSON: Expecting … delimiter: line … column … (char …)"),
        ("not UTF-8: invalid start byte at byte 9", "not UTF-8: invalid start byte at byte …"),
        ("field 'text' is missing; fields: a, b", "field 'text' is missing; fields: a, b"),
        ("text is longer than max_record_bytes = 1,024", "text is longer than max_record_bytes = …"),
        ("page \"it's\" has no text", "page … has no text"),
    ],
)  # fmt: skip
def test_causes_that_differ_in_values_are_one(cause, general):
    assert quarantine.generalize(cause) == general


def test_memory_of_bad_records_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(quarantine, "MAX_CAUSES", 3)
    path = tmp_path / "quarantine.jsonl"
    entries = [{"file": f"f{n}", "line": n, "cause": "x" * (n % 5 + 1), "raw": "y" * 9999} for n in range(20)]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    records = quarantine.read_bad_records(path)
    assert records.causes == {"x": 4, "xx": 4, "xxx": 4, quarantine.OTHER: 8}
    assert records.files == {"f0": 1, "f1": 1, "f2": 1, quarantine.OTHER: 17}
    assert all(len(e["raw"]) <= 200 for examples in records.examples.values() for e in examples)
    path.write_text('{"file": "a"}\n')
    with pytest.raises(DataError) as caught:
        quarantine.read_bad_records(path)
    problem = caught.value.problems[0]
    assert (problem.where, problem.rule) == (f"{path}:1", "invalid-quarantine")


def test_row_of_reads_the_right_row(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(10), "m": range(10)}), path, row_group_size=3)
    assert [row_of(path, n, ["n"])["n"] for n in range(10)] == list(range(10))
    with pytest.raises(IndexError):
        row_of(path, 10, ["n"])


def test_a_long_tail_of_sources_is_one_slice():
    sizes = Counter({f"s{n:02d}": 100 - n for n in range(30)})
    composition = corpus_view._ring("By source", "출처별", sizes, dict.fromkeys(sizes, "ko"))
    assert [bar.label for bar in composition["slices"]][-1] == "22 more"
    assert sum(bar.value for bar in composition["slices"]) == sum(sizes.values())


def test_charts_of_shares_and_spreads():
    whole = ring([Bar("a<b", 1.0, "ko", "100%")], "one")
    assert "a&lt;b" in whole and "NaN" not in whole
    columns = histogram([1, 3], ["0", "1", "2"], "ko", "two", behind=[2, 6])
    assert [float(h) for h in re.findall(r'height="([\d.]+)" rx', columns)] == pytest.approx(
        [39.33, 118, 19.67, 59]
    )
    assert "1 to 2: 3 of 6" in columns
    ranges = [Range("ko", "ko", (1, 10, 100, 1000, 10_000)), Range("en", "en", (0, 0, 0, 0, 0))]
    chart = range_chart(ranges, "spread", "{:g}".format, log=True)
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', chart)]
    assert places == [254, 104]  # the middle of the axis, and its beginning
    assert range_chart(ranges[1:], "all nothing", "{:g}".format)


def test_many_powers_share_a_column_and_nothing_is_lost():
    counts = {power: power + 1 for power in range(3, 60)}
    chart = measure_view._by_powers(counts, {}, "ko", "many", open_end=True)
    assert "8 to 64: 15" in chart  # powers 3, 4 and 5: 4 + 5 + 6
    titles = re.findall(r"<title>(.*?) to (.*?): ([\d,]+)<", chart)
    assert len(titles) == 19 and titles[-1][1] == "more"
    assert sum(int(count.replace(",", "")) for _, _, count in titles) == sum(counts.values())


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1e-5, "<0.1%"), (0.004, "0.4%"), (0.123, "12%"), (0.9803, "98%"), (0.9982, "99.8%"), (0.9999, ">99.9%"), (1, "100%")],
)  # fmt: skip
def test_only_all_is_100_percent(share, text):
    assert share_text(share) == text


def test_similarities_are_binned_by_two_percent():
    groups = loss_view.Groups(similarities=Counter({70: 1, 71: 2, 99: 4, 100: 8}))
    chart = loss_view._similarities(groups, 0.7)
    assert "70% to 72%: 3" in chart and "98% to 100%: 12" in chart


def test_the_looks_of_every_shape_are_in_the_style_sheet():
    bars = [Bar("a", 3.0, "ko", "3"), Bar("b", 2.0, "en second", "2"), Bar("c", 1.0, "other1", "1")]
    ranges = [Range("ko", "ko", [1, 2, 3, 4, 5])]
    lines = [Line("a", "ko", [(0, 1.0), (1, 2.0)], dots=True), Line("b", "en", [(0, 1.0)], faint=True)]
    drawn = [
        line_chart(lines, Panel(), "x"),
        bar_chart(bars, "x", mark=1.0, mark_text="m"),
        stacked_bars([("r", bars)], "x"),
        ring(bars, "x", "middle"),
        histogram([1, 2], list("abc"), "ko", "x", behind=[2, 3]),
        range_chart(ranges, "x", "{:g}".format),
    ]
    used = {
        name for chart in drawn for names in re.findall(r'class="([^"]*)"', chart) for name in names.split()
    }
    known = set(re.findall(r"\.([a-z][a-z0-9-]*)", STYLE.read_text(encoding="utf-8")))
    known.add("tick")  # looks like any text of a chart
    assert {"line", "dot", "bar", "slice", "strip", "median", "whisker"} <= used <= known
    assert not any("style=" in chart for chart in drawn)
