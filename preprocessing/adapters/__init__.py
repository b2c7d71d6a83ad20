"""Adapters that run our steps inside other frameworks."""
