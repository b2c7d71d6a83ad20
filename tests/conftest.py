"""What every test finds: the logging that pytest set up, whichever command ran in this process before."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A command run in-process sets up logging for its own screen, which is gone after its test."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)
