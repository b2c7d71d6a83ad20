"""Operation ``importance``: shows a file of importance scores, or compares two."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools.options import Importance, ScoreOptions
from checkpoint_tools.pruning.report import compare_scores, describe_scores
from checkpoint_tools.pruning.scores_file import Aggregation, read_scores


def run(options: Importance) -> int:
    how = aggregation_of(options)
    scores = read_scores(Path(options.src).expanduser())
    if options.compare is None:
        print("\n".join(describe_scores(scores, how)))
    else:
        print("\n".join(compare_scores(scores, read_scores(Path(options.compare).expanduser()), how)))
    return 0


def aggregation_of(options: ScoreOptions) -> Aggregation:
    return Aggregation(options.sequence, options.batch, options.layer_sum, options.ffn_score)
