"""Every type of tokenizer opens, gives the ids of its own library, and runs no code; damaged files are refused."""

import base64
import io
import json

import numpy as np
import pytest
import sentencepiece
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from megatron_ko.errors import DataError
from megatron_ko.formats.byte_alphabet import LETTERS
from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.tokenizers import byte_level
from preprocessing.tokenizers.opened import name_of, open_tokenizer
from preprocessing.tokenizers.tiktoken_files import PATTERNS, pattern_of
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses

CODE = ["def f(x):\n    return {'a': [x, 1_000]}  # 주석\n", "for i in range(10):\n\tprint(i)\n"]

TEXTS = [*KO, *EN, *CODE, "", "ㅋㅋ 漢字 👍🏽\t\n  x", "<s>hi</s><|endoftext|>"]


def sentencepiece_model(**options):
    out = io.BytesIO()
    settings = {"model_type": "bpe", "vocab_size": 600, "byte_fallback": True, "normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False}  # fmt: skip
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*KO, *EN, *CODE]), model_writer=out, minloglevel=2, hard_vocab_limit=False, **{**settings, **options},
    )  # fmt: skip
    return out.getvalue()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("sp") / "small.model"
    path.write_bytes(sentencepiece_model())
    return path


def trained(model, trainer, pre_tokenizer, decoder, normalizer=None):
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer, made.decoder = pre_tokenizer, decoder
    if normalizer:
        made.normalizer = normalizer
    made.train_from_iterator([*KO, *EN, *CODE], trainer)
    return made


def byte_bpe():
    return trained(
        models.BPE(),
        trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"], show_progress=False),
        pre_tokenizers.Sequence([
            pre_tokenizers.Split(tokenizers.Regex(PATTERNS["cl100k_base"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]),
        decoders.ByteLevel(),
    )  # fmt: skip


def word_piece():
    return trained(
        models.WordPiece(unk_token="[UNK]"),  # type: ignore[call-arg]
        trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]", "[CLS]"], show_progress=False),
        pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(), normalizers.BertNormalizer(lowercase=True, strip_accents=False),
    )  # fmt: skip


def unigram():
    return trained(
        models.Unigram(),
        trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False),
        pre_tokenizers.Metaspace(), decoders.Metaspace(),
    )  # fmt: skip


def save(folder, made):
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return folder


def rows_of(opened, texts):
    ids, offsets = opened.encode_batch(texts)
    return [ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])]


# --- each kind -------------------------------------------------------------------------------------------


def test_a_sentencepiece_model_has_its_own_ids_and_bytes(model):
    opened, own = open_tokenizer(model), sentencepiece.SentencePieceProcessor(model_file=str(model))
    assert (opened.name, opened.kind, opened.size) == ("small", "SentencePiece", own.get_piece_size())
    rows = rows_of(opened, TEXTS)
    assert rows == own.encode(TEXTS)
    for row, text in zip(rows, TEXTS):
        assert b"".join(opened.token_bytes(i) or b"" for i in row).decode() == text == opened.decode(row)
    assert opened.special_ids == {0, 1, 2} and opened.token_bytes(1) is None
    assert opened.token_bytes(own.piece_to_id("<0xEC>")) == b"\xec"


def test_a_byte_level_folder_has_its_own_ids_and_bytes(tmp_path):
    made = byte_bpe()
    opened = open_tokenizer(save(tmp_path / "gpt", made))
    assert (opened.name, opened.kind) == ("gpt", "byte-level BPE, tokenizers")
    made.encode_special_tokens = True
    rows = rows_of(opened, TEXTS)
    assert rows == [made.encode(text, add_special_tokens=False).ids for text in TEXTS]
    # text that spells <|endoftext|> stays text
    assert not {i for row in rows for i in row} & opened.special_ids
    for row, text in zip(rows, TEXTS):
        assert b"".join(opened.token_bytes(i) or b"" for i in row).decode() == text


