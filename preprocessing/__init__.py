"""From raw Korean, English and source-code text to token files and a manifest. Never imports torch or megatron."""
