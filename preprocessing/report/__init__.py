"""The page about the data: what a finished run knows (``facts``), what each section shows, the template."""
