"""Small tokenizers of English and code, of each type that can be extended, and Korean text for them."""

import io
import json
import random
from pathlib import Path

import sentencepiece
from hypothesis import stateful as code

from preprocessing.config.tokens import TokenizerConfig
from preprocessing.steps.train_tokenizer import write_folder
from tests.preprocessing.corpus import EN, KO

ENGLISH = [" ".join(EN * 3), Path(code.__file__).read_text("utf-8"), Path(json.__file__).read_text("utf-8")]
KINDS = ("bpe", "byte_bpe", "whole_words", "dummy_prefix", "removes_blanks")


def write_base(kind, place):
    """Path of a base of this type: a folder of ours, or a model trained with other options."""
    if kind in ("bpe", "byte_bpe"):
        write_folder(place, iter(ENGLISH), TokenizerConfig(vocab_size=700, type=kind))
        return place
    if kind == "whole_words":  # looked up before merging, as in Llama 3
        write_folder(place, iter(ENGLISH), TokenizerConfig(vocab_size=700, type="byte_bpe"))
        description = json.loads((place / "tokenizer.json").read_text("utf-8"))
        description["model"]["ignore_merges"] = True
        (place / "tokenizer.json").write_text(json.dumps(description), "utf-8")
        (place / "fingerprint.json").unlink()
        return place
    place = place.with_suffix(".model")
    place.write_bytes(other_model(remove_extra_whitespaces=kind == "removes_blanks"))
    return place


def other_model(**options):
    """A SentencePiece model with a dummy prefix, like that of Llama 2."""
    out = io.BytesIO()
    settings = {
        "model_type": "bpe", "vocab_size": 600, "byte_fallback": True, "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False, "max_sentence_length": 100_000, "num_threads": 1, "minloglevel": 2, **options,
    }  # fmt: skip
    lines = [line for text in ENGLISH for line in text.splitlines() if line]
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, **settings)
    return out.getvalue()


def korean_texts(count=40, seed=3):
    chance = random.Random(seed)
    return [
        " ".join(chance.choice(KO) for _ in range(6)) + f" {chance.randrange(10_000)} ㅋㅋㅋ"
        for _ in range(count)
    ]


def write_texts(path, texts):
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), "utf-8")
    return path
