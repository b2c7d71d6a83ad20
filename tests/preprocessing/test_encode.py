"""The step: bytes of any cut of the corpus, the manifest and its readers, engines that fail, what a change makes again."""

import contextlib
import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import yaml

from megatron_ko.errors import DataError
from megatron_ko.formats.manifest import check_tokens, read_manifest
from megatron_ko.formats.tokenizer_folder import read_tokenizer_folder
from megatron_ko.training.data import blend_of, validation_batches
from preprocessing.config.mixture import DomainConfig, StageConfig
from preprocessing.config.tokens import EncodeConfig
from preprocessing.corpus import reading as corpus
from preprocessing.steps import balance, encode, validate
from preprocessing.tokenizers import encoders
from preprocessing.tokens import encode_columns
from tests.preprocessing.corpus import EN, KO, bytes_of
from tests.preprocessing.finished_steps import context_of, finish, read_json, write_sentencepiece
from tests.preprocessing.test_token_files import contents
from tests.tiny_run import tiny_config

DOMAINS = {"ko": DomainConfig(langs=["ko"], share=3.0), "en": DomainConfig(langs=["en"], share=1.0)}


@pytest.fixture(autouse=True)
def light_workers(monkeypatch):
    """Workers import what they need; the kernels of other steps are not compiled for them."""
    monkeypatch.setattr("preprocessing.running.processes.PRELOADED", [])


def units():
    korean = [
        {"id": f"k{i}", "text": f"{KO[i % 12]} {i}\n\n{KO[i % 7]} <s>", "lang": "ko"} for i in range(60)
    ]
    english = [{"id": f"e{i}", "text": f"{EN[i % 9]} {i}", "lang": "en"} for i in range(30)]
    english[3]["text"] = ""
    return {"ko": korean, "en": english}


def run_steps(folder, *, encode_config=None, with_model=True, workers=1, **settings):
    context = context_of(
        folder, units(), DOMAINS, encode=encode_config, workers=workers, **{"valid_fraction": 0.2, **settings}
    )
    texts = [row["text"] for rows in units().values() for row in rows]
    if not (folder / "tokenizer").exists():
        write_sentencepiece(folder / "tokenizer", texts, with_model=with_model)
    finish(context, "balance", balance)
    return context, finish(context, "encode", encode)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One file of the corpus and one pair for each set."""
    return run_steps(tmp_path_factory.mktemp("whole"))


def token_bytes(folder):
    return {
        path.name: path.read_bytes()
        for path in (folder / "tokens").iterdir()
        if path.suffix in (".bin", ".idx")
    }


def test_every_document_is_its_ids_and_eod(done):
    import sentencepiece

    folder = done[0].folder
    plain = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer" / "tokenizer.model"))
    for name in DOMAINS:
        for split in ("train", "valid"):
            texts = [text for text in corpus.texts(folder, name, split) if text]
            expected = [[*plain.encode(text), plain.eos_id()] for text in texts]
            assert contents(folder / "tokens" / f"{name}_{split}") == expected


@pytest.mark.parametrize("shard_bytes, workers", [(300, 1), (700, 2)])
def test_any_cut_of_the_corpus_gives_the_same_bytes(done, tmp_path, shard_bytes, workers):
    context, _ = run_steps(tmp_path, shard_bytes=shard_bytes, workers=workers)
    assert len(corpus.shards(tmp_path, "ko", "train")) > 3
    assert token_bytes(tmp_path) == token_bytes(done[0].folder)
    same = ("tokens/sequences.json", "manifest.json")
    assert (tmp_path / "manifest.json").read_bytes() == (done[0].folder / "manifest.json").read_bytes(), same


@pytest.mark.parametrize("engine", ["sentencepiece", "tokenizers", "fastokens"])
def test_every_engine_gives_the_same_bytes(done, tmp_path, engine):
    if encoders.engine_version(engine) is None:
        pytest.skip(f"{engine} is not installed")
    _, summary = run_steps(tmp_path, encode_config=EncodeConfig(engine=engine))
    assert summary["engine"] == engine
    assert token_bytes(tmp_path) == token_bytes(done[0].folder)


BUILD = """
import sys, json, sentencepiece
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder
processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
builder = IndexedDatasetBuilder(sys.argv[3] + ".bin", dtype=DType.optimal_dtype(processor.get_piece_size()))
for text in json.load(open(sys.argv[2], encoding="utf-8")):
    ids = processor.encode(text) + [processor.eos_id()]
    builder.add_document(ids, [len(ids)])
