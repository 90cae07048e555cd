"""A checkpoint in Python: answers, annotations, embeddings and likelihoods of sequences.

    from omnina import OmniNA

    model = OmniNA.load("output/finetune")
    model.answer("ACGT...", "Does this sequence code for a protein?").labels     {"no": 0.07, "yes": 0.93}
    model.annotate("ACGT...")[0].text                                            "16S ribosomal RNA gene ..."
    model.write(["16S ribosomal RNA gene"])[0][0].bases                          "AGAGTTTGATC..."
    model.embed(["ACGT...", "GGCA..."], layer=2)                                 (2, H) float32
    model.score("ACGT...").bits_per_base                                         1.9
    model.score_variants("ACGT...", [(12, "A", "G")])                            (1,) float64, nats
    model.change_answers("ACGT...", [(12, "A", "G")], question)["yes"]           (1,) float64

Those that take a sequence take several too, and give one result or a list in their order. A sequence is IUPAC
letters in any case, U read as T, or several labelled ones: ``"gRNA:ACGT targetRNA:ACGT"``.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from omnina.chunking import PIECES, Nucleotides, parse_cell
from omnina.errors import UserError
from omnina.inference import TOKENS_PER_BATCH
from omnina.inference.annotation import Annotation, Annotator
from omnina.inference.answer import DTYPES, Answer, Answerer, Query
from omnina.inference.embedding import Embedder, EmbeddingSettings, Pooling
from omnina.inference.generation import Decoding
from omnina.inference.likelihood import Likelihood, Scored, likelihoods
from omnina.inference.sequence_writing import SequenceWriter, WrittenSequence
from omnina.inference.variants.answers import AnswerScorer
from omnina.inference.variants.haplotypes import Change, TextContig, Windows, canonical, windows
from omnina.inference.variants.records import fault_of_alternative
from omnina.inference.variants.scoring import VariantScorer, VariantSettings

Found = TypeVar("Found")


class OmniNA:
    """A checkpoint at work; ``load`` makes one.

    Args:
        answerer: the checkpoint, which all methods share.
    """

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: str | None = None,
        dtype: str = "fp32",
        tokens_per_batch: int = TOKENS_PER_BATCH,
        resolution: str = PIECES,
    ) -> "OmniNA":
        """The checkpoint of a folder.

        Args:
            folder: of ``bash pretrain.sh``, ``bash finetune.sh`` or ``scripts/import_checkpoint.py``.
            device: such as ``cuda:1``; the first GPU if there is one, else the CPU.
            dtype: ``fp32`` or ``bf16``.
            tokens_per_batch: of a forward pass.
            resolution: ``bases`` reads a token for each base, for checkpoints trained with
                ``resolution: random``; ``pieces`` as the checkpoint's own tokenizer does.

        Raises UserError for a folder that holds no whole checkpoint, or a device that is not there.
        """
        if dtype not in DTYPES:
            raise UserError(f"dtype '{dtype}' is none of {', '.join(DTYPES)}.")
        where = _device(device) if device else None
        options = {"device": where, "dtype": DTYPES[dtype], "tokens_per_batch": tokens_per_batch}
        options["resolution"] = resolution
        return cls(Answerer(Path(folder), **options))

    def answer(
        self, sequences: str | Sequence[str], question: str, labels: Sequence[str] | None = None
    ) -> Answer | list[Answer]:
        """What the model says to a question about a sequence.

        Args:
            sequences: one or several.
            question: as fine-tuning asked it.
            labels: the answers to choose from, without the temperature and prior that the question's own
                have; those if not given, and free text if it has none.

        Raises UserError for a sequence that cannot be read, or a question that leaves no room for it.
        """

        def answered(nucleotides: list[Nucleotides]) -> list[Answer]:
            queries = [Query(one, question) for one in nucleotides]
            if labels is None:
                found = self._answerer.answer(queries)
            else:
                found = self._answerer.answer_from(queries, labels)
            for number, answer in enumerate(found):
                if answer.refused:
                    raise UserError(f"sequence {number}: {answer.refused}.")
            return found

        return _one_or_all(sequences, answered)

    def annotate(
        self, sequences: str | Sequence[str], *, each: int = 1, decoding: Decoding | None = None
    ) -> list[Annotation] | list[list[Annotation]]:
        """Annotations as pretraining taught them: of each window of a sequence, the likeliest text first.

        Args:
            sequences: one or several, of any length.
            each: annotations of a window; several need ``decoding`` that samples.
            decoding: how texts are written; greedily, of 128 tokens at most, if not given.

        Raises UserError for a sequence that cannot be read, ValueError for labelled ones that do not fit.
        """
        annotator = Annotator(self._answerer.reader, decoding or Decoding(), each)
        return _one_or_all(
            sequences, lambda nucleotides: annotator.annotate(nucleotides, range(len(nucleotides)))
        )

    def write(
        self, annotations: Sequence[str], *, each: int = 1, decoding: Decoding | None = None
    ) -> list[list[WrittenSequence]]:
        """Sequences for annotations, the likeliest of each first.

        Args:
            annotations: such as pretraining had.
            each: sequences of an annotation; several need ``decoding`` that samples.
            decoding: how they are written; greedily, of 128 tokens at most, if not given.

        Raises UserError for a checkpoint that was not pretrained with ``write_sequences``, or an annotation
        that is empty or leaves no room.
        """
        return SequenceWriter(self._answerer.reader, decoding or Decoding(), each).write(annotations)

    def embed(
        self,
        sequences: str | Sequence[str],
        *,
        layer: int = -1,
        pooling: Pooling = "mean",
        both_strands: bool = False,
    ) -> np.ndarray | list[np.ndarray]:
        """Vectors of sequences from one layer, H wide.

        Args:
            sequences: one or several.
            layer: 0 is the embedding, -1 the last, after the final norm.
            pooling: ``mean`` over the tokens that hold bases, the ``last`` of them, or one for each of the
                ``bases``.
            both_strands: the mean of the two strands' vectors.

        Returns: (H,) float32, (sequences, H) for several; (bases, H) with ``bases``, a list for several.

        Raises UserError for a layer that is not there or a sequence that cannot be read, ValueError for
        labelled ones that do not fit.
        """
        embedder = Embedder(self._answerer.reader, [layer], EmbeddingSettings(pooling, both_strands))

        def embedded(nucleotides: list[Nucleotides]) -> list[np.ndarray] | np.ndarray:
            found = [vectors[..., 0, :] for vectors in embedder.embed(nucleotides)]
            if pooling == "bases":
                return found
            return np.stack(found) if found else np.empty((0, self._answerer.reader.model.config.hidden_size))

        return _one_or_all(sequences, embedded)

    def score(
        self, sequences: str | Sequence[str], annotations: str | Sequence[str] | None = None
    ) -> Likelihood | list[Likelihood]:
        """How likely the model finds sequences, and annotations after them.

        Args:
            sequences: one or several, of any length.
            annotations: as many, or none.

        Raises UserError for a sequence that cannot be read, or another number of annotations; ValueError for
        what does not fit.
        """
        texts = [annotations] if isinstance(annotations, str) else annotations

        def scored(nucleotides: list[Nucleotides]) -> list[Likelihood]:
            given = [""] * len(nucleotides) if texts is None else list(texts)
            if len(given) != len(nucleotides):
                raise UserError(f"{len(nucleotides)} sequences, but {len(given)} annotations.")
            rows = [Scored(one, text) for one, text in zip(nucleotides, given, strict=True)]
            found = likelihoods(self._answerer.reader, rows)
            for likelihood in found:
                if isinstance(likelihood, ValueError):
                    raise likelihood
            return found

        return _one_or_all(sequences, scored)

    def score_variants(
        self,
        sequence: str,
        variants: Sequence[tuple[int, str, str]],
        *,
        window: int = 1001,
        segmentations: int = 5,
        both_strands: bool = True,
    ) -> np.ndarray:
        """How much likelier the model finds a sequence's variants than the sequence.

        Args:
            sequence: what the variants change; one, without labels.
            variants: (position from 1, REF, ALT) of each, as in VCF.
            window, segmentations, both_strands: see ``VariantSettings``.

        Returns: (variants,) float64, log-likelihood of the alternative less that of the reference, in nats;
            indels are not corrected for their length (``IndelControls`` does that).

        Raises UserError for a REF that is not the sequence's, or bases that are none.
        """
        contig = _lone_contig(sequence)
        scorer = VariantScorer(self._answerer.reader, VariantSettings(window, segmentations, both_strands))
        return _all_known(scorer.scores(_pairs(contig, variants, window)), "the window")

    def change_answers(
        self,
        sequence: str,
        variants: Sequence[tuple[int, str, str]],
        question: str,
        labels: Sequence[str] | None = None,
        *,
        both_strands: bool = False,
    ) -> dict[str, np.ndarray]:
        """How much a sequence's variants change the answers to a question about the whole of it.

        Args:
            sequence: what the variants change; one, without labels.
            variants: (position from 1, REF, ALT) of each, as in VCF. What an insertion has more falls out at
                the sequence's ends, so that it keeps its length.
            question: as fine-tuning asked it.
            labels: the answers to compare; the question's own of fine-tuning if not given.
            both_strands: the mean of asking about either strand.

        Returns: of each label, (variants,) float64: its probability with the variant less that without.

        Raises UserError for what cannot be read, or a question that has no labels where none are given.
        """
        contig = _lone_contig(sequence)
        settings = VariantSettings(max(len(contig), 2), both_strands=both_strands)
        scorer = AnswerScorer(self._answerer, question, settings, labels=labels)
        changes = _all_known(scorer.changes(_pairs(contig, variants, len(contig))), "the sequence")
        return dict(zip(scorer.labels, changes.T, strict=True))


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)  # the name alone says nothing of whether it is there
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{name}': {str(error).splitlines()[0]}.") from error
    return device


def _one_or_all(sequences: str | Sequence[str], work: Callable[[list[Nucleotides]], Sequence[Found]]):
    """The only result where one sequence is given, not in a list."""
    if isinstance(sequences, str):
        return work([_nucleotides(sequences, 0)])[0]
    return work([_nucleotides(sequence, number) for number, sequence in enumerate(sequences)])


def _lone_contig(sequence: str) -> TextContig:
    if not isinstance(sequence, str):
        raise UserError("variants are scored in one sequence; call once for each.")
    [(label, bases), *more] = _nucleotides(sequence, 0).parts
    if label or more:
        raise UserError("variants are scored in one sequence without labels.")
    return TextContig(bases)


def _pairs(contig: TextContig, variants: Sequence[tuple[int, str, str]], window: int) -> list[Windows]:
    """UserError that names the variant for one that cannot be scored."""
    found = []
    for position, ref, alt in variants:
        try:
            found.append(windows(contig, _change(contig, position, ref, alt), window))
        except ValueError as error:
            raise UserError(f"variant {position} {ref} {alt}: {error}.") from error
    return found


def _change(contig: TextContig, position: int, ref: str, alt: str) -> Change:
    ref, alt = (bases.upper().replace("U", "T") for bases in (ref, alt))
    start = position - 1
    there = contig.fetch(start, start + len(ref)) if 0 <= start <= len(contig) - len(ref) else "fewer bases"
    if there != ref:
        raise ValueError(f"the sequence has {there} there")
    if alt and (fault := fault_of_alternative(alt)):
        raise ValueError(fault)
    return canonical(contig, start, ref, alt)


def _all_known(figures: np.ndarray, what: str) -> np.ndarray:
    if np.isnan(figures).any():
        raise UserError(f"{what} takes more tokens than the model reads; give fewer bases.")
    return figures


def _nucleotides(sequence: str, number: int) -> Nucleotides:
    try:
        return parse_cell(sequence)
    except ValueError as error:
        raise UserError(f"sequence {number}: {error}.") from error
