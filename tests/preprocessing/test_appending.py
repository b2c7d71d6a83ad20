"""New pieces after a base's: reached, in the order of merging; old text keeps its ids; the libraries agree."""

import io
import json
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import stateful as code
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from megatron_ko.tokenizer import Tokenizer
from preprocessing.sections.tokens import TokenizerConfig
from preprocessing.vocabulary.appending import append, plan, scores_below
from preprocessing.vocabulary.bases import merged, read_base
from preprocessing.vocabulary.byte_letters import LETTERS, bytes_of
from preprocessing.vocabulary.hangul import HANGUL, only_in_hangul
from preprocessing.vocabulary.train_tokenizer import write_folder
from tests.preprocessing.corpus import EN, KO

ENGLISH = [" ".join(EN * 3), Path(code.__file__).read_text("utf-8"), Path(json.__file__).read_text("utf-8")]
WANTED = ["두루", "두루미", " 두루미", "안녕하세요", "습니다", "합니다", " 그리고", "ㅋㅋㅋ", "세", "겨울에"]
KINDS = ("bpe", "byte_bpe", "dummy_prefix")


def dummy_prefix_model() -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in ENGLISH for line in text.splitlines() if line),
        model_writer=out, model_type="bpe", vocab_size=600, byte_fallback=True, normalization_rule_name="identity",
        add_dummy_prefix=True, remove_extra_whitespaces=False, max_sentence_length=100_000, minloglevel=2,
    )  # fmt: skip
    return out.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def extended(request, tmp_path_factory):
    """``(base, folder, appended, encode of the base)``."""
    folder = tmp_path_factory.mktemp(request.param)
    source = folder / "base"
    if request.param == "dummy_prefix":
        source = folder / "base.model"
        source.write_bytes(dummy_prefix_model())
        old = sentencepiece.SentencePieceProcessor(model_file=str(source)).encode
    else:
        write_folder(source, iter(ENGLISH), TokenizerConfig(vocab_size=700, type=request.param))
        old = Tokenizer(source).encode
    base = read_base(source)
    return base, folder / "extended", append(base, WANTED, folder / "extended"), old


def test_every_new_piece_is_one_token_and_follows_the_base(extended):
    base, folder, appended, _ = extended
    plain = Tokenizer(folder, prefer_json=True)
    assert list(appended.ids) == WANTED
    assert appended.info.vocab_size == base.size + len(WANTED) + len(appended.needed)
    assert min(appended.ids.values()) >= base.size
    for surface, number in appended.ids.items():
        assert number in plain.encode(f"x\n{surface}\n")
        assert plain.decode([number]).strip() == surface.strip()


def test_both_readers_agree_and_text_comes_back(extended):
    _, folder, _, _ = extended
    first, second = Tokenizer(folder), Tokenizer(folder, prefer_json=True)
    for text in (
        *ENGLISH,
        *KO,
        " ".join(WANTED),
        "".join(WANTED),
        "",
        " ",
        "두루미두루미  두루미\n\n",
        "ㅋㅋㅋㅋㅋ",
    ):
        assert first.encode(text) == second.encode(text)
        assert first.decode(first.encode(text)) == text


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        st.one_of(st.sampled_from(" \nabe한자漢字ꀀꯀㄅ1.\u1100"), st.characters(exclude_categories=["Cs"])),
        max_size=40,
    )
)
def test_text_without_hangul_keeps_its_ids(extended, text):
    _, folder, _, old = extended
    new = Tokenizer(folder).encode
    plain = HANGUL.sub("", text)
    assert new(plain) == old(plain)
    assert Tokenizer(folder, prefer_json=True).encode(text) == new(text)


def test_pieces_between_are_added_only_where_they_are_needed(extended):
    base, _, appended, _ = extended
    additions = plan(base, WANTED).additions
    known = {piece for number in range(base.size) for piece in [base.name(number)] if piece is not None}
    for addition in additions:  # halves come before what is made of them
        assert {addition.left, addition.right} - {""} <= known
        known.add(addition.piece)
    assert all(HANGUL.search(needed) or "\\x" in needed for needed in appended.needed)
    assert {addition.piece for addition in additions if addition.asked} == set(map(base.spelled, WANTED))


@pytest.mark.parametrize(
    "surfaces, said",
    [
        (["가나", "가나"], "given twice"),
        (["hello"], "holds no Hangul"),
        (["가\u2581"], "not text that a piece can stand for"),
        (["가\ud800"], "not text that a piece can stand for"),
    ],
)
def test_surfaces_that_cannot_be_added_are_refused(extended, tmp_path, surfaces, said):
    with pytest.raises(DataError, match=said):
        append(extended[0], surfaces, tmp_path / "out")


def test_what_the_base_has_is_refused(extended, tmp_path):
    base = read_base(extended[1])
    with pytest.raises(DataError, match="is token [0-9]+ of .* already"):
        append(base, ["두루미"], tmp_path / "out")


