"""Readers of public records: each yields passages and rejects in file order; ``read_source`` leads to all."""

from omnina.corpus.readers.source import SourceSpec, read_source, source_parts

__all__ = ["SourceSpec", "read_source", "source_parts"]
