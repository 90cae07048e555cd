"""The mask is exactly the prompt, also where a tokenizer would merge across the boundary to the answer."""

import random
import string
from pathlib import Path

import pytest
from tables import random_dna
from tokenizers import Tokenizer

from omnina.chunking import parse_cell
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT, Document, PromptEncoder, Row
from omnina.vocabulary.training import train_tokenizer

BOS, EOS = 1, 2
WORDS = ["yes", "no", "Actinobacteria", ": colons", " a space in front", "</s>", "Yes.", "ACGT"]


@pytest.fixture(scope="module")
def merging(tmp_path_factory) -> Tokenizer:
    """Trained on text with ``::`` and ``: :`` in it, so that an answer's colon merges with the prompt's."""
    folder = tmp_path_factory.mktemp("merging")
    words = ("yes", "no", "Actinobacteria", "Yes.")
    lines = [f"{letter}::{word}: :" for word in words for letter in string.ascii_letters for _ in range(20)]
    (folder / "text.txt").write_text("\n".join(lines))
    rows = "".join(f"{random_dna(300, seed)},Response:yes\n" for seed in range(20))
    (folder / "rows.csv").write_text("sequence,response\n" + rows)
    inputs = [str(folder / "text.txt"), str(folder / "rows.csv")]
    options = {"vocab_size": 450, "sample_bytes": 100_000, "text_share": 0.5, "seed": 0}
    train_tokenizer(inputs, folder / "tokenizer", **options)
    return Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))


def corpus(count: int = 300) -> list[Row]:
    generator = random.Random(0)
    return [
        Row(
            parse_cell(random_dna(generator.randint(1, 60), seed)),
            "".join(generator.choices(WORDS, k=generator.randint(1, 3))),
            generator.choice(["Which?", "Which: ", "### Response:", "yes"]),
        )
        for seed in range(count)
    ]


def test_the_tokenizer_does_merge_across_the_boundary(merging):
    whole = merging.encode("### Response:: colons", add_special_tokens=False).ids
    apart = [merging.encode(part, add_special_tokens=False).ids for part in ("### Response:", ": colons")]
    assert whole != apart[0] + apart[1]


@pytest.mark.parametrize("prompt", [PRETRAIN_PROMPT, FINETUNE_PROMPT], ids=["pretrain", "finetune"])
def test_the_mask_is_exactly_the_prompt_on_every_row(merging, prompt):
    encoder = PromptEncoder(merging, prompt, bos_id=BOS, eos_id=EOS, max_length=400)
    plain = Tokenizer.from_str(merging.to_str())
    plain.encode_special_tokens = True
    rows = corpus()
    for row, document in zip(rows, encoder.encode(rows), strict=True):
        assert isinstance(document, Document)
        text = prompt.render(row.nucleotides.text, row.question)
        ids, start = document.input_ids.tolist(), document.answer_start
        assert ids[:start] == [BOS, *plain.encode(text, add_special_tokens=False).ids]
        assert ids[start:] == encoder.answer_ids(row.response)
        assert plain.decode(ids[start:-1]) == row.response + prompt.after_response
        assert ids.count(BOS) == ids.count(EOS) == 1


def test_the_answer_follows_the_prompt_when_both_are_read_as_text(merging):
    encoder = PromptEncoder(merging, FINETUNE_PROMPT, bos_id=BOS, eos_id=EOS, max_length=400)
    rows = corpus()
    for row, document in zip(rows, encoder.encode(rows), strict=True):
        text = merging.decode(document.input_ids[1:-1], skip_special_tokens=False)
        assert text == f"{FINETUNE_PROMPT.render(row.nucleotides.text, row.question)}{row.response} "


def test_the_wording_is_the_published_one():
    assert PRETRAIN_PROMPT.render("ACGT") == (
        "### Instruction: Annotate the following sequence. ### Input: ACGT ### Response:"
    )
    assert FINETUNE_PROMPT.render("ACGT", "Which?") == (
        "### Instruction: Annotate the following sequence ### Input: ACGT ### Question: Which? ### Response:"
    )
    assert FINETUNE_PROMPT.after_response == " "


def test_the_committed_tokenizer_gives_prompts_of_known_ids():
    """Ids written out once: another tokenizer or wording would not go unnoticed."""
    file = Path(__file__).parents[1] / "data" / "tokenizer" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    encoder = PromptEncoder(tokenizer, FINETUNE_PROMPT, bos_id=BOS, eos_id=EOS, max_length=400)
    (document,) = encoder.encode([Row(parse_cell("ACGT"), "No", "Why?")])
    prompt = tokenizer.decode(document.input_ids[1 : document.answer_start])
    assert prompt == FINETUNE_PROMPT.render("ACGT", "Why?")
    assert [tokenizer.id_to_token(number) for number in document.input_ids[document.answer_start :]] == [
        "N",
        "o",
        "▁",
        "</s>",
    ]
