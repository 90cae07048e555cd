"""Train a SentencePiece BPE model on DNA and English together.

    tables and .txt files -> windows -> a seeded sample of each language -> SentencePiece -> fast tokenizer

In most tables there are ten bases to one character of English, and merges go to what is frequent: so each
language gets its share of the sample, and the scarcer one counts several times until it has its share of what
SentencePiece sees. The cap on memory decides how large the sample may be (``omnina/vocabulary/memory.py``).

    python scripts/train_tokenizer.py --input data/pretrain_train_example.csv --output DIR --vocab_size 1024
"""

import math
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
from transformers import PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.files.output_links import refuse_links_out
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.tokenizer import load_tokenizer, save_tokenizer, to_fast_tokenizer, write_json
from omnina.vocabulary.memory import plan_memory
from omnina.vocabulary.sample_report import describe_sample
from omnina.vocabulary.sampling import Language, language_budgets, sample_languages
from omnina.vocabulary.sentencepiece_training import train_in_process
from omnina.vocabulary.units import TRAIN_SPLIT, choose_units, find_inputs, list_units
from omnina.vocabulary.windows import DNA, ENGLISH

MAX_MEMORY_GB = 4.0
READ_FACTOR = 20  # bytes read for a byte of sample: then its windows are of 20 times as many row groups
SHARE_TOLERANCE, MOST_COUNTS = 0.01, 10  # of the share of English; of the counts that are tried
MAX_PROMPT_LINES = 10_000  # enough for every word of the prompts to become one piece
_OTHER = re.compile(r"[^ -~]+")


@dataclass(frozen=True)
class Reading:
    """How the input is read.

    Args:
        max_memory_gb: cap on the memory of all processes together, SentencePiece's too, in 10^9 bytes.
        read_bytes: text that is read for the sample, about; None for 20 times the sample.
        workers: processes that read; 0 reads in this one, without a hard limit on reading.
        split: of a folder with manifest.json, whose shards are read.

    Raises UserError for numbers that make no sense.
    """

    max_memory_gb: float = MAX_MEMORY_GB
    read_bytes: int | None = None
    workers: int = 0
    split: str = TRAIN_SPLIT

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise UserError(f"--workers is {self.workers}; it must be 0 or more")
        if self.read_bytes is not None and self.read_bytes < 1:
            raise UserError(f"--read_bytes is {self.read_bytes}; it must be positive")
        if not 0 < self.max_memory_gb < math.inf:
            raise UserError(f"--max_memory_gb is {self.max_memory_gb}; it must be positive, for example 4")


def train_tokenizer(
    inputs: str | Path | Iterable[str | Path],
    output: Path,
    *,
    vocab_size: int,
    sample_bytes: int | None = None,
    text_share: float = 0.5,
    seed: int = 0,
    reading: Reading = Reading(),
    command: str = "",
) -> dict:
    """Sample, train, convert, save and measure.

    The same files, sizes and seed give the same bytes of tokenizer.json and tokenizer.model.

    Args:
        inputs: tables (columns ``sequence``, ``response``, ``question``), ``.txt`` files, globs, and folders
            with a manifest.json.
        output: the folder to write.
        vocab_size: SentencePiece pieces; ``[PAD]`` comes on top.
        sample_bytes: how much text SentencePiece sees, at most; None for as much as the memory allows.
        text_share: the part of it that is English, between 0 and 1.
        seed: which windows are sampled.
        reading: how the input is read.
        command: how the run was started, for the report.

    Returns the report, which is saved as ``tokenizer_report.json``.
    Raises UserError for input that cannot be read, a vocabulary too large or too small for it, or a cap on
    memory that does not suffice.
    """
    if not 0 < text_share < 1:
        raise UserError(f"--text_share is {text_share}; it must lie between 0 and 1, for example 0.5")
    plan = plan_memory(reading.max_memory_gb, sample_bytes, vocab_size, reading.workers)
    units = list_units(find_inputs(inputs, reading.split))
    chosen = choose_units(units, reading.read_bytes or READ_FACTOR * plan.sample_bytes, seed)
    budgets = language_budgets(plan.sample_bytes, text_share)
    languages = sample_languages(chosen, budgets, seed, reading.workers, plan.reader_bytes)
    repeats = repetitions(languages, text_share)
    tokenizer = _train(training_lines(languages, repeats), output, vocab_size, plan.trainer_bytes)
    settings = {"command": command, "vocab_size": vocab_size, "pad_token_id": tokenizer.pad_token_id}
    settings |= {"seed": seed, "sample_bytes": plan.sample_bytes, "text_share": text_share}
    settings |= {"sentencepiece": sentencepiece.__version__}
    report = settings | describe_sample(tokenizer, units, chosen, languages, repeats)
    write_json(output / "tokenizer_report.json", report)
    return report


