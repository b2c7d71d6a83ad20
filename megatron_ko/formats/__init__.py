"""Files and folders on disk: manifests, tokenizers, runs and checkpoints, without torch (``docs/formats.md``)."""
