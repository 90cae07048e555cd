"""Texts on which two tokenizers are compared, and what the published one gives for four of them."""

import random
from collections.abc import Iterator

from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT

PUBLISHED_TOKENS = 32_001
PUBLISHED_LENGTH = 601  # tokens of the longest document that the published models were trained on
PUBLISHED_IDS = {
    "ACGTNACGTNACGTN": [1, 2724, 3566, 30817, 12, 3566, 30817, 12, 30864],
    "ACGTNNNNNNNNNN": [1, 2724, *[30864] * 10],
    "[PAD]A": [1, 32000, 15],
    "A [PAD]": [1, 15, 30814, 32000],
}
QUESTION = "Does this sequence code for a protein?"
OTHERS = ["", " ", "16S ribosomal RNA gene, partial sequence; (E. coli) 99.5 %", "A", "a  b", "A</s>C <s>"]


def comparison_texts(count: int = 200) -> Iterator[str]:
    """Prompts of both kinds with random sequences and short repeats, answers, odd cases; always the same."""
    generator = random.Random(0)
    yield from OTHERS
    for number in range(count):
        bases = "".join(generator.choices("ACGTN", [24, 24, 24, 24, 4], k=generator.randint(1, 400)))
        unit = "".join(generator.choices("ACGT", k=generator.randint(1, 6)))
        sequence = bases if number % 2 else unit * (1 + len(bases) // len(unit))
        prompt, question = (FINETUNE_PROMPT, QUESTION) if number % 4 < 2 else (PRETRAIN_PROMPT, "")
        yield prompt.render(sequence, question)
