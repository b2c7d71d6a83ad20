"""Pruning: text whose tokens remain keeps them under the id map, for all readers."""

import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.formats.tokenizer_folder import Tokenizer, fingerprint_hf_folder, read_tokenizer_folder
from preprocessing.cli import main
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers import derived_proof, pruning
from preprocessing.tokenizers.appending import append
from preprocessing.tokenizers.bases import read_base
from preprocessing.tokenizers.text_files import parts_of
from preprocessing.tokenizers.token_use import use_of
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses, refuses_command
from tests.preprocessing.tiny_bases import ENGLISH, KINDS, write_base, write_texts

KEPT_TEXTS = [" ".join(EN), *KO[:6]]
WANTED = ["두루미", " 두루미", "도서관", "는 ", "겨울에"]


@pytest.fixture(scope="module", params=KINDS)
def pruned(request, tmp_path_factory):
    """``(whole base, its folder, decision, folder of the pruned one, parts of the text)``."""
    folder = tmp_path_factory.mktemp(request.param)
    base = read_base(write_base(request.param, folder / "base"))
    append(base, ["두루", "두루미", " 두루미", "도서관", "겨울에"], folder / "whole")
    whole = read_base(folder / "whole")
    parts = parts_of([str(write_texts(folder / "text.jsonl", KEPT_TEXTS))])
    with WorkerPool(1) as pool:
        counts = use_of(folder / "whole", parts, pool, "count").counts
        made = pruning.decide(whole, counts, 1)
        pruning.write_pruned(whole, made, folder / "pruned")
        pruning.compare(folder / "whole", folder / "pruned", made, parts, pool)
    return whole, folder / "whole", made, folder / "pruned", parts


def test_only_tokens_of_the_text_remain(pruned):
    whole, folder, made, target, _ = pruned
    used = {number for text in KEPT_TEXTS for number in Tokenizer(folder, prefer_json=True).encode(text)}
    assert used <= set(made.old_ids)
    assert made.old_ids == sorted(set(made.old_ids))
    assert len(made.old_ids) < 0.9 * whole.size
    pieces = read_base(target)
    assert [pieces.vocabulary.names[n] for n in range(pieces.size)] == [
        whole.vocabulary.names[old] for old in made.old_ids
    ]
    for number, reason in enumerate(made.reasons):
        assert (number in made.moved) == (reason not in ("", "unused"))
        if reason == "used":
            assert number in used


def test_special_tokens_and_bytes_stay(pruned):
    whole, folder, made, target, _ = pruned
    old, new = read_tokenizer_folder(folder).special_ids, read_tokenizer_folder(target).special_ids
    assert new == {role: None if number is None else made.moved[number] for role, number in old.items()}
    for text in ("漢字 ᄒᆞᆫ글 😀", "\x07\x00"):
        assert Tokenizer(target).decode(Tokenizer(target).encode(text)) in (
            text,
            text.replace(" ", ""),
            text.strip(),
        )


def test_an_intermediate_piece_of_a_kept_piece_remains(pruned):
    whole, _, made, _, _ = pruned
    name = whole.vocabulary.spell("두루")
    number = next(n for n in range(whole.size) if whole.vocabulary.names[n] == name)
    assert made.reasons[number] == "step"  # 두루 never occurs alone in the text, 두루미 does


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*" ".join(EN), *EN, *KO, "두루미", "\n", "  "]), max_size=12).map("".join))
def test_any_text_whose_tokens_remain_has_its_old_ids_under_the_map(pruned, text):
    _, folder, made, target, _ = pruned
    for prefer_json in (False, True):
        old = Tokenizer(folder, prefer_json=prefer_json).encode(text)
        new = Tokenizer(target, prefer_json=prefer_json).encode(text)
        if set(old) <= made.moved.keys():
            assert [made.old_ids[number] for number in new] == old


def test_a_difference_is_found(pruned, tmp_path):
    """The comparison fails when ids are mapped wrongly."""
    whole, folder, made, target, parts = pruned
    wrong = pruning.Pruning(made.reasons, [*made.old_ids[:-2], made.old_ids[-1], made.old_ids[-2]])
    counts = np.zeros(whole.size, np.int64)
    counts[made.old_ids[-2:]] = 1
    with WorkerPool(1) as pool:
        assert use_of(folder, parts, pool, "count").counts[made.old_ids[-2:]].any()
        with refuses("kept-text-changed", str(target)):
            pruning.compare(folder, target, wrong, parts, pool)


def test_intermediate_pieces_by_hand():
    ranks = {("a", "b"): 2, ("b", "c"): 1, ("a", "bc"): 3, ("abc", "d"): 4}
    assert pruning.intermediate_pieces("abcd", lambda *pair: ranks.get(pair)) == {
        "a",
        "b",
        "c",
        "d",
        "bc",
        "abc",
        "abcd",
    }
    assert pruning.intermediate_pieces("ad", lambda *pair: ranks.get(pair)) == {"a", "d"}


