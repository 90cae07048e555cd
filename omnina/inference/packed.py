"""A checkpoint that reads documents in packed batches: likelihoods of their tokens, states of its layers.

Documents stand end to end in a batch, so nothing is padded, and a document's figures do not depend on its
neighbours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from omnina.attention import common_prefix
from omnina.checkpoints.contents import weights_digest
from omnina.chunking import PIECES
from omnina.collation import FlatCollator
from omnina.inference import TOKENS_PER_BATCH
from omnina.inference.questions import load_questions
from omnina.inference.reading_resolution import reading_tokenizer, warn_of_untrained
from omnina.inference.scoring import by_tokens
from omnina.model import OmniNAForCausalLM
from omnina.prompt import PRETRAIN_PROMPT, Document, Prompt, PromptEncoder
from omnina.tokenizer import BOS_ID, EOS_ID


class PackedReader:
    """A checkpoint at reading.

    Args:
        folder: of the checkpoint, pretrained or fine-tuned.
        device: the first GPU if there is one, unless given.
        dtype: of the weights and the computation.
        tokens_per_batch: tokens of one forward pass.
        model: the folder's, if it is loaded already; its device and dtype are those then.
        resolution: ``bases`` reads single bases, ``pieces`` what the checkpoint's own tokenizer joins.

    Attributes:
        layers: of the model; it has ``layers + 1`` states, that of the embedding being 0.
        max_length: the longest document, in tokens.

    Raises UserError for a folder that holds no whole checkpoint, or another model's tokenizer.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        tokens_per_batch: int = TOKENS_PER_BATCH,
        model: OmniNAForCausalLM | None = None,
        resolution: str = PIECES,
    ) -> None:
        self.resolution = resolution
        self.folder, self.tokens_per_batch = folder, tokens_per_batch
        self.tokenizer = reading_tokenizer(folder, resolution)
        if model is None:
            warn_of_untrained(folder, resolution)
            device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
            model = OmniNAForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
        self.model, self.device, self.dtype = model, model.device, model.dtype
        self.layers = self.model.config.num_hidden_layers
        self.max_length = load_questions(folder).max_length or self.model.config.max_position_embeddings
        self._collate = FlatCollator(self.max_length, False, EOS_ID)

    @cached_property
    def digest(self) -> str:
        """Of the weights."""
        return weights_digest(self.folder)

    @cached_property
    def annotating(self) -> PromptEncoder:
        """Pretraining's prompt: a sequence, then its annotation."""
        return self.encoder(PRETRAIN_PROMPT)

    def encoder(self, prompt: Prompt, room: int = 0) -> PromptEncoder:
        """Makes documents that leave room for so many tokens; ValueError if not even an empty one does."""
        backend, most = self.tokenizer.backend_tokenizer, self.max_length - room
        return PromptEncoder(backend, prompt, bos_id=BOS_ID, eos_id=EOS_ID, max_length=most)

    @torch.no_grad()
    def token_nats(self, documents: Sequence[Document]) -> list[np.ndarray]:
        """Log-probability of each token after those before it; (tokens,) float64 each, 0 for the first."""
        found: list[np.ndarray] = []
        for batch in self._batches(documents):
            losses = self.model(**self._arguments(batch), per_token=True).loss
            found += _split(-losses.double().cpu().numpy(), batch)
        return found

    @torch.no_grad()
    def nats_after_shared_beginning(self, documents: Sequence[Document]) -> list[np.ndarray]:
        """The same as ``token_nats``, where all begin alike: that part is read once. One forward pass."""
        ids = [document.input_ids for document in documents]
        shared = max(common_prefix(ids, min(map(len, ids)) - 1), 1)
        rows = [{"input_ids": own, "answer_start": shared} for own in ids]
        batch = replace(self._collate, share_prefix=True)(rows)
        losses = self.model(**self._on_device(batch), per_token=True).loss
        # The first document stands there whole, the others from the last shared token on, whose own loss
        # there means nothing: it was not predicted from the token before it in the batch.
        lengths = [len(ids[0]), *(len(own) - batch["shared_prefix"] for own in ids[1:])]
        first, *others = np.split(-losses.double().cpu().numpy(), np.cumsum(lengths)[:-1])
        return [
            first,
            *(
                np.concatenate([first[:shared], own[len(own) - len(whole) + shared :]])
                for own, whole in zip(others, ids[1:], strict=True)
            ),
        ]

    @torch.no_grad()
    def layer_states(
        self, documents: Sequence[Document], layers: Sequence[int]
    ) -> Iterator[list[np.ndarray]]:
        """States of each document's tokens, one (tokens, H) float32 for each of ``layers`` in its order."""
        for batch in self._batches(documents):
            arguments = self._arguments(batch)
            states = self.model.model.layer_states(
                arguments["input_ids"],
                arguments["position_ids"],
                arguments["cu_seq_lens_q"],
                arguments["max_length_q"],
            )
            kept = {n: _split(x.float().cpu().numpy(), batch) for n, x in enumerate(states) if n in layers}
            yield from ([kept[layer][place] for layer in layers] for place in range(len(batch)))

    def _batches(self, documents: Sequence[Document]) -> Iterator[list[Document]]:
        for places in by_tokens([document.input_ids for document in documents], self.tokens_per_batch):
            yield [documents[place] for place in places]

    def _arguments(self, batch: list[Document]) -> dict:
        rows = [{"input_ids": d.input_ids, "answer_start": d.answer_start} for d in batch]
        return self._on_device(self._collate(rows))

    def _on_device(self, batch: dict) -> dict:
        return {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value
            for name, value in batch.items()
        }


def _split(values: np.ndarray, batch: list[Document]) -> list[np.ndarray]:
    """(T, ...) -> (tokens, ...) of each document."""
    return np.split(values, np.cumsum([len(document.input_ids) for document in batch])[:-1])
