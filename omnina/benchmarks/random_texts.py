"""Seeded random texts of many kinds, and those of a table: what two encoders are compared on.

Most are short, so that millions are cheap; what decides how a text is cut into tokens lies within a few
dozen characters. Repeats and joined pieces are there for ties and for neighbours that could be joined in
several ways, the edges for what looks like a special token, a byte or a space and is text.
"""

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT

BASES, IUPAC = "ACGT", "ACGTUNRYSWKMBDHVacgtunryswkmbdhv"
SEPARATORS = (" ", " ", " ", "  ", ", ", "; ", "-", " (", ") ", ".", ": ", "/", "")
EDGES = (
    *("", " ", "  ", "   ", "\t", "\n", "\r\n", "\x00", "\x7f", "\xa0", "\u2028", "\ufeff"),
    *("\u2581", "\u2581A", "<s>", "</s>", "<unk>", "[PAD]", "<0x41>", "<0x0A>", "###", "### Response:"),
    *("A", "a", "N", "-", "é", "e\u0301", "\u03b2", "\U0001f9ec", "5'", '"', ","),
)
SURROGATES = range(0xD800, 0xE000)  # no characters
WINDOW = 3000  # bases


@dataclass(frozen=True)
class Kind:
    """One way to make a text.

    Args:
        name: for the reader.
        weight: how often, beside the other kinds.
        make: a text.
    """

    name: str
    weight: int
    make: Callable[[], str]


class RandomTexts:
    """Texts that follow from a seed, a table's cells and a tokenizer's pieces.

    Args:
        sequences, texts: cells of a table: its sequences, and its annotations and questions.
        pieces: of the vocabulary, spaces as spaces.
        seed: of all random choices.
    """

    def __init__(
        self, sequences: Sequence[str], texts: Sequence[str], pieces: Iterable[str], seed: int
    ) -> None:
        self._sequences, self._texts, self._pieces = list(sequences), list(texts), sorted(pieces)
        self._words = sorted({word for text in texts for word in text.split()})
        self._random = random.Random(seed)

    def kinds(self) -> list[Kind]:
        """All that are random; long ones are rare."""
        short = [
            Kind("bases, up to 60", 20, lambda: self._of_letters(BASES, 60)),
            Kind("IUPAC letters in both cases, up to 60", 10, lambda: self._of_letters(IUPAC, 60)),
            Kind("a unit of up to 6 letters, repeated", 10, self._repeats),
            Kind("slices of the table's sequences, up to 80", 10, self._slice),
            Kind("words of the table, joined and cut", 14, self._annotation),
            Kind("pieces of the vocabulary, joined", 12, self._joined_pieces),
            Kind("ASCII, up to 40", 8, lambda: "".join(map(chr, self._numbers(range(128), 40)))),
            Kind("Unicode, up to 20", 4, self._unicode),
            Kind("spaces, special names and other edges", 4, self._edges),
        ]
        makers = [kind.make for kind in short]
        return [
            *short,
            Kind("two to four of these, joined", 8, lambda: self._mixed(makers)),
            Kind("prompts of windows of the table", 1, self._window),
            Kind("prompts of 200 to 3,000 random bases", 1, self._long),
        ]

    def cells(self) -> Iterator[str]:
        """Every cell as it is."""
        yield from self._sequences
        yield from self._texts

    def _of_letters(self, letters: str, longest: int) -> str:
        return "".join(self._random.choices(letters, k=self._random.randint(1, longest)))

    def _numbers(self, numbers: range, most: int) -> list[int]:
        return self._random.choices(numbers, k=self._random.randint(1, most))

    def _repeats(self) -> str:
        letters = self._random.choice((BASES, IUPAC, "AC", "A", "a e", "-A "))
        text = self._of_letters(letters, 6) * self._random.randint(2, 30)
        return text[self._random.randint(0, 5) :]

    def _slice(self) -> str:
        return self._part(self._random.choice(self._sequences), 80)

    def _part(self, text: str, longest: int) -> str:
        start = self._random.randrange(max(1, len(text)))
        return text[start : start + self._random.randint(1, longest)]

    def _annotation(self) -> str:
        words = self._random.choices(self._words, k=self._random.randint(1, 8))
        text = "".join(word + self._random.choice(SEPARATORS) for word in words)
        change = self._random.choice((str, str, str.upper, str.capitalize, str.swapcase))
        return self._part(change(text), len(text))

    def _joined_pieces(self) -> str:
        return "".join(self._random.choices(self._pieces, k=self._random.randint(1, 10)))

    def _unicode(self) -> str:
        drawn = self._numbers(range(sys.maxunicode + 1), 20)
        return "".join(chr(number) for number in drawn if number not in SURROGATES)

    def _edges(self) -> str:
        return "".join(self._random.choices(EDGES, k=self._random.randint(0, 12)))

    def _mixed(self, makers: Sequence[Callable[[], str]]) -> str:
        return "".join(make() for make in self._random.choices(makers, k=self._random.randint(2, 4)))

    def _window(self) -> str:
        return PRETRAIN_PROMPT.render(self._part(self._random.choice(self._sequences), WINDOW))

    def _long(self) -> str:
        bases = "".join(self._random.choices(BASES, k=self._random.randint(200, WINDOW)))
        return FINETUNE_PROMPT.render(bases, self._random.choice(self._texts))
