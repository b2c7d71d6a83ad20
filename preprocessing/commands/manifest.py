"""Writes the manifest of token files that exist already, also those of Megatron-LM, so that ``mko train`` reads them.

Owns the command. ``pair_check`` reads the pairs, ``existing`` the tokenizer; nothing is written unless both are sound.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.tables import format_table
from megatron_ko.wording import format_count
from preprocessing.commands.tokenizer_arguments import add_workers

if TYPE_CHECKING:
    from preprocessing.tokenizers.existing import ExistingTokenizer
    from preprocessing.tokens.pair_check import CheckedPair

log = logging.getLogger(__name__)
FIELDS = ("--tokenizer", "--eos-token")
NAME = re.compile(r"[A-Za-z0-9_-]+")
PROOF_STRINGS, SAMPLE, SAMPLE_TOKENS = 2_000, 16, 4096


class Set(NamedTuple):
    """A set of the manifest; its files are ``pairs``, in order."""

    name: str
    split: str
    pairs: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "train", nargs="+", metavar="[NAME=]PREFIX",
        help="pair of a training set: PREFIX, PREFIX.bin or PREFIX.idx; pairs with the same NAME form one set (default: the name "
        "of the file, without _text_document, _train and _valid)",
    )  # fmt: skip
    parser.add_argument(
        "--valid", nargs="+", default=[], metavar="[NAME=]PREFIX",
        help="pairs of validation sets; 'mko data tokens split' cuts a pair in two",
    )  # fmt: skip
    parser.add_argument(
        "--share", nargs="+", default=[], metavar="NAME=X",
        help="share of the training tokens of each set, scaled to sum to 1 (default: by size)",
    )  # fmt: skip
    parser.add_argument(
        "--tokenizer", required=True, metavar="FOLDER",
        help="tokenizer that encoded the files: a folder of Hugging Face or of this project, or a SentencePiece model",
    )  # fmt: skip
    parser.add_argument(
        "--eos-token", metavar="TOKEN", help="token that ends documents (default: the tokenizer's own)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER",
        help="write manifest.json and tokenizer/ here; token files outside of it are linked into tokens/",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="overwrite an existing manifest")
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    from preprocessing.tokenizers.existing import read_existing
    from preprocessing.tokens.manifest_files import MANIFEST

    sets = [
        *_sets_of(arguments.train, "train", "PREFIX"),
        *_sets_of(arguments.valid, "valid", "--valid"),
    ]
    _refuse_repeated([pair for one in sets for pair in one.pairs])
    shares = _shares_of(arguments.share, [one.name for one in sets if one.split == "train"])
    path = arguments.out / MANIFEST
    own = Path(arguments.tokenizer).expanduser().resolve() == (arguments.out / "tokenizer").resolve()
    for output in (path, *([] if own else [arguments.out / "tokenizer"])):
        if output.exists() and not arguments.overwrite:
            message = f"{output}: already exists; choose another --out, or add --overwrite"
            raise DataError(message, rule="output-exists")
    tokenizer = read_existing(arguments.tokenizer, arguments.eos_token, FIELDS)
    checked = _check(sets, tokenizer, arguments.workers)
    _write(arguments.out, path, sets, shares, tokenizer, checked)
    print(path)
    return 0


# --- arguments ---------------------------------------------------------------------------------------------


def _sets_of(arguments: Sequence[str], split: str, field: str) -> list[Set]:
    """The sets in the order of their first pairs. An argument is ``NAME=PREFIX``, or a prefix."""
    from preprocessing.tokens.pair_check import name_of_set
    from preprocessing.tokens.pair_folders import refuse_folders

    pairs: dict[str, list[str]] = {}
    for argument in arguments:
        name, sign, prefix = argument.partition("=")
        if not (sign and prefix and NAME.fullmatch(name)):
            name, prefix = name_of_set(argument), argument
        if not NAME.fullmatch(name):
            message = f"{field} {argument}: a set is named with ASCII letters, digits, - and _; write NAME={argument}"
            raise ConfigError(message, rule="invalid-name")
        pairs.setdefault(name, []).append(prefix)
    refuse_folders((prefix for of_set in pairs.values() for prefix in of_set), "manifest")
    return [Set(name, split, of_set) for name, of_set in pairs.items()]


def _refuse_repeated(pairs: Sequence[str]) -> None:
    from preprocessing.tokens.token_files import prefix_of

    files = [prefix_of(pair).resolve() for pair in pairs]
    repeated = sorted({str(file) for file in files if files.count(file) > 1})
    if repeated:
        raise ConfigError(
            f"{', '.join(repeated)}: named twice, so its text would be repeated, or validation text trained on; name each pair "
            "once ('mko data tokens split' cuts one in two)",
            rule="duplicate-pair",
        )


def _shares_of(arguments: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Share by set, as given; empty without arguments. Raises ConfigError unless all training sets have one."""
    shares: dict[str, float] = {}
    for argument in arguments:
        name, _, text = argument.partition("=")
        try:
            shares[name] = float(text)
        except ValueError:
            message = f"--share {argument}: is not NAME=NUMBER, such as {names[0]}=0.5"
            raise ConfigError(message, rule="invalid-share") from None
        if name not in names:
            message = (
                f"--share {argument}: there is no training set {name!r}; training sets: {', '.join(names)}"
            )
            raise ConfigError(message, rule="unknown-set")
        if not 0 < shares[name] < float("inf"):
            raise ConfigError(
                f"--share {argument}: must be above 0; leave the set out", rule="share-not-positive"
            )
    missing = [name for name in names if name not in shares] if shares else []
    if missing:
        raise ConfigError(
            f"--share: {', '.join(missing)} has none; give every training set a share, or none of them",
            rule="share-missing",
        )
    return shares


