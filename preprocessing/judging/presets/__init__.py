"""Thresholds by name: one YAML file per preset, with where its numbers come from, and their reader."""
