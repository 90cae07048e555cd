"""Requests: what they become, and what is wrong with those that become nothing."""

import pytest

from omnina.errors import UserError
from omnina.serving.requests import MOST_BASES, answer_request, scan_request, track_request
from omnina.serving.server import ANY_HOST, names_of


def test_a_plain_sequence_may_stand_on_several_lines():
    [named] = track_request({"sequences": " acgu\nACGT\r\n"}).sequences
    assert (named.name, named.nucleotides.parts) == ("sequence 1", (("", "ACGTACGT"),))


def test_fasta_keeps_its_names():
    sequences = answer_request({"sequences": "\n>one of them\nAC\nGT\n>two\nGG\n"}).sequences
    assert [(each.name, each.nucleotides.text) for each in sequences] == [
        ("one of them", "ACGT"),
        ("two", "GG"),
    ]


def test_labelled_sequences_are_one():
    [named] = answer_request({"sequences": "gRNA:ACGT target:GGCC", "question": "Cut?"}).sequences
    assert named.nucleotides.parts == (("gRNA", "ACGT"), ("target", "GGCC"))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (["ACGT"], "expected a JSON object"),
        ({"sequence": "ACGT"}, "'sequence': there is no such field; there are question, sequences"),
        ({"sequences": " \n"}, "a text with a sequence"),
        ({"sequences": 3}, "a text with a sequence"),
        ({"sequences": "ACXT"}, "sequence 1: "),
        ({"sequences": ">a\nACGT\n>b\nAC!T"}, "b: "),
        ({"sequences": ">a\n>b\nACGT"}, "a: "),
        ({"sequences": "ACGT", "question": 7}, "question: a text"),
        ({"sequences": "A" * (MOST_BASES + 1)}, r"100,001 bases; at most 100 .*predict\.py"),
        ({"sequences": ">a\nACGT\n" * 101}, "more than 100; at most 100"),
    ],
)
def test_what_cannot_be_answered(body, says):
    with pytest.raises(UserError, match=says):
        answer_request(body)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"first": 0}, "0 to 100 is no stretch of the sequence's 150 bases"),
        ({"first": 9, "last": 8}, "9 to 8 is no stretch"),
        ({"last": 151}, "no stretch"),
        ({"first": 1, "last": 101}, "at most 100 bases"),
        ({"first": "1"}, "first: a whole number"),
        ({"last": True}, "last: a whole number"),
        ({"sequences": ">a\nAC\n>b\nAC"}, "one sequence without labels"),
        ({"sequences": "a:AC"}, "one sequence without labels"),
    ],
)
def test_what_cannot_be_scanned(fields, says):
    with pytest.raises(UserError, match=says):
        scan_request({"sequences": "ACGTN" * 30} | fields)


def test_a_scan_is_of_the_beginning_unless_told():
    asked = scan_request({"sequences": "ACGTN" * 30})
    assert (asked.first, asked.last, asked.question) == (1, 100, "")


def test_only_this_machines_own_names_reach_its_own_address():
    for host in ("127.0.0.1", "localhost", "127.0.0.2", "::1"):
        assert host in names_of(host)
        assert ANY_HOST[0] not in names_of(host)
    for host in ("0.0.0.0", "192.168.1.7", "node1"):
        assert names_of(host) == ANY_HOST
