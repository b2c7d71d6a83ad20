"""Measures and compares tokenizers on text: prints tables, and writes an HTML page, a chart and all numbers to ``--out``.

Owns the command and its output. A tokenizer is a folder of Hugging Face or of this project, a SentencePiece model, or a
tiktoken file; ``tokenizers/comparison`` computes the numbers.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.tables import format_table
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import add_workers

if TYPE_CHECKING:
    from preprocessing.tokenizers.comparison import TokenizerSpec
    from preprocessing.tokenizers.efficiency import Meter

PAGE, NUMBERS, CHART = "report.html", "measurements.json", "efficiency"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tokenizers", nargs="+", metavar="[NAME=]TOKENIZER",
        help="folder with tokenizer.json or tokenizer.model, a SentencePiece model, or a tiktoken file",
    )  # fmt: skip
    parser.add_argument(
        "--text", nargs="+", metavar="PATH", default=[],
        help="text to measure on: .parquet, .jsonl, .txt, .md or .py files, folders of them, or the output folder of a pipeline",
    )  # fmt: skip
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"write {PAGE}, {NUMBERS}, {CHART}.svg and {CHART}.png here",
    )
    parser.add_argument(
        "--relative-to", metavar="TOKENIZER", help="tokenizer with efficiency 100 (default: the first)"
    )
    parser.add_argument("--base", metavar="TOKENIZER", help="base of the token ratio (default: the first)")
    parser.add_argument(
        "--pairs", metavar="FILE", help="the same content in two languages (.jsonl, .parquet), for parity"
    )
    parser.add_argument(
        "--pair-fields", nargs=2, default=["ko", "en"], metavar=("A", "B"),
        help="fields of --pairs; parity is tokens of A per token of B (default: ko en)",
    )  # fmt: skip
    parser.add_argument(
        "--pattern", metavar="PATTERN",
        help="split pattern of tiktoken files: a name (cl100k_base, o200k_base, gpt2, llama3, qwen) or a regular expression",
    )  # fmt: skip
    parser.add_argument("--show", metavar="TEXT", help="print the tokens of this text in colors")
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    from preprocessing.running.processes import cores
    from preprocessing.tokenizers import comparison
    from preprocessing.tokenizers.efficiency import Meter

    if not arguments.text and arguments.show is None:
        raise ConfigError("nothing to measure: add --text PATH ..., or --show TEXT", rule="missing-text")
    if arguments.out and not arguments.text:
        raise ConfigError("--out writes measurements of text: add --text PATH ...", rule="missing-text")
    specs = _name_tokenizers(arguments.tokenizers, arguments.pattern)
    chosen = _position(arguments.relative_to, "--relative-to", specs)
    base = _position(arguments.base, "--base", specs)
    pairs = _read_pairs(arguments.pairs, arguments.pair_fields) if arguments.pairs else []
    meters = [Meter(spec.open()) for spec in specs]
    if arguments.show is not None:
        _show(meters, arguments.show)
    if not arguments.text:
        return 0
    counts = comparison.count(specs, arguments.text, arguments.workers or cores())
    measurements = comparison.compare(meters, counts, chosen, base, pairs, arguments.pair_fields)
    print(format_measurements(measurements, with_ratio=arguments.base is not None))
    if arguments.out:
        _write(arguments.out, measurements, meters)
    else:
        print("\n--out FOLDER writes the page, the chart and all numbers")
    return 0


# --- arguments -------------------------------------------------------------------------------------------


def _name_tokenizers(arguments: Sequence[str], pattern: str | None) -> list[TokenizerSpec]:
    """The tokenizers with distinct names. An argument is ``NAME=PATH``, or a path if a file of this name exists."""
    from preprocessing.tokenizers.comparison import TokenizerSpec
    from preprocessing.tokenizers.opened import name_of

    specs = []
    for text in arguments:
        name, sign, path = text.partition("=")
        named = bool(sign and name and path) and not Path(text).expanduser().exists()
        specs.append(
            TokenizerSpec(path, name, pattern) if named else TokenizerSpec(text, name_of(Path(text)), pattern)
        )
    names = [spec.name for spec in specs]
    # runs/a/data/tokenizer and runs/a/train/hf are both "a": their paths tell them apart
    automatic = [
        names.count(name) > 1 and spec.path == text for name, spec, text in zip(names, specs, arguments)
    ]
    if len(set(arguments)) == len(arguments):
        specs = [replace(s, name=s.path) if long else s for s, long in zip(specs, automatic, strict=True)]
        names = [spec.name for spec in specs]
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(
            f"several tokenizers have the name {', '.join(repeated)}; name each: NAME=PATH NAME=PATH ...",
            rule="duplicate-name",
        )
    return specs


def _position(wanted: str | None, option: str, specs: Sequence[TokenizerSpec]) -> int:
    if wanted is None:
        return 0
    for number, spec in enumerate(specs):
        if wanted in (spec.name, spec.path, f"{spec.name}={spec.path}"):
            return number
    raise ConfigError(
        f"{option}: unknown tokenizer {wanted}; choose from {', '.join(str(spec.name) for spec in specs)}",
        rule="unknown-tokenizer",
    )


def _read_pairs(name: str, pair_fields: Sequence[str]) -> list[tuple[str, str]]:
    from preprocessing.scoring.training_text import records_of

    path = Path(name).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file; --pairs takes a .jsonl or .parquet file", rule="missing-file")
    pairs = []
    for number, record in records_of(path, "parquet" if path.suffix == ".parquet" else "jsonl", pair_fields):
        first, second = (record.get(field) for field in pair_fields)
        if not isinstance(first, str) or not isinstance(second, str):
            raise DataError(
                f"{path}: record {number} has no text in {' and '.join(pair_fields)}; correct it, or name other --pair-fields "
                f"(its fields: {', '.join(sorted(record))})",
                rule="missing-field",
            )
        pairs.append((first, second))
    if not pairs:
        raise DataError(
            f"{path}: contains no pairs; add records with {' and '.join(pair_fields)}", rule="no-pairs"
        )
    return pairs


# --- output ----------------------------------------------------------------------------------------------


def _show(meters: Sequence[Meter], text: str) -> None:
    from preprocessing.page.colored_tokens import for_terminal, tokens_for_display

    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise ConfigError(
            "--show: the text is not UTF-8; check the locale of the terminal", rule="not-utf8"
        ) from None
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for meter in meters:
        tokens = tokens_for_display(meter.tokenizer, text)
        per = f", {size / len(tokens):.2f} bytes per token" if tokens else ""
        print(
            f"{meter.tokenizer.name}: {format_count(len(tokens), 'token')}{per}\n{for_terminal(tokens, color)}\n"
        )


def format_measurements(measurements: dict[str, Any], with_ratio: bool) -> str:
    """One table per language, one of the vocabularies, and the meaning of the columns."""
    lines: list[str] = []
    for lang, text in measurements["languages"].items():
        if lang == "all" and len(measurements["languages"]) == 2:
            continue  # the text has one language
        lines += [*_language_table(measurements, lang, text, with_ratio), ""]
    lines += [*_vocabulary_table(measurements), ""]
    notes = [
        ("split words", "words that take several tokens"),
        ("byte tokens", "tokens that are a byte or a part of a character"),
        ("changed docs", "documents that decode to other text"),
        ("efficiency", f"100 x tokens of {measurements['relative_to']} / tokens; higher is better"),
        ("single", "Hangul syllables, of 11,172, that are one token"),
        ("in text", "share of these among the different syllables of the text"),
        ("by use", "share of these among all syllables of the text"),
    ]
    if with_ratio:
        notes.insert(4, ("token ratio", f"tokens / tokens of {measurements['base']}; lower is better"))
    if measurements["parity_of"]:
        first, second = measurements["parity_of"]
        notes.append(("parity", f"tokens of {first} per token of {second} for the same content; 1 is equal"))
    return "\n".join([*lines, *format_table([("column", "meaning"), *notes], sentences=True)])


def _language_table(
    measurements: dict[str, Any], lang: str, text: dict[str, Any], with_ratio: bool
) -> list[str]:
    from megatron_ko.wording import format_bytes
    from preprocessing.page.palette import LANGUAGES

    rows = [
        ["", "bytes/\ntoken", "chars/\ntoken", "tokens/\nword", "split\nwords", "byte\ntokens", "unknown\ntokens",
         "changed\ndocs", "effi-\nciency", *(["token\nratio"] if with_ratio else [])]
    ]  # fmt: skip
    for tokenizer in measurements["tokenizers"]:
        here = tokenizer["by_language"][lang]
        cells = [_number(here[key]) for key in ("bytes_per_token", "characters_per_token", "tokens_per_word")]
        cells += [_percent(here[key]) for key in ("continued_words", "byte_tokens", "unknown_tokens")]
        cells += [f"{here['changed_documents']:,}", _number(here["relative_efficiency"], 1)]
        rows.append([tokenizer["name"], *cells, *([_number(here["token_ratio"])] if with_ratio else [])])
    title = f"{LANGUAGES.get(lang, lang)}: {format_count(text['documents'], 'document')}, {format_bytes(text['bytes'])}"
    return [title, *format_table(rows)]


def _vocabulary_table(measurements: dict[str, Any]) -> list[str]:
    pairs = measurements["parity_of"]
    rows = [
        ["", "ids", "unused\ntokens", "\nshare", "syllables\nsingle", "in\ntext", "by\nuse",
         *(["parity\n" + "/".join(pairs)] if pairs else []), "type"]
    ]  # fmt: skip
    for tokenizer in measurements["tokenizers"]:
        syllables = tokenizer["syllables"]
        cells = [
            f"{tokenizer['ids']:,}",
            f"{tokenizer['unused_tokens']:,}",
            _percent(tokenizer["unused_share"]),
        ]
        cells += [f"{syllables['single']:,}", _percent(syllables["of_met"]), _percent(syllables["by_use"])]
        if pairs:
            cells.append(_number(tokenizer["parity"]["parity"]))
        rows.append([tokenizer["name"], *cells, tokenizer["kind"]])
    return ["vocabularies", *format_table(rows, sentences=True)]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else "0" if share == 0 else f"{share:.1%}" if share >= 0.0005 else "<0.1%"


# --- files -----------------------------------------------------------------------------------------------


def _write(folder: Path, measurements: dict[str, Any], meters: Sequence[Meter]) -> None:
    from megatron_ko.files import atomic_file, write_json, write_text
    from preprocessing.page.drawing_files import png_available, png_file, svg_file
    from preprocessing.report.tokenizers_page import chart_of, page

    folder = folder.expanduser()
    chart = chart_of(measurements)
    write_json(folder / NUMBERS, measurements)
    write_text(folder / f"{CHART}.svg", svg_file(chart))
    names = [PAGE, NUMBERS, f"{CHART}.svg"]
    if png_available():
        with atomic_file(folder / f"{CHART}.png") as file:
            file.write(png_file(chart))
        names.append(f"{CHART}.png")
    write_text(folder / PAGE, page(measurements, [meter.tokenizer for meter in meters]))
    print(f"wrote {', '.join(names)} to {folder}")
    if not png_available():
        print(f"skipped {CHART}.png, which needs Pillow: pip install 'megatron_ko[plots]'")
