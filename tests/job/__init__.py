"""Tests of the main job and its report."""
