"""Operation ``expand-vocab``: rows for the tokens of a larger tokenizer, judged before they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from checkpoint_tools import verify
from checkpoint_tools.embeddings import expansion, judging, similarity
from checkpoint_tools.embeddings.expansion import Expansion
from checkpoint_tools.embeddings.initializations import METHODS, tied_methods
from checkpoint_tools.embeddings.judging import Text, Verdict
from checkpoint_tools.embeddings.texts import documents, text_files
from checkpoint_tools.ends import (
    open_vocabulary_source,
    verify_output,
    with_one_dtype,
    write_like_source,
)
from checkpoint_tools.formats.store import Store
from checkpoint_tools.options import ExpandVocab
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.files import write_json
from megatron_ko.formats.tokenizer_folder import Tokenizer

REPORT = "expansion.json"


def run(options: ExpandVocab) -> int:
    _check_options(options)
    source = open_vocabulary_source(options)
    tokenizer = Path(options.tokenizer).expanduser()
    plan = expansion.plan_expansion(source, tokenizer, options.seed, options.random_std)
    print(f"{plan.new.folder}: {plan.summary()}")
    if options.focus_text:
        plan = _with_focus(options, plan)
    chosen = None if options.init == "compare" or options.dst is None else options.init
    if options.init != "compare":
        expansion.check_possible(source, plan, options.init)
    texts, verdicts = _judge(options, source, plan, chosen)
    if options.dst is None:
        return 0
    report = _report(options, source, plan, chosen, texts, verdicts)
    if chosen is None:
        folder = Path(options.dst).expanduser()
        write_json(folder / REPORT, report)
        print(f"wrote {folder / REPORT} (init=compare writes no model)")
        return 0
    store = with_one_dtype(expansion.expand_vocab(source, plan, chosen), options.dtype)
    folder = write_like_source(store, source, options, options.dst)
    write_json(folder / REPORT, report)
    output = verify.open_store(str(folder))
    _check_old_rows(source, output, plan.kept)
    return verify_output(store, output, folder)


def _check_options(options: ExpandVocab) -> None:
    if options.init == "compare" and (options.text is None or options.judge == "none"):
        raise ConfigError("init=compare: compares initializations on text; give text=FILE and not judge=none")
    if options.dst is None and (options.text is None or options.judge == "none"):
        raise ConfigError("dst: missing; give dst=FOLDER to write the checkpoint, or text=FILE to judge only")
    if options.init == "focus" and options.focus_text is None:
        raise ConfigError("init=focus: learns from text how tokens are used; give focus_text=FILE")
    judged = text_files(options.text, "text") if options.text else []
    learned = text_files(options.focus_text, "focus_text") if options.focus_text else []
    if both := {path.resolve() for path in judged} & {path.resolve() for path in learned}:
        raise ConfigError(
            f"focus_text: {min(both)} is judged on, too; focus would have seen the text that judges it"
        )


def _with_focus(options: ExpandVocab, plan: Expansion) -> Expansion:
    assert options.focus_text
    tokenizer = Tokenizer(plan.new.folder)
    texts = (text for path in text_files(options.focus_text, "focus_text") for text in documents(path))
    ids = similarity.join_documents(
        (tokenizer.encode(text) for text in texts), judging.separator_of(plan.new.info)
    )
    fallback = plan.rows.combinations["pieces"]
    weights, rare = similarity.similar(ids, plan.kept, plan.new.size, fallback, options.seed)
    print(
        f"focus: learned from {len(ids):,} tokens; {len(plan.pieces) - rare:,} new tokens have vectors, {rare:,} stand there "
        f"fewer than {similarity.MIN_COUNT} times and take the mean of their old pieces"
    )
    return expansion.with_similar(plan, weights)


def _judge(
    options: ExpandVocab, source: Store, plan: Expansion, chosen: str | None
) -> tuple[list[Text], list[Verdict]]:
    if options.text is None or options.judge == "none":
        return [], []
    length = min(options.judge_length, source.model.max_sequence_length)
    texts = judging.read_texts(text_files(options.text, "text"), plan, options.judge_tokens, length)
    if options.judge == "chosen" and options.init != "compare":
        names = [options.init]
    else:
        names = expansion.possible(source, plan, list(METHODS))
    verdicts = judging.judge(source, plan, names, texts)
    print(judging.table(verdicts, texts, chosen))
    if source.model.tied_embeddings:
        print(
            f"input and output rows are one matrix (tied embeddings): only {', '.join(tied_methods())} are possible"
        )
    if "similar" not in plan.rows.combinations and options.judge == "all":
        print("focus was left out: it learns from text; give focus_text=FILE")
    return texts, verdicts


def _report(
    options: ExpandVocab,
    source: Store,
    plan: Expansion,
    chosen: str | None,
    texts: list[Text],
    verdicts: list[Verdict],
) -> dict[str, Any]:
    """The content of ``expansion.json``."""
    return {
        "source": source.origin,
        "tokenizer": str(plan.new.folder),
        "old_fingerprint": plan.old.info.fingerprint,
        "new_fingerprint": plan.new.info.fingerprint,
        "old_tokens": plan.kept,
        "new_tokens": len(plan.pieces),
        "padding_rows_left_out": source.vocab_size - plan.kept,
        "cannot_be_cut": sum(not row for row in plan.pieces),
        "init": chosen,
        "rules": {"input": METHODS[chosen].input, "output": METHODS[chosen].output} if chosen else None,
        "seed": options.seed,
        "random_std": options.random_std,
        "judge_length": min(options.judge_length, source.model.max_sequence_length),
        "judged": judging.report(verdicts, texts),
    }


def _check_old_rows(source: Store, output: Store, kept: int) -> None:
    """Compares rows of the old tokens in both files, apart from the Store that was written, and prints the result."""
    names = source.names_with_row_per_token()
    for name in names:
        old, new = source.tensor(name)[:kept], output.tensor(name)[:kept]
        if output.dtype != source.dtype:
            old = old.to(new.dtype)
        if not torch.equal(old.view(torch.uint8), new.view(torch.uint8)):
            raise CheckpointError(f"{output.origin}: old rows of {name} changed; do not use it")
    how = "bit for bit" if output.dtype == source.dtype else f"but for rounding to {output.dtype}"
    print(f"{kept:,} old rows of {len(names)} matrices are the source's, {how}")
