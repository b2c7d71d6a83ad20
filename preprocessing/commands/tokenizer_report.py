"""Measures and compares tokenizers on given text: a table, and with --out one HTML page, the chart and all numbers.

Owns the command and what it prints. A tokenizer is a folder of Hugging Face or of this project, a SentencePiece model,
or a tiktoken file; the numbers are those of ``tokenizers/comparison``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_ko.errors import ConfigError, DataError
from preprocessing.commands.tokenizer_arguments import add_workers

if TYPE_CHECKING:
    from preprocessing.tokenizers.comparison import Given
    from preprocessing.tokenizers.efficiency import Meter

PAGE, NUMBERS, CHART = "report.html", "measurements.json", "efficiency"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tokenizers", nargs="+", metavar="[NAME=]TOKENIZER",
        help="folder with tokenizer.json or tokenizer.model, SentencePiece model, or tiktoken file",
    )  # fmt: skip
    parser.add_argument(
        "--text", nargs="+", metavar="PATH", default=[],
        help="what is measured on: .parquet, .jsonl, .txt, .md, .py, folders of them, the output of a pipeline",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"gets {PAGE}, {NUMBERS}, {CHART}.svg and {CHART}.png"
    )
    parser.add_argument(
        "--relative-to", metavar="TOKENIZER", help="is 100 in the efficiency chart (default: the first)"
    )
    parser.add_argument(
        "--base", metavar="TOKENIZER", help="token ratio new/base is given for each (default: the first)"
    )
    parser.add_argument(
        "--pairs", metavar="FILE", help="the same content in two languages (.jsonl, .parquet), for parity"
    )
    parser.add_argument(
        "--pair-fields", nargs=2, default=["ko", "en"], metavar=("A", "B"),
        help="fields of --pairs; parity is tokens of A per token of B (default: ko en)",
    )  # fmt: skip
    parser.add_argument(
        "--pattern", metavar="PATTERN",
        help="how tiktoken files split text, by name (cl100k_base, o200k_base, gpt2, llama3, qwen) or as an expression",
    )  # fmt: skip
    parser.add_argument("--show", metavar="TEXT", help="print the tokens of this text in colors")
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    from preprocessing.running.processes import cores
    from preprocessing.tokenizers import comparison
    from preprocessing.tokenizers.efficiency import Meter

    if not arguments.text and arguments.show is None:
        raise ConfigError("nothing to measure on: give --text PATH ..., or --show TEXT")
    if arguments.out and not arguments.text:
        raise ConfigError("--out writes what was measured on text: give --text PATH ... too")
    givens = _named(arguments.tokenizers, arguments.pattern)
    chosen = _position(arguments.relative_to, "--relative-to", givens)
    base = _position(arguments.base, "--base", givens)
    pairs = _read_pairs(arguments.pairs, arguments.pair_fields) if arguments.pairs else []
    meters = [Meter(given.open()) for given in givens]
    if arguments.show is not None:
        _show(meters, arguments.show)
    if not arguments.text:
        return 0
    counted = comparison.count(givens, arguments.text, arguments.workers or cores())
    found = comparison.compare(meters, counted, chosen, base, pairs, arguments.pair_fields)
    sys.stdout.write(_tables(found, with_ratio=arguments.base is not None))
    if arguments.out:
        _write(arguments.out, found, meters)
    else:
        print("--out FOLDER writes the page, the chart and all numbers")
    return 0


# --- what is given ---------------------------------------------------------------------------------------


def _named(given: Sequence[str], pattern: str | None) -> list[Given]:
    """The tokenizers with names that differ. ``NAME=PATH``, unless a file is called so."""
    from preprocessing.tokenizers.comparison import Given
    from preprocessing.tokenizers.opened import name_of

    found = []
    for text in given:
        name, sign, path = text.partition("=")
        named = bool(sign and name and path) and not Path(text).expanduser().exists()
        found.append(Given(path, name, pattern) if named else Given(text, name_of(Path(text)), pattern))
    names = [item.name for item in found]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"several tokenizers are called {', '.join(twice)}; name each: NAME=PATH NAME=PATH ..."
        )
    return found


def _position(wanted: str | None, option: str, givens: Sequence[Given]) -> int:
    if wanted is None:
        return 0
    for number, given in enumerate(givens):
        if wanted in (given.name, given.path, f"{given.name}={given.path}"):
            return number
    raise ConfigError(
        f"{option}: {wanted} is none of the tokenizers given: {', '.join(str(g.name) for g in givens)}"
    )


def _read_pairs(given: str, pair_fields: Sequence[str]) -> list[tuple[str, str]]:
    from preprocessing.scoring.training_text import records_of

    path = Path(given).expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file; give --pairs FILE.jsonl or FILE.parquet")
    kind = "parquet" if path.suffix == ".parquet" else "jsonl"
    pairs = []
    for number, record in records_of(path, kind, pair_fields):
        first, second = (record.get(name) for name in pair_fields)
        if not isinstance(first, str) or not isinstance(second, str):
            raise DataError(
                f"{path}: record {number} has no text in {' and '.join(pair_fields)}; correct it, or give --pair-fields "
                f"(fields there: {', '.join(sorted(record))})"
            )
        pairs.append((first, second))
    if not pairs:
        raise DataError(f"{path}: holds no pairs; give records with {' and '.join(pair_fields)}")
    return pairs


# --- what is printed -------------------------------------------------------------------------------------


def _show(meters: Sequence[Meter], text: str) -> None:
    from preprocessing.page.colored_tokens import for_terminal, tokens_for_display

    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise ConfigError("--show: the text is not UTF-8; check the terminal's locale") from None
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for meter in meters:
        tokens = tokens_for_display(meter.tokenizer, text)
        per = f", {size / len(tokens):.2f} bytes per token" if tokens else ""
        print(f"{meter.tokenizer.name}: {len(tokens)} tokens{per}\n{for_terminal(tokens, color)}\n")


def _tables(found: dict[str, Any], with_ratio: bool) -> str:
    from preprocessing.page.number_text import size
    from preprocessing.page.palette import LANGUAGES
    from preprocessing.tokenizers.comparison import ALL

    tokenizers = found["tokenizers"]
    chosen = found["relative_to"]
    heads = ["bytes/token", "chars/token", "tokens/word", "cut words", "byte tokens", "unknown", "changed", "efficiency"]  # fmt: skip
    parts = []
    for lang, text in found["languages"].items():
        if lang == ALL and len(found["languages"]) == 2:
            continue  # there is one language
        rows = []
        for made in tokenizers:
            here = made["by_language"][lang]
            cells = [
                _number(here[key]) for key in ("bytes_per_token", "characters_per_token", "tokens_per_word")
            ]
            cells += [_percent(here[key]) for key in ("continued_words", "byte_tokens", "unknown_tokens")]
            cells += [f"{here['changed_documents']:,}", _number(here["relative_efficiency"], 1)]
            rows.append([made["name"], *cells, *([_number(here["token_ratio"])] if with_ratio else [])])
        title = f"{LANGUAGES.get(lang, lang)}: {text['documents']:,} documents, {size(text['bytes'])}"
        parts.append(_table(title, [*heads, *(["TR"] if with_ratio else [])], rows))
    vocabulary = []
    for made in tokenizers:
        syllables, pair = made["syllables"], made["parity"]
        cells = [f"{made['ids']:,}", f"{made['unused_tokens']:,}", _percent(made["unused_share"])]
        cells += [f"{syllables['single']:,}", _percent(syllables["of_met"]), _percent(syllables["by_use"])]
        vocabulary.append(
            [made["name"], *cells, _number(pair["parity"]) if pair else "no --pairs", made["kind"]]
        )
    parity = "/".join(found["parity_of"]) if found["parity_of"] else ""
    heads = ["ids", "unused", "", "syllables", "of met", "by use", f"parity {parity}".strip(), "kind"]
    parts.append(_table("vocabulary", heads, vocabulary))
    says = f"efficiency: 100 x tokens of {chosen} / tokens, higher is better"
    says += f"; TR: tokens / tokens of {found['base']}" if with_ratio else ""
    return "\n".join([*parts, says]) + "\n"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = [["", *heads], *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join([f"  {row[0]:{widths[0]}}", *(f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:]))])
        for row in table
    ]
    return "\n".join([title, *(line.rstrip() for line in lines), ""])


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else "0" if share == 0 else f"{share:.1%}" if share >= 0.0005 else "<0.1%"


# --- what is written -------------------------------------------------------------------------------------


def _write(folder: Path, found: dict[str, Any], meters: Sequence[Meter]) -> None:
    from megatron_ko.files import atomic_file, write_json, write_text
    from preprocessing.page.drawing_files import png_available, png_file, svg_file
    from preprocessing.report.tokenizers_page import chart_of, page

    folder = folder.expanduser()
    chart = chart_of(found)
    write_json(folder / NUMBERS, found)
    write_text(folder / f"{CHART}.svg", svg_file(chart))
    names = [PAGE, NUMBERS, f"{CHART}.svg"]
    if png_available():
        with atomic_file(folder / f"{CHART}.png") as file:
            file.write(png_file(chart))
        names.append(f"{CHART}.png")
    write_text(folder / PAGE, page(found, [meter.tokenizer for meter in meters]))
    print(f"wrote {', '.join(names)} to {folder}")
    if not png_available():
        print(f"no {CHART}.png: it needs Pillow; pip install 'megatron_ko[plots]'")