def test_a_tiktoken_file_has_the_ids_of_the_same_vocabulary(tmp_path):
    pytest.importorskip("tiktoken")
    folder = open_tokenizer(save(tmp_path / "gpt", byte_bpe()))
    path = write_ranks(tmp_path / "ranks.tiktoken", folder)
    opened = open_tokenizer(path, pattern="cl100k_base")
    shifted = [[number - 1 for number in row] for row in rows_of(folder, TEXTS)]
    assert rows_of(opened, TEXTS) == shifted
    assert [opened.token_bytes(i) for i in range(opened.size)] == [folder.token_bytes(i + 1) for i in range(opened.size)]  # fmt: skip
    with refuses("no-split-pattern", "--pattern"):
        open_tokenizer(path)
    with refuses("not-a-regular-expression", "--pattern"):
        open_tokenizer(path, pattern="(")


def write_ranks(path, folder):
    """The tokens of a byte-level folder without its special token 0, in their order."""
    tokens = [folder.token_bytes(i) for i in range(1, folder.size)]
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)))
    return path


@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base", "gpt2"])
def test_patterns_split_as_the_published_ones(name):
    openai = pytest.importorskip("tiktoken_ext.openai_public")
    regex = pytest.importorskip("regex")
    source = {"gpt2": "r50k_pat_str"}.get(name)
    published = getattr(openai, source) if source else _published(openai, name)
    text = "\n".join(TEXTS) + "  I'LL don't 12345 가나다라ABC\r\n\r\n  \t!?/\n\n end   "
    assert regex.findall(PATTERNS[name], text) == regex.findall(published, text)


def _published(openai, name):
    """The pattern without the ranks, which would be downloaded."""
    loader, openai.load_tiktoken_bpe = openai.load_tiktoken_bpe, lambda *a, **b: {}
    try:
        return getattr(openai, name)()["pat_str"]
    finally:
        openai.load_tiktoken_bpe = loader


def test_wordpiece_and_unigram_work_through_tokenizers(tmp_path):
    pieces = open_tokenizer(save(tmp_path / "bert", word_piece()))
    assert pieces.kind == "WordPiece, tokenizers"
    vocabulary = json.loads((tmp_path / "bert" / "tokenizer.json").read_text())["model"]["vocab"]
    continued = next(piece for piece in vocabulary if piece.startswith("##"))
    assert pieces.token_bytes(vocabulary[continued]) == continued[2:].encode()
    scores = open_tokenizer(save(tmp_path / "uni", unigram()))
    assert scores.kind == "Unigram, tokenizers"
    assert scores.vocabulary.special_ids["unk_id"] in scores.special_ids
    assert scores.vocabulary.special_ids["unk_id"] in rows_of(scores, ["가나 ☃"])[0]
    ids = rows_of(scores, [EN[0]])[0]
    assert b"".join(scores.token_bytes(i) or b"" for i in ids).decode() == " " + EN[0]


def test_our_folder_is_read_by_its_model_and_special_tokens_are_known(tmp_path):
    settings = TokenizerConfig(type="byte_bpe", vocab_size=400)
    description = byte_level.train(iter([*KO, *EN, *CODE]), settings)
    folder = tmp_path / "run" / "tokenizer"
    write_tokenizer_folder(folder, description, byte_level.SPECIAL_TOKENS)
    opened = open_tokenizer(folder)
    assert opened.name == "run"
    assert opened.special_ids == {0, 1, 2}  # they are not added tokens there
    assert opened.token_bytes(0) is None


def test_byte_letters_are_those_of_the_library():
    assert sorted(LETTERS) == sorted(pre_tokenizers.ByteLevel.alphabet())
    made = decoders.ByteLevel()
    assert all(made.decode([letter]) == chr(byte) for byte, letter in enumerate(LETTERS) if byte < 128)


