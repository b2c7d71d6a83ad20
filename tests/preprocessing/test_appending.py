"""Pieces appended to a base: all are reachable, merges keep their order, other text keeps its ids, readers agree."""

import json

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.formats.sentencepiece_model import read_model, with_pieces
from megatron_ko.formats.tokenizer_folder import Tokenizer
from megatron_ko.formats.vocabulary import Piece, merge
from preprocessing.tokenizers.appending import append, plan, scores_below
from preprocessing.tokenizers.bases import SentencePieceBase, read_base
from preprocessing.tokenizers.hangul import HANGUL
from tests.preprocessing.corpus import KO
from tests.preprocessing.refusals import refuses
from tests.preprocessing.tiny_bases import ENGLISH, KINDS, other_model, write_base

WANTED = ["두루", "두루미", " 두루미", "안녕하세요", "습니다", "합니다", " 그리고", "ㅋㅋㅋ", "세", "겨울에"]


@pytest.fixture(scope="module", params=KINDS)
def extended(request, tmp_path_factory):
    """``(base, folder, appended, encode of the base)``."""
    folder = tmp_path_factory.mktemp(request.param)
    source = write_base(request.param, folder / "base")
    if source.suffix == ".model":
        old = sentencepiece.SentencePieceProcessor(model_file=str(source)).encode
    else:
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
    base, folder, _, _ = extended
    loses_blanks = isinstance(base, SentencePieceBase) and base.model.removes_blanks
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
        for reader in (first, second):
            assert loses_blanks or reader.decode(first.encode(text)) == text


@settings(max_examples=80, deadline=None)
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


def test_intermediate_pieces_are_added_only_where_needed(extended):
    base, _, appended, _ = extended
    additions = plan(base, WANTED).additions
    known = {
        piece for number in range(base.size) for piece in [base.vocabulary.names[number]] if piece is not None
    }
    for addition in additions:  # halves precede their union
        assert {addition.left, addition.right} - {""} <= known
        known.add(addition.piece)
    assert all(HANGUL.search(needed) or "\\x" in needed for needed in appended.needed)
    assert {addition.piece for addition in additions if addition.requested} == set(
        map(base.vocabulary.spell, WANTED)
    )


@pytest.mark.parametrize(
    "surfaces, rule",
    [
        (["가나", "가나"], "duplicate-piece"),
        (["hello"], "piece-without-hangul"),
        (["가\u2581"], "unwritable-piece"),
        (["가\ud800"], "unwritable-piece"),
    ],
)
def test_surfaces_that_cannot_be_added_are_refused(extended, tmp_path, surfaces, rule):
    with refuses(rule, repr(surfaces[0])):
        append(extended[0], surfaces, tmp_path / "out")


def test_a_piece_of_the_base_is_refused(extended, tmp_path):
    base = read_base(extended[1])
    with refuses("known-piece", "두루미", str(base.vocabulary.ids["두루미"])):
        append(base, ["두루미"], tmp_path / "out")


def test_a_piece_that_is_always_split_is_refused(tmp_path):
    write_base("byte_bpe", tmp_path / "base")
    appended = append(read_base(tmp_path / "base"), ["가나 다라", "가나", "가나\n"], tmp_path / "out")
    assert set(appended.refused) == {"가나 다라", "가나\n"}
    assert all(reason.startswith("split:") for reason in appended.refused.values())
    assert list(appended.ids) == ["가나"]


def test_a_piece_whose_bytes_other_scripts_share_is_refused(tmp_path):
    """The first two bytes of ㄱ (E3 84) also begin Bopomofo, whose tokens would change."""
    write_base("byte_bpe", tmp_path / "base")
    base = read_base(tmp_path / "base")
    appended = append(base, ["ㄱㄱ", "ㅋㅋ", "가ㄱ"], tmp_path / "out")
    assert set(appended.refused) == {"ㄱㄱ"}
    assert Tokenizer(tmp_path / "out").encode("가ㄱ") == [appended.ids["가ㄱ"]]
    assert appended.refused["ㄱㄱ"].startswith("bytes:")
    for text in ("ㄅㄆㄇ", "\u2131", "ㄱ"):
        assert Tokenizer(tmp_path / "out").encode(text) == Tokenizer(tmp_path / "base").encode(text)


