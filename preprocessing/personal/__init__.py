"""Kinds of personal data, one file per family; ``preprocessing.personal.personal_data`` puts them in order and masks."""
