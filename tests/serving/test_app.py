"""The application over HTTP: the model's own figures come back, and what is wrong is said."""

import json
import math
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import COLOUR, LABELS, STORY
from served import post
from tables import random_dna

from omnina.chunking import parse_cell
from omnina.inference.answer import Query
from omnina.inference.api import OmniNA
from omnina.serving.app import Limits
from omnina.serving.server import running

SEQUENCE = random_dna(120, 5)


def test_answers_are_the_models(address, answerer):
    fasta = f">one\n{SEQUENCE}\n>two\n{SEQUENCE[::-1]}\n"
    status, found = post(address, "answer", {"sequences": fasta, "question": COLOUR})
    expected = OmniNA(answerer).answer([SEQUENCE, SEQUENCE[::-1]], COLOUR)
    assert status == 200
    assert [each["name"] for each in found["answers"]] == ["one", "two"]
    for one, other in zip(found["answers"], expected, strict=True):
        assert one["answer"] == other.text
        labels = {each["label"]: each["probability"] for each in one["labels"]}
        assert labels == pytest.approx(other.labels, abs=1e-4)
        assert list(labels.values()) == sorted(labels.values(), reverse=True)
        assert set(labels) == set(LABELS[COLOUR])


def test_a_question_without_labels_is_answered_in_free_text(address):
    status, found = post(address, "answer", {"sequences": SEQUENCE, "question": STORY})
    assert status == 200
    assert "labels" not in found["answers"][0]


def test_without_a_question_a_sequence_is_annotated(address, answerer):
    status, found = post(address, "answer", {"sequences": SEQUENCE})
    [expected] = OmniNA(answerer).annotate(SEQUENCE)
    assert (status, found["answers"][0]["answer"]) == (200, expected.text)
    assert found["answers"][0]["probability"] == pytest.approx(math.exp(expected.log_likelihood), abs=1e-4)


def test_a_track_adds_up_to_the_sequences_likelihood(address, answerer):
    status, found = post(address, "track", {"sequences": SEQUENCE})
    likelihood = OmniNA(answerer).score(SEQUENCE)
    [track] = found["tracks"]
    assert (status, track["bases"], len(track["bits"])) == (200, SEQUENCE, len(SEQUENCE))
    assert sum(track["bits"]) == pytest.approx(-likelihood.sequence / math.log(2), rel=1e-4)
    assert track["bits_per_base"] == pytest.approx(likelihood.bits_per_base, rel=1e-4)


def test_a_scan_has_every_substitution(address, answerer):
    status, found = post(address, "scan", {"sequences": SEQUENCE, "first": 11, "last": 20})
    scan = found["scan"]
    assert (status, scan["bases"], scan["answer"]) == (200, SEQUENCE[10:20], None)
    for place, scores in enumerate(scan["scores"]):
        assert [base for base, score in zip("ACGT", scores, strict=True) if score is None] == [
            SEQUENCE[10 + place]
        ]
    own = SEQUENCE[10]
    other = "ACGT".replace(own, "")[0]
    how = {"window": 401, "segmentations": 1, "both_strands": False}
    expected = OmniNA(answerer).score_variants(SEQUENCE, [(11, own, other)], **how)
    assert scan["scores"][0]["ACGT".index(other)] == pytest.approx(expected[0], abs=1e-3)


def test_a_scan_of_an_answer(address, answerer):
    asked = {"sequences": SEQUENCE, "first": 1, "last": 3, "question": COLOUR}
    status, found = post(address, "scan", asked)
    [answer] = answerer.answer([Query(parse_cell(SEQUENCE), COLOUR)])
    assert (status, found["scan"]["answer"]) == (200, answer.text)


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"{", {}, 400, "not JSON"),
        (b"[" * 100_000, {}, 400, "not JSON"),
        (b'{"sequences": ">\\ud800\\nACGT"}', {}, 400, "surrogates"),
        ({"sequences": ">\n" * 3_900_000}, {}, 422, "more than 100; at most 100"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "Content-Type: application/json"),
        ({"sequences": "AC!T"}, {}, 422, "sequence 1: "),
        (b" " * 12_000_001, {}, 413, "more than 12,000,000 bytes"),
        ({"sequences": "ACGT" * 2_500_000}, {}, 422, r"10,000,000 bases; at most"),
    ],
)
def test_what_is_wrong_is_said(address, body, headers, status, says):
    found = post(address, "answer", body, **headers)
    assert found[0] == status
    assert says in found[1]["error"]


def test_a_long_sequence_is_annotated_by_its_first_window(address):
    status, found = post(address, "answer", {"sequences": "ACGTTGCA" * 1000})
    [note, *_] = found["answers"][0]["notes"]
    assert status == 200
    assert note.startswith("of the first ")


def test_a_scan_of_a_question_without_labels(address):
    status, found = post(address, "scan", {"sequences": SEQUENCE, "question": STORY})
    assert status == 422
    assert COLOUR in found["error"]
    assert "/" not in found["error"]


def test_another_site_cannot_pretend_to_be_the_page(address):
    request = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 400


def test_unknown_places_and_methods(address):
    for name, status in (("nothing", 404), ("answer", 405)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/api/{name}")
        assert refused.value.code == status
        assert "error" in json.load(refused.value)


def test_fifty_at_once_beside_a_large_one_are_all_answered(address):
    large = {"sequences": "ACGT" * 2_500_000}
    small = {"sequences": SEQUENCE, "question": COLOUR}
    with ThreadPoolExecutor(51) as pool:
        refused = pool.submit(post, address, "answer", large)
        found = list(pool.map(lambda _: post(address, "answer", small), range(50)))
    assert refused.result()[0] == 422
    assert {json.dumps(each) for each in found} == {json.dumps(found[0])}
    assert found[0][0] == 200


def test_too_many_are_sent_away_and_too_slow_ones_ended(answerer):
    slow = {"sequences": f">a\n{SEQUENCE}\n" * 100, "question": STORY}
    with running(answerer, Limits(seconds=0.5, waiting=1)) as address, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: post(address, "answer", slow), range(4)))
        statuses = sorted(status for status, _ in found)
        assert set(statuses) <= {503, 504}
        assert 504 in statuses
        # A busy machine may be too slow for the quick ones too, for a while.
        quick = {"sequences": SEQUENCE, "question": COLOUR}
        assert any(post(address, "answer", quick)[0] == 200 for _ in range(20))
