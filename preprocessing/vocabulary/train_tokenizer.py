"""Step ``train-tokenizer``: a SentencePiece BPE model of the training split, as a tokenizer folder.

Owns the sample (domains by share, documents by hash), the trainer's settings, and the report of how many tokens each
language costs, next to a tokenizer of the same size without Korean.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import math
import re
from collections.abc import Collection, Iterator
from typing import Any

import sentencepiece
import tokenizers

from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from megatron_ko.tokenizer import FILES, MARKER, write_tokenizer_folder
from preprocessing.context import Context, Outcome, Piece
from preprocessing.corpus import reading as corpus
from preprocessing.corpus.mixtures import mixture_of
from preprocessing.corpus.placing import position
from preprocessing.personal.personal_data import PLACEHOLDERS
from preprocessing.vocabulary.tokenizer_json import load_sentencepiece, prove_equal, to_tokenizer_json

log = logging.getLogger(__name__)
STEP = "train-tokenizer"
REPORT = "tokenizer_report.json"
SPECIAL_TOKENS = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
MAX_CHUNK_CHARACTERS = 8_000
MAX_PASSES = 8
PROOF_DOCUMENTS = 20_000
ENGLISH = ("en", "code")


def run(context: Context) -> Outcome:
    """Trains, converts, proves, reports; the tokenizer to compare with is trained beside it."""
    shards = context.summary_of("balance")["shards"]
    keys = [context.upstream("balance", f"shards/{shard['file']}") for shard in shards]
    depends = [context.part("tokenizer", "seed"), list(_shares(context)), keys]
    pieces = [Piece("tokenizer", make_tokenizer, (), depends)]
    if context.config.tokenizer.english_only:
        pieces.append(Piece("english-only", compare_with_english_only, (), depends))
    made, *other = context.finish(STEP, pieces)
    compared = other[0] if other else {"efficiency": None, "problem": "tokenizer.english_only is false"}
    context.finish(STEP, [Piece("report", write_report, (made, compared), [made, compared])])
    folder = context.folder / "tokenizer"
    files = [*(folder / name for name in (*FILES, MARKER)), context.folder / REPORT]
    return Outcome(files, {"fingerprint": made["fingerprint"]})


def _shares(context: Context) -> tuple[dict[str, float], dict[str, int]]:
    """Shares of the domains by their bytes, and the bytes."""
    entries = context.summary_of("balance")["domains"]
    sizes = {entry["name"]: entry["bytes"] for entry in entries if entry["split"] == "train"}
    return mixture_of(context.config.domains, sizes, context.config.balance), sizes


def make_tokenizer(context: Context) -> Outcome:
    """The tokenizer folder; its marker is written after the proof."""
    folder, settings = context.folder / "tokenizer", context.config.tokenizer
    (folder / MARKER).unlink(missing_ok=True)
    model = train(sample(context, *_shares(context)), settings.vocab_size, settings.character_coverage)
    processor = load_sentencepiece(model)
    made = to_tokenizer_json(processor, list(PLACEHOLDERS.values()))
    loaded = tokenizers.Tokenizer.from_str(json.dumps(made))
    proven = prove_equal(processor, loaded, itertools.islice(_all_texts(context), PROOF_DOCUMENTS))
    log.info(
        "tokenizer.model and tokenizer.json give the same ids, and the text back, for %s texts", f"{proven:,}"
    )
    info = write_tokenizer_folder(folder, made, SPECIAL_TOKENS, model)
    return Outcome(
        [folder / name for name in (*FILES, MARKER)],
        {
            "vocab_size": info.vocab_size,
            "fingerprint": info.fingerprint,
            "proven_texts": proven,
            "efficiency": efficiency(context, processor),
        },
    )


def write_report(context: Context, made: dict[str, Any], compared: dict[str, Any]) -> Outcome:
    report = {
        **{name: made[name] for name in ("vocab_size", "fingerprint", "proven_texts")},
        "tokenizers": {"this": made["efficiency"], "english_only": compared["efficiency"]},
        "english_only_problem": compared["problem"],
    }
    write_json(context.folder / REPORT, report)
    return Outcome([context.folder / REPORT], {})


def sample(
    context: Context, shares: dict[str, float], sizes: dict[str, int], langs: Collection[str] | None = None
) -> Iterator[str]:
    """Chunks of training documents in proportion to the shares, documents chosen by hash.

    A domain smaller than its share is read several times (at most MAX_PASSES): pieces are chosen by frequency, so a
    large domain would otherwise take the vocabulary.
    """
    budget = min(context.config.tokenizer.sample_bytes, sum(sizes.values()))
    for name, share in shares.items():
        passes = min(share * budget / max(sizes[name], 1), MAX_PASSES)
        for number in range(math.ceil(passes)):
            threshold = min(1.0, passes - number)
            for batch in corpus.batches(context.folder, name, "train", ["id", "text", "lang"]):
                rows = zip(batch["id"].to_pylist(), batch["text"].to_pylist(), batch["lang"].to_pylist())
                for identity, text, lang in rows:
                    # another hash than the split's, whose valid documents take the lowest positions
                    if (langs is None or lang in langs) and position(
                        identity, context.config.seed + 1
                    ) < threshold:
                        yield from chunks(text)


def chunks(text: str, longest: int = MAX_CHUNK_CHARACTERS) -> Iterator[str]:
    """Pieces of at most ``longest`` characters, cut after a line feed where there is one; nothing is lost."""
    start = 0
    while start < len(text):
        stop = start + longest
        if stop < len(text):
            line_end = text.rfind("\n", start, stop) + 1
            stop = line_end if line_end > start else stop
        yield text[start:stop]
        start = stop


def train(texts: Iterator[str], vocab_size: int, character_coverage: float) -> bytes:
    """The model. The same texts give the same bytes (one thread). Raises DataError when the size does not fit."""
    out = io.BytesIO()
    first = next(texts, None)
    if first is None:
        raise DataError("no text to train a tokenizer on; see funnel.json for where the documents went")
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=itertools.chain([first], texts),
            model_writer=out,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            split_digits=True,
            max_sentence_length=100_000,
            num_threads=1,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=3,
            unk_piece=SPECIAL_TOKENS["unk"],
            bos_piece=SPECIAL_TOKENS["bos"],
            eos_piece=SPECIAL_TOKENS["eos"],
            pad_piece=SPECIAL_TOKENS["pad"],
            user_defined_symbols=list(PLACEHOLDERS.values()),
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _explained(error, vocab_size) from None
    return out.getvalue()


def _explained(error: RuntimeError, vocab_size: int) -> Exception:
    too_high = re.search(r"too high.*<= (\d+)", str(error))
    if too_high:
        return DataError(
            f"tokenizer.vocab_size: {vocab_size} is too large for this corpus, the largest possible size is {too_high[1]}; "
            f"lower it, or add text"
        )
    too_low = re.search(r"smaller than required_chars. \d+ vs (\d+)", str(error))
    if too_low:
        return DataError(
            f"tokenizer.vocab_size: {vocab_size} is too small: the characters of this corpus alone need {too_low[1]}; "
            f"raise it, or lower tokenizer.character_coverage"
        )
    return error


def _all_texts(context: Context) -> Iterator[str]:
    for entry in context.summary_of("balance")["domains"]:
        yield from corpus.texts(context.folder, entry["name"], entry["split"])


# --- report ----------------------------------------------------------------------------------------------


def efficiency(context: Context, processor: Any) -> dict[str, dict[str, float]]:
    """Per language of the validation split: bytes, characters, words, tokens and their ratios."""
    totals: dict[str, dict[str, float]] = {}
    for entry in context.summary_of("balance")["domains"]:
        if entry["split"] != "valid":
            continue
        for batch in corpus.batches(context.folder, entry["name"], "valid", ["text", "lang"]):
            texts = batch["text"].to_pylist()
            for text, lang, ids in zip(texts, batch["lang"].to_pylist(), processor.encode(texts)):
                total = totals.setdefault(
                    lang, {"documents": 0, "bytes": 0, "characters": 0, "words": 0, "tokens": 0}
                )
                found = (1, len(text.encode("utf-8")), len(text), len(text.split()), len(ids))
                for name, value in zip(total, found):
                    total[name] += value
    for total in totals.values():
        tokens = max(total["tokens"], 1)
        total["bytes_per_token"] = round(total["bytes"] / tokens, 4)
        total["characters_per_token"] = round(total["characters"] / tokens, 4)
        total["tokens_per_word"] = round(total["tokens"] / max(total["words"], 1), 4)
    return dict(sorted(totals.items()))


def compare_with_english_only(context: Context) -> Outcome:
    """The same efficiency for a tokenizer of the same size trained on English and code; else why there is none."""
    settings = context.config.tokenizer
    texts = sample(context, *_shares(context), langs=ENGLISH)
    try:
        model = train(texts, settings.vocab_size, settings.character_coverage)
    except DataError as error:
        log.warning("no English-only tokenizer to compare with: %s", error)
        return Outcome([], {"efficiency": None, "problem": str(error)})
    return Outcome([], {"efficiency": efficiency(context, load_sentencepiece(model)), "problem": None})