# --- reading -----------------------------------------------------------------------------------------------


def _check(sets: Sequence[Set], tokenizer: ExistingTokenizer, workers: int | None) -> dict[str, CheckedPair]:
    """Every pair by its argument. Raises DataError with the problems of all pairs."""
    from megatron_ko.errors import Problem
    from preprocessing.running.processes import PRELOADED, cores
    from preprocessing.running.worker_pool import WorkerPool
    from preprocessing.tokens.pair_check import check_pair
    from preprocessing.tokens.token_files import prefix_of

    pairs = [pair for one in sets for pair in one.pairs]
    eod = tokenizer.vocabulary.names.index(tokenizer.special["eos"])
    items = [(pair, tokenizer.vocabulary.size, eod) for pair in pairs]
    files = [Path(f"{prefix_of(pair)}.bin") for pair in pairs]
    sizes = [file.stat().st_size if file.is_file() else 0 for file in files]
    with WorkerPool(min(workers or cores(), len(pairs)), PRELOADED) as pool:
        results = dict(zip(pairs, pool.map(check_pair, items, "check", sizes)))
    problems = [problem for result in results.values() if isinstance(result, list) for problem in result]
    checked = {pair: result for pair, result in results.items() if not isinstance(result, list)}
    for one in sets:
        types = sorted({checked[pair].dtype for pair in one.pairs if pair in checked})
        if len(types) > 1:
            message = f"its pairs have tokens of type {' and '.join(types)}; make them sets of their own"
            problems.append(Problem("", f"set {one.name}", message, "different-token-types"))
    if problems:
        raise DataError(problems)
    for pair, found in checked.items():
        if found.inner_eods:
            count = format_count(found.inner_eods, "EOD token")
            log.warning("%s: %s within documents, which end none of them", pair, count)
        if found.empty:
            log.info("%s: left out %s without text", pair, format_count(found.empty, "document"))
    return checked


# --- writing -----------------------------------------------------------------------------------------------


def _write(
    folder: Path,
    path: Path,
    sets: Sequence[Set],
    shares: dict[str, float],
    tokenizer: ExistingTokenizer,
    checked: dict[str, CheckedPair],
) -> None:
    """Writes tokenizer and links, and the manifest last."""
    from megatron_ko.files import write_json
    from megatron_ko.formats.manifest import read_manifest
    from megatron_ko.formats.tokenizer_folder import Tokenizer
    from preprocessing.corpus.mixtures import by_size, normalize
    from preprocessing.tokens.manifest_files import manifest_of, set_entry
    from preprocessing.tokens.pair_check import bytes_of_ids

    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    tokenizer_folder = _place_tokenizer(folder, tokenizer)
    reader = Tokenizer(folder / tokenizer_folder)
    widths = bytes_of_ids(tokenizer.vocabulary)
    # models with a dummy prefix add a blank to every document
    added = max(0, int(widths[reader.encode("a")].sum()) - 1)
    entries = []
    for one in sets:
        pairs = [checked[pair] for pair in one.pairs]
        prefixes = [_place_pair(folder, one, number, pair.prefix) for number, pair in enumerate(pairs)]
        described = [{"prefix": prefix, **pair.entry} for prefix, pair in zip(prefixes, pairs)]
        documents = sum(pair.entry["documents"] for pair in pairs)
        text_bytes = sum(int(pair.counts @ widths) for pair in pairs) - added * documents
        entries.append(set_entry(one.name, one.split, pairs[0].dtype, text_bytes, described))
        for pair in pairs:
            _compare_sample(pair.prefix, reader)
    tokens = {entry["name"]: entry["tokens"] for entry in entries if entry["split"] == "train"}
    mixture = normalize(shares) if shares else by_size(tokens)
    content = manifest_of(reader.info, entries, {name: mixture[name] for name in tokens}, tokenizer_folder)
    write_json(path, content)
    try:
        read_manifest(path)
    except DataError:
        path.unlink()
        raise
    print("\n".join(_table(entries, mixture)))


