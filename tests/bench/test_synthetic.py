"""The synthetic corpus is reproducible, grows from its beginning, and has the promised shares."""

import json
from collections import Counter

from tests.bench.synthetic import Corpus, write


def test_a_document_depends_on_the_seed_and_its_number_alone():
    backwards = [Corpus(3).document(n) for n in reversed(range(50))][::-1]
    assert [Corpus(3).document(n) for n in range(50)] == backwards
    assert Corpus(4).document(7) != Corpus(3).document(7)


def test_a_larger_corpus_begins_with_the_smaller(tmp_path):
    small, large = (b"".join(p.read_bytes() for p in write(tmp_path / str(n), n)) for n in (50_000, 200_000))
    assert len(small) >= 50_000 and large.startswith(small)
    records = [json.loads(line) for line in large.splitlines()]
    assert [record["id"] for record in records] == [f"s{n}" for n in range(len(records))]


def test_copies_languages_and_personal_data_have_their_shares():
    corpus = Corpus(1)
    documents = [corpus.document(n) for n in range(1500)]
    copies = len(documents) - len(set(documents))
    assert 0.17 < copies / len(documents) < 0.24
    langs = Counter(lang for lang, _ in documents)
    assert 0.4 < langs["ko"] / len(documents) < 0.6 and langs["en"] > 250 and langs["code"] > 250
    texts = [text for _, text in documents]
    assert sum("@mail" in text for text in texts) > 30
    assert sum("카지노" in text for text in texts) > 10
