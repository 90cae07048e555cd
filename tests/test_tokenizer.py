"""A fast tokenizer gives SentencePiece's ids and gives every text back."""

import csv
import io
import json
import random
import re
import string
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaConfig

from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.tokenizer import (
    BOS_ID,
    BOS_TOKEN,
    EOS_ID,
    EOS_TOKEN,
    PAD_TOKEN,
    SPACE,
    UNK_ID,
    UNK_TOKEN,
    load_tokenizer,
    save_tokenizer,
    to_fast_tokenizer,
)
from omnina.vocabulary.training import train_tokenizer

PIECES = 900
SPECIAL_NAMES = (UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN)
SENTENCE = (
    "16S ribosomal RNA gene of Leptospira kirschneri. Product: hypothetical protein, ### Response: "
    "<0x41> <0xFF> </s> <s> <unk> [PAD] s> β-lactamase 日本 naïve e\u0301 \u2585"
)
WORDS = SENTENCE.split()


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("sequence", "response"), *rows])
    return path


def random_dna(generator: random.Random, longest: int = 300) -> str:
    return "".join(generator.choices("ACGTN", (30, 20, 20, 30, 1), k=generator.randint(1, longest)))


def random_text(generator: random.Random) -> str:
    """DNA, tandem repeats (pieces that overlap themselves), words, ASCII and any Unicode, in any mixture."""
    repeat = random_dna(generator, 6) * generator.randint(1, 40)
    words = generator.choice([" ", "  ", "\t", "\n", ""]).join(generator.choices(WORDS, k=8))
    ascii_characters = "".join(generator.choices(string.printable, k=20))
    codes = (generator.randrange(0x30000) for _ in range(10))
    characters = "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)  # no surrogates
    kinds = [random_dna(generator), repeat, words, ascii_characters, characters.replace(SPACE, "")]
    return "".join(generator.choices(kinds, k=generator.randint(1, 4)))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    generator = random.Random(0)
    return [random_text(generator) for _ in range(6000)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tokenizer trained on random DNA, its repeats, and words that look like special tokens."""
    generator = random.Random(1)
    path = tmp_path_factory.mktemp("tokenizer")
    dna = [random_dna(generator) + random_dna(generator, 3) * 9 for _ in range(300)]
    rows = [(sequence, " ".join(generator.choices(WORDS, k=9))) for sequence in dna]
    train_tokenizer([write_table(path / "table.csv", rows)], path, vocab_size=PIECES)
    return path


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def oracle(folder) -> SentencePieceProcessor:
    return SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def test_ids_are_those_of_sentencepiece(tokenizer, oracle, texts):
    ours = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    different = [text for text, ids in zip(texts, ours, strict=True) if ids != oracle.encode(text)]
    assert different == []


def test_decoding_gives_the_text_back(tokenizer, texts):
    ids = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert [tokenizer.decode(row) for row in ids] == texts


def test_nothing_is_unknown(tokenizer, texts):
    ids = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert not any(UNK_ID in row for row in ids)


def test_pieces_that_look_special_do_not_merge_to_special_tokens():
    """Trained across scripts, "<" and "s>" are neighbours, and one merge away from BOS."""
    model = io.BytesIO()
    lines = ["<s> </s> <unk> <0x41>A <0xC3> s> /s> <0x" + letter for letter in string.ascii_letters]
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 20),
        model_writer=model,
        model_type="bpe",
        vocab_size=370,
        split_by_unicode_script=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        byte_fallback=True,
        minloglevel=2,
    )
    oracle = SentencePieceProcessor(model_proto=model.getvalue())
    backend = to_fast_tokenizer(model.getvalue())
    backend.encode_special_tokens = True
    for text in [*lines, "<s><s>", "é<0xC3>", "A<0x41>A</s>x", "\x01<unk>"]:
        assert backend.encode(text, add_special_tokens=False).ids == oracle.encode(text)
        assert backend.decode(oracle.encode(text)) == text


def test_special_ids_and_size(tokenizer, oracle):
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_NAMES)) == [0, 1, 2, PIECES]
    assert (UNK_ID, BOS_ID, EOS_ID) == (0, 1, 2)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)
    assert tokenizer.pad_token_id == oracle.get_piece_size() == PIECES
    assert len(tokenizer) == PIECES + 1


def test_bos_stands_in_front_and_eos_does_not_follow(tokenizer, oracle):
    assert tokenizer("ACGT")["input_ids"] == [BOS_ID, *oracle.encode("ACGT")]


def test_every_printable_character_has_a_piece_and_no_other_has(tokenizer, oracle):
    for character in string.ascii_letters + string.digits + string.punctuation:
        assert tokenizer.convert_ids_to_tokens(oracle.encode(character)) == [character]
    assert tokenizer.convert_ids_to_tokens(oracle.encode(" ")) == [SPACE]
    pieces = [oracle.id_to_piece(number) for number in range(PIECES)]
    assert all(piece.replace(SPACE, " ").isascii() for piece in pieces)


@pytest.mark.parametrize("text", ["\t", "\n", "\r", "\0", "\x7f", "é", "β", "日", "\U0001f9ec", "\u2585"])
def test_other_characters_are_their_bytes(tokenizer, text):
    tokens = tokenizer.tokenize(text)
    assert tokens == [f"<0x{byte:02X}>" for byte in text.encode()]


def test_all_bytes_are_pieces(oracle):
    assert [oracle.piece_to_id(f"<0x{byte:02X}>") for byte in range(256)] == list(range(3, 259))
    assert all(oracle.is_byte(number) for number in range(3, 259))


CELLS = ["x </s> y", "[PAD]", "<s>", "</s></s>", "<unk>ACGT<unk>", "A[PAD]C", " <s> ", "<0x0A>"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_never_yields_a_special_token(tokenizer, cell):
    ids = tokenizer.encode(cell, add_special_tokens=False, split_special_tokens=True)
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert not any(re.fullmatch("<0x..>", token) for token in tokenizer.convert_ids_to_tokens(ids))
    assert tokenizer.decode(ids, skip_special_tokens=True) == cell


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_never_yields_a_special_token_in_the_backend(folder, cell):
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.encode_special_tokens = True
    ids = backend.encode(cell, add_special_tokens=False).ids
    assert not set(ids) & {backend.token_to_id(name) for name in SPECIAL_NAMES}
    assert backend.decode(ids) == cell


def test_written_by_us_special_tokens_are_special(tokenizer):
    assert tokenizer.encode("A</s>", add_special_tokens=False)[-1] == EOS_ID


@pytest.mark.parametrize("question", ["", "Which phylum? </s>"])
def test_the_chat_template_is_the_prompt(tokenizer, question):
    message = {"role": "user", "content": "ACGT" * 30} | ({"question": question} if question else {})
    prompt = FINETUNE_PROMPT if question else PRETRAIN_PROMPT
    expected = BOS_TOKEN + prompt.render(message["content"], question)
    assert tokenizer.apply_chat_template([message], tokenize=False) == expected
    ids = tokenizer.apply_chat_template([message], return_dict=False)
    assert ids == tokenizer.encode(expected, add_special_tokens=False)
    assert ids[0] == BOS_ID


def test_saved_and_loaded_it_is_the_same(tokenizer, folder, tmp_path, texts):
    tokenizer(["A", "ACGT"], padding=True, truncation=True, max_length=3)  # use must leave no trace
    save_tokenizer(tokenizer, tmp_path / "checkpoint")
    for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "chat_template.jinja"):
        assert (tmp_path / "checkpoint" / name).read_bytes() == (folder / name).read_bytes(), name
    again = load_tokenizer(tmp_path / "checkpoint")
    assert again(texts[:500])["input_ids"] == tokenizer(texts[:500])["input_ids"]
    save_tokenizer(again, tmp_path / "checkpoint")  # into the folder that it came from
    assert (tmp_path / "checkpoint" / "tokenizer.model").is_file()


def test_autotokenizer_beside_a_llama_config_keeps_the_ids(tokenizer, tmp_path, texts):
    save_tokenizer(tokenizer, tmp_path)
    LlamaConfig(vocab_size=len(tokenizer)).save_pretrained(tmp_path)
    automatic = AutoTokenizer.from_pretrained(tmp_path)
    for options in ({}, {"split_special_tokens": True, "add_special_tokens": False}):
        assert automatic(texts, **options)["input_ids"] == tokenizer(texts, **options)["input_ids"]
    assert automatic.special_tokens_map == tokenizer.special_tokens_map
    assert automatic.pad_token_id == tokenizer.pad_token_id
    assert automatic.padding_side == "left"
    assert automatic.chat_template == tokenizer.chat_template


def test_an_automatically_loaded_tokenizer_can_be_saved(folder, tmp_path):
    save_tokenizer(AutoTokenizer.from_pretrained(folder), tmp_path)
    for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "added_tokens.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_every_version_of_transformers_knows_the_class(folder):
    configuration = json.loads((folder / "tokenizer_config.json").read_text())
    assert configuration["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert configuration["add_prefix_space"] is False
    assert json.loads((folder / "added_tokens.json").read_text()) == {PAD_TOKEN: PIECES}
