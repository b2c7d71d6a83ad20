"""Counting words instead of documents: exact for every type of base and any workers, and resumable."""

from __future__ import annotations

import re
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.files import read_json
from megatron_ko.formats.tokenizer_folder import Tokenizer
from preprocessing.kernels import word_counts
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers import counting, hangul
from preprocessing.tokenizers.appending import append
from preprocessing.tokenizers.bases import read_base
from preprocessing.tokenizers.counting import WordTable, count_words, words_in
from preprocessing.tokenizers.cutting import cut_of, is_korean_piece
from preprocessing.tokenizers.text_files import parts_of
from preprocessing.tokenizers.token_counts import TokenCounter
from tests.preprocessing.extension_texts import (
    PARTICLES,
    SIGN_AND_LETTERS,
    STEMS,
    byte_level_base,
    korean,
    sentencepiece_base,
    write_jsonl,
)
from tests.preprocessing.refusals import refuses

KINDS = ("sentencepiece", "dummy prefix", "byte level", "sign and letters")


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {
        "sentencepiece": sentencepiece_base(folder / "a.model"),
        "dummy prefix": sentencepiece_base(folder / "b.model", dummy_prefix=True),
        "byte level": byte_level_base(folder / "c"),
        "sign and letters": byte_level_base(folder / "d", SIGN_AND_LETTERS),
    }


@pytest.fixture(scope="module")
def extended(bases, tmp_path_factory):
    """By type: the base, the extended folder, the cut of the base."""
    surfaces = [
        *STEMS,
        *(" " + stem for stem in STEMS),
        *(p for p in PARTICLES if len(p) > 1),
        "ㅋㅋ",
        " 강아지는",
    ]
    made = {}
    for kind, path in bases.items():
        folder = tmp_path_factory.mktemp("extended")
        base = read_base(path)
        alone = append(base, [], folder / "base")
        target = append(base, surfaces, folder / "target")
        assert not target.refused
        cut = cut_of(read_json(alone.info.folder / "tokenizer.json"))
        made[kind] = base, target.info.folder, cut
    return made


def words_of(cut, texts):
    table = WordTable(cut, places=16)  # grows many times
    table.add(pa.array(texts, pa.large_string()))
    batch = table.take()
    return batch["word"], batch["count"].to_numpy()


def count_both_ways(entry, texts):
    """New tokens of the documents, by SentencePiece or tokenizers itself, and of their words."""
    base, folder, cut = entry
    counter = TokenCounter(read_json(folder / "tokenizer.json"))
    reader = Tokenizer(folder)
    whole = np.bincount(
        np.concatenate([[0], *(reader.encode(text) for text in texts)]).astype(int), minlength=counter.size
    )
    words, counts = words_of(cut, texts)
    by_words = np.zeros(counter.size, np.int64)
    counter.count(words, counts, by_words)
    return whole[base.size :], by_words[base.size :]


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_of_words_are_the_tokens_of_documents(extended, kind):
    whole, by_words = count_both_ways(extended[kind], korean(50))
    assert whole.sum() > 1000
    assert np.array_equal(whole, by_words)


PIECES = [
    *STEMS[:4],
    *PARTICLES[:4],
    " ",
    "  ",
    "\n",
    "\t",
    "the",
    "def ",
    "(",
    ".",
    "가",
    "힣",
    "ㅋㅋ",
    "ᄒ",
    "漢",
    "é",
    "😀",
    "\u3164",
    " \u3164",
    "\u3160\u3164",
    "\uffa1",
    "3",
    "'s",
]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12))
def test_no_cut_changes_a_token(extended, kind, parts):
    text = "".join(parts).encode("utf-8", "replace").decode()
    whole, by_words = count_both_ways(extended[kind], [text])
    assert np.array_equal(whole, by_words)


def test_both_ways_of_counting_words_must_agree(extended):
    _, folder, cut = extended["sentencepiece"]
    counter = TokenCounter(read_json(folder / "tokenizer.json"))
    words, counts = words_of(cut, korean(20))
    assert counter._merges is not None
    counter.compare(words, counts)
    counter._merges.byte_ids[:] = 0
    counter._merges.merges[:] = counter._merges.merges[::-1].copy()
    with refuses("counts-disagree"):
        counter.compare(words, counts)


@pytest.fixture
def text(tmp_path):
    texts = korean(300)
    return texts, parts_of([str(write_jsonl(tmp_path / "a.jsonl", texts, lang="ko"))], 20_000)


@pytest.fixture(scope="module")
def cut(extended):
    return extended["sentencepiece"][2]


def test_hangul_means_the_same_to_the_kernel():
    assert [c for c in range(0x11000) if word_counts.is_hangul.py_func(c) != hangul.is_hangul(c)] == []


def table_in(counted):
    found = {}
    for path in counted.files:
        for words, counts in words_in(path):
            found.update(zip(words.to_pylist(), counts.tolist()))
    return found


def bytes_in(counted):
    return [path.read_bytes() for path in counted.files]


