import pytest

from omnina.errors import UserError
from omnina.inference.questions import (
    QUESTIONS_FILE,
    Question,
    Questions,
    load_questions,
    nearest_question,
    questions_of,
    save_questions,
)


def test_labels_are_the_different_training_answers_unless_given():
    answers = {"a?": {"yes": 3, "no": 1}, "b?": None, "c?": {"x": 1}}
    found = questions_of(answers, {"c?": ["y", "x"]})
    assert found == {"a?": Question(["no", "yes"]), "b?": Question(None), "c?": Question(["x", "y"])}


def test_labels_may_be_given_for_a_question_with_many_answers():
    assert questions_of({"b?": None}, {"b?": ["x"]})["b?"].labels == ["x"]


def test_labels_that_leave_out_a_training_answer_are_refused():
    with pytest.raises(UserError, match="leave out 'yes'"):
        questions_of({"a?": {"yes": 3, "no": 1}}, {"a?": ["no", "maybe"]})


def test_labels_for_a_question_nobody_asks_are_refused():
    with pytest.raises(UserError, match="'z\\?', which no training row asks"):
        questions_of({"a?": {"yes": 3}}, {"z?": ["no"]})


def test_saved_and_loaded_are_the_same(tmp_path):
    prior = [-0.1, -2.4]
    questions = Questions({"a?": Question(["no", "jä"], 1.25, log_prior=prior), "b?": Question(None)}, 2048)
    save_questions(questions, tmp_path)
    assert load_questions(tmp_path) == questions


def test_a_checkpoint_that_was_only_pretrained_has_no_questions(tmp_path):
    assert load_questions(tmp_path) == Questions()


@pytest.mark.parametrize("text", ["{", "[]", '{"by_text": {"a?": 3}, "max_length": 1}', "{}"])
def test_a_broken_file_is_an_error(tmp_path, text):
    (tmp_path / QUESTIONS_FILE).write_text(text)
    with pytest.raises(UserError, match="fine-tune again"):
        load_questions(tmp_path)


@pytest.mark.parametrize(
    "prior", ["[0.5]", "3", "[0.5, null]", "[0.5, NaN]", "[0.5, true]", "[0.5, 9" + "9" * 400 + "]"]
)
def test_a_prior_that_is_not_one_number_a_label_is_an_error(tmp_path, prior):
    text = '{"by_text": {"a?": {"labels": ["x", "y"], "log_prior": PRIOR}}, "max_length": 1}'
    (tmp_path / QUESTIONS_FILE).write_text(text.replace("PRIOR", prior))
    with pytest.raises(UserError, match="fine-tune again"):
        load_questions(tmp_path)


def test_labels_that_differ_in_case_or_white_space_alone_are_told(capsys):
    found = questions_of({"a?": {"Yes": 3, "yes ": 1, "no": 2}}, {})
    assert found["a?"].labels == ["Yes", "no", "yes "]
    told = capsys.readouterr().out
    assert "'a?' has the answers 'Yes' and 'yes '" in told
    assert told.count("warning") == 1


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [("WHICH  colour", "Which colour?"), ("Which color?", "Which colour?"), ("Why?", None)],
)
def test_the_nearest_known_question(asked, nearest):
    assert nearest_question(asked, ["Which colour?", "Is it red?"]) == nearest
