"""One contestant per process: each program reads the same sample, does one kind of work and prints its cost.

``ours`` runs in the project's environment, the others in their own (``requirements.txt``), so they import nothing of the
project. Every program prints one JSON object: ``bytes`` of text, ``cpu_s`` of the process after a warm-up on other text,
``peak_rss_bytes``, and further facts.
"""
