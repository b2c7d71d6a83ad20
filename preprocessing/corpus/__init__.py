"""The corpus: domains, splits, files, shares."""