builder.finalize(sys.argv[3] + ".idx")
"""


def test_megatron_core_builds_the_same_bytes(done, tmp_path):
    import json

    folder = done[0].folder
    texts = [text for text in corpus.texts(folder, "ko", "train") if text]
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    model = folder / "tokenizer" / "tokenizer.model"
    command = [sys.executable, "-c", BUILD, model, tmp_path / "texts.json", tmp_path / "built"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named 'megatron" in built.stderr:
        pytest.skip("megatron-core is not installed")
    assert built.returncode == 0, built.stderr[-2000:]
    for kind in (".bin", ".idx"):
        assert (tmp_path / f"built{kind}").read_bytes() == (
            folder / "tokens" / f"ko_train{kind}"
        ).read_bytes()


# --- the manifest --------------------------------------------------------------------------------------------


def test_a_manifest_of_one_pair_per_set(done):
    manifest = read_json(done[0].folder / "manifest.json")
    assert list(manifest) == ["format", "tokenizer", "sets", "mixture"]
    assert list(manifest["sets"][0]) == [
        "name", "split", "prefix", "dtype", "documents", "tokens", "text_bytes", "max_id", "bin_bytes", "idx_bytes", "sha256",
    ]  # fmt: skip
    entry = next(e for e in manifest["sets"] if (e["name"], e["split"]) == ("en", "train"))
    texts = list(corpus.texts(done[0].folder, "en", "train"))
    assert entry["documents"] == sum(map(bool, texts))
    assert entry["text_bytes"] == sum(len(text.encode()) for text in texts)
    path = done[0].folder / "tokens" / "en_train.bin"
    assert entry["sha256"]["bin"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry["max_id"] == int(np.fromfile(path, "uint16").max())
    assert manifest["mixture"] == {"ko": 0.75, "en": 0.25}


def pairs_of(prefix):
    return sorted(path.with_suffix("") for path in prefix.parent.glob(f"{prefix.name}-*.idx"))


def test_several_pairs_hold_the_documents_of_one_in_order(done, tmp_path):
    context, _ = run_steps(tmp_path, encode_config=EncodeConfig(shard_tokens=300), shard_bytes=1500)
    check_tokens(read_manifest(tmp_path / "manifest.json"))
    manifest = read_manifest(tmp_path / "manifest.json")
    whole = read_manifest(done[0].folder / "manifest.json")
    for tokens, one in zip(manifest.sets, whole.sets):
        name = f"{tokens.name}_{tokens.split}"
        found = [document for pair in tokens.pairs for document in contents(pair.prefix)]
        assert found == contents(one.prefix)
        for field in ("name", "split", "dtype", "documents", "tokens", "text_bytes", "max_id"):
            assert getattr(tokens, field) == getattr(one, field)
        if name == "ko_train":
            assert [pair.prefix for pair in tokens.pairs] == pairs_of(tmp_path / "tokens" / name)
            assert len(tokens.pairs) > 3
    assert validate.run(context).summary["tokens"] == sum(tokens.tokens for tokens in whole.sets)


def test_readers_of_several_pairs_see_the_set_of_one(done, tmp_path):
    from tests.megatron_ko.test_data import world

    run_steps(tmp_path, encode_config=EncodeConfig(shard_tokens=100))
    several, one = (read_manifest(f / "manifest.json") for f in (tmp_path, done[0].folder))
    blend = blend_of(several.of_split("train"), several.mixture)
    train = several.of_split("train")["ko"]
    assert len(train.pairs) > 2 and len(blend) == sum(
        len(t.pairs) for t in several.of_split("train").values()
    )
    assert sum(blend[str(pair.prefix)] for pair in train.pairs) == pytest.approx(0.75)
    assert blend[str(train.pairs[0].prefix)] == pytest.approx(0.75 * train.pairs[0].tokens / train.tokens)
    whole = one.of_split("train")
    assert blend_of(whole, one.mixture) == {
        str(whole[name].prefix): share for name, share in one.mixture.items()
    }
    for name in DOMAINS:
        streams = []
        for manifest in (several, one):
            tokens = manifest.of_split("valid")[name]
            count, batches = validation_batches(
                tokens, world(), sequence_length=13, micro_batch=2, max_sequences=None
            )
            streams.append(
                (count, [b[key].tolist() for b in batches for key in ("tokens", "labels", "loss_mask")])
            )
        assert streams[0] == streams[1]


@pytest.mark.parametrize(
    "edit, value",
    [
        (lambda e: e["pairs"].pop(), "documents"),
        (lambda e: e["pairs"][1].update(tokens=1), "tokens"),
        (lambda e: e["pairs"][0].pop("max_id"), "sets.0.pairs.0.max_id"),
        (lambda e: e.update(pairs=[]), "sets.0.pairs"),
        (lambda e: e["pairs"][0].update(prefix="../x"), "sets.0.pairs.0.prefix"),
    ],
)
def test_a_manifest_whose_pairs_do_not_fit_is_refused(tmp_path, edit, value):
    from megatron_ko.files import write_json

    run_steps(tmp_path, encode_config=EncodeConfig(shard_tokens=300))
    manifest = read_json(tmp_path / "manifest.json")
    edit(manifest["sets"][0])
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(DataError) as caught:
        read_manifest(tmp_path / "manifest.json")
    assert str(tmp_path / "manifest.json") in str(caught.value) and value in str(caught.value)


def test_files_for_megatron_lm(done):
    folder = done[0].folder
    words = (folder / "tokens" / "blend.txt").read_text().split()
    assert words == ["0.75", str(folder / "tokens" / "ko_train"), "0.25", str(folder / "tokens" / "en_train")]
    counted = read_json(folder / "tokens" / "sequences.json")
    assert set(counted) == {str(folder / "tokens" / f"{n}_{s}") for n in DOMAINS for s in ("train", "valid")}
    for prefix, (sequences, boundaries) in counted.items():
        pair = contents(folder / "tokens" / prefix.rsplit("/", 1)[1])
        assert (sequences, boundaries) == (len(pair), len(pair) + 1)


# --- stages --------------------------------------------------------------------------------------------------


def test_stages_are_files_that_the_trainer_reads(tmp_path, caplog):
    stages = [
        StageConfig(name="first", tokens=2000),
        StageConfig(name="second", tokens=100_000, shares={"en": 1.0}),
    ]
    context, summary = run_steps(tmp_path / "data", stages=stages)
    stage = yaml.safe_load((tmp_path / "data" / "stages" / "second.yaml").read_text())
    manifest = str(tmp_path / "data" / "manifest.json")
    assert stage == {"data": {"manifest": manifest, "mixture": {"en": 1.0}}}
    tokens = {e["name"]: e["tokens"] for e in summary["sets"] if e["split"] == "train"}
    listed = read_json(tmp_path / "data" / "stages" / "stages.json")
    assert [stage["name"] for stage in listed] == ["first", "second"]
    assert listed[1]["epochs_so_far"]["en"] == pytest.approx((500 + 100_000) / tokens["en"])
    warnings = [record for record in caplog.records if record.name.endswith("manifest_files")]
    assert [record.levelname for record in warnings] == ["WARNING"] and "second" in caplog.text

    from megatron_ko.preflight import preflight

    config = {**tiny_config(tmp_path), "data": {"manifest": "nowhere", "workers": 0}}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    checked = preflight(
        [str(tmp_path / "train.yaml"), str(tmp_path / "data" / "stages" / "first.yaml")], [], 1
    )
    assert {share.name: share.share for share in checked.plan.shares} == pytest.approx(
        {"en": 0.25, "ko": 0.75}
    )
    run_steps(tmp_path / "data", stages=stages[:1])
    assert sorted(path.name for path in (tmp_path / "data" / "stages").iterdir()) == [
        "first.yaml",
        "stages.json",
    ]


# --- engines that fail, changes, mistakes --------------------------------------------------------------------


class WrongLater(encoders.TextEncoder):
    """Right where it is compared at the start, wrong on a sentence of the corpus."""

    name = "fastokens"

    def __init__(self, folder, threads):
        self._right = encoders.reference_of(folder)

    def encode_batch(self, texts):
        return self._right.encode_batch([text.replace(EN[0], EN[1]) for text in texts])


def test_a_part_is_encoded_again_when_its_engine_differs(done, tmp_path, monkeypatch, caplog):
    encoders._load.cache_clear()
    monkeypatch.setitem(encoders.FAST, "fastokens", WrongLater)
    monkeypatch.setattr(encoders, "choose", lambda *arguments: "fastokens")
    _, summary = run_steps(tmp_path)
    encoders._load.cache_clear()
    assert summary["engine"] == "fastokens"
    assert "sentencepiece" in caplog.text
    assert token_bytes(tmp_path)["en_train.bin"] == token_bytes(done[0].folder)["en_train.bin"]


class WrongOnDigits(WrongLater):
    """Wrong on a text that every engine is compared on at the start."""

    def encode_batch(self, texts):
        return self._right.encode_batch([text.replace("7", "8") for text in texts])


def test_an_engine_that_fails_on_hard_texts_encodes_nothing(done, tmp_path, monkeypatch, caplog):
    encoders._load.cache_clear()
    monkeypatch.setitem(encoders.FAST, "fastokens", WrongOnDigits)
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: True)
    _, summary = run_steps(tmp_path, encode_config=EncodeConfig(engine="fastokens"))
    encoders._load.cache_clear()
    assert summary["engine"] == "sentencepiece"
    assert sum("fastokens" in record.getMessage() for record in caplog.records) == 1
    assert token_bytes(tmp_path) == token_bytes(done[0].folder)


@pytest.mark.parametrize("shape", [(1, 10), (40, 3000), (4096, 200), (30, 2_000_000), (500, 20_000)])
def test_a_small_share_of_every_batch_is_compared(shape):
    rows, longest = shape
    sizes = np.random.default_rng(rows).integers(1, longest, rows)
    compared = encode_columns.rows_to_compare(sizes)
    most = max(int(sizes.sum()) // encode_columns.COMPARED_SHARE, encode_columns.COMPARED_BYTES)
    assert (len(compared) > 0) == (sizes.min() <= most) and (np.diff(compared) > 0).all()
    assert sizes[compared].sum() <= most
    if len(compared) > 20:  # not only of the beginning
        assert compared[-1] > rows // 2


class Counting:
    """Two ids for each character; of ``seen`` nothing is forgotten."""

    name = "counting"

    def __init__(self, wrong=""):
        self.wrong, self.seen = wrong, []

    def encode_batch(self, texts):
        self.seen += texts
        ids = [[9 if c == self.wrong else 8 for c in text] * 2 for text in texts]
        return np.concatenate([np.array(row, np.uint32) for row in ids]), np.cumsum([0, *map(len, ids)])

    def encode_column(self, column):
        return self.encode_batch(column.to_pylist())


@pytest.mark.parametrize("wrong", ["", "k"])
def test_of_texts_that_are_all_long_a_beginning_is_compared(done, tmp_path, wrong):
    info = read_tokenizer_folder(done[0].folder / "tokenizer")
    column = pa.array(["k" + "가" * 9_999, "나" * 20_000], pa.large_string())
    reference = Counting()
    with pytest.raises(encoders.Mismatch) if wrong else contextlib.nullcontext():
        encode_columns.encode([column], tmp_path / "x", Counting(wrong), info, reference)
    assert [text[0] for text in reference.seen] == ["k"]
    assert 500 < len(reference.seen[0]) < 1000


def test_a_rerun_writes_nothing_and_another_cut_encodes_nothing(tmp_path):
    def parts():
        return {
            path.name: path.stat().st_mtime_ns for path in (tmp_path / "steps" / "encode" / "parts").iterdir()
        }

    run_steps(tmp_path, shard_bytes=700)
    before, contents_before = parts(), bytes_of(tmp_path)
    run_steps(tmp_path, shard_bytes=700)
    assert parts() == before and bytes_of(tmp_path) == contents_before
    run_steps(tmp_path, shard_bytes=700, encode_config=EncodeConfig(shard_tokens=300))
    assert parts() == before
    assert not (tmp_path / "tokens" / "ko_train.bin").exists()
    run_steps(tmp_path, shard_bytes=700)
    assert bytes_of(tmp_path) == contents_before


def test_validate_finds_what_was_changed(tmp_path):
    context, _ = run_steps(tmp_path, shard_bytes=700)
    assert validate.run(context).summary["sets"] == 4
    path = tmp_path / "tokens" / "ko_train.bin"
    good = path.read_bytes()
    path.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    with pytest.raises(DataError) as caught:
        validate.run(context)
    problem = caught.value.problems[0]
    assert (problem.where, problem.rule) == (str(path), "token-file-changed")
    path.write_bytes(good)
    first = corpus.shards(tmp_path, "ko", "train")[0]
    from preprocessing.documents import FINAL, new_shard, read_batches

    rows = [row for batch in read_batches(first) for row in batch.to_pylist()]
    rows[0]["text"] = "another text"
    import pyarrow as pa

    with new_shard(first, FINAL) as out:
        out.write(pa.RecordBatch.from_pylist(rows, schema=FINAL))
    with pytest.raises(DataError) as caught:
        validate.run(context)
    assert caught.value.rule == "text-differs" and "'another text'" in str(caught.value)


def test_a_domain_without_tokens_is_named(tmp_path):
    rows = units()
    for row in rows["en"]:
        row["text"] = ""
    context = context_of(tmp_path, rows, DOMAINS)
    write_sentencepiece(tmp_path / "tokenizer", [row["text"] for row in rows["ko"]])
    finish(context, "balance", balance)
    with pytest.raises(DataError) as caught:
        finish(context, "encode", encode)
    problem = caught.value.problems[0]
    assert (problem.path, problem.rule) == ("domains.en", "domain-without-tokens")
