"""The language model against its formulas in plain Python, its file, and its judgment of text."""

import math
import random
import re
import sys
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest

from preprocessing.kernels.language_model import CHARACTERS
from preprocessing.scoring import perplexity
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses


def column(texts):
    return pa.array(texts, pa.large_string())


def plain_words(text):
    """Runs of Hangul, of other letters and of digits; every other visible character for itself."""
    return re.findall(r"[가-힣]+|[a-z\u3131-\u318e\u00e9]+|0+|[^\s]", re.sub(r"[0-9]", "0", text.lower()))


class PlainModel:
    """Interpolated Kneser-Ney of order 3 over lists of symbols, written like its formulas."""

    def __init__(self, streams, base):
        self.base = base
        self.triples, pairs = Counter(), Counter()
        for stream in streams:
            padded = [None, *stream]
            pairs.update(zip(padded, padded[1:]))
            self.triples.update(zip(padded, padded[1:], padded[2:]))
        before = Counter((v, w) for _, v, w in self.triples)
        self.pairs = Counter(
            {pair: pairs[pair] if pair[0] is None else max(before[pair], 1) for pair in pairs}
        )
        self.single = Counter(w for _, w in self.pairs)
        self.discounts = [self.discount(counts) for counts in (self.single, self.pairs, self.triples)]
        self.after = defaultdict(Counter)
        for counts in (self.pairs, self.triples):
            for gram, count in counts.items():
                self.after[gram[:-1]][gram[-1]] = count

    @staticmethod
    def discount(counts):
        once, twice = (sum(count == k for count in counts.values()) for k in (1, 2))
        return min(max(once / (once + 2 * twice), 0.1), 0.9) if once else 0.5

    def share(self, counts, symbol, discount, lower):
        total = sum(counts.values())
        left = 1 - sum(max(count - discount, 0) for count in counts.values()) / total
        return max(counts[symbol] - discount, 0) / total + max(left, 1e-6) * lower

    def probability(self, symbol, context):
        p = self.share(self.single, symbol, self.discounts[0], self.base(symbol))
        for length in (1, 2):
            seen = self.after.get(tuple(context[-length:])) if len(context) >= length else None
            if seen is None:
                break
            p = self.share(seen, symbol, self.discounts[length], p)
        return p

    def log(self, stream):
        padded = [None, *stream]
        return sum(
            math.log(self.probability(padded[i], padded[max(0, i - 2) : i])) for i in range(1, len(padded))
        )


def plain_model(texts):
    words = [plain_words(text) for text in texts]
    distinct = sorted({word for line in words for word in line})
    spelling = PlainModel([[*word, "END"] for word in distinct], lambda symbol: 1 / CHARACTERS)
    return PlainModel(words, lambda word: math.exp(spelling.log([*word, "END"])))


def train(texts, max_ngrams=1_000_000):
    return perplexity.train(*perplexity.prepare(column(texts)), max_ngrams)


@pytest.fixture(scope="module")
def texts():
    generator = random.Random(2)
    return [
        " ".join(
            generator.choice([*KO, *EN, "Python을 3번, ㅋㅋ!"]) for _ in range(generator.randrange(1, 6))
        )
        for _ in range(60)
    ]


def test_words_are_those_of_plain_python():
    samples = [
        *KO,
        *EN,
        "Python을 2024년에 썼다!! __label__good",
        " \t\n",
        "",
        "漢字 é ㅋㅋ😀끝",
        "\u00a0가\u2028나\x07다",
    ]
    lines = perplexity.lines_of(*perplexity.prepare(column(samples)))
    assert lines[:-1] == [" ".join(plain_words(sample)) for sample in samples[:-1]]
    assert lines[-1] == "가 나 다"
    assert "label" in lines[-5] and "__label__" not in lines[-5]


def test_perplexities_are_those_of_the_formulas(texts):
    model, plain = train(texts), plain_model(texts)
    asked = [
        *texts[:5],
        "도서관은 새벽까지 문을 열었다 zebra",
        "말뭉치",
        "The crane 을",
        "漢 unknown 2024",
        KO[0] * 3,
    ]
    expected = [math.exp(-plain.log(plain_words(text)) / len(plain_words(text))) for text in asked]
    assert model.perplexities(column(asked)) == pytest.approx(expected, rel=1e-4)


def test_a_limit_keeps_frequent_sequences_and_whole_distributions(texts):
    full, small = train(texts), train(texts, 120)
    assert len(small.words.pairs) + len(small.words.triples) <= 120 < len(full.words.pairs)
    assert set(small.words.triples >> np.uint64(21)) <= set(small.words.pairs)
    for pair in small.words.pairs[:20].tolist():
        assert _mass(small.words, pair >> 21, pair & 0x1FFFFF) == pytest.approx(1.0, abs=1e-3)


