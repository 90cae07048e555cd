"""Files: read with errors that name them, written whole, kept inside their folder."""
