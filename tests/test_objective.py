"""Weighted tokens and soft answers: what the collator asks for, and what the model makes of it."""

import math

import numpy as np
import pytest
import torch
from answering import PART, RICH, record, same_weights, settings
from tables import write_table

from omnina import finetune
from omnina.chunking import parse_cell
from omnina.collation import FixedShape, FlatCollator
from omnina.errors import UserError
from omnina.loss import fused_cross_entropy
from omnina.loss_weights import LossWeights, given_weights
from omnina.objective import LabelSmoothing, Objective, TokenWeights
from omnina.prompt import FINETUNE_PROMPT, PromptEncoder, Row
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

ANSWERS = LossWeights(instruction=0.0, sequence=0.0, question=0.0, answer=1.0)
YES, NEVER, NO = (7, 2), (8, 9, 2), (8, 2)
LABELS = {0: [YES, NEVER, NO]}
# BOS, two tokens of wording, three of sequence, one of wording, two of question, one of wording, the answer
ROW = {
    "input_ids": [1, 3, 3, 4, 5, 6, 3, 10, 11, 3, *NO],
    "answer_start": 10,
    "sequence_spans": [3, 6],
    "source": 0,
}


def weighted(**parts: float) -> TokenWeights:
    return TokenWeights(
        LossWeights(**{"instruction": 0, "sequence": 0, "question": 0, "answer": 0} | parts), (1, 1)
    )


@pytest.mark.parametrize(
    ("part", "tokens"),
    [("instruction", [0, 1, 2, 6, 9]), ("sequence", [3, 4, 5]), ("question", [7, 8]), ("answer", [10, 11])],
)
def test_each_part_has_its_tokens(part, tokens):
    found = weighted(**{part: 0.5}).of(ROW)
    assert found.dtype == np.float32
    assert np.flatnonzero(found).tolist() == tokens
    assert set(found[tokens]) == {np.float32(0.5)}


def test_the_questions_tokens_are_those_of_its_text():
    tokenizer = load_tokenizer("data/tokenizer")
    encoder = PromptEncoder(
        tokenizer.backend_tokenizer, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=512
    )
    [document] = encoder.encode([Row(parse_cell("gRNA:GATTACA target:ACGTT"), "yes", "Does the guide bind?")])
    row = {name: getattr(document, name) for name in ("input_ids", "answer_start", "sequence_spans")}
    weights = TokenWeights(LossWeights(0, 0, 1, 0), encoder.question_margins()).of(row)
    assert tokenizer.decode(np.array(document.input_ids)[weights > 0]) == " Does the guide bind?"


def test_soft_targets_follow_the_labels_that_agree_so_far():
    first, second = LabelSmoothing(0.3, LABELS).targets(0, NO)
    assert first == pytest.approx({7: 0.1, 8: 0.9})  # yes; never and no
    assert second == pytest.approx({9: 0.1 / 0.9, 2: 0.8 / 0.9})  # of never and no alone
    assert LabelSmoothing(0.3, LABELS).width == 2


def test_answers_that_are_no_label_keep_their_targets():
    smoothing = LabelSmoothing(0.3, LABELS)
    assert smoothing.targets(0, (5, 2)) == [{5: 1.0}, {2: 1.0}]
    assert smoothing.targets(1, YES) == [{7: 1.0}, {2: 1.0}]


@pytest.mark.parametrize("shape", [None, FixedShape(32, 8)])
def test_batches_hold_targets_and_shares_of_labelled_tokens(shape):
    objective = Objective(TokenWeights(LossWeights(0.0, 0.25, 0.0, 2.0), (1, 1)), LabelSmoothing(0.3, LABELS))
    batch = FlatCollator(32, False, 2, shape, objective=objective)([ROW, ROW])
    tokens = batch["input_ids"].shape[1]
    assert batch["shares"].shape == batch["candidates"].shape == (1, tokens, 2)
    weights = batch["shares"][0].sum(1)
    assert torch.equal(batch["labels"][0] != -100, weights > 0)
    torch.testing.assert_close(weights[:12], torch.tensor([0.0] * 3 + [0.25] * 3 + [0.0] * 4 + [2.0] * 2))
    assert weights[24:].sum() == 0
    labelled = batch["labels"][0] != -100
    assert torch.equal(
        batch["candidates"][0, labelled].eq(batch["labels"][0, labelled, None]).any(1), labelled[labelled]
    )


def test_a_shared_beginning_keeps_targets_beside_their_tokens():
    objective = Objective(TokenWeights(ANSWERS, (1, 1)), LabelSmoothing(0.3, LABELS))
    batch = FlatCollator(32, True, 2, share_prefix=True, objective=objective)([ROW, ROW])
    assert batch["shared_prefix"] == 9
    assert batch["shares"].shape == (1, 15, 2)
    assert torch.equal(batch["shares"][0].sum(1) > 0, batch["labels"][0] != -100)


def reference(states, weight, candidates, shares, z_loss):
    logits = (states @ weight.T).double()
    log_z = logits.logsumexp(1)
    soft = -(shares * logits.log_softmax(1).gather(1, candidates)).sum()
    return soft + z_loss * (shares.sum(1) * log_z.square()).sum()


