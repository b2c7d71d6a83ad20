"""Sections of the configuration, one file per owner; ``preprocessing.schema`` puts them together."""
