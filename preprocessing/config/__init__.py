"""The configuration of preprocessing, one file per owner; ``pipeline`` is the whole tree."""
