"""The OmniNA decoder: a Llama for flat batches of documents, read downwards.

A batch is one row of T tokens in which documents stand end to end: no padding, no mask. Attention stays
within a document, positions restart in each, and logits exist only where a label asks for them, a chunk
at a time. Parameters carry Llama's names and shapes, so a checkpoint is a ``LlamaForCausalLM`` and the
other way round; generation is transformers' own Llama on the saved folder.

Letters in shapes:
    T tokens of a batch, all documents together      S supervised tokens among them
    H hidden size      N attention heads      D size of a head      K key/value heads      V vocabulary
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutput

from omnina.architecture import ROPE_TYPES
from omnina.attention import Attend, Documents, Grid, Reading, attend_per_document, attend_varlen
from omnina.dropout import Dropout
from omnina.errors import UserError
from omnina.files.modes import follow_umask
from omnina.loss import fused_cross_entropy, token_cross_entropy
from omnina.progress import no_library_bars
from omnina.rotary import rotary_tables, rotate

Attention = Literal["per_document", "varlen"]
IGNORED_LABEL = -100


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last dimension (Zhang and Sennrich, 2019, arXiv:1910.07467)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) -> (..., size)."""
        weight = self.weight.to(x.dtype)  # FSDP holds it in bf16 where x is float32
        return F.rms_norm(x, weight.shape, weight, self.eps)


class DocumentAttention(nn.Module):
    """Causal self-attention with rotary positions, each document on its own."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = config.head_dim
        hidden, bias = config.hidden_size, config.attention_bias
        self.q_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(hidden, self.kv_heads * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(hidden, self.kv_heads * self.head_dim, bias=bias)
        self.o_proj = nn.Linear(self.heads * self.head_dim, hidden, bias=bias)

    def forward(self, x: Tensor, documents: Documents) -> Tensor:
        """(T, H) -> (T, H), or (S, H) of the tokens that ask where they are few."""
        cos, sin = documents.cos, documents.sin
        key = self.k_proj(x).view(-1, self.kv_heads, self.head_dim)  # (T, K, D)
        value = self.v_proj(x).view(-1, self.kv_heads, self.head_dim)  # (T, K, D)
        key = rotate(key, cos, sin)
        if documents.few is not None:
            x, cos, sin = (of_all.index_select(0, documents.few.tokens) for of_all in (x, cos, sin))
        query = rotate(self.q_proj(x).view(-1, self.heads, self.head_dim), cos, sin)  # (T or S, N, D)
        attended = documents.attend(query, key, value, documents)  # (T or S, N, D)
        return self.o_proj(attended.reshape(-1, self.heads * self.head_dim))


class FeedForward(nn.Module):
    """SwiGLU (Shazeer, 2020, arXiv:2002.05202): down(silu(gate(x)) * up(x))."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        hidden, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.gate_proj = nn.Linear(hidden, inner, bias=bias)
        self.up_proj = nn.Linear(hidden, inner, bias=bias)
        self.down_proj = nn.Linear(inner, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(T, H) -> (T, H)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(GradientCheckpointingLayer):
    """Pre-norm attention, then pre-norm feed-forward; the unit that FSDP shards and compile compiles.

    In training each one's output loses a random share before it is added (Vaswani et al., 2017,
    arXiv:1706.03762, section 5.4).
    """

    def __init__(self, config: LlamaConfig, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.self_attn = DocumentAttention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, documents: Documents, wanted: Tensor | None = None) -> Tensor:
        """(T, H) -> (T, H), or (S, H) of the wanted tokens, (S,), alone."""
        attended = self.self_attn(self.input_layernorm(x), documents)
        if wanted is not None:
            x = x.index_select(0, wanted)
            attended = attended if documents.few is not None else attended.index_select(0, wanted)
        x = x + self.dropout(attended)
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x)))


class LanguageHead(nn.Linear):
    """The output embedding; it computes the loss itself, for FSDP gathers its weight when it is called."""

    backend: str | None = None  # of torch.compile, for the loss

    def forward(
        self,
        states: Tensor,
        targets: Tensor | None = None,
        shares: Tensor | None = None,
        *,
        z_loss: float = 0.0,
        per_token: bool = False,
    ) -> Tensor:
        """Logits, or losses of targets in nats.

        (S, H) -> (S, V); with targets (S,), or (S, K) and their shares, the sum of losses, a float32 scalar;
        ``per_token`` (S,) without gradient.
        """
        if targets is None:
            return super().forward(states)
        if per_token:
            return token_cross_entropy(states, self.weight, targets)
        return fused_cross_entropy(states, self.weight, targets, shares, z_loss, backend=self.backend)


