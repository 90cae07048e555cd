"""Readers of public records: each yields passages and rejects in file order."""
