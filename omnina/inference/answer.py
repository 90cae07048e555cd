"""Answers of a checkpoint: the likeliest label with its probability, or free text.

answerer = Answerer(Path("output/finetune"))
answerer.answer([Query(parse_cell("ACGT..."), "Does this sequence code for a protein?")])
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from omnina.checkpoints.contents import weights_digest
from omnina.chunking import PIECES, Nucleotides
from omnina.errors import UserError
from omnina.inference import DTYPE_NAMES, TOKENS_PER_BATCH
from omnina.inference.generation import Decoding, Generator
from omnina.inference.label_set import LabelSet, label_sets_of
from omnina.inference.label_tree import LabelTree
from omnina.inference.packed import PackedReader
from omnina.inference.questions import (
    Question,
    Questions,
    load_questions,
    nearest_question,
    questions_record,
)
from omnina.inference.reading_resolution import reading_tokenizer, trained_resolution, warn_of_untrained
from omnina.inference.readings import Readings, mean_of_readings
from omnina.inference.scoring import NEGLIGIBLE, ScoredRow, by_tokens, label_log_probabilities, normalised
from omnina.model import OmniNAForCausalLM
from omnina.prompt import FINETUNE_PROMPT, Document, PromptEncoder, Row
from omnina.resolution import has_pieces
from omnina.tokenizer import BOS_ID, EOS_ID

DTYPES = dict(zip(DTYPE_NAMES, (torch.float32, torch.bfloat16), strict=True))
UNSEEN = "question not in training"


@dataclass(frozen=True)
class Query:
    """A sequence and what is asked of it.

    Attributes:
        nucleotides, question: as in training.
        draw: which random numbers a sampled answer takes, such as the row's number in its file; None: the
            query's place among those answered together.
    """

    nucleotides: Nucleotides
    question: str
    draw: int | None = None


@dataclass(frozen=True)
class Answer:
    """What the model says.

    Attributes:
        text: the answer; empty if there is none.
        probability: of a label, over the question's labels; of free text, of exactly this text.
        labels: probabilities of the labels, of every one if the Answerer gives ``all_labels``; None for free
            text.
        log_probabilities: of the labels, before normalisation and temperature; -inf where left out.
        notes: what to know about it, such as bases that did not fit.
        refused: why the row cannot be answered; empty if it was.
        cut_bases: at the sequence's end, which did not fit and were not read.
    """

    text: str
    probability: float
    labels: dict[str, float] | None = None
    log_probabilities: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    refused: str = ""
    cut_bases: int = 0


class Answerer:
    """A fine-tuned checkpoint that answers questions.

    Args:
        folder: of the checkpoint.
        device: the first GPU if there is one, unless given.
        dtype: of the weights and the computation.
        decoding: how free text is written.
        tokens_per_batch: tokens of one forward pass.
        all_labels: give every label's probability. Otherwise labels that together cannot change one by more
            than NEGLIGIBLE may be left out, which is faster where there are many.
        resolution: ``bases`` reads single bases, ``pieces`` what the checkpoint's own tokenizer joins.
        segmentations: labels get the mean probability over that many ways of cutting a sequence into tokens:
            its own, and others as the checkpoint was trained on (``readings.py``).

    Raises UserError for a folder that holds no whole checkpoint, or another model's tokenizer.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        decoding: Decoding | None = None,
        tokens_per_batch: int = TOKENS_PER_BATCH,
        all_labels: bool = True,
        resolution: str = PIECES,
        segmentations: int = 1,
    ) -> None:
        self.negligible = 0.0 if all_labels else NEGLIGIBLE
        self.folder, self.dtype, self.tokens_per_batch = folder, dtype, tokens_per_batch
        self.resolution = resolution
        self.tokenizer = reading_tokenizer(folder, resolution)
        warn_of_untrained(folder, resolution)
        if segmentations > 1 and not has_pieces(self.tokenizer):
            raise UserError("--segmentations: single bases can be cut in one way only; leave it out.")
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.decoding = decoding or Decoding()
        self.model = OmniNAForCausalLM.from_pretrained(folder, dtype=dtype).to(self.device).eval()
        known = load_questions(folder)
        self.questions = known.by_text
        self.max_length = known.max_length or self.model.config.max_position_embeddings
        self.encoder = self._encoder(self.max_length)
        trained = trained_resolution(folder) or PIECES
        self.readings = Readings(self.tokenizer.backend_tokenizer, segmentations, self.max_length, trained)
        self.label_sets = label_sets_of(self.questions, self.encoder)

    @cached_property
    def digest(self) -> str:
        """Of the weights, and of how sequences are read and questions answered: what decides answers."""
        questions = [questions_record(Questions(self.questions, self.max_length))]
        questions += [self.resolution, *self.readings.how]
        return f"{weights_digest(self.folder)} {hashlib.sha256(json.dumps(questions).encode()).hexdigest()}"

    @cached_property
    def text_encoder(self) -> PromptEncoder:
        """Prompts that leave room for free text; UserError if not even an empty one does."""
        try:
            return self._encoder(self.max_length - self.decoding.max_new_tokens)
        except ValueError as error:
            raise UserError(
                f"--max_new_tokens ({self.decoding.max_new_tokens}) leaves no room for a prompt in the "
                f"{self.max_length} tokens of {self.folder}; give fewer."
            ) from error

    @cached_property
    def reader(self) -> PackedReader:
        """The same weights at reading sequences."""
        how = {"tokens_per_batch": self.tokens_per_batch, "resolution": self.resolution}
        return PackedReader(self.folder, model=self.model, **how)

    @cached_property
    def generator(self) -> Generator:
        """Loaded when the first free text is asked for."""
        pad_id = self.tokenizer.pad_token_id
        return Generator.load(self.folder, pad_id, self.decoding, self.device, self.dtype)

    def answer_from(self, queries: Sequence[Query], labels: Sequence[str]) -> list[Answer]:
        """One answer for each query, chosen from these labels whatever the question's own are.

        Raises UserError for labels that are the same tokens, or fewer than one.
        """
        if not labels or isinstance(labels, str):
            raise UserError("labels: give a list of the answers to choose from.")
        given = Question(sorted(set(labels)))
        [asked] = label_sets_of({"labels": given}, self.encoder).values()
        known = [self.questions.get(query.question, given) for query in queries]
        questions = [replace(given, strand_free=question.strand_free) for question in known]
        return self._chosen_of(list(queries), [asked] * len(queries), questions)

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        """One answer for each query, in order; none depends on the others (but see ``Query.draw``)."""
        queries = [
            query if query.draw is not None else replace(query, draw=place)
            for place, query in enumerate(queries)
        ]
        answers: dict[int, Answer] = {}
        labelled = [place for place, query in enumerate(queries) if query.question in self.label_sets]
        free = [place for place, query in enumerate(queries) if query.question not in self.label_sets]
        for places, answered in ((labelled, self._choose), (free, self._write)):
            answers |= zip(places, answered([queries[place] for place in places]), strict=True)
        return [answers[place] for place in range(len(queries))]

    def _choose(self, queries: list[Query]) -> list[Answer]:
        """The likeliest label of each, of its question's."""
        sets = [self.label_sets[query.question] for query in queries]
        return self._chosen_of(queries, sets, [self.questions[query.question] for query in queries])

    def _chosen_of(
        self, queries: list[Query], sets: list[LabelSet], questions: list[Question]
    ) -> list[Answer]:
        documents, scores = self._read(queries, sets, questions)
        for place, (other, of_other) in self._of_other_strands(queries, sets, questions).items():
            scores[place] = mean_of_readings([scores[place], of_other])
            documents[place] = _less_whole(documents[place], other)
        return [
            _refused(document) if isinstance(document, ValueError) else self._chosen(*row, document, score)
            for *row, document, score in zip(queries, questions, documents, scores, strict=True)
        ]

    def _of_other_strands(
        self, queries: list[Query], sets: list[LabelSet], questions: list[Question]
    ) -> dict[int, tuple[Document | ValueError, np.ndarray]]:
        """The other strand and log-probabilities after it, by place, where a question is strand-free."""
        places = [place for place, question in enumerate(questions) if question.strand_free]
        others = [
            replace(queries[place], nucleotides=queries[place].nucleotides.other_strand) for place in places
        ]
        chosen = [[given[place] for place in places] for given in (sets, questions)]
        return dict(zip(places, zip(*self._read(others, *chosen), strict=True), strict=True))

    def _read(
        self, queries: list[Query], sets: list[LabelSet], questions: list[Question]
    ) -> tuple[list[Document | ValueError], list[np.ndarray]]:
        """Each query as a document, and log-probabilities of its labels."""
        rows = [
            Row(query.nucleotides, labels.longest, query.question)
            for query, labels in zip(queries, sets, strict=True)
        ]
        documents = self.encoder.encode(rows)
        temperatures = [question.temperature for question in questions]
        trees = [labels.tree for labels in sets]
        readings = [self._scores(reading, trees, temperatures) for reading in self.readings.of(documents)]
        return documents, [mean_of_readings(of_query) for of_query in zip(*readings, strict=True)]

    def _chosen(self, query: Query, question: Question, document: Document, scores: np.ndarray) -> Answer:
        probabilities = normalised(scores, question.temperature)
        known = np.isfinite(scores)
        labels = {
            label: float(p)
            for label, p, given in zip(question.labels, probabilities, known, strict=True)
            if given
        }
        if not labels:
            raise UserError(
                f"{self.folder}: the model gives no number for any label; its weights are broken."
            )
        text = max(labels, key=labels.__getitem__)
        notes = _notes(query, document, " of either strand" if question.strand_free else "")
        return Answer(text, labels[text], labels, scores, notes, cut_bases=document.trimmed_bases)

    def _write(self, queries: list[Query]) -> list[Answer]:
        """Free text for each; prompts of like length are written together, so that little is padded."""
        documents = self.text_encoder.encode(
            [Row(query.nucleotides, "", query.question) for query in queries]
        )
        fitting = [place for place, document in enumerate(documents) if isinstance(document, Document)]
        answers = {place: _refused(d) for place, d in enumerate(documents) if isinstance(d, ValueError)}
        for batch in self._batches([documents[place].answer_start for place in fitting]):
            places = [fitting[i] for i in batch]
            prompts = [_prompt(documents[place]) for place in places]
            written = self.generator.generate(prompts, [queries[place].draw for place in places])
            trees = [LabelTree.of([ids]) for ids in written]
            scores = self._scores([documents[place] for place in places], trees, [1.0] * len(places))
            for place, ids, score in zip(places, written, scores, strict=True):
                answers[place] = self._written(queries[place], documents[place], ids, float(score[0]))
        return [answers[place] for place in range(len(queries))]

    def _written(self, query: Query, document: Document, ids: list[int], score: float) -> Answer:
        notes = _notes(query, document)
        if query.question not in self.questions:
            notes = (self._unseen_note(query.question), *notes)
        if ids[-1] != EOS_ID:
            notes = (*notes, f"cut off after {len(ids)} tokens")
        text = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
        return Answer(text, float(np.exp(score)), notes=notes, cut_bases=document.trimmed_bases)

    def _unseen_note(self, question: str) -> str:
        nearest = nearest_question(question, self.questions)
        return f"{UNSEEN} (did you mean '{nearest}'?)" if nearest else UNSEEN

    def _scores(
        self,
        documents: Sequence[Document | ValueError],
        trees: Sequence[LabelTree],
        temperatures: Sequence[float],
    ) -> list[np.ndarray]:
        """Log-probabilities of each tree's labels; nothing for a document that does not fit."""
        rows = {
            place: ScoredRow(_prompt(document), tree, temperature)
            for place, (document, tree, temperature) in enumerate(
                zip(documents, trees, temperatures, strict=True)
            )
            if isinstance(document, Document)
        }
        places, scored = list(rows), list(rows.values())
        scores = [np.empty(0)] * len(documents)
        for batch in by_tokens(scored, self.tokens_per_batch):
            of_batch = [scored[i] for i in batch]
            found = label_log_probabilities(self.model, of_batch, self.device, self.negligible)
            for i, of_row in zip(batch, found, strict=True):
                scores[places[i]] = of_row
        return scores

    def _batches(self, lengths: list[int]) -> Iterator[list[int]]:
        """Nothing is loaded where there is nothing to write."""
        return self.generator.batches(lengths, self.tokens_per_batch) if lengths else iter(())

    def _encoder(self, max_length: int) -> PromptEncoder:
        backend = self.tokenizer.backend_tokenizer
        return PromptEncoder(backend, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=max_length)


def _prompt(document: Document) -> np.ndarray:
    return document.input_ids[: document.answer_start]


def _refused(error: ValueError) -> Answer:
    return Answer("", 0.0, refused=str(error))


def _less_whole(one: Document | ValueError, other: Document | ValueError) -> Document | ValueError:
    """Of both strands the one of which fewer bases fit; the first if it does not fit at all."""
    if isinstance(one, ValueError) or isinstance(other, ValueError):
        return one
    return min((one, other), key=lambda document: document.bases)


def _notes(query: Query, document: Document, of_what: str = "") -> tuple[str, ...]:
    if not document.trimmed_bases:
        return ()
    return (f"only the first {document.bases} of {query.nucleotides.bases} bases{of_what} fit",)
