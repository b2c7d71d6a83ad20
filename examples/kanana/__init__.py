"""Kanana's chain of pruning and distillation: in miniature, in full size, and its ledger of compute."""
