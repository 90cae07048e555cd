"""Attention heads that begin by looking a fixed number of tokens back, as a convolution does.

From random weights a head looks at all tokens before it alike, and a decoder must find out by chance that
neighbours belong together. Where tokens are single bases that costs more rows than a short task has. The idea
of a convolution's start is d'Ascoli et al.'s (2021, arXiv:2103.10697); here rotary positions carry it, so
nothing but the first weights differs from any other Llama.

Let a query q and a key k be the same for all tokens. The score of a token d back is then the sum over a
head's D/2 frequencies f of |q_f| |k_f| cos(f d - the angle between q_f and k_f) / sqrt(D); with q turned back
by c positions all cosines are 1 at d = c, and nowhere else within some thousand tokens. Such a query and key
need something that all tokens have in common: a vector that is added to every embedding.

                    head n of N (from 0) looks so many tokens back
    first layer     n + 1: with the token itself a window of N + 1
    second layer    (n + 1)(N + 1), the first half of the heads alone: windows side by side
    others          as they were, but that a key which several heads share turns for all of them

Where tokens are single bases, steps are codons from the second layer on, for what codes for a protein repeats
every three bases (and is told best by a frame without a stop):

    second layer    3 (n + 1): with the token itself N + 1 codons of one frame
    third layer     3 (n + 1)(N + 1): as many such runs of codons, end to end
    last layer      as it was, whichever it is: it gathers what the others found

Where heads can also turn once in a codon (``rope_type: linear`` with the factor of omnina/rotary.py), there
are three of them or more, and the last layer is not one of those above, three heads of it begin by gathering
a frame each: the token itself, the one before it or the one before that, and from there every third token
alike. Their query and key are of that frequency alone. With so fast a rotation tokens further off trail less
than neighbours do: heads of 24 keep 0.7 of their attention where they look (of 1,000 bases), heads of 64
only 0.2.
"""

from dataclasses import dataclass
from math import ceil, pi

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig

from omnina.attention import Documents, Grid, attend_per_document
from omnina.errors import UserError
from omnina.model import DocumentAttention, OmniNAForCausalLM
from omnina.rotary import rotary_frequencies, rotary_tables, rotate

COMMON_SHARE = 2.0  # of the common vector: times what an embedding has of its own
# Logits by which the token looked at leads its neighbours: it has about nine tenths of the attention.
LEAD = 3.0
# The fastest ones: slower ones tell neighbours apart badly, fewer repeat over a long document.
FREQUENCIES = 9
SMALLEST_HEAD = 16  # of 8 frequencies; with fewer a head looks at several places, or at none
RANDOM_PART = 0.02  # of a pointed head's query and key: their standard deviation, at most
CODON = 3  # bases
ONE_TURN = 0.001  # how far off a turn in three tokens may be, as a share: a tenth of a turn in 100 codons
SAMPLE = 512  # random tokens that show what a layer's inputs have in common


@dataclass(frozen=True)
class _Aim:
    """Where the first heads of a layer look, and by which of the D/2 frequencies, a bool each."""

    distances: list[int]
    frequencies: Tensor


def head_distances(config: LlamaConfig, *, single_bases: bool) -> list[list[int]]:
    """How many tokens back the first heads of the first layers look; a list for each such layer."""
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    near = [head + 1 for head in range(heads)]
    far = [distance * (heads + 1) for distance in near]
    if single_bases:
        codons = [[CODON * distance for distance in layer] for layer in (near, far)]
        return [near, *codons][: max(1, layers - 1)]
    return [near, far[: heads // 2]][:layers]


@torch.no_grad()
def start_local_heads(model: OmniNAForCausalLM, seed: int, *, single_bases: bool) -> None:
    """Point the heads of a model of random weights, in place; on the CPU, where it was made.

    Args:
        seed: of the vector that all embeddings get in common.
        single_bases: whether every token of DNA is one base.

    Raises UserError for heads that are too small to be pointed.
    """
    config, generator = model.config, torch.Generator().manual_seed(seed)
    if config.head_dim < SMALLEST_HEAD:
        raise UserError(
            f"local_heads needs heads of {SMALLEST_HEAD} or more, not {config.head_dim}; leave it out."
        )
    model.eval()  # no dropout in what the layers' inputs have in common
    signs = torch.randint(0, 2, (config.hidden_size,), generator=generator) * 2 - 1  # (H,)
    model.model.embed_tokens.weight += COMMON_SHARE * config.initializer_range * signs
    tokens = torch.randint(config.vocab_size, (SAMPLE,), generator=generator)
    x, documents = model.model.embed_tokens(tokens), _one_document(config)  # (SAMPLE, H)
    for layer, aim in zip(model.model.layers, _aims(config, single_bases=single_bases), strict=True):
        if aim:
            common = layer.input_layernorm(x).mean(dim=0)  # (H,)
            _point_heads(layer.self_attn, config, aim, common / common.dot(common))
        x = layer(x, documents)  # the next one's input
    model.train()


def _one_document(config: LlamaConfig) -> Documents:
    """The sample's layout."""
    bounds = torch.tensor([0, SAMPLE], dtype=torch.int32)
    grid = Grid.of_documents(np.array([SAMPLE]), bounds.device)
    return Documents(bounds, SAMPLE, *rotary_tables(torch.arange(SAMPLE), config), attend_per_document, grid)


def _aims(config: LlamaConfig, *, single_bases: bool) -> list[_Aim | None]:
    """Of each layer; None: its heads stay as they are."""
    near = torch.arange(config.head_dim // 2) < FREQUENCIES
    aims = [_Aim(of_layer, near) for of_layer in head_distances(config, single_bases=single_bases)]
    rest = [None] * (config.num_hidden_layers - len(aims))
    codon = _turns_in_a_codon(config)
    if rest and single_bases and codon.any() and config.num_attention_heads >= CODON:
        rest[-1] = _Aim(list(range(CODON)), codon)
    return aims + rest


def _turns_in_a_codon(config: LlamaConfig) -> Tensor:
    """(D/2,) of which frequencies that is so."""
    turns = CODON * rotary_frequencies(config) / (2 * pi)
    return (turns - 1).abs() < ONE_TURN


def _point_heads(attention: DocumentAttention, config: LlamaConfig, aim: _Aim, reads_common: Tensor) -> None:
    """Point the first heads where they are to look.

    Args:
        reads_common: (H,), whose product with the layer's input is 1 for all tokens, give or take.
    """
    size, sharing = config.head_dim, config.num_attention_heads // config.num_key_value_heads
    heads, key = len(aim.distances), _key(config, aim.frequencies)  # (D,)
    keys = ceil(heads / sharing)  # each serves as many heads as share it
    for weight, rows in ((attention.q_proj.weight, heads), (attention.k_proj.weight, keys)):
        weight[: rows * size] *= min(1.0, RANDOM_PART / config.initializer_range)  # lest it look elsewhere
    back = rotary_tables(-torch.tensor(aim.distances), config)
    queries = rotate(key.expand(heads, 1, size), *back)  # (heads, 1, D)
    attention.q_proj.weight[: heads * size] += torch.outer(queries.flatten(), reads_common)
    attention.k_proj.weight[: keys * size] += torch.outer(key.repeat(keys), reads_common)


def _key(config: LlamaConfig, used: Tensor) -> Tensor:
    """(D,) of equal strength in the used frequencies, (D/2,); its score falls by LEAD one token off."""
    falls = ((1 - rotary_frequencies(config).cos()) * used).sum() / config.head_dim**0.5
    strength = used * (LEAD / falls).sqrt()
    return torch.cat((strength, torch.zeros_like(strength)))
