"""User errors as tests assert them: by rule and by the values in the message, never by its wording."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from megatron_ko.errors import DataError, UserError
from preprocessing import cli


@contextlib.contextmanager
def refuses(rule: str | None, *values: str, error: type[UserError] = DataError) -> Iterator[None]:
    """The block raises ``error``; a problem breaks ``rule`` (None: any), and the message contains every value."""
    with pytest.raises(error) as caught:
        yield
    if rule is not None:
        assert rule in [problem.rule for problem in caught.value.problems]
    for value in values:
        assert value in str(caught.value)


def refuses_command(
    arguments: Sequence[object], rule: str | None, *values: str, error: type[UserError] = DataError
) -> None:
    """``mko data ARGUMENTS`` ends with this error."""
    with refuses(rule, *values, error=error):
        cli._main([str(argument) for argument in arguments])
