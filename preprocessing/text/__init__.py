"""Changes of text: characters, runs, mojibake, by-lines; the order of operations."""
