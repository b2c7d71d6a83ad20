"""Configuration of preprocessing: one file per group of sections; ``pipeline`` is the whole tree."""
