"""Operation ``expand-vocab``: adds rows for the tokens of a larger tokenizer and judges the initializations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from checkpoint_tools.embeddings import expansion, judging, similarity
from checkpoint_tools.embeddings.expansion import Expansion, focus_problem
from checkpoint_tools.embeddings.initializations import METHODS, tied_methods
from checkpoint_tools.embeddings.judging import Text, Verdict
from checkpoint_tools.endpoints import (
    open_vocabulary_source,
    verify_output,
    with_one_dtype,
    write_like_source,
)
from checkpoint_tools.formats.store import Store
from checkpoint_tools.options.vocabulary import ExpandVocab
from checkpoint_tools.texts import documents, separator_of, text_files
from megatron_ko.errors import CheckpointError, ConfigError, Problem
from megatron_ko.files import write_json
from megatron_ko.formats.tokenizer_folder import Tokenizer

REPORT = "expansion.json"
WITHOUT_NAME = ("best", "compare")
"""Values of --init that no initialization has; both judge all of them."""


def run(options: ExpandVocab) -> int:
    _check_options(options)
    source = open_vocabulary_source(options)
    tokenizer = Path(options.tokenizer).expanduser()
    plan = expansion.plan_expansion(source, tokenizer, options.seed, options.random_std)
    print(f"tokenizer {plan.new.folder}\n{plan.summary()}")
    if options.focus_text:
        plan = _with_focus(options, plan)
    if options.init not in WITHOUT_NAME:
        expansion.check_possible(source, plan, options.init)
    texts, verdicts = _judge(options, source, plan)
    chosen = _choose(options, verdicts)
    if verdicts:
        _print_verdicts(options, source, plan, texts, verdicts, chosen)
    if options.dst is None:
        return 0
    report = _report(options, source, plan, chosen, texts, verdicts)
    if chosen is None:
        folder = Path(options.dst).expanduser()
        write_json(folder / REPORT, report)
        print(f"wrote {folder / REPORT} (--init compare writes no model)")
        return 0
    store = with_one_dtype(expansion.expand_vocab(source, plan, chosen), options.dtype)
    written = write_like_source(store, source, options, options.dst)
    write_json(written.folder / REPORT, report)
    _check_old_rows(source, written.open(), plan.old_size)
    return verify_output(store, written)


def _check_options(options: ExpandVocab) -> None:
    judges = options.text is not None and options.judge != "none"
    if options.init in WITHOUT_NAME and not judges:
        message = (
            f"{options.init!r} judges initializations on text; give --text FILE and leave out --judge none"
        )
        raise ConfigError([Problem("", "--init", message, f"{options.init}-without-text")])
    if options.dst is None and not judges:
        message = "is missing; give DST to write the model, or --text FILE to only judge initializations"
        raise ConfigError([Problem("", "DST", message, "missing-destination")])
    if options.init == "focus" and options.focus_text is None:
        raise ConfigError([focus_problem()])
    judge_files = text_files(options.text, "--text") if options.text else []
    focus_files = text_files(options.focus_text, "--focus-text") if options.focus_text else []
    if both := {path.resolve() for path in judge_files} & {path.resolve() for path in focus_files}:
        message = f"{min(both)} is in --text, too; focus must be judged on text that it did not learn from"
        raise ConfigError([Problem("", "--focus-text", message, "judged-on-learned-text")])


def _with_focus(options: ExpandVocab, plan: Expansion) -> Expansion:
    assert options.focus_text
    tokenizer = Tokenizer(plan.new.folder)
    texts = (text for path in text_files(options.focus_text, "--focus-text") for text in documents(path))
    ids = similarity.join_documents((tokenizer.encode(text) for text in texts), separator_of(plan.new.info))
    fallback = plan.rows.combinations["pieces"]
    weights, rare = similarity.learn_similar(ids, plan.old_size, plan.new.size, fallback, options.seed)
    print(
        f"focus learned from {len(ids):,} tokens\n"
        f"  {len(plan.pieces) - rare:>9,} new tokens: mean of similar old tokens\n"
        f"  {rare:>9,} new tokens, fewer than {similarity.MIN_COUNT} times in the text: mean of their old pieces"
    )
    return expansion.with_similar(plan, weights)


def _judge(options: ExpandVocab, source: Store, plan: Expansion) -> tuple[list[Text], list[Verdict]]:
    if options.text is None or options.judge == "none":
        return [], []
    if source.model.output_bias:
        message = (
            "judges initializations by models without a bias on the output, but this model has one (output_bias); leave out "
            "--text, or give --judge none"
        )
        raise ConfigError([Problem("", "--text", message, "judging-with-output-bias")])
    length = min(options.judge_length, source.model.max_sequence_length)
    texts = judging.read_texts(text_files(options.text, "--text"), plan, options.judge_tokens, length)
    if options.judge == "chosen" and options.init not in WITHOUT_NAME:
        names = [options.init]
    else:
        names = expansion.filter_possible(source, plan, list(METHODS))
    return texts, judging.judge(source, plan, names, texts)


def _choose(options: ExpandVocab, verdicts: list[Verdict]) -> str | None:
    """The initialization to write, or None."""
    if options.init == "compare" or options.dst is None:
        return None
    return judging.best_of(verdicts).name if options.init == "best" else options.init


def _print_verdicts(
    options: ExpandVocab,
    source: Store,
    plan: Expansion,
    texts: list[Text],
    verdicts: list[Verdict],
    chosen: str | None,
) -> None:
    """The table, what it leaves out, and a warning when another initialization predicts the text better."""
    print(judging.table(verdicts, texts, chosen))
    if source.model.tied_embeddings:
        print(
            "input and output rows are one matrix (tied embeddings); possible initializations:\n"
            f"  {', '.join(tied_methods())}"
        )
    if "similar" not in plan.rows.combinations and options.judge == "all":
        print("focus is left out: it learns from text; give --focus-text FILE")
    best = judging.best_of(verdicts)
    over = "the text" if len(texts) == 1 else f"{len(texts)} texts together"
    if options.init == "best" or chosen is None:
        print(f"best over {over}: {best.name}, {best.bits_per_byte:.4f} bits per byte")
    elif best.name != chosen:
        written = next(verdict for verdict in verdicts if verdict.name == chosen)
        print(
            f"warning: {chosen} is not the best initialization for this model: {written.bits_per_byte:.4f} bits per byte over "
            f"{over},\n  {best.name} {best.bits_per_byte:.4f}; write it with --init best"
        )


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
        "old_tokens": plan.old_size,
        "new_tokens": len(plan.pieces),
        "padding_rows_left_out": source.vocab_size - plan.old_size,
        "cannot_be_cut": sum(not row for row in plan.pieces),
        "init": chosen,
        "best": judging.best_of(verdicts).name if len(verdicts) > 2 else None,
        "rules": {"input": METHODS[chosen].input, "output": METHODS[chosen].output} if chosen else None,
        "seed": options.seed,
        "random_std": options.random_std,
        "judge_length": min(options.judge_length, source.model.max_sequence_length),
        "judged": judging.report(verdicts, texts),
    }


def _check_old_rows(source: Store, output: Store, old_size: int) -> None:
    """Compares the old tokens' rows of the source and of the written model, and prints the result."""
    names = source.names_with_row_per_token()
    for name in names:
        old, new = source.tensor(name)[:old_size], output.tensor(name)[:old_size]
        if output.dtype != source.dtype:
            old = old.to(new.dtype)
        if not torch.equal(old.view(torch.uint8), new.view(torch.uint8)):
            raise CheckpointError(
                f"{output.origin}: old rows of {name} changed; do not use it", rule="old-rows-changed"
            )
    how = "bit for bit" if output.dtype == source.dtype else f"after rounding to {output.dtype}"
    matrices = "1 matrix" if len(names) == 1 else f"{len(names)} matrices"
    print(f"verified {old_size:,} old rows of {matrices}: equal to the source {how}")
