"""One base per token: the same vocabulary, from training to whoever loads the checkpoint."""

import json
from pathlib import Path

import pytest
from answering import RICH, make_world, settings
from spaced_pieces import SPACED_CELLS, spaced_tokenizer
from transformers import AutoTokenizer

from omnina import finetune
from omnina.chunking import BASES, IUPAC, PIECES, RANDOM, parse_cell
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query
from omnina.inference.packed import PackedReader
from omnina.prompt import FINETUNE_PROMPT, PromptEncoder, Row
from omnina.resolution import at_resolution, has_pieces
from omnina.tokenizer import BOS_ID, EOS_ID, SPACE, load_tokenizer, save_tokenizer, vocabulary_digest

TOKENIZER = Path(__file__).parents[1] / "data" / "tokenizer"
DNA = "ACGTTGCATGCCGATAAACGTTRYN" * 8
TEXT = "16S ribosomal RNA gene of Escherichia coli\n"


def trained_resolution(folder: Path) -> str:
    return json.loads((folder / "config.json").read_text())["trained_resolution"]


@pytest.fixture(scope="module")
def single():
    return at_resolution(load_tokenizer(TOKENIZER), BASES)


def test_every_base_is_a_token_of_the_same_vocabulary(single):
    pieces = load_tokenizer(TOKENIZER)
    ids = single.encode(DNA, add_special_tokens=False)
    assert single.convert_ids_to_tokens(ids) == list(DNA)
    assert len(pieces.encode(DNA, add_special_tokens=False)) < len(DNA) / 2
    assert vocabulary_digest(single) == vocabulary_digest(pieces)
    assert single.decode(single.encode(TEXT + DNA), skip_special_tokens=True) == TEXT + DNA
    lower = "ribosomal gene of"
    assert single.encode(lower) == pieces.encode(lower)


def tokens_of(tokenizer, cell: str) -> list[str]:
    """Those that hold a cell's bases in a prompt."""
    backend = tokenizer.backend_tokenizer
    encoder = PromptEncoder(backend, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=256)
    [document] = encoder.encode([Row(parse_cell(cell), "Yes", "Is it a gene?")])
    return tokenizer.convert_ids_to_tokens(document.input_ids[slice(*document.sequence_spans[0])].tolist())


def test_bases_behind_a_space_are_tokens_of_their_own_and_the_space_goes_with_the_first(tmp_path):
    spaced = spaced_tokenizer(tmp_path / "published")
    assert (
        tokens_of(spaced, "ACGTGT") == [f"{SPACE}ACGT", "GT"] and tokens_of(spaced, "GGA")[0] == f"{SPACE}GG"
    )
    bases = at_resolution(spaced, BASES)
    assert has_pieces(spaced) and not has_pieces(bases)
    save_tokenizer(bases, tmp_path / "saved")
    for tokenizer in (
        bases,
        load_tokenizer(tmp_path / "saved"),
        AutoTokenizer.from_pretrained(tmp_path / "saved"),
    ):
        for cell in SPACED_CELLS:
            first = f"{SPACE}{cell[0]}" if cell[0] in "AG" else cell[0]  # there is no piece of a space and T
            assert tokens_of(tokenizer, cell) == [first, *cell[1:]]


def test_english_keeps_its_pieces_and_the_example_tokenizer_all_that_it_ever_had():
    """Caches are named by the definition, so with data/tokenizer it must stay what it was to the letter."""
    pieces = load_tokenizer(TOKENIZER)
    merges, kept = (
        json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
        for tokenizer in (pieces, at_resolution(pieces, BASES))
    )
    assert kept == [pair for pair in merges if set("".join(pair)) - set(IUPAC)]
    assert [SPACE, "A"] in kept and len(kept) > 100


def test_pieces_leave_the_tokenizer_as_it_is():
    tokenizer = load_tokenizer(TOKENIZER)
    assert at_resolution(tokenizer, PIECES) is tokenizer


def test_drawn_resolutions_need_pieces(single):
    tokenizer = load_tokenizer(TOKENIZER)
    assert at_resolution(tokenizer, RANDOM) is tokenizer
    with pytest.raises(UserError, match="needs a tokenizer with pieces"):
        at_resolution(single, RANDOM)


def test_a_saved_one_reads_the_same_without_us(single, tmp_path):
    save_tokenizer(single, tmp_path)
    for loaded in (AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(tmp_path)):
        assert loaded.encode(TEXT + DNA) == single.encode(TEXT + DNA)
    assert not (tmp_path / "tokenizer.model").exists()  # its rules would join bases


def test_a_run_trains_and_answers_at_single_bases(tmp_path):
    make_world(tmp_path)
    output = tmp_path / "out"
    finetune.main(settings(tmp_path, output, resolution=BASES))
    with pytest.raises(UserError, match="single bases can be cut in one way only"):
        Answerer(output, segmentations=2)  # its tokenizer tells
    again = settings(tmp_path, tmp_path / "again", checkpoint=str(output), segmentations=2)
    with pytest.raises(UserError, match=r"segmentations .2. has no effect: the tokenizer in .*out"):
        finetune.main(again)
    answerer = Answerer(output)
    cell = "ACGT" * 5
    ids = answerer.tokenizer.encode(cell, add_special_tokens=False)
    assert len(ids) == len(cell)
    [answer] = answerer.answer([Query(parse_cell(cell), RICH)])
    assert set(answer.labels) == {"yes", "no"}
    assert "resolution" in (output / "README.md").read_text()
    assert trained_resolution(output) == BASES


def test_a_checkpoint_of_single_bases_stays_one_whatever_resolution_goes_on(tmp_path):
    """``pieces`` is the default, and means the checkpoint's own tokenizer."""
    make_world(tmp_path)
    save_tokenizer(at_resolution(load_tokenizer(tmp_path / "base"), BASES), tmp_path / "base")
    finetune.main(settings(tmp_path, tmp_path / "out", max_steps=2, save_steps=2, eval_steps=2))
    assert trained_resolution(tmp_path / "out") == BASES


@pytest.mark.parametrize("trained", [PIECES, "0.1"])
def test_whoever_reads_bases_of_a_checkpoint_that_never_did_is_warned_once(tmp_path, capsys, trained):
    make_world(tmp_path)
    output = tmp_path / "out"
    finetune.main(settings(tmp_path, output, resolution=trained, max_steps=2, save_steps=2, eval_steps=2))
    assert trained_resolution(output) == trained
    for kind in (
        lambda how: Answerer(output, resolution=how).reader,
        lambda how: PackedReader(output, resolution=how),
    ):
        for resolution, warnings in ((PIECES, 0), (BASES, 1)):
            capsys.readouterr()
            kind(resolution)
            told = capsys.readouterr().err
            assert (
                told.count("warning: --resolution bases")
                == told.count(f"resolution: '{trained}'")
                == warnings
            )


@pytest.mark.parametrize("known", [{"trained_resolution": RANDOM}, {}])
def test_nobody_is_warned_of_drawn_resolutions_or_where_it_is_not_known(tmp_path, capsys, known):
    make_world(tmp_path)
    path = tmp_path / "base" / "config.json"
    config = json.loads(path.read_text())
    assert "trained_resolution" not in config
    path.write_text(json.dumps(config | known))
    PackedReader(tmp_path / "base", resolution=BASES)
    assert "warning" not in capsys.readouterr().err


def test_a_checkpoint_reads_pieces_or_bases_alone(tmp_path):
    with pytest.raises(UserError, match="resolution 'base': a checkpoint reads pieces or bases"):
        PackedReader(tmp_path, resolution="base")