def byte_level_with_added_tokens(folder):
    """As Llama 3: special tokens after the vocabulary, and a template that prepends one."""
    write_base("byte_bpe", folder / "plain")
    content = json.loads((folder / "plain" / "tokenizer.json").read_text("utf-8"))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    for number, name, special in ((700, "<|begin|>", True), (701, "<|end|>", True), (702, "<|tool|>", False)):
        content["added_tokens"].append({"id": number, "content": name, **flags, "special": special})
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|begin|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [700], "tokens": ["<|begin|>"]}},
    }
    source = folder / "llama"
    source.mkdir()
    (source / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    (source / "tokenizer_config.json").write_text(
        '{"bos_token": "<|begin|>", "eos_token": "<|end|>", "additional_special_tokens": ["<s>", "</s>", "<pad>"]}',
        "utf-8",
    )
    return source


def test_added_tokens_and_templates_take_their_new_ids(tmp_path):
    import tokenizers

    source = byte_level_with_added_tokens(tmp_path)
    base = read_base(source)
    word = max((surface for surface in base.vocabulary.ids if surface.isalpha()), key=len)
    appended = append(base, ["두루미"], tmp_path / "extended")
    assert min(appended.ids.values()) > 702
    assert Tokenizer(tmp_path / "extended").encode("<|tool|>") == [702]
    made = pruning.decide(base, np.zeros(base.size, np.int64), 1, keep=[base.vocabulary.ids[word]])
    info = pruning.write_pruned(base, made, tmp_path / "pruned")
    assert info.bos_id == made.moved[700] and info.eos_id == made.moved[701]
    backend = tokenizers.Tokenizer.from_file(str(tmp_path / "pruned" / "tokenizer.json"))
    assert backend.encode(word).ids == [made.moved[700], made.moved[base.vocabulary.ids[word]]]
    assert backend.encode("<|tool|>", add_special_tokens=False).ids == [made.moved[702]]
    assert "<|begin|>" in backend.get_vocab() and 700 not in Tokenizer(tmp_path / "extended").encode(
        "<|begin|>"
    )


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def without_transformers(monkeypatch):
    """Skips transformers, whose import takes seconds; test_hybrid covers it."""
    monkeypatch.setattr(derived_proof, "prove", functools.partial(derived_proof.prove, pythons=()))


def run(tmp_path, *arguments):
    return main(
        ["tokenizer", "prune", *map(str, arguments), "--out", str(tmp_path / "out"), "--workers", "1"]
    )


def test_the_command_writes_a_folder_and_its_map(tmp_path, capsys):
    source = byte_level_with_added_tokens(tmp_path)
    text = write_texts(tmp_path / "text.jsonl", KEPT_TEXTS)
    keep = tmp_path / "keep.txt"
    surfaces = sorted(
        surface for surface in read_base(source).vocabulary.ids if surface.isalpha() and "_" not in surface
    )
    unused = [
        surface
        for surface in surfaces
        if not any(surface in text for text in KEPT_TEXTS) and len(surface) > 3
    ]
    keep.write_text(f'{unused[0]}\n"{unused[1]}"\n', "utf-8")
    assert run(tmp_path, source, "--text", text, "--keep", keep) == 0
    assert "7 of 7" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "id_map.json").read_text("utf-8"))
    info = read_tokenizer_folder(tmp_path / "out")
    assert found["format"] == "megatron_ko-id-map-1"
    assert found["source_fingerprint"] == fingerprint_hf_folder(source).fingerprint
    assert (found["target_fingerprint"], len(found["old_ids"])) == (info.fingerprint, info.vocab_size)
    new, old = Tokenizer(tmp_path / "out"), Tokenizer(source)
    for text in (*KEPT_TEXTS, *unused[:2]):
        assert [found["old_ids"][number] for number in new.encode(text)] == old.encode(text)
    table = [
        line.split("\t") for line in (tmp_path / "out" / "decisions.tsv").read_text("utf-8").splitlines()
    ]
    assert sum(row[3] == "keep" for row in table) == info.vocab_size
    assert (f'"{unused[0]}"', "0", "base", "keep") in [tuple(row[:4]) for row in table]


def test_a_minimum_drops_rarer_tokens_and_the_cost_is_printed(tmp_path, capsys):
    write_base("bpe", tmp_path / "base")
    text = write_texts(tmp_path / "text.jsonl", [*KEPT_TEXTS, ENGLISH[1][:3000]])
    assert run(tmp_path, tmp_path / "base", "--text", text, "--min-count", 3) == 0
    shown = capsys.readouterr().out
    whole, pruned = (Tokenizer(folder) for folder in (tmp_path / "base", tmp_path / "out"))
    texts = [*KEPT_TEXTS, ENGLISH[1][:3000]]
    before, after = (sum(len(reader.encode(text)) for text in texts) for reader in (whole, pruned))
    assert before < after and f"{before:,}" in shown and f"{after:,}" in shown


def test_bad_input_is_refused(tmp_path):
    write_base("bpe", tmp_path / "base")
    text = write_texts(tmp_path / "text.jsonl", KEPT_TEXTS)
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    keep = tmp_path / "keep.txt"
    keep.write_text("the\n\nqqqq\n", "utf-8")
    given = (tmp_path / "base", "--text")
    for arguments, rule, value in (
        ((*given, text, "--keep", keep), "unknown-token", "keep.txt:3: 'qqqq'"),
        ((*given, text, "--keep", tmp_path / "none"), "unreadable-file", "--keep"),
        ((*given, tmp_path / "empty.jsonl"), "no-text", "--text"),
        ((tmp_path / "none", "--text", text), "missing-file", str(tmp_path / "none")),
    ):
        refuses_command(
            ["tokenizer", "prune", *arguments, "--out", tmp_path / "out", "--workers", 1], rule, value
        )
