"""Equal sequences, read from either strand.

Sequences are upper-case IUPAC bases, T for U, as ``omnina.chunking.parse_cell`` gives them. A key is 16
bytes whatever the sequence's length: among 10^9 sequences two different ones share a key with a probability
of 10^18 / 2^129 = 1.5e-21.
"""

import hashlib

from omnina.chunking import IUPAC

KEY_BYTES = 16
_COMPLEMENT = bytes.maketrans(IUPAC.encode(), b"TGCAAYRSWMKVHDBN")


def reverse_complement_bytes(sequence: bytes) -> bytes:
    """The other strand; two table look-ups per base and no Python loop."""
    return sequence.translate(_COMPLEMENT)[::-1]


def oriented_key(sequence: str) -> tuple[bytes, bool]:
    """(key, turned): the key of both strands, and whether it was made from the other strand.

    Two sequences of one key are equal if ``turned`` is equal, and reverse complements of each other if not.
    A sequence that is its own reverse complement is never turned.
    """
    forward = sequence.encode("ascii")
    backward = reverse_complement_bytes(forward)
    turned = backward < forward
    bases = backward if turned else forward
    return hashlib.blake2b(bases, digest_size=KEY_BYTES).digest(), turned


def strand_free_key(sequence: str) -> bytes:
    """The same 16 bytes for a sequence and its reverse complement."""
    return oriented_key(sequence)[0]


class SeenSequences:
    """The sequences met so far, on either strand; 16 bytes each, about 110 with the set around them."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, sequence: str) -> bool:
        return strand_free_key(sequence) in self._keys

    def add(self, sequence: str) -> bool:
        """Remember ``sequence``; True if it is new."""
        before = len(self._keys)
        self._keys.add(strand_free_key(sequence))
        return len(self._keys) > before
