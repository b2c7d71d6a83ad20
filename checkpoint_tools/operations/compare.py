"""Operation ``compare``: compares two models by weights and by logits."""

from __future__ import annotations

from checkpoint_tools import verify
from checkpoint_tools.options.comparison import Compare
from megatron_ko.errors import CheckpointError, ConfigError, Problem


def run(options: Compare) -> int:
    if not (options.weights or options.logits):
        message = "leaves nothing to compare; remove it, or give --logits"
        raise ConfigError([Problem("", "--no-weights", message, "nothing-to-compare")])
    if options.tokens is not None and not options.logits:
        message = "is for logits, which are not compared; give --logits, or remove it"
        raise ConfigError([Problem("", "--tokens", message, "tokens-without-logits")])
    a, b = verify.open_store(options.a), verify.open_store(options.b)
    failures = []
    if options.weights:
        weights = verify.compare(a, b)
        print(f"{weights.table()}\n\n{weights.summary()}")
        if not weights.is_equal_within(options.tolerance):
            failures.append(f"the weights are not equal within {options.tolerance:g}")
    if options.logits:
        result = verify.compare_logits(
            options.a,
            options.b,
            verify.sample_tokens(a, options.tokens),
            options.tolerance,
            options.tensor_parallel,
        )
        print(result.summary())
        if not result.ok:
            failures.append(f"the logits differ by {result.difference:.3g}, more than {options.tolerance:g}")
    if failures:
        raise CheckpointError(f"{options.a} and {options.b}: {'; '.join(failures)}", rule="models-differ")
    return 0
