"""A contig in memory."""


class Text:
    """Its bases as they are given."""

    def __init__(self, bases: str) -> None:
        self.bases = bases

    def __len__(self) -> int:
        return len(self.bases)

    def fetch(self, start: int, end: int) -> str:
        assert 0 <= start <= end <= len(self.bases)
        return self.bases[start:end]
