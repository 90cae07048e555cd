"""From a row to token ids: the only file that knows the prompts' wording.

A document is BOS, the prompt from ``### Instruction`` to ``### Response:``, the answer, EOS. The prompt is
tokenised as ONE string, the string that the chat template renders, so that training and every later use
see the same ids; the answer is tokenised apart and appended, so that where it starts is known exactly.
BOS and EOS are added by id: nothing that a cell holds can become a special token.

    BOS ### Instruction: ... ### Input: ACGT... ### Response: | 16S ribosomal RNA gene ... EOS
                                                              ^ answer_start
"""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from omnina.chunking import Nucleotides
from omnina.draws import Draw
from omnina.soft_masking import TokenBases, token_bases
from omnina.text_encoding import EncodedText, LibraryEncoder, TextEncoder


@dataclass(frozen=True)
class Prompt:
    """The fixed text around a row's cells, as the published models were trained on it."""

    before_sequence: str
    before_question: str
    before_response: str
    after_response: str

    def render(self, sequence: str, question: str = "") -> str:
        """The prompt as one string, without BOS: everything before the answer."""
        return f"{self.before_sequence}{sequence}{self.before_question}{question}{self.before_response}"


PRETRAIN_PROMPT = Prompt(
    before_sequence="### Instruction: Annotate the following sequence. ### Input: ",
    before_question="",
    before_response=" ### Response:",
    after_response="",
)
# Without the full stop, and with a space before EOS: the published fine-tuning script's wording.
FINETUNE_PROMPT = Prompt(
    before_sequence="### Instruction: Annotate the following sequence ### Input: ",
    before_question=" ### Question: ",
    before_response=" ### Response:",
    after_response=" ",
)


def writing_prompt(annotation: str) -> str:
    """What a sequence is written after, without BOS; the published models know no such prompt."""
    before = "### Instruction: Write the sequence of the following annotation. ### Input: "
    return f"{before}{annotation} ### Response:"


def chat_template() -> str:
    """Jinja source of both prompts; a message's ``content`` is the sequence, ``question`` is optional.

    ``tokenizer.apply_chat_template([{"role": "user", "content": "ACGT"}])`` gives the ids of a prompt.
    """
    finetune = (
        f"{_jinja(FINETUNE_PROMPT.before_sequence)} ~ message.content ~ "
        f"{_jinja(FINETUNE_PROMPT.before_question)} ~ message.question ~ "
        f"{_jinja(FINETUNE_PROMPT.before_response)}"
    )
    pretrain = (
        f"{_jinja(PRETRAIN_PROMPT.before_sequence)} ~ message.content ~ "
        f"{_jinja(PRETRAIN_PROMPT.before_response)}"
    )
    refusal = "{{ raise_exception('Give one user message: the sequence, and optionally a question.') }}"
    return (
        "{%- if messages | length != 1 or messages[0].role != 'user' -%}" + refusal + "{%- endif -%}"
        "{%- set message = messages[0] -%}{{ bos_token }}"
        "{%- if message.question is defined -%}{{ " + finetune + " }}"
        "{%- else -%}{{ " + pretrain + " }}{%- endif -%}"
    )


@dataclass(frozen=True)
class Row:
    """One window with its texts, ready to be tokenised; ``question`` is empty in pretraining."""

    nucleotides: Nucleotides
    response: str
    question: str = ""


@dataclass(frozen=True, eq=False)  # arrays have no truth
class Document:
    """A row as token ids.

    ``input_ids`` are (tokens,) int64. ``sequence_spans`` are the (start, end) token positions that hold
    bases; ``bases`` is how many are in them, ``trimmed_bases`` how many were cut off so that the row fits.
    ``token_bases`` are the bases of each token of each span, in the case of the table; empty where all are
    upper case.
    """

    input_ids: np.ndarray
    answer_start: int
    sequence_spans: list[tuple[int, int]]
    bases: int
    trimmed_bases: int
    token_bases: TokenBases = ()

    @property
    def is_written(self) -> bool:
        """Whether it goes from the annotation to the sequence (``writing.py``)."""
        return self.sequence_spans[0][0] >= self.answer_start


