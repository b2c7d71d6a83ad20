"""What a source file is: generated, minified, data; its licence."""