def check_output_folder(folder: Path, overwrite: bool) -> None:
    """Raise UserError if ``folder`` is a file, holds anything while ``overwrite`` is false, or links out."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name a folder to write the tokenizer to.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder}: this folder is not empty; name another, or add --overwrite.")
    refuse_links_out(folder)


def repetitions(languages: dict[str, Language], text_share: float) -> dict[str, int]:
    """How often each sample counts: the smallest numbers by which ``text_share`` of the bytes are English.

    To a hundredth of the share; or as near as it gets with up to 10 for the language that there is more of.
    """
    dna, english = (languages[name].training.sampled_bytes for name in (DNA, ENGLISH))
    if not dna or not english:
        return {DNA: 1, ENGLISH: 1}
    excess_of_dna = dna * text_share / (english * (1 - text_share))
    counts = [_whole_counts(excess_of_dna, smaller) for smaller in range(1, MOST_COUNTS + 1)]
    misses = [abs(e * english / (e * english + d * dna) - text_share) for d, e in counts]
    near = [count for count, miss in zip(counts, misses, strict=True) if miss <= SHARE_TOLERANCE]
    best = near[0] if near else counts[misses.index(min(misses))]
    return dict(zip((DNA, ENGLISH), best, strict=True))


def _whole_counts(excess_of_dna: float, smaller: int) -> tuple[int, int]:
    """Counts of DNA and of English in about this ratio, the smaller of them given."""
    if excess_of_dna >= 1:
        return smaller, round(excess_of_dna * smaller)
    return round(smaller / excess_of_dna), smaller


def training_lines(languages: dict[str, Language], repeats: dict[str, int]) -> Iterator[tuple[str, int]]:
    """(line, how often it counts) of both samples, and of the prompts, for every row has one around it.

    Lines are split at whatever is not printable ASCII: such characters are written in bytes, never get a
    piece of their own, and what stands between them is what the merges will see.
    """
    for name, language in languages.items():
        for window in language.training.windows():
            yield from ((part, repeats[name]) for part in _OTHER.split(window) if part)
    prompts = [
        part.rstrip(" ")  # the space before a cell belongs to the cell
        for prompt in (PRETRAIN_PROMPT, FINETUNE_PROMPT)
        for part in (prompt.before_sequence, prompt.before_question, prompt.before_response)
    ]
    rows = max(language.training.total_windows for language in languages.values())
    yield from ((prompt, min(rows, MAX_PROMPT_LINES)) for prompt in filter(None, prompts))


def _train(
    lines: Iterable[tuple[str, int]], output: Path, vocab_size: int, allowed_bytes: int
) -> PreTrainedTokenizerFast:
    """Hand the lines over in a file, beside the output: the training process does not share this memory."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tokenizer-", dir=output.parent) as folder:
        path, model = Path(folder, "lines.tsv"), Path(folder, "tokenizer.model")
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{text}\t{times}\n" for text, times in lines)
        train_in_process(path, model, vocab_size, allowed_bytes)
        return _save(model.read_bytes(), output)


def _save(model: bytes, folder: Path) -> PreTrainedTokenizerFast:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    to_fast_tokenizer(model).save(str(folder / "tokenizer.json"))
    (folder / "added_tokens.json").unlink(missing_ok=True)  # of a tokenizer that is overwritten
    tokenizer = load_tokenizer(folder)
    save_tokenizer(tokenizer, folder)
    return tokenizer
