"""The tokenizer and token files."""
