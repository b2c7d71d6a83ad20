"""What every test finds, whichever ran before it: the same random examples, and logging as pytest set it up.

``--hypothesis-profile default`` draws other examples each time.
"""

import logging

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
LEVEL = logging.getLogger().level


@pytest.fixture(autouse=True)
def _logging_as_at_first():
    """Commands that ran in this process, in tests or in what they share, set up logging for a screen that is gone."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):  # pytest's are of other types
            root.removeHandler(handler)
            handler.close()
    root.setLevel(LEVEL)
