"""The fingerprint of a model's weights, which ties a file of scores to the model that it was measured on.

Equal for one model in both formats and for weights in fp32 and in a narrower format that has the same values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import torch

from checkpoint_tools.formats.store import Store

NUMBERS = 4096
"""Numbers of each tensor that the fingerprint covers, evenly spaced."""


def fingerprint_store(store: Store) -> str:
    """SHA-256 over the names and shapes of all tensors, and up to 4,096 numbers of each in fp32. Reads every tensor once."""
    digest = hashlib.sha256()
    digest.update(json.dumps({"rope": asdict(store.model.rope), "heads": store.model.heads}).encode())
    for name in store.names():
        flat = store.tensor(name).reshape(-1)
        step = max(flat.numel() // NUMBERS, 1)
        digest.update(f"{name} {list(store.shape(name))}\n".encode())
        digest.update(flat[::step][:NUMBERS].to(torch.float32).contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"
