"""The HTML page about the data: facts from a finished run, views for each section, and the template."""
