"""Errors that report a lost rank, after which the same command continues, and errors that are mistakes or bugs."""

from __future__ import annotations

import pytest
import torch.distributed as dist

from megatron_ko.training import distributed


def _raised(error: Exception, cause: Exception | None, context: Exception) -> Exception:
    try:
        try:
            raise context
        except Exception:
            raise error from cause
    except Exception as raised:
        return raised


LOST = RuntimeError("[pair.cc:534] Connection closed by peer [10.0.0.2]:2112")


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (LOST, True),
        (RuntimeError("connect: Connection timed out"), True),
        (RuntimeError("connect: No route to host"), True),
        (dist.DistStoreError("Timed out after 61 seconds waiting for clients. 1/2 clients joined."), True),
        (dist.DistNetworkError("The server socket has failed to listen on any local network address"), False),
        (dist.DistNetworkError("port: 29500, useIpv6: false, code: -98, name: EADDRINUSE"), False),
        (dist.DistNetworkError("gai error: -2 - Name or service not known"), False),
        (_raised(ValueError("a bug"), LOST, ValueError()), True),
        (_raised(ValueError("a bug"), None, LOST), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_errors_that_report_a_lost_rank(error, lost):
    assert (distributed.lost_peer(error) is not None) == lost
