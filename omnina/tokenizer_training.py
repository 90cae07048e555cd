"""Train a SentencePiece BPE model on DNA and English together and carry it over to a fast tokenizer.

SentencePiece leaves out lines over 4,192 bytes without a word, so every text is cut into windows below
that; memory is bounded by keeping a seeded sample of windows. The fast tokenizer gives the ids that
SentencePiece itself gives: the same merges, spaces as U+2581, no pre-tokenizer.
"""

import hashlib
import heapq
import io
import json
import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import SentencePieceExtractor

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.table import expand_paths, read_rows
from omnina.tokenizer import (
    BOS_ID,
    BOS_TOKEN,
    EOS_ID,
    EOS_TOKEN,
    PAD_TOKEN,
    UNK_ID,
    UNK_TOKEN,
    load_tokenizer,
    save_tokenizer,
)

WINDOW_BYTES = 4_000  # below SentencePiece's limit of 4,192
PROMPT_LINES = 10_000  # as often as rows have the prompts around them, up to this
SPACE = "\u2581"
TEXT_COLUMNS = ("response", "question")


@dataclass
class WindowSample:
    """A uniform sample of windows, at most ``budget`` bytes, in the order they came; memory is bounded."""

    budget: int
    generator: random.Random
    seen_bytes: int = 0
    kept_bytes: int = 0
    _heap: list[tuple[float, int, str]] = field(default_factory=list)
    _count: int = 0

    def add(self, window: str) -> None:
        """Offer a window: it stays while its random rank is among the lowest that fit."""
        size = len(window.encode())
        self.seen_bytes += size
        self.kept_bytes += size
        self._count += 1
        heapq.heappush(self._heap, (-self.generator.random(), self._count, window))
        while self.kept_bytes > self.budget:
            self.kept_bytes -= len(heapq.heappop(self._heap)[2].encode())

    def windows(self) -> list[str]:
        """The sample, in the order in which it was offered."""
        return [window for _, _, window in sorted(self._heap, key=lambda entry: entry[1])]


@dataclass
class TrainingText:
    """Sampled windows of both languages, and how many rows had a prompt around them."""

    dna: WindowSample
    english: WindowSample
    rows: int = 0

    def lines(self) -> Iterator[str]:
        """What SentencePiece is trained on; DNA with the leading space that the prompt gives it."""
        yield from (f" {window}" for window in self.dna.windows())
        yield from self.english.windows()
        for prompt in (PRETRAIN_PROMPT, FINETUNE_PROMPT):
            for _ in range(min(self.rows, PROMPT_LINES)):
                yield prompt.render("")


def collect_text(paths: list[Path], sample_bytes: int, text_share: float, seed: int) -> TrainingText:
    """Read tables and ``.txt`` files into a sample of ``sample_bytes``, ``text_share`` of it English.

    Raises UserError for unreadable input or a cell that is not nucleotides, with file and line.
    """
    english_bytes = int(sample_bytes * text_share)
    text = TrainingText(
        dna=WindowSample(sample_bytes - english_bytes, random.Random(f"{seed}/dna")),
        english=WindowSample(english_bytes, random.Random(f"{seed}/english")),
    )
    for path in paths:
        if path.suffix == ".txt":
            _read_plain_text(path, text)
        else:
            _read_table(path, text)
    return text


def text_windows(text: str, limit: int = WINDOW_BYTES) -> Iterator[str]:
    """Cut a text into windows of at most ``limit`` bytes (UTF-8), between words where there are any.

    Joined, the windows are the text.
    """
    window, size = "", 0
    for word in re.findall(r"\s*\S+|\s+", text):
        for piece in _bounded(word, limit):
            length = len(piece.encode())
            if size + length > limit:
                yield window
                window, size = "", 0
            window, size = window + piece, size + length
    if window:
        yield window


