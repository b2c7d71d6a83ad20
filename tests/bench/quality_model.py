"""Speed and separation of the quality models and speed of the search for evaluation sets, on JSON lines.

``python -m tests.bench.quality_model GOOD.jsonl BAD.jsonl`` (also .gz, .zst; field text): trains the classifier on excerpts
of one length from both files and measures it on held-out excerpts; trains the language model on nine tenths of GOOD and
scores the rest, the rest with shuffled words, the rest with random letters, and BAD. Times are processor times of one process.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from preprocessing.config.scoring import DecontaminateConfig, EvaluationSet, QualityTraining, TextSet
from preprocessing.documents import utf8_buffer
from preprocessing.kernels import ngrams
from preprocessing.scoring import evaluation_sets, perplexity, quality_model
from preprocessing.scoring.training_text import records_of

EXCERPT_CHARACTERS = 60
BYTES = 20_000_000


def column(texts):
    return pa.array(texts, pa.large_string())


def speed(texts, function):
    """MB/s of the best of three rounds."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    seconds = []
    for _ in range(3):
        start = time.process_time()
        function(texts)
        seconds.append(time.process_time() - start)
    return size / min(seconds)


def read(path):
    texts = [record["text"] for _, record in records_of(Path(path), "jsonl", ["text"])]
    random.Random(1).shuffle(texts)
    return texts


def some(texts):
    """The first texts, at most BYTES together."""
    sizes = np.cumsum([len(text.encode()) for text in texts])
    return texts[: max(int(np.searchsorted(sizes, BYTES)), 1)]


def excerpts(texts, count):
    cut = [
        text[i : i + EXCERPT_CHARACTERS] for text in texts for i in range(0, len(text), EXCERPT_CHARACTERS)
    ]
    return random.Random(2).sample(cut, min(count, len(cut)))


def classifier(good, bad, folder):
    for characters in (0, 3):
        config = QualityTraining(good=TextSet(), bad=TextSet(), character_ngrams=characters)
        texts = [
            *((text, True) for text in excerpts(good, 6000)),
            *((text, False) for text in excerpts(bad, 6000)),
        ]
        random.Random(3).shuffle(texts)
        lines = quality_model.prepare_lines(column([text for text, _ in texts]))
        labels = np.array([label for _, label in texts])
        cut = len(lines) * 7 // 10
        quality_model.train(lines[:cut], labels[:cut].tolist(), folder / "model.bin", config)
        model = quality_model.Classifier(folder / "model.bin", quality_model.GOOD)
        measured = quality_model.measure(model.scores(lines[cut:]), labels[cut:])
        rate = speed(some(bad), lambda texts: model.scores(quality_model.prepare_lines(column(texts))))  # noqa: B023
        print(f"classifier, parts of words up to {characters}: {measured}; {rate:.1f} MB/s")


def language_model(good, bad):
    generator = random.Random(4)
    cut = len(good) // 10
    held_out, model = good[:cut], perplexity.train(*perplexity.prepare(column(good[cut:])), 10_000_000)
    shuffled = [" ".join(generator.sample(text.split(), len(text.split()))) for text in held_out]
    letters = [
        "".join(chr(generator.randrange(0xAC00, 0xD7A4)) if c.isalpha() else c for c in text)
        for text in held_out
    ]
    for name, texts in (
        ("held out", held_out),
        ("shuffled", shuffled),
        ("random letters", letters),
        ("bad", some(bad)),
    ):
        perplexities = model.perplexities(column(texts))
        quantiles = np.nanquantile(perplexities, [0.05, 0.5, 0.95])
        print(f"perplexity, {name}: {' '.join(f'{q:.4g}' for q in quantiles)} (5, 50, 95 %)")
    for name, texts in (("held out", held_out), ("bad", some(bad))):
        print(f"perplexity, {name}: {speed(texts, lambda t: model.perplexities(column(t))):.1f} MB/s")


def search(good, bad, folder):
    (folder / "items.txt").write_text(
        "\n".join(" ".join(text.split()) for text in excerpts(good, 20_000)), encoding="utf-8"
    )
    items = EvaluationSet(paths=[str(folder / "items.txt")], format="txt")
    config = DecontaminateConfig(sets={"items": items})
    index = evaluation_sets.build(config)
    texts = column(some(bad))
    rate = speed(
        some(bad), lambda _: ngrams.find_ngrams(*utf8_buffer(texts), config.min_words, *index.tables)
    )
    print(f"search for {len(index.keys):,} n-grams: {rate:.0f} MB/s")


def main():
    good, bad = (read(path) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        classifier(good, bad, Path(folder))
        language_model(good, bad)
        search(good, bad, Path(folder))


if __name__ == "__main__":
    main()
