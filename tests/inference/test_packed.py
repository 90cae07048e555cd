"""Documents read in packed batches are as transformers' Llama reads each of them alone."""

import numpy as np
import pytest
import torch
from tables import random_dna

from omnina.chunking import parse_cell
from omnina.inference.packed import PackedReader
from omnina.prompt import Document, Row


@pytest.fixture(scope="module")
def documents(reader) -> list[Document]:
    cells = [random_dna(length, length) for length in (1, 7, 90, 40, 200)] + ["a:ACGT b:TTGACA"]
    return reader.annotating.encode([Row(parse_cell(cell), "a story") for cell in cells])


def ids_of(document: Document) -> torch.Tensor:
    return torch.from_numpy(document.input_ids)[None]


def test_each_layer_has_transformers_hidden_states(reader, plain, documents):
    layers = list(range(reader.layers + 1))
    found = list(reader.layer_states(documents, layers))
    assert len(found) == len(documents)
    for document, states in zip(documents, found, strict=True):
        with torch.no_grad():
            theirs = plain(input_ids=ids_of(document), output_hidden_states=True).hidden_states
        assert len(theirs) == len(layers)
        for ours, expected in zip(states, theirs, strict=True):
            np.testing.assert_allclose(ours, expected[0].numpy(), atol=2e-6)


def test_layers_come_in_the_order_asked_for(reader, documents):
    [both] = reader.layer_states(documents[:1], [2, 0])
    [last] = reader.layer_states(documents[:1], [2])
    [first] = reader.layer_states(documents[:1], [0])
    assert np.array_equal(both[0], last[0]) and np.array_equal(both[1], first[0])


def test_tokens_are_as_likely_as_alone(reader, plain, documents):
    for document, nats in zip(documents, reader.token_nats(documents), strict=True):
        ids = ids_of(document)
        with torch.no_grad():
            log_probabilities = plain(input_ids=ids).logits[0].double().log_softmax(-1)
        expected = log_probabilities[:-1].gather(1, ids[0, 1:, None])[:, 0]
        assert nats[0] == 0
        np.testing.assert_allclose(nats[1:], expected, atol=1e-5)


def test_what_documents_begin_with_is_read_once(reader):
    """The same figures as in full; also of a single document, and of two that are the same."""
    start = random_dna(60, 9)
    cells = [start + random_dna(30, number) for number in range(3)]
    documents = reader.annotating.encode([Row(parse_cell(cell), "") for cell in cells])
    for some in (documents, documents[:1], [documents[0], documents[0]]):
        found = reader.nats_after_shared_beginning(some)
        for nats, whole in zip(found, reader.token_nats(some), strict=True):
            np.testing.assert_allclose(nats, whole, atol=1e-5)


def test_the_size_of_batches_does_not_matter(checkpoint, reader, documents):
    small = PackedReader(checkpoint, tokens_per_batch=1)
    for ours, theirs in zip(small.token_nats(documents), reader.token_nats(documents), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_no_document_at_all(reader):
    assert reader.token_nats([]) == []
    assert list(reader.layer_states([], [0])) == []
