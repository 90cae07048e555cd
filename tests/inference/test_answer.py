import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tables import random_dna
from transformers import AutoModelForCausalLM, AutoTokenizer

from omnina.checkpoints.manifest import write_manifest
from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.answer import UNSEEN, Answerer, Query
from omnina.inference.generation import Decoding
from omnina.prompt import Row
from omnina.resolution_draws import ResolutionDraws
from omnina.tokenizer import load_tokenizer, vocabulary_digest

COLOUR, KIND, STORY = "Which colour?", "Which kind?", "What is it?"


@pytest.fixture(scope="module")
def answerer(checkpoint) -> Answerer:
    return Answerer(checkpoint, decoding=Decoding(max_new_tokens=8))


def queries(count: int = 6, question: str = COLOUR) -> list[Query]:
    return [Query(parse_cell(random_dna(20 + 60 * seed, seed)), question) for seed in range(count)]


def scored_by_llama(checkpoint, query: Query, labels: list[str]) -> np.ndarray:
    """Log-probability of each full answer under transformers' Llama, from the chat template's prompt."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    message = {"role": "user", "content": query.nucleotides.text, "question": query.question}
    prompt = tokenizer.apply_chat_template([message])["input_ids"]
    scores = []
    for label in labels:
        answer = [*tokenizer(f"{label} ", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        ids = torch.tensor([[*prompt, *answer]])
        with torch.no_grad():
            found = model(ids, use_cache=False).logits[0].double().log_softmax(-1)
        scores.append(sum(found[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)))
    return np.array(scores)


def test_probabilities_are_those_of_the_full_answers_under_llama(answerer, checkpoint):
    for query, answer in zip(queries(), answerer.answer(queries()), strict=True):
        scores = scored_by_llama(checkpoint, query, list(answer.labels))
        np.testing.assert_allclose(answer.log_probabilities, scores, atol=1e-5)
        weights = np.exp(scores / 1.5)  # the temperature of the checkpoint's question
        np.testing.assert_allclose(list(answer.labels.values()), weights / weights.sum(), atol=1e-5)


def test_the_answer_is_the_likeliest_label_and_probabilities_sum_to_one(answerer):
    for answer in answerer.answer(queries()):
        assert sum(answer.labels.values()) == pytest.approx(1)
        assert answer.probability == max(answer.labels.values()) == answer.labels[answer.text]


def test_answers_do_not_depend_on_neighbours_or_batch_size(answerer, checkpoint):
    mixed = [
        query for trio in zip(queries(), queries(6, STORY), queries(6, KIND), strict=True) for query in trio
    ]
    together = answerer.answer(mixed)
    small = Answerer(checkpoint, decoding=Decoding(max_new_tokens=8), tokens_per_batch=64).answer(mixed)
    alone = [answerer.answer([query])[0] for query in mixed]
    for one, other, single in zip(together, small, alone, strict=True):
        assert one.text == other.text == single.text
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
        assert one.probability == pytest.approx(single.probability, abs=1e-5)


def test_a_question_with_one_label_gets_it_with_certainty(answerer):
    (answer,) = answerer.answer(queries(1, KIND))
    assert (answer.text, answer.probability) == ("only", 1.0)


def test_a_question_unseen_in_training_is_answered_and_flagged(answerer):
    (answer,) = answerer.answer(queries(1, "Where from?"))
    assert UNSEEN in answer.notes
    assert answer.labels is None
    assert 0 < answer.probability <= 1


def test_free_text_is_what_greedy_generation_gives(answerer, checkpoint):
    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    for query, answer in zip(queries(6, STORY), answerer.answer(queries(6, STORY)), strict=True):
        message = {"role": "user", "content": query.nucleotides.text, "question": STORY}
        prompt = tokenizer.apply_chat_template([message], return_tensors="pt")
        ids = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
        assert answer.text == tokenizer.decode(ids, skip_special_tokens=True).strip()


@pytest.mark.parametrize(
    "decoding", [Decoding(8, beams=3), Decoding(8, sample=True, temperature=0.7, top_p=0.9)]
)
def test_beams_and_sampling_write_something(checkpoint, decoding):
    answers = Answerer(checkpoint, decoding=decoding).answer(queries(3, STORY))
    assert all(0 < answer.probability <= 1 for answer in answers)


def test_bases_that_do_not_fit_are_noted(answerer):
    (answer,) = answerer.answer([Query(parse_cell(random_dna(5000)), COLOUR)])
    assert answer.text
    assert answer.notes == (f"only the first {5000 - answer.cut_bases} of 5000 bases fit",)


def test_a_question_longer_than_the_model_is_refused(answerer):
    (answer,) = answerer.answer([Query(parse_cell("ACGT"), "why " * 300)])
    assert not answer.text
    assert "leave no room for the sequence" in answer.refused


def test_an_unknown_folder(tmp_path):
    with pytest.raises(UserError, match=r"no such checkpoint; 'bash finetune\.sh' makes it"):
        Answerer(tmp_path / "finetune")


def test_an_interrupted_runs_folder_names_the_checkpoint_in_it(checkpoint, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run / "checkpoint-5")
    write_manifest(run / "checkpoint-5")
    with pytest.raises(
        UserError, match=r"interrupted: the same command again finishes it, or use .*checkpoint-5"
    ):
        Answerer(run)
    assert Answerer(run / "checkpoint-5").answer(queries(1))


def test_an_interrupted_checkpoint_without_weights(checkpoint, tmp_path):
    folder = tmp_path / "checkpoint-5"
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no whole model in it"):
        Answerer(folder)


def test_another_models_tokenizer(checkpoint, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(checkpoint, folder)
    data = __import__("pathlib").Path(__file__).parents[2] / "data" / "tokenizer"
    for name in ("tokenizer.json", "added_tokens.json", "tokenizer_config.json", "tokenizer.model"):
        shutil.copy(data / name, folder / name)
    with pytest.raises(UserError, match="does not belong to it"):
        Answerer(folder)


def test_a_checkpoint_cut_short(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"model\.safetensors: not whole"):
        Answerer(folder)


def test_a_tokenizer_of_the_same_size_with_other_pieces(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "mixed")
    config = json.loads((folder / "config.json").read_text())
    own = vocabulary_digest(load_tokenizer(folder))
    (folder / "config.json").write_text(json.dumps(config | {"tokenizer_sha256": own}))
    Answerer(folder)
    (folder / "config.json").write_text(json.dumps(config | {"tokenizer_sha256": own[::-1]}))
    with pytest.raises(UserError, match="other pieces"):
        Answerer(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"beams": 0},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"top_p": 2.0},
        {"sample": True, "beams": 2},
        {"seed": -1},
    ],
)
def test_decoding_that_cannot_work(wrong):
    with pytest.raises(UserError, match="must be"):
        Decoding(**wrong)


def test_sampled_tokens_come_as_often_as_they_are_likely():
    scores = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).log_softmax(-1)
    processors = Decoding(sample=True, temperature=0.7).processors([3])
    drawn = [int(processors(torch.zeros(1, 1), scores).argmax()) for _ in range(4000)]
    expected = (scores[0] / 0.7).softmax(-1).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, expected, atol=0.03)


def test_each_draw_of_a_row_is_another():
    answers = [
        [int(Decoding(sample=True, seed=seed).processors([draw])(None, torch.zeros(1, 50)).argmax())]
        for seed in range(3)
        for draw in range(3)
    ]
    assert len(set(map(tuple, answers))) > 5


def test_equal_queries_of_one_call_are_sampled_apart_unless_they_name_their_draw(checkpoint):
    answerer = Answerer(checkpoint, decoding=Decoding(max_new_tokens=8, sample=True))
    query = Query(parse_cell("ACGTACGT"), STORY)
    texts = [answer.text for answer in answerer.answer([query] * 4)]
    assert len(set(texts)) > 1
    assert texts == [answer.text for answer in answerer.answer([query] * 4)]
    same = [answer.text for answer in answerer.answer([replace(query, draw=2)] * 2)]
    assert same == [texts[2]] * 2


def test_a_strand_free_question_has_the_mean_of_both_strands(answerer):
    free = Answerer(answerer.folder)
    free.questions[COLOUR] = replace(free.questions[COLOUR], strand_free=True)
    others = [replace(query, nucleotides=query.nucleotides.other_strand) for query in queries()]
    for both, one, other in zip(
        free.answer(queries()), answerer.answer(queries()), answerer.answer(others), strict=True
    ):
        shares = [
            np.exp(a.log_probabilities - np.logaddexp.reduce(a.log_probabilities)) for a in (one, other)
        ]
        np.testing.assert_allclose(np.exp(both.log_probabilities), np.mean(shares, axis=0), atol=1e-6)
    swapped = [answer.labels for answer in free.answer(others)]
    assert swapped == [pytest.approx(answer.labels, abs=1e-6) for answer in free.answer(queries())]


def test_a_strand_that_does_not_fit_is_refused_alike(answerer):
    free = Answerer(answerer.folder)
    free.questions[COLOUR] = replace(free.questions[COLOUR], strand_free=True)
    long = f"{COLOUR} " * 400
    free.questions[long] = free.questions[COLOUR]
    free.label_sets[long] = free.label_sets[COLOUR]
    [answer] = free.answer([Query(parse_cell("ACGT"), long)])
    assert answer.refused


def test_segmentations_are_averaged_and_the_first_is_the_tokenizers_own(checkpoint, answerer):
    several = Answerer(checkpoint, segmentations=3)
    longest = several.label_sets[COLOUR].longest
    documents = several.encoder.encode([Row(query.nucleotides, longest, COLOUR) for query in queries()])
    readings = list(several.readings.of(documents))
    assert len(readings) == 3 and readings[0] == documents
    assert readings[1] != documents and readings[2] != readings[1]
    trees = [several.label_sets[COLOUR].tree] * len(documents)
    scores = [several._scores(reading, trees, [1.0] * len(documents)) for reading in readings]
    for place, answer in enumerate(several.answer(queries())):
        of_query = [of_reading[place] for of_reading in scores]
        shares = [np.exp(one - np.logaddexp.reduce(one)) for one in of_query]
        np.testing.assert_allclose(np.exp(answer.log_probabilities), np.mean(shares, axis=0), atol=1e-6)
    assert several.digest != answerer.digest


@pytest.mark.parametrize(("trained", "probability"), [("random", None), ("0.4", 0.4)])
def test_a_checkpoint_of_drawn_resolutions_is_read_at_such_draws(checkpoint, tmp_path, trained, probability):
    folder = tmp_path / "drawn"
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"trained_resolution": trained}))
    several = Answerer(folder, segmentations=3)
    documents = several.encoder.encode([Row(query.nucleotides, "red", COLOUR) for query in queries()])
    first, *others = several.readings.of(documents)
    assert first == documents
    draws = ResolutionDraws(several.tokenizer.backend_tokenizer, several.max_length, probability)
    for number, reading in enumerate(others, 1):
        for found, document in zip(reading, documents, strict=True):
            np.testing.assert_array_equal(found.input_ids, draws.draw(document, number).input_ids)
    assert all(sum(answer.labels.values()) == pytest.approx(1) for answer in several.answer(queries()))
    assert several.digest != Answerer(checkpoint, segmentations=3).digest
    assert Answerer(folder).digest == Answerer(checkpoint).digest


def test_labels_given_by_hand_keep_a_question_strand_free(answerer):
    free = Answerer(answerer.folder)
    free.questions[COLOUR] = replace(free.questions[COLOUR], strand_free=True)
    others = [replace(query, nucleotides=query.nucleotides.other_strand) for query in queries()]
    found = [free.answer_from(asked, ["red", "blue"]) for asked in (queries(), others)]
    for one, other in zip(*found, strict=True):
        assert one.labels == pytest.approx(other.labels, abs=1e-6)


def test_single_bases_have_no_other_segmentation(checkpoint):
    with pytest.raises(UserError, match="single bases can be cut in one way only"):
        Answerer(checkpoint, resolution="bases", segmentations=2)
