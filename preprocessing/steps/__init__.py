"""The steps of preprocessing, one file each, and ``pipeline``, which runs them in order."""