def train_sentencepiece(text: TrainingText, vocab_size: int) -> bytes:
    """A SentencePiece BPE model of ``vocab_size`` pieces, serialised.

    Raises UserError if the text is too small for that many, with the number that is possible.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=text.lines(),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            unk_id=UNK_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            pad_id=-1,
            unk_piece=UNK_TOKEN,
            bos_piece=BOS_TOKEN,
            eos_piece=EOS_TOKEN,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            byte_fallback=True,
            character_coverage=1.0 - 1e-6,
            required_chars=string.digits + string.ascii_letters + string.punctuation,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(_training_failure(str(error), vocab_size)) from error
    return model.getvalue()


def to_fast_tokenizer(model_file: Path) -> Tokenizer:
    """The tokenizers BPE that gives the ids of a SentencePiece model, with [PAD] after its last piece."""
    extracted = SentencePieceExtractor(str(model_file)).extract(models.BPE)
    tokenizer = Tokenizer(
        models.BPE(
            extracted["vocab"],
            extracted["merges"],
            unk_token=UNK_TOKEN,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in (UNK_TOKEN, BOS_TOKEN, EOS_TOKEN)]
    )
    tokenizer.add_special_tokens([AddedToken(PAD_TOKEN, special=True, normalized=False)])
    return tokenizer


def train_tokenizer(
    inputs: list[str], output: Path, *, vocab_size: int, sample_bytes: int, text_share: float, seed: int
) -> dict:
    """Train, convert, save to ``output``, measure; returns the report, also in ``tokenizer_report.json``.

    The same input, sizes and seed give the same bytes.
    """
    paths = expand_paths(inputs)
    text = collect_text(paths, sample_bytes, text_share, seed)
    serialised = train_sentencepiece(text, vocab_size)
    output.mkdir(parents=True, exist_ok=True)
    (output / "tokenizer.model").write_bytes(serialised)
    to_fast_tokenizer(output / "tokenizer.model").save(str(output / "tokenizer.json"))
    tokenizer = load_tokenizer(output)
    save_tokenizer(tokenizer, output)
    report = {
        "pieces": vocab_size,
        "vocabulary": len(tokenizer),
        "seed": seed,
        "inputs": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        **_measure(tokenizer, text),
    }
    (output / "tokenizer_report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _measure(tokenizer: PreTrainedTokenizerFast, text: TrainingText) -> dict:
    """Compression and coverage on the sampled windows."""
    dna, english = text.dna.windows(), text.english.windows()
    dna_tokens, dna_unknown = _count(tokenizer, dna)
    english_tokens, english_unknown = _count(tokenizer, english)
    return {
        "bases_per_token": round(sum(map(len, dna)) / max(dna_tokens, 1), 3),
        "characters_per_token_in_english": round(sum(map(len, english)) / max(english_tokens, 1), 3),
        "unknown_rate": (dna_unknown + english_unknown) / max(dna_tokens + english_tokens, 1),
        "dna_bytes": {"sampled": text.dna.kept_bytes, "of": text.dna.seen_bytes},
        "english_bytes": {"sampled": text.english.kept_bytes, "of": text.english.seen_bytes},
    }


def _count(tokenizer: PreTrainedTokenizerFast, windows: list[str]) -> tuple[int, int]:
    """Tokens in all windows, and how many of them are unknown."""
    tokens = unknown = 0
    for window in windows:
        ids = tokenizer.encode(window, add_special_tokens=False)
        tokens += len(ids)
        unknown += ids.count(UNK_ID)
    return tokens, unknown


def _read_table(path: Path, text: TrainingText) -> None:
    for line, row in read_rows(path, required=["sequence"]):
        text.rows += 1
        try:
            cell = parse_cell(row["sequence"]).text
        except ValueError as error:
            raise UserError(f"{path}:{line}: {error}") from error
        for window in text_windows(cell):
            text.dna.add(window)
        for column in TEXT_COLUMNS:
            for window in text_windows(row.get(column, "")):
                text.english.add(window)


def _read_plain_text(path: Path, text: TrainingText) -> None:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                decoded = line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise UserError(f"{path}:{number}:{error.start + 1}: this byte is not UTF-8.") from error
            for window in text_windows(decoded):
                text.english.add(window)


def _bounded(word: str, limit: int) -> Iterator[str]:
    """A word in pieces of at most ``limit`` bytes (a character takes up to 4)."""
    if len(word.encode()) <= limit:
        yield word
    else:
        size = limit if word.isascii() else limit // 4
        yield from (word[start : start + size] for start in range(0, len(word), size))


def _training_failure(message: str, vocab_size: int) -> str:
    """SentencePiece's own words where they say what is possible."""
    limit = re.search(r"Vocabulary size too high.*?value <= (\d+)", message)
    if limit:
        return f"--vocab_size {vocab_size} is too large for this text; at most {limit.group(1)} is possible."
    too_small = re.search(r"Vocabulary size is smaller than required_chars.*?(\d+) vs (\d+)", message)
    if too_small:
        return f"--vocab_size {vocab_size} is too small; at least {too_small.group(2)} is needed."
    return f"SentencePiece could not train on this text: {message.strip()}"
