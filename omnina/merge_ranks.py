"""Whether a tokenizer is nothing but merge ranks, decided from its definition, and these ranks.

BPE joins the neighbours of the lowest rank, the leftmost of several. In a fast tokenizer a rank is a pair's
place in a list; with merge ranks it is the id of the piece that the pair makes. The tokens are the same if

1. the list has every pair of pieces that makes a piece, in the order of the ids of what they make, and
2. where x y z stand side by side and xy = yz is one piece, the list does not prefer the pair on the right:
   merge ranks take the left one. Tokens inside a text arise as they do in a text of their own, as long as
   nothing is joined across their ends, so whether x y z ever stand there is seen from the text xyz alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SPACE = "\u2581"
_PREPEND = {"type": "Prepend", "prepend": SPACE}
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PLAIN_MODEL = {
    "type": "BPE",
    "dropout": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "ignore_merges": False,
}


@dataclass(frozen=True)
class MergeRanks:
    """A tokenizer as ranks.

    Args:
        by_bytes: id of every piece; a space stands for U+2581.
        letters: the characters that texts may hold: ASCII, each a piece or a byte piece.
        prefix: put before every text.
    """

    by_bytes: dict[bytes, int]
    letters: frozenset[str]
    prefix: str


def merge_ranks(definition: Mapping) -> MergeRanks | None:
    """The ranks of a tokenizer (the JSON of ``tokenizer.json``), or None if its rules are others."""
    prefix = _prefix(definition)
    model = definition["model"]
    plain = all((model.get(name) or None) == (value or None) for name, value in _PLAIN_MODEL.items())
    special = {token["content"] for token in definition["added_tokens"] if token["special"]}
    if prefix is None or not plain or len(special) < len(definition["added_tokens"]):
        return None
    byte_pieces = {f"<0x{byte:02X}>": byte for byte in range(128)} if model["byte_fallback"] else {}
    not_text = special | {f"<0x{byte:02X}>" for byte in range(256)}
    pieces = {piece: number for piece, number in model["vocab"].items() if piece not in not_text}
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    if not _in_order_of_ids(pairs, pieces) or _right_pair_comes_first(pairs, pieces):
        return None
    ascii_pieces = {
        piece.replace(SPACE, " "): number
        for piece, number in pieces.items()
        if piece.replace(SPACE, "").isascii() and " " not in piece and all(part in pieces for part in piece)
    }
    fallback = {
        chr(byte): model["vocab"][name] for name, byte in byte_pieces.items() if name in model["vocab"]
    }
    fallback.pop(" ", None)  # a space is U+2581 by then
    ranks = fallback | ascii_pieces
    return MergeRanks(
        by_bytes={piece.encode(): number for piece, number in ranks.items()},
        letters=frozenset(piece for piece in ranks if len(piece) == 1),
        prefix=prefix,
    )


def _prefix(definition: Mapping) -> str | None:
    """What the normaliser puts before a text; None if it does anything else but write U+2581 for spaces."""
    normalizer = definition["normalizer"] or {}
    steps = normalizer.get("normalizers", []) if normalizer.get("type") == "Sequence" else [normalizer]
    if definition["pre_tokenizer"] is not None or definition["post_processor"] is not None:
        return None
    return {str([_REPLACE]): "", str([_PREPEND, _REPLACE]): " "}.get(str(steps))


def _in_order_of_ids(pairs: Sequence[tuple[str, str]], pieces: Mapping[str, int]) -> bool:
    """Condition 1."""
    wanted = [pair for piece in pieces for pair in _pairs(piece, pieces)]
    if sorted(pairs) != sorted(wanted):
        return False
    made = [pieces[left + right] for left, right in pairs]
    return made == sorted(made)


def _pairs(piece: str, pieces: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    halves = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
    return (pair for pair in halves if pair[0] in pieces and pair[1] in pieces)


def _right_pair_comes_first(pairs: Sequence[tuple[str, str]], pieces: Mapping[str, int]) -> bool:
    """Whether condition 2 is broken anywhere."""
    places = {pair: place for place, pair in enumerate(pairs)}
    for (x, y), place in places.items():
        piece = x + y
        z = piece[len(y) :]
        right_first = piece.startswith(y) and places.get((y, z), place) < place
        if right_first and _joined(piece + z, pieces, below=pieces[piece]) == [x, y, z]:
            return True
    return False


def _joined(text: str, pieces: Mapping[str, int], below: int) -> list[str]:
    """The tokens of a short text after all joins to pieces of ids lower than ``below``."""
    tokens = list(text)
    while True:
        joints = enumerate(left + right for left, right in pairwise(tokens))
        ranked = [(pieces[joint], place) for place, joint in joints if pieces.get(joint, below) < below]
        if not ranked:
            return tokens
        _, place = min(ranked)
        tokens[place : place + 2] = [tokens[place] + tokens[place + 1]]
