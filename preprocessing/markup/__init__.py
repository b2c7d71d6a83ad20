"""Converts markup to Markdown: HTML, MediaWiki, LaTeX, reStructuredText."""
