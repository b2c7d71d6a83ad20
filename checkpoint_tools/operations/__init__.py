"""Operations on checkpoints; one file is one command."""
