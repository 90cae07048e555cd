"""The model card: a checkpoint's README.md."""
