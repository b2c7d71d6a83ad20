"""Tokenizers: trained, converted, measured, extended, merged, pruned."""
