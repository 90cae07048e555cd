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
"""

from math import ceil

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig

from omnina.attention import Documents, Grid, attend_per_document
from omnina.errors import UserError
from omnina.model import DocumentAttention, OmniNAForCausalLM
from omnina.rotary import rotary_tables, rotate

COMMON_SHARE = 2.0  # of the common vector: times what an embedding has of its own
# Logits by which the token looked at leads its neighbours: it has about nine tenths of the attention.
LEAD = 3.0
# The fastest ones: slower ones tell neighbours apart badly, fewer repeat over a long document.
FREQUENCIES = 9
SMALLEST_HEAD = 16  # of 8 frequencies; with fewer a head looks at several places, or at none
RANDOM_PART = 0.02  # of a pointed head's query and key: their standard deviation, at most
CODON = 3  # bases
SAMPLE = 512  # random tokens that show what a layer's inputs have in common


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
    distances = head_distances(config, single_bases=single_bases)
    for layer, of_layer in zip(model.model.layers, distances, strict=False):
        common = layer.input_layernorm(x).mean(dim=0)  # (H,)
        _point_heads(layer.self_attn, config, of_layer, common / common.dot(common))
        x = layer(x, documents)  # the next one's input
    model.train()


def _one_document(config: LlamaConfig) -> Documents:
    """The sample's layout."""
    bounds = torch.tensor([0, SAMPLE], dtype=torch.int32)
    grid = Grid.of_documents(np.array([SAMPLE]), bounds.device)
    return Documents(bounds, SAMPLE, *rotary_tables(torch.arange(SAMPLE), config), attend_per_document, grid)


def _point_heads(
    attention: DocumentAttention, config: LlamaConfig, distances: list[int], reads_common: Tensor
) -> None:
    """Point the first heads to these distances.

    Args:
        reads_common: (H,), whose product with the layer's input is 1 for all tokens, give or take.
    """
    size, sharing = config.head_dim, config.num_attention_heads // config.num_key_value_heads
    key = _key(config)  # (D,)
    keys = ceil(len(distances) / sharing)  # each serves as many heads as share it
    for weight, rows in ((attention.q_proj.weight, len(distances)), (attention.k_proj.weight, keys)):
        weight[: rows * size] *= min(1.0, RANDOM_PART / config.initializer_range)  # lest it look elsewhere
    back = rotary_tables(-torch.tensor(distances), config)
    queries = rotate(key.expand(len(distances), 1, size), *back)  # (heads, 1, D)
    attention.q_proj.weight[: len(distances) * size] += torch.outer(queries.flatten(), reads_common)
    attention.k_proj.weight[: keys * size] += torch.outer(key.repeat(keys), reads_common)


def _key(config: LlamaConfig) -> Tensor:
    """(D,) of equal strength in the fast frequencies; its score with itself falls by LEAD one token off."""
    exponents = torch.arange(0, config.head_dim, 2).float() / config.head_dim
    frequencies = config.rope_parameters["rope_theta"] ** -exponents  # (D/2,)
    fast = (torch.arange(len(frequencies)) < FREQUENCIES).float()
    falls = ((1 - frequencies.cos()) * fast).sum() / config.head_dim**0.5
    strength = (LEAD / falls).sqrt()
    return torch.cat((fast * strength, torch.zeros_like(fast)))
