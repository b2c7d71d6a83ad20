"""Configuration: field types, the schema, loading with file and line, and the shared command line."""