class OmniNAPreTrainedModel(PreTrainedModel):
    """What transformers needs to know: configuration, initialisation, the layer to shard."""

    config_class = LlamaConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = True  # the Trainer passes num_items_in_batch
    _no_split_modules = ("DecoderLayer",)
    _supports_sdpa = True


class OmniNAModel(OmniNAPreTrainedModel):
    """Embedding, layers, final norm."""

    def __init__(
        self, config: LlamaConfig, attention: Attention = "per_document", dropout: float = 0.0
    ) -> None:
        _check_supported(config)
        super().__init__(config)
        self.attention, self.compiled = attention, False
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, dropout) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        cu_seq_lens: Tensor,
        longest: int,
        wanted: Tensor | None = None,
        attend: Attend | None = None,
        grid: Grid | None = None,
        shared_prefix: int = 0,
    ) -> Tensor:
        """Final hidden states, of the wanted tokens alone: the last layer computes no others'.

        Args:
            input_ids, position_ids: (1, T) int64.
            cu_seq_lens: (documents + 1,) int32, where each document begins, and T.
            longest: an upper bound of the documents' lengths, in tokens.
            wanted: (S,) int64 places in the batch; None: all of them.
            attend, grid: who sees whom, if not causally within each document, and the documents' layout.
            shared_prefix: tokens of the first document that all others go on from.

        Returns: (S, H).
        """
        if attend is None:
            attend, grid = self._own_attention(cu_seq_lens, shared_prefix)
        cos, sin = rotary_tables(position_ids[0], self.config)
        documents = Documents(cu_seq_lens, longest, cos, sin, attend, grid)
        x = self.embed_tokens(input_ids[0])  # (T, H)
        *layers, last = self.layers
        if self.compiled and wanted is not None:  # one graph of the last layer for any number of labels
            torch._dynamo.maybe_mark_dynamic(wanted, 0)
        for layer in layers:
            x = layer(x, documents)
        return self.norm(last(x, documents.asked(wanted), wanted))

    def layer_states(
        self, input_ids: Tensor, position_ids: Tensor, cu_seq_lens: Tensor, longest: int
    ) -> Iterator[Tensor]:
        """(T, H) of every layer as it is computed: transformers' ``hidden_states``, one at a time.

        The first is the embedding, the last that of the last layer after the final norm.
        """
        cos, sin = rotary_tables(position_ids[0], self.config)
        documents = Documents(cu_seq_lens, longest, cos, sin, *self._own_attention(cu_seq_lens))
        x = self.embed_tokens(input_ids[0])  # (T, H)
        *layers, last = self.layers
        for layer in layers:
            yield x
            x = layer(x, documents)
        yield x
        yield self.norm(last(x, documents))

    def _own_attention(self, cu_seq_lens: Tensor, shared_prefix: int = 0) -> tuple[Attend, Grid | None]:
        """Causal within each document, in this model's way."""
        if self.attention == "varlen":
            assert not shared_prefix, "the kernel knows no shared tokens"
            return attend_varlen, None
        lengths = cu_seq_lens.diff().cpu().numpy()
        return attend_per_document, Grid.of_documents(lengths, cu_seq_lens.device, shared_prefix)


