"""Configuration: field types, the schema, loading with file and line numbers, and the shared command line."""
