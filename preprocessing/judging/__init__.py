"""Judges documents: measures, rules and their presets, advertising, source files and their licenses."""
