"""Examples on a run's page: rows of the table, with the model's own figures."""

import json
import math

import pytest

from omnina.chunking import parse_cell
from omnina.evaluation.asked_rows import read_asked_rows
from omnina.evaluation.examples import EACH, _decoded
from omnina.inference.answer import Answerer, Query
from omnina.inference.api import OmniNA
from omnina.inference.base_track import sequence_track
from omnina.prompt import FINETUNE_PROMPT, Row


@pytest.fixture(scope="module")
def examples(finished) -> list[dict]:
    return json.loads((finished / "evaluation/examples.json").read_text())["examples"]


def test_they_are_rows_of_the_table_with_the_models_answers(examples, finished, world):
    rows = {row.place: row for row in read_asked_rows(str(world / "val.csv"))}
    answerer = Answerer(finished)
    assert examples
    for example in examples:
        row = rows[example["place"]]
        [answer] = answerer.answer([Query(row.nucleotides, row.question)])
        assert (example["question"], example["gold"]) == (row.question, row.gold)
        assert (example["answer"], example["right"]) == (answer.text, answer.text == row.gold)
        assert example["probability"] == pytest.approx(answer.probability, abs=2e-3)


def test_at_most_so_many_right_and_wrong_of_each_question(examples):
    for question in {example["question"] for example in examples}:
        for right in (True, False):
            found = [each for each in examples if (each["question"], each["right"]) == (question, right)]
            assert len(found) <= EACH


def test_bases_add_up_to_their_tokens(examples, finished):
    reader = Answerer(finished).reader
    example = next(each for each in examples if len(each["parts"]) == 2)
    cell = " ".join(f"{part['label']}:{part['bases']}" for part in example["parts"])
    [document] = reader.encoder(FINETUNE_PROMPT).encode(
        [Row(parse_cell(cell), example["gold"], example["question"])]
    )
    [nats] = reader.token_nats([document])
    for part, (start, end) in zip(example["parts"], document.sequence_spans, strict=True):
        assert len(part["nats"]) == len(part["bases"])
        assert sum(part["nats"]) == pytest.approx(nats[start:end].sum(), abs=0.05)


def test_documents_are_read_back_as_the_cells_they_came_from(checkpoint):
    reader = Answerer(checkpoint).reader
    for cell in ("ACGTTGCAN" * 9, "gRNA:ACGT target:GGCCGTA", "a:AC b:GT c:NNN"):
        nucleotides = parse_cell(cell)
        [document] = reader.annotating.encode([Row(nucleotides, "a story of genes")])
        found, text = _decoded(reader, vars(document))
        assert (found.parts, text) == (nucleotides.parts, "a story of genes")


def test_a_track_over_several_windows_is_the_sequences_likelihood(checkpoint):
    bases = "ACGTTGCA" * 500  # more than one window
    answerer = Answerer(checkpoint)
    track = sequence_track(answerer.reader, parse_cell(bases))
    likelihood = OmniNA(answerer).score(bases)
    assert likelihood.windows > 1
    assert len(track) == len(bases)
    assert track.sum() == pytest.approx(likelihood.sequence, rel=1e-6)
    assert math.isclose(-track.mean() / math.log(2), likelihood.bits_per_base, rel_tol=1e-6)
