"""The options of every operation: names, types, bounds and the sentence that ``--help`` prints. No torch."""
