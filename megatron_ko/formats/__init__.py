"""What stands on disk: manifests, tokenizers, run folders and checkpoints, without torch (``docs/formats.md``)."""