class PromptEncoder:
    """Turns rows into documents of at most ``max_length`` tokens.

    Args:
        tokenizer: the tokenizer itself, as in ``tokenizer.json``; it is copied, not changed.
        prompt: whose wording to use.
        bos_id, eos_id: put before the prompt and after the answer.
        max_length: the longest document, in tokens. What is over is cut off the (longest) sequence: its end,
            or what is outside a drawn window. The question and the answer are never shortened.
        text_encoder: makes what encodes texts with the tokenizer's ids.

    Raises ValueError if not even an empty row fits.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt: Prompt,
        *,
        bos_id: int,
        eos_id: int,
        max_length: int,
        text_encoder: Callable[[Tokenizer], TextEncoder] = LibraryEncoder,
    ) -> None:
        self.prompt = prompt
        self.bos_id, self.eos_id, self.max_length = bos_id, eos_id, max_length
        plain = _without_specials(tokenizer)
        for_answers = _without_dummy_prefix(plain)
        self._prompts = text_encoder(plain)
        same = for_answers.to_str() == plain.to_str()
        self._answers = self._prompts if same else text_encoder(for_answers)
        self.fixed_tokens = self._length(prompt.render(""), prompt.after_response)
        if self.fixed_tokens >= max_length:
            raise ValueError(
                f"max_length is {max_length} tokens, but the prompt without any sequence, question or "
                f"answer takes {self.fixed_tokens}; set max_length to at least {self.fixed_tokens + 2}, "
                "better to several hundred"
            )

    def encode(self, rows: Sequence[Row], window: Draw | None = None) -> list[Document | ValueError]:
        """Documents in the order of the rows; a row that cannot fit gives the ValueError saying why.

        Args:
            window: the draw that places the window which stays of a sequence that is too long; None keeps
                its beginning.
        """
        prompts = self._prompts.encode([self._render(row) for row in rows])
        answers = self._answers.encode([row.response + self.prompt.after_response for row in rows])
        return [
            self._fit(row, prompt, answer.ids, window)
            for row, prompt, answer in zip(rows, prompts, answers, strict=True)
        ]

    def texts(
        self, prompts: Sequence[str], answers: Sequence[str]
    ) -> tuple[Sequence[EncodedText], Sequence[EncodedText]]:
        """Whole prompts, and what goes on from one, as tokens, without BOS and EOS."""
        return self._prompts.encode(prompts), self._answers.encode(answers)

    def answer_ids(self, answer: str) -> list[int]:
        """Token ids of an answer as documents hold them, EOS last."""
        return [*self._answers.encode([answer + self.prompt.after_response])[0].ids.tolist(), self.eos_id]

    def question_margins(self) -> tuple[int, int]:
        """Tokens of fixed wording between a sequence and its question, and between question and answer."""
        text = self.prompt.render("A", "A")
        [encoded] = self._prompts.encode([text])
        sequence = len(self.prompt.before_sequence)
        question = sequence + 1 + len(self.prompt.before_question)
        _, sequence_stop = encoded.span(sequence, sequence + 1)
        first, stop = encoded.span(question, question + 1)
        return first - sequence_stop, len(encoded.ids) - stop

    def encode_cut(self, bases: str, cut: int) -> Document:
        """A lone sequence without an answer whose tokens end, and begin anew, after ``cut`` of its bases.

        Nothing is cut off that does not fit: the caller looks at the length.
        """
        before = self.prompt.before_sequence + bases[:cut]
        [left] = self._prompts.encode([before])
        [right] = self._answers.encode(
            [bases[cut:] + self.prompt.render("")[len(self.prompt.before_sequence) :]]
        )
        shift = 1 + len(left.ids)  # after BOS
        first, stop = left.span(len(self.prompt.before_sequence), len(before))
        again, end = right.span(0, len(bases) - cut)
        return Document(
            input_ids=np.concatenate([[self.bos_id], left.ids, right.ids, [self.eos_id]]),
            answer_start=shift + len(right.ids),
            sequence_spans=[(first + 1, stop + 1), (again + shift, end + shift)],
            bases=len(bases),
            trimmed_bases=0,
        )

    def token_starts(self, nucleotides: Nucleotides, question: str = "") -> list[list[int]]:
        """The first base of each token of each part, from 0: which token holds which bases."""
        row = Row(nucleotides, "", question)
        [encoded] = self._prompts.encode([self._render(row)])
        return [
            [max(place - start, 0) for place in encoded.starts(*encoded.span(start, end))]
            for start, end in self._character_spans(nucleotides)
        ]

    def _render(self, row: Row) -> str:
        return self.prompt.render(row.nucleotides.text, row.question)

    def _length(self, prompt: str, answer: str) -> int:
        [prompt_text], [answer_text] = self._prompts.encode([prompt]), self._answers.encode([answer])
        return len(prompt_text.ids) + len(answer_text.ids) + 2  # BOS and EOS

    def _fit(
        self, row: Row, encoded: EncodedText, answer: np.ndarray, window: Draw | None
    ) -> Document | ValueError:
        """Cut bases until the document fits: shorter text may segment otherwise, so look again."""
        nucleotides = row.nucleotides
        while (excess := len(encoded.ids) + len(answer) + 2 - self.max_length) > 0:
            part, kept = self._cut(nucleotides, encoded, excess)
            if kept < 1:
                return ValueError(
                    f"question and answer leave no room for the sequence in max_length = "
                    f"{self.max_length} tokens (the answer alone takes {len(answer)})"
                )
            start = 0 if window is None else nucleotides.drawn_start(part, kept, window)
            nucleotides = nucleotides.shortened(part, kept, start)
            [encoded] = self._prompts.encode([self.prompt.render(nucleotides.text, row.question)])
        return self._document(nucleotides, encoded, answer, row.nucleotides.bases - nucleotides.bases)

    def _cut(self, nucleotides: Nucleotides, encoded: EncodedText, excess: int) -> tuple[int, int]:
        """The longest part, and how many of its bases stay if its last ``excess`` tokens go."""
        spans = self._character_spans(nucleotides)
        part = max(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0])
        start, end = spans[part]
        first, stop = encoded.span(start, end)
        if stop - excess <= first:
            return part, 0
        return part, encoded.start(stop - excess) - start

    def _document(
        self, nucleotides: Nucleotides, encoded: EncodedText, answer: np.ndarray, trimmed: int
    ) -> Document:
        spans = [encoded.span(*span) for span in self._character_spans(nucleotides)]
        return Document(
            input_ids=np.concatenate([[self.bos_id], encoded.ids, answer, [self.eos_id]]),
            answer_start=1 + len(encoded.ids),
            sequence_spans=[(first + 1, stop + 1) for first, stop in spans],  # after BOS
            bases=nucleotides.bases,
            trimmed_bases=trimmed,
            token_bases=token_bases(nucleotides, encoded, len(self.prompt.before_sequence)),
        )

    def _character_spans(self, nucleotides: Nucleotides) -> list[tuple[int, int]]:
        shift = len(self.prompt.before_sequence)
        return [(start + shift, end + shift) for start, end in nucleotides.base_spans]


def _without_specials(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that reads ``</s>`` in a text as the characters it is made of, and adds nothing."""
    duplicate = copy.deepcopy(tokenizer)
    duplicate.encode_special_tokens = True
    duplicate.post_processor = None
    duplicate.no_truncation()
    duplicate.no_padding()
    return duplicate


def _without_dummy_prefix(tokenizer: Tokenizer) -> Tokenizer:
    """A copy without the leading U+2581 that some normalisers put before a text: an answer goes on."""
    definition = json.loads(tokenizer.to_str())
    normalizer = definition["normalizer"]
    if normalizer and normalizer["type"] == "Sequence":
        steps = [step for step in normalizer["normalizers"] if step["type"] != "Prepend"]
        definition["normalizer"] = {"type": "Sequence", "normalizers": steps}
    elif normalizer and normalizer["type"] == "Prepend":
        definition["normalizer"] = None
    duplicate = Tokenizer.from_str(json.dumps(definition))
    duplicate.encode_special_tokens = True
    return duplicate


def _jinja(text: str) -> str:
    """A Jinja string literal."""
    return json.dumps(text)
