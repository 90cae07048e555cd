import pytest
import yaml
from corpus_passages import passage
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.templates import NO_KEY, NO_TEMPLATE, NOTHING_SAID, Left, Templates
from omnina.errors import UserError

SECTION = """
annotations:
  - when: {feature_type: [CDS, tRNA]}
    required: [organism, product]
    response:
      - "{feature_type} of {organism}."
      - "Gene: {gene}."
      - "Product: {product}."
  - when: {feature_type: rRNA}
    response: "{lineage.1}, {lineage.-1}; {{braces}}"
questions:
  - name: organism
    question: "Which organism is this {feature_type} from?"
    response: "{organism}"
  - name: phylum
    when: {lineage.0: Bacteria}
    question: "Which phylum is this sequence from?"
    response: "{lineage.1}"
  - name: product
    unless: {product: hypothetical protein}
    required: [gene]
    question: "What does it code for?"
    response: "{product}"
"""


def templates(section: str = SECTION, seed: int = 0) -> Templates:
    return Templates.from_yaml_section(yaml.safe_load(section), "corpus.yaml: templates", seed)


def annotation(section: str = SECTION, **changes) -> str | Left:
    """The response, or why there is none."""
    made = templates(section).annotate(passage(**changes))
    return made if isinstance(made, Left) else made.response


def said(response: str, **changes) -> str | Left:
    return annotation(f"annotations: [{{response: {response}}}]", **changes)


def test_annotation_of_a_whole_record():
    assert annotation() == ("CDS of Escherichia coli. Gene: thrL. Product: thr operon leader peptide.")


def test_a_piece_with_an_absent_field_is_left_out():
    assert annotation(without=["gene"]) == ("CDS of Escherichia coli. Product: thr operon leader peptide.")


def test_ranks_are_counted_from_the_domain_and_from_the_last():
    assert annotation(feature_type="rRNA") == "Pseudomonadota, Escherichia; {braces}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"without": ["product"]}, "no product"),
        ({"without": ["product", "organism"]}, "no organism"),
        ({"feature_type": "gene"}, NO_TEMPLATE),
        ({"without": ["feature_type"]}, NO_TEMPLATE),
        ({"feature_type": "rRNA", "lineage": "Bacteria"}, NOTHING_SAID),
    ],
)
def test_why_a_passage_is_left(changes, reason):
    assert annotation(**changes) == Left(reason)


@given(st.text(min_size=1))
def test_values_are_put_in_as_they_stand(value):
    assert said('"<{product}>"', product=value) == f"<{value}>"


def test_a_full_stop_is_not_written_twice():
    assert said('"{organism}. {gene}.5"', organism="Clostridium sp.", gene="a") == "Clostridium sp. a.5"
    assert said('["{organism}", ".", "{gene}."]', organism="sp.", gene="a") == "sp. . a."


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("annotations: [{response: a}]", "U00096.3:5-14"),
        ("annotations: [{response: a, key: '{gene} {strand}'}]", "thrL +"),
        ("questions: [{name: '{q}', question: a, response: b}]", "U00096.3:5-14 {q}"),
        ("questions: [{name: q, key: '{gene}', question: a, response: b}]", "thrL"),
    ],
)
def test_a_row_s_key(template, key):
    made = templates(template)
    rows = made.questions(passage(start=5)) or [made.annotate(passage(start=5))]
    assert [row.key for row in rows] == [key]


def test_without_its_key_a_passage_has_no_row():
    keyed = "key: '{ec_number}', response: a"
    assert annotation(f"annotations: [{{{keyed}}}]") == Left(NO_KEY)
    assert templates(f"questions: [{{name: q, question: b, {keyed}}}]").questions(passage()) == []


@pytest.mark.parametrize("value", ["{organism}", "{", "}}", "{0}", "%s", "{lineage.9}"])
def test_braces_in_a_value_are_no_fields(value):
    assert said('["{product}", "{gene}"]', product=value, gene=value) == f"{value} {value}"


def test_accession_and_strand_are_the_passage_s_own():
    assert said('"{accession} {strand}"', strand="-") == "U00096.3 -"
    assert said('["{accession}", "{strand}"]', strand=".") == "U00096.3"


@pytest.mark.parametrize(
    ("condition", "changes", "met"),
    [
        ("when: {gene: true}", {}, True),
        ("when: {gene: true}", {"without": ["gene"]}, False),
        ("when: {gene: false}", {"without": ["gene"]}, True),
        ("when: {gene: thrL, organism: [a, b]}", {}, False),
        ("when: {lineage.-1: Escherichia}", {}, True),
        ("unless: {gene: thrL}", {}, False),
        ("unless: {gene: thrB, product: false}", {}, True),
        ("unless: {gene: thrB, product: false}", {"without": ["product"]}, False),
    ],
)
def test_conditions(condition, changes, met):
    made = annotation(f"annotations: [{{response: text, {condition}}}]", **changes)
    assert made == ("text" if met else Left(NO_TEMPLATE))


