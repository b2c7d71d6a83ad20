"""Loads the kernels of the busiest steps, at import: worker processes forked afterwards have them already.

Owns nothing else. What is not compiled is left out: the parent process compiles it before, with progress, where a step
needs it.
"""

from __future__ import annotations

import gc

from sentencepiece import sentencepiece_model_pb2  # noqa: F401 - or each worker imports it

import preprocessing.running.context  # noqa: F401
from preprocessing.steps import clean, encode, measure  # noqa: F401
from preprocessing.steps.kernel_groups import CLEAN, ENCODE, MEASURE, TOKENS_ENCODE

for group in (CLEAN, MEASURE, ENCODE, TOKENS_ENCODE):
    if group.is_compiled:
        group.call()
gc.collect()
gc.freeze()  # or the first collection of each worker walks all of this, and copies its pages
