"""Tests of mko itself: commands, starting configurations, schemas, completion."""
