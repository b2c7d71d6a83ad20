"""Makes tests independent of each other: repeatable random examples, and logging as pytest has set it up.

``--hypothesis-profile default`` draws other examples each time.
"""

import logging

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
LEVEL = logging.getLogger().level


@pytest.fixture(autouse=True)
def _original_logging():
    """Removes log handlers of commands that ran in this process: their stream no longer exists."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):  # pytest's are of other types
            root.removeHandler(handler)
            handler.close()
    root.setLevel(LEVEL)
