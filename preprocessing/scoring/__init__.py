"""Models that judge documents, and evaluation sets that must not be in the corpus."""