@pytest.mark.parametrize("z_loss", [0.0, 0.01])
@pytest.mark.parametrize("width", [1, 3])
def test_the_soft_loss_and_its_gradient_are_those_of_the_formula(monkeypatch, width, z_loss):
    monkeypatch.setattr("omnina.loss.CHUNK_BYTES", 7 * 4 * 11)  # seven tokens at a time
    torch.manual_seed(0)
    candidates, shares = torch.randint(11, (20, width)), torch.rand(20, width)
    found = []
    for loss in (fused_cross_entropy, reference):
        generator = torch.Generator().manual_seed(1)
        states, weight = (torch.randn(size, 6, generator=generator).requires_grad_() for size in (20, 11))
        total = loss(states, weight, candidates, shares, z_loss)
        total.backward()
        found.append((total.detach().float(), states.grad, weight.grad))
    torch.testing.assert_close(*found)


def test_a_batch_that_asks_nothing_has_gradients_of_zero():
    states, weight = torch.randn(0, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)
    nothing = torch.zeros(0, 2, dtype=torch.int64)
    fused_cross_entropy(states, weight, nothing, nothing.float(), z_loss=0.1).backward()
    assert torch.equal(weight.grad, torch.zeros(9, 4)) and states.grad.shape == (0, 4)


def test_shares_of_one_are_the_plain_loss(small_model):
    plain = FlatCollator(32, False, 2)([ROW])
    objective = Objective(TokenWeights(LossWeights(1.0, 1.0, 1.0, 1.0), (1, 1)))
    asked = FlatCollator(32, False, 2, objective=objective)([ROW])
    torch.testing.assert_close(small_model(**asked).loss, small_model(**plain).loss)


def test_the_z_loss_is_trained_and_not_validated(small_model):
    batch = FlatCollator(32, False, 2)([ROW])
    plain = small_model.eval()(**batch).loss
    small_model.z_loss = 0.1
    assert small_model(**batch).loss == plain
    states = small_model.model(*(batch[name] for name in ("input_ids", "position_ids", "cu_seq_lens_q")), 32)
    log_z = small_model.lm_head(states).logsumexp(1)[:-1]
    torch.testing.assert_close(small_model.train()(**batch).loss, plain + 0.1 * log_z.square().mean())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"sequence": ', "is not JSON"),
        ("[1]", "must be a mapping"),
        ('{"bases": 1}', "there is no 'bases' here; there are answer, instruction, question, sequence"),
        ('{"answer": "high"}', "answer is 'high'; it must be a number"),
        ('{"answer": -1}', "must be a number of at least 0"),
        ('{"answer": NaN}', "must be a number of at least 0"),
        ('{"answer": true}', "must be a number of at least 0"),
        ('{"answer": 0}', "all are 0"),
    ],
)
def test_weights_that_are_none_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        given_weights(text, ANSWERS)


def test_weights_not_given_are_the_stages():
    assert given_weights(None, ANSWERS) == ANSWERS
    assert given_weights('{"sequence": 1}', ANSWERS) == LossWeights(0.0, 1.0, 0.0, 1.0)


SOFT = {"loss_weights": {"sequence": 0.1, "question": 0.5}, "label_smoothing": 0.1, "z_loss": 1e-4}


def test_a_soft_run_is_the_same_on_one_process_and_any_micro_batches(world, tmp_path):
    """What the summed loss is divided by is the step's shares, not a micro-batch's."""
    still = SOFT | {
        "dropout": 0.0,
        "max_steps": 3,
        "load_best_model_at_end": False,
        "metric_for_best_model": None,
    }
    for name, tokens in (("few", 600), ("many", 2048)):
        finetune.main(settings(world, tmp_path / name, **still, tokens_per_device=tokens))
    few, many = (torch.load(tmp_path / name / "checkpoint-3/optimizer.pt") for name in ("few", "many"))
    for name, state in few["state"].items():
        torch.testing.assert_close(state["exp_avg"], many["state"][name]["exp_avg"], rtol=1e-3, atol=1e-6)


def test_a_soft_run_learns_and_validates_the_plain_loss(world, tmp_path, finished):
    finetune.main(settings(world, tmp_path / "soft", **SOFT))
    assert not same_weights(tmp_path / "soft", finished)
    at_start = [
        record(folder)["validation_at_start"]["eval_loss"] for folder in (tmp_path / "soft", finished)
    ]
    assert at_start[0] == at_start[1]
    at_end = record(tmp_path / "soft")["validation_at_end"]["eval_loss"]
    assert math.isfinite(at_end)
    assert at_end < at_start[0]


def test_smoothing_needs_labels(world, tmp_path):
    rows = [
        {"question": q, "response": f"answer {n} {q}", "sequence": "ACGT"}
        for n in range(400)
        for q in (RICH, PART)
    ]
    write_table(tmp_path / "free.csv", rows)
    with pytest.raises(UserError, match="label_smoothing: every question of the training tables"):
        finetune.main(
            settings(world, tmp_path / "run", train_files=str(tmp_path / "free.csv"), label_smoothing=0.1)
        )


@pytest.mark.parametrize(
    ("weights", "described"),
    [
        (ANSWERS, "answers"),
        (LossWeights(1.0, 1.0, None, 1.0), "all tokens"),
        (LossWeights(0.0, 0.2, 0.0, 1.0), "tokens by loss_weights"),
        (LossWeights(1.0, 1.0, None, 1.0, soft_masked=0.1), "tokens by loss_weights"),
    ],
)
def test_the_plot_says_of_what_tokens_the_training_loss_is(weights, described):
    assert weights.described == described
