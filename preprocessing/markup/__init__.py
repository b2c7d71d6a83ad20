"""Markup to Markdown: HTML, MediaWiki, LaTeX, reStructuredText."""