def test_questions_of_a_whole_record():
    assert [(row.question, row.response) for row in templates().questions(passage())] == [
        ("Which organism is this CDS from?", "Escherichia coli"),
        ("Which phylum is this sequence from?", "Pseudomonadota"),
        ("What does it code for?", "thr operon leader peptide"),
    ]


@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({"product": "hypothetical protein"}, ["Escherichia coli", "Pseudomonadota"]),
        ({"without": ["gene"]}, ["Escherichia coli", "Pseudomonadota"]),
        ({"without": ["organism", "product"]}, ["Pseudomonadota"]),
        ({"without": ["feature_type"], "lineage": "Bacteria"}, ["thr operon leader peptide"]),
        ({"without": ["feature_type", "product", "lineage"]}, []),
    ],
)
def test_questions_without_an_answer_are_not_asked(changes, answers):
    assert [row.response for row in templates().questions(passage(**changes))] == answers


def asked(share: float, seed: int = 0, name: str = "q") -> set[int]:
    """Which of 2,000 passages are asked."""
    made = templates(f"questions: [{{name: {name}, share: {share}, question: q, response: r}}]", seed)
    return {start for start in range(2000) if made.questions(passage(start=start))}


def test_share_draws_about_that_many_by_seed_and_name():
    drawn = asked(0.25)
    assert abs(len(drawn) - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5  # five standard deviations
    assert drawn == asked(0.25)
    assert drawn != asked(0.25, seed=1)
    assert drawn != asked(0.25, name="other")
    assert drawn < asked(0.5)
    assert (len(asked(0)), len(asked(1))) == (0, 2000)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("annotations: [{response: '{organsim}'}]", "unknown field 'organsim'. Did you mean 'organism'"),
        ("annotations: [{response: '{lineage[1]}'}]", "Did you mean 'lineage.1'"),
        ("annotations: [{response: '{phylum.1}'}]", r"annotations\[0\].response: .*unknown field 'phylum.1'"),
        ("annotations: [{response: ['a', '{}']}]", r"response\[1\]: '{}': unknown field ''"),
        ("annotations: [{response: '{organism'}]", "expected '}'.* written twice"),
        ("annotations: [{response: '{gene!r}'}]", "write {gene} alone"),
        ("annotations: [{response: '{gene:>9}'}]", "write {gene} alone"),
        ("annotations: [{response: []}]", "response: the list is empty"),
        ("annotations: [{response: ''}]", "the text is empty"),
        ("annotations: [{response: 5}]", "expected a text, not 5; put it in quotes"),
        ("annotations: [{respones: a}]", "unknown key 'respones'. Did you mean 'response'"),
        ("annotations: [{when: {gene: a}}]", "no 'response' in it"),
        ("annotations: []", r"annotations: expected a list of templates .* not \[\]"),
        ("annotations: {response: a}", "expected a list of templates"),
        ("annotations: [text]", "expected lines of the form 'key: value', not 'text'"),
        ("annotations: [{response: a}, {response: b}]", r"annotations\[0\]: it is for every passage"),
        ("annotations: [{response: a, required: [genes]}]", "unknown field 'genes'. Did you mean 'gene'"),
        ("annotations: [{response: a, required: []}]", "required: the list is empty"),
        ("annotations: [{response: a, when: {}}]", "when: expected lines of the form 'field: value'"),
        ("annotations: [{response: a, when: gene}]", "when: expected lines of the form 'field: value'"),
        ("annotations: [{response: a, when: {gene: [1]}}]", r"when.gene\[0\]: expected a text, not 1"),
        ("annotations: [{response: a, unless: {family: b}}]", "unless: unknown field 'family'"),
        ("annotations: [{response: a, share: 0.5}]", "unknown key 'share'"),
        ("questions: [{name: a, question: b, response: c, share: 1.5}]", "share: 1.5 is not between 0 and 1"),
        ("questions: [{name: a, question: b, response: c, share: half}]", "share: expected a number"),
        ("questions: [{name: a, question: b, response: c, share: true}]", "share: expected a number"),
        ("questions: [{question: b, response: c}]", r"questions\[0\]: no 'name' in it"),
        (
            "questions: [{name: a, question: b, response: c}, {name: a, question: d, response: e}]",
            "questions: two are named 'a'",
        ),
        ("question: []", "unknown key 'question'. Did you mean 'questions'"),
        ("{}", "no template in it"),
        ("[]", r"expected lines of the form 'key: value', not \[\]"),
    ],
)
def test_mistakes_name_their_place(section, message):
    with pytest.raises(UserError, match="^corpus.yaml: templates.*" + message):
        templates(section)
