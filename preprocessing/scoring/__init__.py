"""Models that score documents, and evaluation sets that must not occur in the corpus."""
