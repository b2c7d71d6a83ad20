"""Presets of thresholds: one YAML file per preset, with the sources of its numbers, and their reader."""