def test_the_table_is_what_a_regular_expression_finds(tmp_path, text, cut):
    texts, parts = text
    with WorkerPool(1) as pool:
        counted = count_words(parts, cut, tmp_path / "counts", pool)
    expected = Counter(word for t in texts for word in re.findall(r" *[가-힣ㄱ-ㅎㅏ-ㅣ]+", t))
    assert table_in(counted) == expected
    assert counted.documents == 300
    assert counted.korean_bytes == counted.bytes == sum(len(t.encode()) for t in texts)
    assert (counted.words, counted.words_seen) == (len(expected), expected.total())
    assert counted.syllables[ord("는") - 0xAC00] == sum(t.count("는") for t in texts)
    assert counted.syllables.sum() == sum(len(re.findall("[가-힣]", t)) for t in texts)


def test_workers_and_spilled_tables_change_no_byte(tmp_path, text, cut, monkeypatch):
    _, parts = text
    with WorkerPool(2) as pool:
        two = count_words(parts, cut, tmp_path / "two", pool)
    monkeypatch.setattr(counting, "MAX_WORDS", 50)
    with WorkerPool(1) as pool:
        one = count_words(parts, cut, tmp_path / "one", pool)
    assert len(parts) > 3
    assert bytes_in(one) == bytes_in(two)
    assert not (tmp_path / "one" / "runs").exists()


def test_a_killed_count_resumes(tmp_path, text, cut, monkeypatch):
    _, parts = text
    done = []

    def counted_part(folder, number, *rest, count=counting.count_part):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(number)
        return count(folder, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(counting, "count_part", counted_part)
        with pytest.raises(KeyboardInterrupt), WorkerPool(1) as pool:
            count_words(parts, cut, tmp_path / "a", pool)
    again = []
    with monkeypatch.context() as patch:
        original = counting.count_part
        patch.setattr(counting, "count_part", lambda *given: (again.append(given[1]), original(*given))[1])
        with WorkerPool(1) as pool:
            counted = count_words(parts, cut, tmp_path / "a", pool)
            count_words(parts, cut, tmp_path / "a", pool)
            fresh = count_words(parts, cut, tmp_path / "b", pool)
    assert done == [0, 1]
    assert again == [*range(2, len(parts)), *range(len(parts))]  # nothing twice, nothing for the second call
    assert bytes_in(counted) == bytes_in(fresh)


def test_a_lost_part_of_the_table_is_counted_again(tmp_path, text, cut):
    _, parts = text
    with WorkerPool(1) as pool:
        counted = count_words(parts, cut, tmp_path / "counts", pool)
        expected = bytes_in(counted)
        counted.files[0].unlink()
        assert bytes_in(count_words(parts, cut, tmp_path / "counts", pool)) == expected


def test_runs_of_another_text_are_not_merged(tmp_path, text, cut, monkeypatch):
    """A finishes, B is killed while merging, and then A runs again with a part missing."""
    texts, parts = text
    other = parts_of([str(write_jsonl(tmp_path / "b.jsonl", korean(40), lang="ko"))], 20_000)

    def kill(*_):
        raise KeyboardInterrupt

    with WorkerPool(1) as pool:
        expected = bytes_in(count_words(parts, cut, tmp_path / "counts", pool))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(counting, "merge_partition", kill)
            count_words(other, cut, tmp_path / "counts", pool)
        (tmp_path / "counts" / "words" / "0003.arrow").unlink()
        assert bytes_in(count_words(parts, cut, tmp_path / "counts", pool)) == expected


def test_other_text_is_counted_anew(tmp_path, text, cut):
    texts, parts = text
    with WorkerPool(1) as pool:
        count_words(parts, cut, tmp_path / "counts", pool)
        other = parts_of([str(write_jsonl(tmp_path / "b.jsonl", texts[:10]))])
        counted = count_words(other, cut, tmp_path / "counts", pool)
        shutil.rmtree(tmp_path / "counts")
        assert table_in(count_words(other, cut, tmp_path / "counts", pool)) == table_in(counted)
    assert counted.documents == 10


def test_text_without_hangul_is_refused(tmp_path, cut):
    path = write_jsonl(tmp_path / "a.jsonl", ["the cat", "漢字"])
    with refuses("no-korean-text", "2"), WorkerPool(1) as pool:
        count_words(parts_of([str(path)]), cut, tmp_path / "counts", pool)


@pytest.mark.parametrize("surface", ["가", " 가", "ㅋㅋ", " 한국어"])
def test_korean_pieces(surface):
    assert is_korean_piece(surface)


@pytest.mark.parametrize(
    "surface",
    [
        "",
        " ",
        "  가",
        "가 ",
        "가a",
        "3월",
        "漢",
        "(가",
        "\u1112\u1161",
        "\u3164",
        " \u3164",
        "\u3160\u3164",
        "\uffa1",
        "가\n",
    ],
)
def test_no_korean_pieces(surface):
    assert not is_korean_piece(surface)