def _place_tokenizer(folder: Path, tokenizer: ExistingTokenizer) -> str:
    """The tokenizer folder relative to ``folder``: as it is where it is inside, else a proven copy."""
    from megatron_ko.files import scratch_folder
    from megatron_ko.formats.tokenizer_folder import Tokenizer, copy_tokenizer_folder
    from preprocessing.tokenizers.existing import write_existing
    from preprocessing.tokenizers.hard_texts import generated_texts
    from preprocessing.tokenizers.proof import prove

    source, root = tokenizer.path.resolve(), folder.resolve()
    if tokenizer.complete and root in source.parents:
        return str(source.relative_to(root))
    for warning in tokenizer.warnings:
        log.warning("%s: %s", tokenizer.path, warning)
    with scratch_folder(folder / ".tokenizer.work") as work:
        write_existing(tokenizer, work)
        if not tokenizer.complete:
            texts = generated_texts(PROOF_STRINGS, Tokenizer(work).surfaces())
            prove(work, texts, work / "proof", ours=False)
            shutil.rmtree(work / "proof")
        copy_tokenizer_folder(work, folder / "tokenizer")
    return "tokenizer"


def _place_pair(folder: Path, one: Set, number: int, prefix: Path) -> str:
    """Prefix relative to ``folder``; files elsewhere are linked into ``tokens/``."""
    root, source = folder.resolve(), prefix.parent.resolve() / prefix.name
    if root in source.parents:
        return str(source.relative_to(root))
    name = f"tokens/{one.name}_{one.split}" + (f"-{number:05d}" if len(one.pairs) > 1 else "")
    (folder / "tokens").mkdir(exist_ok=True)
    for suffix in (".bin", ".idx"):
        link, target = folder / f"{name}{suffix}", Path(f"{source}{suffix}").resolve()
        if link.exists() and not link.is_symlink():
            raise DataError(
                f"{link}: is a file, where a link to {target} belongs; choose another --out or NAME",
                rule="output-exists",
            )
        new = link.with_name(f".{link.name}.tmp")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        os.replace(new, link)
    return name


def _compare_sample(prefix: Path, tokenizer: Any) -> None:
    """Warns unless the tokenizer gives the ids of some documents for their decoded text: it may be another one."""
    import numpy as np

    from preprocessing.tokens.token_files import open_pair

    pair = open_pair(prefix)
    ends = np.cumsum(pair.index.lengths, dtype=np.int64)
    wanted = np.unique(np.linspace(0, len(ends) - 1, SAMPLE).astype(np.int64))
    count = different = 0
    for number in wanted.tolist():
        start, end = int(ends[number - 1]) if number else 0, int(ends[number]) - 1
        if 0 < end - start <= SAMPLE_TOKENS:
            ids = pair.read(start, end).tolist()
            count += 1
            different += tokenizer.encode(tokenizer.decode(ids)) != ids
    if different:
        log.warning(
            "%s: %s of %s sampled documents have other ids than this tokenizer gives for their text; it may not be the one that "
            "encoded them",
            prefix, different, count,
        )  # fmt: skip


def _table(entries: Sequence[dict[str, Any]], mixture: dict[str, float]) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("set", "split", "pairs", "documents", "tokens", "bytes/token", "share %", "type")
    ]
    for entry in entries:
        share = f"{100 * mixture[entry['name']]:.2f}" if entry["split"] == "train" else ""
        numbers = (f"{len(entry.get('pairs', [entry]))}", f"{entry['documents']:,}", f"{entry['tokens']:,}")
        rate = f"{entry['text_bytes'] / entry['tokens']:.2f}"
        rows.append((entry["name"], entry["split"], *numbers, rate, share, entry["dtype"]))
    return format_table(rows, 2)
