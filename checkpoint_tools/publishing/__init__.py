"""What an exported model needs beside its weights to be published: model card, training configuration, upload."""
