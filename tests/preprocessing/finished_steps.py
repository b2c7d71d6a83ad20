"""A context whose steps before ``balance`` are finished, built from plain rows; and tokenizers to encode with."""

import io
import json
from types import SimpleNamespace

import pyarrow as pa
import sentencepiece

from megatron_ko.config.loading import Loaded
from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder
from preprocessing.config.mixture import BalanceConfig
from preprocessing.config.tokens import EncodeConfig
from preprocessing.documents import DOCUMENT, new_shard
from preprocessing.readers.input_units import Unit
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker, key_of
from preprocessing.running.processes import ProcessRunner
from preprocessing.tokenizers.sentencepiece_to_json import to_tokenizer_json

SPECIAL = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
ROWS_OF_A_GROUP = 5


def context_of(folder, units, domains, *, workers=1, encode=None, **balance):
    """``units``: rows by name of the input; a row has ``id``, ``text``, ``lang`` and maybe ``reason``, ``filtered``, ``size``."""
    settings = SimpleNamespace(
        output=SimpleNamespace(folder=str(folder)),
        inputs={name: SimpleNamespace(source=None) for name in units},
        domains=domains,
        balance=BalanceConfig(**balance),
        encode=encode or EncodeConfig(),
        lines=SimpleNamespace(enabled=False),
        seed=3,
    )
    context = Context(Loaded(settings, {}), ProcessRunner(workers))
    context.units = [Unit(f"{name}-00000", name, (), ()) for name in units]
    for unit, rows in zip(context.units, units.values()):
        _write_steps(context, unit, rows)
    return context


def _write_steps(context, unit, rows):
    documents = {
        "id": [row["id"] for row in rows],
        "text": [row["text"] for row in rows],
        "source": [unit.input_name] * len(rows),
        "lang": [row["lang"] for row in rows],
        "meta": ["{}"] * len(rows),
    }
    sizes = [len(row["text"].encode()) for row in rows]
    tables = {
        "clean": pa.table(documents, DOCUMENT),
        "measure": pa.table(
            {
                **{name: pa.array(documents[name], pa.string()) for name in ("id", "source", "lang")},
                "bytes": pa.array(sizes, pa.int32()),
            }
        ),
        "filter": _judged(rows, "filtered"),
        "deduplicate": _judged(rows, "reason").append_column(
            "cluster_size", pa.array([row.get("size") for row in rows], pa.int32())
        ),
    }
    for step, table in tables.items():
        path = context.path(step, unit.name)
        with new_shard(path, table.schema) as shard:
            for batch in table.to_batches(max_chunksize=ROWS_OF_A_GROUP):
                shard.write(batch)
        Marker(context.folder, f"{step}/{unit.name}").write(key_of(step, table.to_pylist()), [path], {})


def _judged(rows, field):
    reasons = pa.array([row.get(field) for row in rows], pa.string())
    return pa.table({"id": pa.array([row["id"] for row in rows], pa.string()), "reason": reasons})


def finish(context, step, module):
    """Runs a step and marks it finished, as the pipeline does."""
    try:
        outcome = module.run(context)
    finally:
        context.runner.close()
    context.finish_step(step, "key", outcome)
    return outcome.summary


def write_sentencepiece(folder, texts, vocab_size=600, user_symbols=("<|rrn|>",), with_model=True):
    """A tokenizer folder as ``train-tokenizer`` makes it; without its model, ``tokenizers`` is the reference."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, model_type="bpe", vocab_size=vocab_size, byte_fallback=True,
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, split_digits=True, hard_vocab_limit=False, num_threads=1,
        unk_id=0, bos_id=1, eos_id=2, pad_id=3, user_defined_symbols=list(user_symbols), minloglevel=2,
    )  # fmt: skip
    tokenizer_json = to_tokenizer_json(read_model(out.getvalue(), "the trained model"))
    return write_tokenizer_folder(folder, tokenizer_json, SPECIAL, out.getvalue() if with_model else None)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))
