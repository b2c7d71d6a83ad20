"""Kinds of personal data, one file per family; ``preprocessing.pii.masking`` puts them in order and masks."""