def test_a_piece_that_the_split_always_cuts_is_refused_with_the_reason(tmp_path):
    write_folder(tmp_path / "base", iter(ENGLISH), TokenizerConfig(vocab_size=700, type="byte_bpe"))
    appended = append(read_base(tmp_path / "base"), ["가나 다라", "가나"], tmp_path / "out")
    assert appended.refused == {"가나 다라": "split: the base always cuts within it"}
    assert list(appended.ids) == ["가나"]


def test_an_extended_tokenizer_is_a_base_again(extended, tmp_path):
    base = read_base(extended[1])
    again = append(base, ["두루미가"], tmp_path / "again")
    assert again.ids == {"두루미가": base.size + len(again.needed)}
    assert read_base(tmp_path / "again").surfaces[: base.size] == base.surfaces


def test_scores_below_what_32_bits_hold_apart_are_refused(tmp_path):
    from preprocessing.vocabulary.protobuf_fields import message_of

    model = dummy_prefix_model()
    (tmp_path / "low.model").write_bytes(
        message_of([(1, 2, message_of([(1, 2, b"x"), (2, 5, b"\x00\x00\x80\xcc")]))]) + model  # -2^26
    )
    with pytest.raises(DataError, match="hold no 2 different ones"):
        scores_below(read_base(tmp_path / "low.model"), 2)


# --- bases -----------------------------------------------------------------------------------------------


def changed(folder: Path, target: Path, change) -> Path:
    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    change(data["model"])
    target.mkdir()
    (target / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    return target


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    folder = tmp_path_factory.mktemp("byte_level") / "base"
    write_folder(folder, iter(ENGLISH), TokenizerConfig(vocab_size=700, type="byte_bpe"))
    return folder


def test_problems_of_a_byte_level_base(byte_level, tmp_path):
    def duplicate(model):
        model["vocab"]["zzzz"] = 400

    def gap(model):
        model["vocab"]["zzzz"] = 900

    def missing(model):
        model["merges"].append(["q", "qqqq"])

    def no_byte(model):
        del model["vocab"][LETTERS[0]]

    for change, said in (
        (duplicate, "stand for several pieces: '400'"),
        (missing, "merges name pieces that are not in the vocabulary: 'q qqqq'"),
        (gap, "200 ids have no token .gaps.: .*: '700', '701'"),
        (no_byte, "bytes have no piece: some text is lost: '0x0'"),
    ):
        with pytest.raises(DataError, match=said):
            read_base(changed(byte_level, tmp_path / change.__name__, change)).check()
    assert [problem.message for problem in read_base(tmp_path / "gap").problems if not problem.fatal] == [
        "1 pieces are unreachable, merging makes them of no text: 'zzzz'"
    ]


def test_what_is_no_base_is_told(tmp_path, byte_level):
    with pytest.raises(DataError, match="no such file or folder"):
        read_base(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has neither tokenizer.model nor tokenizer.json"):
        read_base(tmp_path / "empty")
    with pytest.raises(DataError, match="is a WordPiece tokenizer"):
        read_base(changed(byte_level, tmp_path / "other", lambda model: model.update(type="WordPiece")))
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(ENGLISH[0].split(". ")), model_writer=out, model_type="unigram", vocab_size=60,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "unigram.model").write_bytes(out.getvalue())
    with pytest.raises(DataError, match="is no BPE model"):
        read_base(tmp_path / "unigram.model")


def test_merging_takes_the_best_pair_and_the_leftmost_of_equal_ones():
    ranks = {("a", "b"): 2, ("b", "c"): 1, ("a", "bc"): 3, ("a", "a"): 0}
    assert merged(list("abc"), lambda *pair: ranks.get(pair)) == ["abc"]
    assert merged(list("aaa"), lambda *pair: ranks.get(pair)) == ["aa", "a"]


def test_bytes_that_stand_in_hangul_only_are_found_by_looking_at_all_characters():
    others = [
        chr(code)
        for code in range(0x80, 0x30000)
        if not 0xD800 <= code < 0xE000 and not HANGUL.match(chr(code))
    ]
    inside = set()
    for character in others:
        content = character.encode()
        inside |= {content[i:j] for i in range(len(content)) for j in range(i + 1, len(content) + 1)}
    for character in ("가", "힣", "ㅋ", "ᄀ", "뷁"):
        content = character.encode()
        for i in range(3):
            for j in range(i + 1, 4):
                if only_in_hangul(content[i:j]):
                    assert content[i:j] not in inside, (character, content[i:j])
        assert only_in_hangul(b" " + content)
    assert only_in_hangul("세".encode()[:1]) and only_in_hangul("가".encode()[:2])
    assert not only_in_hangul("가".encode()[:1]) and not only_in_hangul("가".encode()[1:])


def test_letters_of_bytes():
    assert len(set(LETTERS)) == 256
    assert bytes_of("".join(LETTERS)) == bytes(range(256))
    assert LETTERS[ord(" ")] == "Ġ" and LETTERS[ord("\n")] == "Ċ" and LETTERS[ord("A")] == "A"
    assert bytes_of("가") is None
