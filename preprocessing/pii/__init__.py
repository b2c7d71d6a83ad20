"""Patterns of personal data, one file per family; ``preprocessing.pii.masking`` orders the patterns and masks."""