def test_pieces_are_reachable_despite_a_prefix_blank(tmp_path):
    """GPT-2's split with add_prefix_space: every word begins with a blank, but pieces also occur within words."""
    write_base("byte_bpe", tmp_path / "plain")
    description = json.loads((tmp_path / "plain" / "tokenizer.json").read_text("utf-8"))
    description["pre_tokenizer"] = {
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True,
    }  # fmt: skip
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "tokenizer.json").write_text(json.dumps(description), "utf-8")
    (tmp_path / "base" / "tokenizer_config.json").write_text(
        '{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}', "utf-8"
    )
    appended = append(read_base(tmp_path / "base"), ["두루미", " 두루미"], tmp_path / "out")
    encode = Tokenizer(tmp_path / "out").encode
    assert encode("두루미") == encode(" 두루미") == [appended.ids[" 두루미"]]
    assert encode("x두루미")[-1] == appended.ids["두루미"]
    assert (
        json.loads((tmp_path / "out" / "tokenizer_config.json").read_text("utf-8"))["add_prefix_space"]
        is True
    )


def test_bytes_become_characters_before_anything_else(tmp_path):
    """By hand: 두 is EB 91 90, 루 is EB A3 A8; the base has none of these bytes together."""
    base = read_base(write_base("byte_bpe", tmp_path / "base"))
    assert len(base.vocabulary.segment(" 두루")) == 7
    made = [base.vocabulary.format_piece(addition.piece) for addition in plan(base, [" 두루"]).additions]
    assert made == ["\\xeb\\x91", "두", "\\xeb\\xa3", "루", "두루", " 두루"]
    made = [
        base.vocabulary.format_piece(addition.piece) for addition in plan(base, [" 두루", " 두"]).additions
    ]
    assert made == ["\\xeb\\x91", "두", " 두", "\\xeb\\xa3", "루", " 두루"]


def test_the_order_of_surfaces_is_the_order_of_merges(tmp_path):
    """By hand: 가나다 is merged from what ranks first, 가나 or 나다."""
    base = read_base(write_base("bpe", tmp_path / "base"))
    for order, expected in ((["가나", "나다"], ["가나", "다"]), (["나다", "가나"], ["가", "나다"])):
        append(base, order, tmp_path / order[0])
        pieces = read_base(tmp_path / order[0]).vocabulary.surfaces
        assert [pieces[number] for number in Tokenizer(tmp_path / order[0]).encode("가나다")] == expected


def test_an_extended_tokenizer_is_a_base_again(extended, tmp_path):
    base = read_base(extended[1])
    again = append(base, ["두루미가"], tmp_path / "again")
    assert again.ids == {"두루미가": base.size + len(again.needed)}
    assert read_base(tmp_path / "again").vocabulary.surfaces[: base.size] == base.vocabulary.surfaces


def test_scores_that_32_bits_cannot_distinguish_are_refused(tmp_path):
    model = other_model()
    pieces = [Piece("x", -(2.0**26)), *read_model(model, "other").vocabulary.pieces]
    (tmp_path / "low.model").write_bytes(with_pieces(model, pieces))
    with refuses("scores-too-low", "low.model"):
        base = read_base(tmp_path / "low.model")
        assert isinstance(base, SentencePieceBase)
        scores_below(base, 2)


def test_merging_prefers_the_best_pair_and_the_leftmost_of_equals():
    ranks = {("a", "b"): 2, ("b", "c"): 1, ("a", "bc"): 3, ("a", "a"): 0}
    assert merge(list("abc"), lambda *pair: ranks.get(pair)) == ["abc"]
    assert merge(list("aaa"), lambda *pair: ranks.get(pair)) == ["aa", "a"]
    assert merge(list("a"), lambda *pair: ranks.get(pair)) == ["a"]