def _mass(ngrams, u, v):
    """Probability of all known words after ``u v``, and of unknown ones."""
    pairs = {int(key): i for i, key in enumerate(ngrams.pairs)}
    triples = {int(key): i for i, key in enumerate(ngrams.triples)}
    back_v = float(ngrams.back1[list(ngrams.numbers).index(v)])
    back_uv = float(ngrams.back2[pairs[u << 21 | v]])
    total = math.exp(back_uv + back_v) * (1 - float(np.exp(ngrams.log1).sum()))
    for w, log1 in zip(ngrams.numbers.tolist(), ngrams.log1):
        pair, triple = pairs.get(v << 21 | w), triples.get(u << 42 | v << 21 | w)
        if triple is not None:
            total += math.exp(ngrams.log3[triple])
        elif pair is not None:
            total += math.exp(back_uv + ngrams.log2[pair])
        else:
            total += math.exp(back_uv + back_v + log1)
    return total


def test_text_is_likelier_than_shuffled_words_and_those_than_random_letters():
    generator = random.Random(4)
    long = [" ".join(generator.sample(KO, 6)) for _ in range(40)]
    model = train(long[:30])
    shuffled, letters = [], []
    for text in long[30:]:
        words = text.split()
        generator.shuffle(words)
        shuffled.append(" ".join(words))
        letters.append("".join(chr(generator.randrange(0xAC00, 0xD7A4)) if c != " " else c for c in text))
    real, mixed, noise = (np.median(model.perplexities(column(x))) for x in (long[30:], shuffled, letters))
    assert 3 * real < mixed
    assert 10 * mixed < noise


def test_an_unknown_word_with_known_letters_is_likelier_than_a_foreign_one(texts):
    known, foreign = train(texts).perplexities(column(["두루미에서", "쀍뛣꿿꾃뷁"]))
    assert known < foreign / 100


def test_documents_without_words_have_no_perplexity(texts):
    assert np.isnan(train(texts).perplexities(column(["", " \n\t", None]))).all()


def test_two_trainings_write_the_same_bytes_and_reading_gives_the_same(texts, tmp_path):
    for name in ("a.npz", "b.npz"):
        perplexity.save(train(texts), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = perplexity.open_model(tmp_path / "a.npz").perplexities(column(texts))
    assert read.tolist() == train(texts).perplexities(column(texts)).tolist()


def test_a_reference_without_words_is_refused():
    with refuses("no-text"):
        train(["", "  "])


def broken(name, value):
    def change(arrays):
        arrays[name] = value(arrays[name])

    return change


@pytest.mark.parametrize(
    "change, value",
    [
        (broken("format", lambda a: a + 1), "[2]"),
        (broken("words_log2", lambda a: a[:-1]), "words"),
        (broken("words_log3", lambda a: a.astype(np.float64)), "words_log3 is float64"),
        (broken("words_log1", lambda a: np.full_like(a, np.nan)), "words_log1"),
        (broken("words_symbols", lambda a: np.zeros_like(a)), "words_symbols"),
        (broken("spelling_start", lambda a: a * 1e300), "spelling_start"),
        (broken("spelling_pairs", lambda a: a.reshape(1, -1)), "spelling_pairs"),
        (broken("words_back1", lambda a: a.astype(object)), "b.npz"),
    ],
)
def test_files_of_others_are_refused(texts, tmp_path, change, value):
    perplexity.save(train(texts), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        arrays = dict(found)
    change(arrays)
    np.savez(tmp_path / "b.npz", **arrays)
    with refuses("not-a-language-model", value):
        perplexity.open_model(tmp_path / "b.npz")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"\x80\x04nothing")
    with refuses("not-a-language-model", "a.npz"):
        perplexity.open_model(tmp_path / "a.npz")
    with refuses("missing-file", "none.npz"):
        perplexity.open_model(tmp_path / "none.npz")


ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.3
-0.7\t</s>
-0.6\tpython\t-0.2
-0.8\t을\t-0.1
-0.9\t봄\t-0.05

\\2-grams:
-0.2\t<s> python
-0.3\tpython 을
-0.4\t을 </s>
-0.9\t봄 </s>

\\end\\
"""


def test_kenlm_models_read_the_same_words(tmp_path):
    pytest.importorskip("kenlm", reason="the extra [kenlm] is compiled from source")
    path = tmp_path / "a.arpa"
    path.write_text(ARPA, "utf-8")
    found = perplexity.open_model(path).perplexities(column(["Python을", "봄", "나물 봄", "", None]))
    logs = [
        (0.2 + 0.3 + 0.4) / 3,
        (0.3 + 0.9 + 0.9) / 2,  # backs off from <s>
        (0.3 + 1.0 + 0.9 + 0.9) / 3,  # an unknown word
    ]
    assert found[:3] == pytest.approx([10**log for log in logs], rel=1e-5) and np.isnan(found[3:]).all()
    path.write_text(ARPA.replace("ngram 2=4", "ngram 2=5"), "utf-8")
    with refuses("not-a-language-model", "a.arpa"):
        perplexity.open_model(path)
    with refuses("missing-file", "none.arpa"):
        perplexity.open_model(tmp_path / "none.arpa")


def test_a_missing_kenlm_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with refuses("missing-package", "megatron_ko[kenlm]"):
        perplexity.open_model(tmp_path / "a.arpa")
