"""Train a tokenizer and compare vocabularies."""
