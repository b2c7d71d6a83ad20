"""Step ``train-tokenizer``: trains a tokenizer on the training split, as a folder that all readers agree on.

Owns the sample (domains by share, documents by hash), the checks before training starts, and the report of the tokens
that each language takes, compared with a tokenizer of the same size without Korean. Training itself is in
``trainers.py`` and ``byte_level.py``. An existing tokenizer (``existing.py``) is taken instead of trained, and proven alike.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.tokenizer_folder import (
    FILES,
    MARKER,
    MODEL,
    Tokenizer,
    TokenizerInfo,
    copy_tokenizer_folder,
    write_tokenizer_folder,
)
from preprocessing.config.tokens import ExistingTokenizerConfig, TokenizerConfig
from preprocessing.corpus import reading as corpus
from preprocessing.corpus.assignment import position
from preprocessing.corpus.mixtures import mixture_of
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.tokenizers import byte_level, existing, forecast, trainers
from preprocessing.tokenizers.efficiency import TextBatch, TextCounts, text_rates
from preprocessing.tokenizers.hard_texts import generated_texts
from preprocessing.tokenizers.proof import Proof, prove, strings_for
from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json

log = logging.getLogger(__name__)
STEP = "train-tokenizer"
VERSION = 2
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
REPORT = "tokenizer_report.json"
MAX_PASSES = 8
PROOF_CHARACTERS = 16 << 20
ENGLISH = ("en", "code")


def run(context: Context) -> Outcome:
    """Trains, converts, proves and reports; trains the tokenizer for comparison at the same time."""
    shards = context.summary_of("balance")["shards"]
    keys = [context.upstream("balance", f"shards/{shard['file']}") for shard in shards]
    depends = [context.sections("tokenizer", "seed"), list(_shares(context)), keys]
    settings = context.config.tokenizer
    problem = "tokenizer.english_only is false"
    if isinstance(settings, ExistingTokenizerConfig):
        problem = "the tokenizer was not trained here (tokenizer.type: existing)"
        tasks = [Task("tokenizer", take_tokenizer, (), [*depends, existing.identity_of(settings.folder)])]
    else:
        tasks = [Task("tokenizer", make_tokenizer, (), depends)]
        if settings.english_only:
            tasks.append(Task("english-only", compare_with_english_only, (), depends))
    trained, *other = context.finish(STEP, tasks, VERSION)
    compared = other[0] if other else {"efficiency": None, "problem": problem}
    context.finish(STEP, [Task("report", write_report, (trained, compared), [trained, compared])], VERSION)
    folder = context.folder / "tokenizer"
    names = [name for name in (*FILES, MARKER) if (folder / name).is_file()]
    files = [*(folder / name for name in names), context.folder / REPORT]
    return Outcome(files, {"fingerprint": trained["fingerprint"]})


def _shares(context: Context) -> tuple[dict[str, float], dict[str, int]]:
    """Shares of the domains, and their bytes of training text."""
    entries = context.summary_of("balance")["domains"]
    sizes = {entry["name"]: entry["bytes"] for entry in entries if entry["split"] == "train"}
    return mixture_of(context.config.domains, sizes, context.config.balance), sizes


def make_tokenizer(context: Context) -> Outcome:
    """Writes the tokenizer folder: trained in a working folder, proven, then copied with its marker last."""
    folder, settings = context.folder / "tokenizer", _training_of(context)
    (folder / MARKER).unlink(missing_ok=True)
    shares, sizes = _shares(context)
    forecast.refuse_too_much(settings, sample_of(context), 1 + settings.english_only)
    forecast.refuse_impossible(settings, sample(context, shares, sizes))
    aside = context.path(STEP, "unproven", "")
    write_folder(aside, sample(context, shares, sizes), settings)
    proof = prove(aside, _proof_texts(context, Tokenizer(aside).surfaces()), aside / "proof")
    return _finish_folder(context, aside, proof)


def _training_of(context: Context) -> TokenizerConfig:
    settings = context.config.tokenizer
    assert isinstance(settings, TokenizerConfig), "an existing tokenizer is not trained"
    return settings


def _finish_folder(context: Context, aside: Path, proof: Proof) -> Outcome:
    """Copies a proven folder to its place, the marker last."""
    folder = context.folder / "tokenizer"
    log.info(
        "train-tokenizer: identical ids%s for %s texts: %s",
        *("" if _is_existing(context) else " and decoded text", f"{proof.texts:,}", ", ".join(proof.readers)),
    )
    info = copy_tokenizer_folder(aside, folder)
    shutil.rmtree(aside)
    return Outcome(
        [folder / name for name in (*FILES, MARKER) if (folder / name).is_file()],
        {
            "type": context.config.tokenizer.type,
            "vocab_size": info.vocab_size,
            "fingerprint": info.fingerprint,
            "proven_texts": proof.texts,
            "readers": proof.readers,
            "efficiency": efficiency(context, Tokenizer(folder)),
        },
    )


def _is_existing(context: Context) -> bool:
    return isinstance(context.config.tokenizer, ExistingTokenizerConfig)


def write_folder(folder: Path, texts: Iterable[str], settings: TokenizerConfig) -> TokenizerInfo:
    """Trains a tokenizer and writes its folder, unproven."""
    if settings.type == "byte_bpe":
        tokenizer_json, model, special = byte_level.train(texts, settings), None, byte_level.SPECIAL_TOKENS
    else:
        model, special = trainers.train(texts, settings), trainers.SPECIAL_TOKENS
        tokenizer_json = to_tokenizer_json(read_model(model, "the trained model"))
    return write_tokenizer_folder(folder, tokenizer_json, special, model, settings.control_tokens)


def _proof_texts(context: Context, pieces: list[str]) -> Iterator[str]:
    """The generated texts, then documents of all domains in turn up to PROOF_CHARACTERS."""
    corpus_bytes = sum(_shares(context)[1].values())
    strings = strings_for(corpus_bytes, context.config.tokenizer.proof_strings)
    yield from generated_texts(strings, pieces, context.config.seed)
    entries = context.summary_of("balance")["domains"]
    sources = [corpus.texts(context.folder, entry["name"], entry["split"]) for entry in entries]
    size = 0
    for text in filter(None, itertools.chain.from_iterable(itertools.zip_longest(*sources))):
        size += len(text)
        if size > PROOF_CHARACTERS:
            return
        yield text


def write_report(context: Context, trained: dict[str, Any], compared: dict[str, Any]) -> Outcome:
    report = {
        **{name: trained[name] for name in ("type", "vocab_size", "fingerprint", "proven_texts", "readers")},
        "tokenizers": {"this": trained["efficiency"], "english_only": compared["efficiency"]},
        "english_only_problem": compared["problem"],
        **({"existing": trained["existing"]} if "existing" in trained else {}),
    }
    write_json(context.folder / REPORT, report)
    return Outcome([context.folder / REPORT], {})


# --- an existing tokenizer ---------------------------------------------------------------------------------


def take_tokenizer(context: Context) -> Outcome:
    """Writes the folder of an existing tokenizer, proven like a trained one, and reports its odd pieces."""
    settings = context.config.tokenizer
    assert isinstance(settings, ExistingTokenizerConfig)
    (context.folder / "tokenizer" / MARKER).unlink(missing_ok=True)
    found = existing.read_existing(settings.folder, settings.eos_token)
    size, eos = found.vocabulary.size, found.special["eos"]
    log.info(
        "train-tokenizer: taking the existing tokenizer %s: %s ids, EOD %s", found.path, f"{size:,}", eos
    )
    existing.refuse_eos_in_text(found)
    aside = context.path(STEP, "unproven", "")
    proof, warnings = _prove_existing(context, found, aside)
    odd = existing.find_odd_pieces(found)
    outcome = _finish_folder(context, aside, proof)
    changed = _count_changed(context, Tokenizer(context.folder / "tokenizer"))
    warnings += existing.describe_odd_pieces(odd)
    if changed[0]:
        warnings.append(
            "{:,} of {:,} validation documents do not come back exactly when decoded".format(*changed)
        )
    for warning in warnings:
        log.warning("train-tokenizer: %s: %s", found.path, warning)
    facts = {
        "folder": settings.folder,
        "special_tokens": found.special,
        **dataclasses.asdict(odd),
        "changed_documents": changed,
        "warnings": warnings,
    }
    return Outcome(outcome.outputs, {**outcome.summary, "existing": facts})


def _prove_existing(
    context: Context, found: existing.ExistingTokenizer, aside: Path
) -> tuple[Proof, list[str]]:
    """Writes and proves the folder, without ``tokenizer.model`` where it differs from ``tokenizer.json``; and warnings."""
    existing.write_existing(found, aside)
    texts = list(_proof_texts(context, Tokenizer(aside).surfaces()))
    warnings = list(found.warnings)
    try:
        return prove(aside, texts, aside / "proof", ours=False), warnings
    except DataError as error:
        if error.rule != "other-ids" or not found.may_drop_model:
            raise
        warnings.append(f"{MODEL} is not used: {error}")
    existing.write_existing(dataclasses.replace(found, model=None), aside)
    return prove(aside, texts, aside / "proof", ours=False), warnings


def _count_changed(context: Context, tokenizer: Tokenizer) -> list[int]:
    """How many validation documents do not come back when decoded, and of how many, up to PROOF_CHARACTERS."""
    changed = count = size = 0
    for entry in context.summary_of("balance")["domains"]:
        for text in corpus.texts(context.folder, entry["name"], "valid") if entry["split"] == "valid" else ():
            size += len(text)
            if size > PROOF_CHARACTERS:
                return [changed, count]
            count += 1
            changed += tokenizer.decode(tokenizer.encode(text)) != text
    return [changed, count]


# --- the sample --------------------------------------------------------------------------------------------


def sample(
    context: Context, shares: dict[str, float], sizes: dict[str, int], langs: Collection[str] | None = None
) -> Iterator[str]:
    """Yields training documents in proportion to the shares, chosen by hash.

    A domain smaller than its share is read several times (at most MAX_PASSES): pieces are chosen by frequency, so a
    large domain would otherwise fill the vocabulary.
    """
    budget = min(_training_of(context).sample_bytes, sum(sizes.values()))
    for name, share in shares.items():
        passes = min(share * budget / max(sizes[name], 1), MAX_PASSES)
        for number in range(math.ceil(passes)):
            threshold = min(1.0, passes - number)
            for batch in corpus.batches(context.folder, name, "train", ["id", "text", "lang"]):
                rows = zip(batch["id"].to_pylist(), batch["text"].to_pylist(), batch["lang"].to_pylist())
                for identity, text, lang in rows:
                    # not the hash of the split: there, validation documents have the lowest positions
                    if (langs is None or lang in langs) and position(
                        identity, context.config.seed + 1
                    ) < threshold:
                        yield text


def sample_of(context: Context) -> int:
    """Approximate bytes that ``sample`` yields for this configuration and corpus."""
    return bytes_of_sample(_training_of(context), *_shares(context))


def bytes_of_sample(settings: TokenizerConfig, shares: dict[str, float], sizes: dict[str, int]) -> int:
    budget = min(settings.sample_bytes, sum(sizes.values()))
    return int(sum(min(share * budget, MAX_PASSES * sizes[name]) for name, share in shares.items()))


# --- report ----------------------------------------------------------------------------------------------


def efficiency(context: Context, tokenizer: Tokenizer) -> dict[str, dict[str, float]]:
    """Per language of the validation split: bytes, characters, words, tokens and their ratios."""
    texts: dict[str, TextCounts] = {}
    tokens: Counter[str] = Counter()
    for entry in context.summary_of("balance")["domains"]:
        if entry["split"] != "valid":
            continue
        for batch in corpus.batches(context.folder, entry["name"], "valid", ["text", "lang"]):
            rows, langs = batch["text"].to_pylist(), batch["lang"].to_pylist()
            _, offsets = tokenizer.encode_batch(rows)
            for lang, count in zip(langs, (offsets[1:] - offsets[:-1]).tolist()):
                tokens[lang] += count
            for lang in set(langs):
                counts = TextBatch([text for text, other in zip(rows, langs) if other == lang]).counts()
                texts[lang] = texts.get(lang, TextCounts()) + counts
    return {lang: text_rates(texts[lang], tokens[lang], digits=4, least=1) for lang in sorted(texts)}


def compare_with_english_only(context: Context) -> Outcome:
    """Efficiency of a tokenizer of the same size trained on English and code, or the reason why there is none."""
    texts = sample(context, *_shares(context), langs=ENGLISH)
    aside = context.path(STEP, "english-only", "")
    try:
        write_folder(aside, texts, _training_of(context))
        found = efficiency(context, Tokenizer(aside))
    except DataError as error:
        log.warning("no comparison with an English-only tokenizer: %s", error)
        return Outcome([], {"efficiency": None, "problem": str(error)})
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Outcome([], {"efficiency": found, "problem": None})