def test_gaps_are_counted_not_refused(tmp_path):
    made = json.loads(byte_bpe().to_str())
    vocabulary = made["model"]["vocab"]
    last, piece = max((number, piece) for piece, number in vocabulary.items())
    vocabulary[piece] = last + 4
    (tmp_path / "tokenizer.json").write_text(json.dumps(made))
    opened = open_tokenizer(tmp_path)
    assert opened.missing_ids == list(range(last, last + 4)) and opened.size == last + 5


# --- what is none ----------------------------------------------------------------------------------------


def assert_refused(path, rule, *values, pattern=None):
    with refuses(rule, *values):
        open_tokenizer(path, pattern=pattern)


def test_what_is_not_a_tokenizer_is_refused(tmp_path, model):
    assert_refused(tmp_path / "missing", "missing-file", "missing")
    assert_refused(tmp_path, "no-tokenizer", str(tmp_path))
    for name, content in (("a.model", b"\0" * 80), ("b.model", b"hello\n"), ("c.json", b"{"), ("d.json", b"[]"), ("e.json", b'{"model": {"vocab": 3}}'), ("f.json", b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["x", "y"]]}}')):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as caught:
            open_tokenizer(tmp_path / name)
        assert name in str(caught.value) and len(str(caught.value)) < 700
    assert_refused(_write(tmp_path / "empty.model", b""), "empty-file", "empty.model")
    two = tmp_path / "two"
    two.mkdir()
    for name in ("x.model", "y.model"):
        (two / name).write_bytes(model.read_bytes())
    assert_refused(two, "several-models", "x.model, y.model")


def _write(path, content):
    path.write_bytes(content)
    return path


def test_code_of_a_folder_is_never_run(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text(
        '{"auto_map": {"AutoTokenizer": ["tok.Mine", null]}, "tokenizer_class": "Mine"}'
    )
    (tmp_path / "tok.py").write_text("raise SystemExit('run')")
    assert_refused(tmp_path, "custom-code", "auto_map")
    save(tmp_path, byte_bpe())
    assert open_tokenizer(tmp_path).size == 500  # data beside the code is still read


def test_an_absurd_id_costs_no_memory(tmp_path):
    made = json.loads(byte_bpe().to_str())
    made["model"]["vocab"]["far"] = 1 << 40
    (tmp_path / "tokenizer.json").write_text(json.dumps(made))
    assert_refused(tmp_path, None, str(1 << 40))


@pytest.mark.parametrize(
    "line, value",
    [
        (b"!!! 3", ""), (b"YQ==", ""), (b"YQ== -1", ""), (b"YWI= 0", "0"), (b"YQ== 999", "b'a'"),
        (b"YWI= 99999999", "99999999"), (b"YWJ 300", ""),
    ],
)  # fmt: skip
def test_a_broken_tiktoken_line_is_named(tmp_path, line, value):
    pytest.importorskip("tiktoken")
    good = b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))
    broken = _write(tmp_path / "x.tiktoken", good + line + b"\n")
    assert_refused(broken, None, "x.tiktoken:257", value, pattern="gpt2")
    short = _write(tmp_path / "y.tiktoken", b"".join(good.splitlines(True)[:-2]))
    assert_refused(short, None, "y.tiktoken", "256", pattern="gpt2")


def test_names(tmp_path):
    assert name_of(tmp_path / "llama" / "tokenizer.model") == "llama"
    assert name_of(tmp_path / "cl100k_base.tiktoken") == "cl100k_base"
    assert name_of(tmp_path / "my_job" / "data" / "tokenizer") == "my_job"
    assert name_of(tmp_path / "my_job" / "train" / "hf") == "my_job"
    assert pattern_of(tmp_path / "cl100k_base.tiktoken", None) == PATTERNS["cl100k_base"]
    assert np.array_equal(rows_of(open_tokenizer(_write(tmp_path / "k.model", sentencepiece_model())), [""]), [[]])  # fmt: skip