class OmniNAForCausalLM(OmniNAPreTrainedModel):
    """The language model: next-token prediction on flat batches.

    Args:
        config: transformers' LlamaConfig.
        attention: ``per_document`` (SDPA, any device) or ``varlen`` (FlashAttention inside torch; CUDA,
            bf16 or fp16).
        dropout: share of each layer's two outputs that training zeroes; no part of the checkpoint.
        z_loss: factor of the z-loss in training (``omnina/loss.py``); no part of the checkpoint.
    """

    def __init__(
        self,
        config: LlamaConfig,
        attention: Attention = "per_document",
        dropout: float = 0.0,
        z_loss: float = 0.0,
    ) -> None:
        super().__init__(config)
        self.z_loss = z_loss
        self.model = OmniNAModel(config, attention, dropout)
        self.lm_head = LanguageHead(config.hidden_size, config.vocab_size, bias=False)
        self._tied_weights_keys = (
            {"lm_head.weight": "model.embed_tokens.weight"} if config.tie_word_embeddings else None
        )
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        cu_seq_lens_q: Tensor,
        cu_seq_lens_k: Tensor,
        max_length_q: int,
        max_length_k: int,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        per_token: bool = False,
        shared_prefix: int = 0,
        candidates: Tensor | None = None,
        shares: Tensor | None = None,
        reading: Reading | None = None,
    ) -> CausalLMOutput:
        """Loss of a flat batch, what ``reading`` asks of it, or all its logits.

        Args:
            input_ids, position_ids: (1, T) int64; positions restart in each document.
            cu_seq_lens_q, cu_seq_lens_k: (documents + 1,) int32, the same (self-attention).
            max_length_q, max_length_k: at least the longest document, in tokens.
            labels: (1, T) int64, unshifted; -100 where unsupervised, always at a document's first token.
            num_items_in_batch: what the summed loss is divided by: the supervised tokens of the whole
                step, over all micro-batches, or the sum of their shares. This batch's own if not given.
            per_token: give each label's loss instead, without gradient (evaluation).
            shared_prefix: tokens of the first document that all others go on from: they stand in the batch
                once, positions of the other documents begin behind them (``per_document`` only).
            candidates, shares: (1, T, K) int64 and float32: what is wanted in place of each token that has a
                label, and how much; unshifted as labels are. Each label once if not given.
            reading: what is asked instead of a loss.

        Returns: ``loss``, a float32 scalar in nats per token; (T,) with 0 where unsupervised if
            ``per_token``; (E,) nats of a reading's tokens, without gradient; or ``logits`` (1, E, V) of its
            places, (1, T, V) without labels.
        """
        batch = (input_ids, position_ids, cu_seq_lens_q, max_length_q)
        if reading is not None:
            return self._read(batch, reading)
        if labels is None:
            states = self.model(*batch, shared_prefix=shared_prefix)
            return CausalLMOutput(logits=self.lm_head(states)[None])
        wanted, targets = _supervised(labels)
        states = self.model(*batch, wanted, shared_prefix=shared_prefix)
        if per_token:
            losses = torch.zeros(labels.shape[1], device=labels.device)
            losses[wanted + 1] = self.lm_head(states, targets, per_token=True)
            return CausalLMOutput(loss=losses)
        if shares is not None:
            targets, shares = candidates[0, wanted + 1], shares[0, wanted + 1]  # (S, K), (S, K)
        total = self.lm_head(states, targets, shares, z_loss=self.z_loss if self.training else 0.0)
        count = num_items_in_batch
        if count is None:
            count = targets.numel() if shares is None else shares.sum()
        return CausalLMOutput(loss=total / (count if count else 1))

    def _read(self, batch: tuple, reading: Reading) -> CausalLMOutput:
        wanted, of_place = reading.places.unique(return_inverse=True)
        states = self.model(*batch, wanted, reading.attend, reading.grid)[of_place]
        if reading.tokens is None:
            return CausalLMOutput(logits=self.lm_head(states)[None])
        return CausalLMOutput(loss=self.lm_head(states, reading.tokens, per_token=True))

    def compile_layers(self, backend: str = "inductor") -> None:
        """torch.compile each layer in place, on a GPU the loss too; parameter names stay as they are."""
        self.model.compiled, self.lm_head.backend = True, backend
        for layer in self.model.layers:
            layer.compile(backend=backend)

    @classmethod
    def from_pretrained(cls, *folder: str | Path, **options) -> "OmniNAForCausalLM":
        """transformers' own, without its bar."""
        with no_library_bars():
            return super().from_pretrained(*folder, **options)

    def save_pretrained(self, save_directory: str | Path, **options) -> None:
        """Write a folder that is a plain ``LlamaForCausalLM``, with its generation settings."""
        with no_library_bars():
            super().save_pretrained(save_directory, **options)
        if not options.get("is_main_process", True):
            return
        path = Path(save_directory) / "config.json"
        written = json.loads(path.read_text(encoding="utf-8"))
        written["architectures"] = ["LlamaForCausalLM"]
        # The trainer switches it off; without it generation takes many times as long.
        written["use_cache"] = True
        path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        generation = GenerationConfig.from_model_config(self.config)
        generation.use_cache = True
        generation.save_pretrained(save_directory)
        follow_umask(Path(save_directory))


def _supervised(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Places whose states predict a label, and the labels: (1, T) -> (S,), (S,)."""
    targets = labels[0, 1:]  # the state at t predicts the token at t + 1
    places = (targets != IGNORED_LABEL).nonzero()[:, 0]
    return places, targets[places]


def _check_supported(config: LlamaConfig) -> None:
    rope = config.rope_parameters["rope_type"]
    known = "' or '".join(ROPE_TYPES)
    if rope not in ROPE_TYPES or config.hidden_act != "silu":
        raise UserError(
            f"rope_type '{rope}' with activation '{config.hidden_act}' is not implemented; "
            f"OmniNA uses rope_type '{known}' and activation 'silu'"
        )
