"""How large a sample a cap on memory allows: arithmetic on what was measured.

SentencePiece's BPE took 26 bytes of memory for a byte of random DNA at 1,024 pieces and 40 at 32,000 (40 MB
of sample; of smaller ones somewhat more, hash tables grow in steps). English takes 4, words are counted once;
here every byte counts as DNA, for English of ever new words comes near it. This process keeps the windows
themselves: 1.1 bytes a byte of DNA, about 4 of English, whose windows are short.
"""

from dataclasses import dataclass

from omnina.errors import UserError

GIGABYTE, MEGABYTE = 10**9, 10**6
OWN_BYTES = 300 * MEGABYTE  # Python, libraries, measuring the result
READER_BYTES = 250 * MEGABYTE  # the same in a reading process, and a row group
WINDOWS_FACTOR = 3  # memory for a byte of sampled windows
TRAINER_BYTES = 40 * MEGABYTE
TRAINER_FACTOR = 42  # memory for a byte that SentencePiece reads
PIECE_BYTES = 2000
MARGIN = 1.25  # on SentencePiece, whose tables depend on the text
SMALLEST_SAMPLE = 4 * MEGABYTE  # about a thousand windows; an input that is smaller is taken whole


@dataclass(frozen=True)
class MemoryPlan:
    """What each part of a run may take, in bytes.

    Args:
        sample_bytes: text that is sampled.
        reader_bytes: memory of each reading process.
        trainer_bytes: memory of the process that trains, beside this one.
    """

    sample_bytes: int
    reader_bytes: int
    trainer_bytes: int


def plan_memory(max_memory_gb: float, sample_bytes: int | None, vocab_size: int, workers: int) -> MemoryPlan:
    """Share out a cap over all processes together.

    Args:
        max_memory_gb: the cap, in units of 10^9 bytes.
        sample_bytes: of the sample; None for the most that the cap allows.
        vocab_size: pieces.
        workers: reading processes.

    Raises UserError, saying what would be needed, if the sample (or a very small one) does not fit.
    """
    cap = round(max_memory_gb * GIGABYTE)
    if sample_bytes is None:
        sample_bytes = max(largest_sample(cap, vocab_size), SMALLEST_SAMPLE)
    needed = needed_memory(sample_bytes, vocab_size, workers)
    if needed > cap:
        raise UserError(
            f"--max_memory_gb {max_memory_gb:g} is too small: a sample of {sample_bytes:,} bytes, "
            f"{vocab_size:,} pieces and {workers} workers need {needed / GIGABYTE:.2f}. "
            "Raise it, or lower --sample_bytes or --workers."
        )
    left = cap - OWN_BYTES - WINDOWS_FACTOR * sample_bytes
    return MemoryPlan(sample_bytes, left // max(workers, 1), left)


def needed_memory(sample_bytes: int, vocab_size: int, workers: int) -> int:
    """Memory of all processes together at the peak, in bytes: readers have ended when training begins."""
    readers = workers * (READER_BYTES + WINDOWS_FACTOR * sample_bytes)
    trainer = MARGIN * (TRAINER_BYTES + TRAINER_FACTOR * sample_bytes + PIECE_BYTES * vocab_size)
    return round(OWN_BYTES + WINDOWS_FACTOR * sample_bytes + max(readers, trainer))


def largest_sample(cap: int, vocab_size: int) -> int:
    """The largest sample that ``cap`` bytes of memory can train on; not positive if there is none.

    The readers are left out: the sample must not depend on how many there are.
    """
    fixed = OWN_BYTES + MARGIN * (TRAINER_BYTES + PIECE_BYTES * vocab_size)
    return int((cap - fixed) / (WINDOWS_FACTOR + MARGIN * TRAINER_FACTOR)) - 1  # rounding
