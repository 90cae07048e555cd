"""What SentencePiece is shown, what the report says, and that the same input gives the same bytes."""

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor
from tables import random_dna, write_table

from omnina.errors import UserError
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.tokenizer import load_tokenizer
from omnina.vocabulary.sampling import language_budgets, sample_languages
from omnina.vocabulary.sentencepiece_training import PRINTABLE, train_sentencepiece
from omnina.vocabulary.training import (
    Reading,
    check_output_folder,
    repetitions,
    train_tokenizer,
    training_lines,
)
from omnina.vocabulary.units import find_inputs, list_units
from omnina.vocabulary.windows import DNA, ENGLISH

REPOSITORY = Path(__file__).parents[1]
SENTENCEPIECE_LIMIT = 4192  # bytes; longer lines are dropped in silence
SAMPLE_BYTES = 10_000_000


@pytest.fixture
def table(tmp_path) -> Path:
    generator = random.Random(0)
    words = [random_dna(7, seed).lower() for seed in range(60)]
    rows = [
        {"sequence": random_dna(400, seed), "response": " ".join(generator.choices(words, k=8))}
        for seed in range(200)
    ]
    return write_table(tmp_path / "table.csv", rows)


def sampled(path: Path, share: float, seed: int):
    units = list_units(find_inputs(path))
    return sample_languages(units, language_budgets(SAMPLE_BYTES, share), seed)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_scarcer_language_is_repeated_to_its_share(table, share):
    languages = sampled(table, share, seed=0)
    repeats = repetitions(languages, share)
    dna, english = (languages[name].training.sampled_bytes * repeats[name] for name in (DNA, ENGLISH))
    assert min(repeats.values()) <= 10
    assert english / (dna + english) == pytest.approx(share, abs=0.01)


def test_sentencepiece_sees_the_prompts_and_printable_characters_only(tmp_path):
    row = {"sequence": random_dna(9000), "response": "na\u00efve\tcell \u2581 (β)"}
    languages = sampled(write_table(tmp_path / "t.csv", [row]), 0.5, seed=3)
    counts = list(training_lines(languages, {DNA: 1, ENGLISH: 2}))
    lines = [line for line, _ in counts]
    assert {("na", 2), ("ve", 2), ("cell ", 2), (" (", 2)} <= set(counts)
    assert all(times == 1 for line, times in counts if len(line) > 1000)
    assert set("".join(lines)) <= set(PRINTABLE + " ")
    assert all(len(line) < SENTENCEPIECE_LIMIT for line in lines)
    for prompt in (PRETRAIN_PROMPT, FINETUNE_PROMPT):
        assert prompt.before_sequence.rstrip() in lines and prompt.before_response in lines


def test_the_prompt_s_words_are_single_tokens(table, tmp_path):
    train_tokenizer([table], tmp_path / "out", vocab_size=900)
    tokenizer = load_tokenizer(tmp_path / "out")
    for prompt in (PRETRAIN_PROMPT, FINETUNE_PROMPT):
        text = prompt.render("A", "A" if prompt.before_question else "")
        tokens = tokenizer.tokenize(text)
        words = text.replace(":", " :").replace(".", " .").split()
        assert [token.removeprefix("\u2581") for token in tokens] == words


def test_pure_dna_leaves_every_printable_character_its_piece():
    model = train_sentencepiece([(f" {random_dna(3000, seed)}", 1) for seed in range(30)], 450)
    oracle = SentencePieceProcessor(model_proto=model)
    assert [oracle.encode(character, out_type=str) for character in PRINTABLE] == [[c] for c in PRINTABLE]


def test_columns_without_a_meaning_change_nothing(table, tmp_path):
    with table.open() as stream:
        rows = [row | {"source": "### [PAD] \u2581" * 50} for row in csv.DictReader(stream)]
    more = write_table(tmp_path / "more.csv", rows)
    for path, name in ((table, "one"), (more, "two")):
        train_tokenizer([path], tmp_path / name, vocab_size=500)
    for file in ("tokenizer.json", "tokenizer.model"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_report_says_what_was_read_and_measured(table, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("plain English lines\n" * 300)
    output = tmp_path / "out"
    report = train_tokenizer(
        [table, text], output, vocab_size=600, sample_bytes=60_000, seed=5, command="the command"
    )
    assert json.loads((output / "tokenizer_report.json").read_text()) == report
    assert (report["command"], report["seed"], report["vocab_size"]) == ("the command", 5, 600)
    assert report["pad_token_id"] == 600
    assert [entry["sha256"] for entry in report["inputs"]] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (table, text)
    ]
    dna = report["dna"]
    assert dna["total_bytes"] == 200 * 401
    assert dna["sampled_bytes"] <= 30_000
    offered = dna["total_bytes"] - dna["held_out_bytes"]
    assert dna["sampled_share"] == pytest.approx(dna["sampled_bytes"] / offered, abs=1e-6)
    measured = dna["measured"]
    assert measured["on"] == "held-out windows"
    assert measured["bases_per_token"] == pytest.approx(measured["bases"] / measured["tokens"], abs=1e-3)
    assert 1 < measured["bases_per_token"] < 8
    assert measured["unknown_rate"] == measured["byte_rate"] == 0
    assert report["english"]["windows"] == 500
    assert report["read"]["units"] == report["read"]["of_units"] == 2
    assert report["english"]["measured"]["characters_per_token"] > 1


def test_the_share_that_is_reached_is_reported(table, tmp_path):
    report = train_tokenizer([table], tmp_path / "out", vocab_size=500, text_share=0.9)
    shown = {name: report[name]["sampled_bytes"] * report[name]["repeated"] for name in (DNA, ENGLISH)}
    assert report["text_share_reached"] == pytest.approx(shown[ENGLISH] / sum(shown.values()), abs=1e-4)
    (note,) = report["notes"]
    times = report[ENGLISH]["repeated"] / report[DNA]["repeated"]
    assert f"count {times:g} times" in note and report["text_share_reached"] == pytest.approx(0.9, abs=0.01)
    assert "no more of it in the input" in note
    only = write_table(tmp_path / "t.csv", [{"sequence": random_dna(5000)}])
    report = train_tokenizer([only], tmp_path / "dna", vocab_size=400)
    assert report["text_share_reached"] == 0 and "there is no english" in report["notes"][0]


def test_a_line_that_counts_twice_is_two_lines():
    lines = [f" {random_dna(300, seed)}" for seed in range(30)]
    twice = [(line, 1) for line in lines[:10] * 2 + lines[10:]]
    counted = [(line, 2) for line in lines[:10]] + [(line, 1) for line in lines[10:]]
    models = [
        SentencePieceProcessor(model_proto=train_sentencepiece(given, 450)) for given in (twice, counted)
    ]
    assert len({tuple(model.id_to_piece(range(450))) for model in models}) == 1


def test_a_corpus_folder_is_read_by_its_manifest(tmp_path):
    folder, shards = tmp_path / "corpus", []
    folder.mkdir()
    for split in ("train", "val"):
        rows = [{"sequence": random_dna(500, seed), "response": f"{split} words"} for seed in range(40)]
        path = write_table(folder / f"{split}-00000-000.csv", rows)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shards.append({"file": path.name, "split": split, "bytes": path.stat().st_size, "sha256": digest})
    (folder / "manifest.json").write_text(json.dumps({"shards": shards}))
    report = train_tokenizer(folder, tmp_path / "out", vocab_size=450)
    assert report["inputs"][0] == {"path": str(folder / shards[0]["file"])} | {
        key: shards[0][key] for key in ("bytes", "sha256")
    }
    assert report["english"]["total_bytes"] == 40 * len("train words")
    train_tokenizer(folder, tmp_path / "val", vocab_size=450, reading=Reading(split="val"))
    with pytest.raises(UserError, match=r"no split 'test'; there are: train, val"):
        train_tokenizer(folder, tmp_path / "out", vocab_size=450, reading=Reading(split="test"))
    with pytest.raises(UserError, match=r"named 2 times"):
        train_tokenizer([folder, folder / shards[0]["file"]], tmp_path / "out", vocab_size=450)
    (folder / shards[0]["file"]).write_text("sequence,response\nACGT,x\n")
    with pytest.raises(UserError, match=r"train-00000-000.csv: not the .* bytes that were written"):
        train_tokenizer(folder, tmp_path / "out", vocab_size=450)
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"corpus: a folder without manifest.json"):
        train_tokenizer(folder, tmp_path / "out", vocab_size=450)


def test_one_language_is_enough(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("some words and others\n" * 99)
    report = train_tokenizer([text], tmp_path / "english", vocab_size=400)
    assert report["dna"]["measured"] is None
    assert report["english"]["measured"]["unknown_rate"] == 0
    labelled = write_table(tmp_path / "t.csv", [{"sequence": f"gRNA:{random_dna(5000)} targetRNA:AC"}])
    report = train_tokenizer([labelled], tmp_path / "dna", vocab_size=500)
    assert report["english"]["measured"] is None
    assert report["dna"]["measured"]["bases"] == 5002
    assert report["dna"]["measured"]["on"] == "training windows"


def test_the_largest_vocabulary_named_is_possible(tmp_path):
    path = write_table(tmp_path / "t.csv", [{"sequence": random_dna(300), "response": "one gene"}])
    with pytest.raises(UserError, match="too large") as caught:
        train_tokenizer([path], tmp_path / "out", vocab_size=32_000)
    largest = int(str(caught.value).split("at most ")[1].split()[0])
    assert not (tmp_path / "out").exists()
    assert len(load_tokenizer_after(path, tmp_path / "out", largest)) == largest + 1
    with pytest.raises(UserError, match=f"at most {largest} is possible"):
        train_tokenizer([path], tmp_path / "more", vocab_size=largest + 1)


def load_tokenizer_after(path: Path, output: Path, vocab_size: int):
    train_tokenizer([path], output, vocab_size=vocab_size)
    return load_tokenizer(output)


def test_the_smallest_vocabulary_named_is_possible(table, tmp_path):
    with pytest.raises(UserError, match="too small") as caught:
        train_tokenizer([table], tmp_path / "out", vocab_size=100)
    smallest = int(str(caught.value).split("at least ")[1].split(",")[0])
    assert smallest == 3 + 256 + len(PRINTABLE) + 1  # special tokens, bytes, characters, the space
    assert len(load_tokenizer_after(table, tmp_path / "out", smallest)) == smallest + 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "sequence,response\nACGT,x\nAC!T,y\n", r"t.csv:3: .*'!' at base 3"),
        ("t.csv", "sequence,response\n,x\n", r"t.csv:2: the sequence is empty"),
        ("t.csv", "dna,label\nACGT,x\n", r"t.csv: no column 'sequence', 'response' or 'question'"),
        ("t.csv", 'response\n""\n', "there is no text"),
        ("t.txt", "\n \n", "there is no text"),
        ("t.txt", b"caf\xe9\n", r"t.txt: byte 0xe9 is not UTF-8"),
        ("t.docx", "x", "unknown kind of table"),
    ],
)
def test_unusable_input_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        train_tokenizer([path], tmp_path / "out", vocab_size=500)


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(table, tmp_path, share):
    with pytest.raises(UserError, match="text_share"):
        train_tokenizer([table], tmp_path / "out", vocab_size=500, text_share=share)


def test_a_sample_without_room_is_refused(table, tmp_path):
    with pytest.raises(UserError, match="sample_bytes 100 is too small"):
        train_tokenizer([table], tmp_path / "out", vocab_size=500, sample_bytes=100)


def test_a_folder_in_use_is_left_alone(tmp_path):
    check_output_folder(tmp_path, overwrite=False)
    check_output_folder(tmp_path / "new", overwrite=False)
    (tmp_path / "file").touch()
    check_output_folder(tmp_path, overwrite=True)
    with pytest.raises(UserError, match="not empty"):
        check_output_folder(tmp_path, overwrite=False)
    with pytest.raises(UserError, match="this is a file"):
        check_output_folder(tmp_path / "file", overwrite=True)


def test_overwriting_leaves_nothing_of_the_other_vocabulary(table, tmp_path):
    for size in (600, 500):
        train_tokenizer([table], tmp_path / "out", vocab_size=size)
    train_tokenizer([table], tmp_path / "fresh", vocab_size=500)
    for file in (tmp_path / "fresh").iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes(), file.name


def run_script(*arguments: str | Path, hash_seed: str = "0") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "scripts/train_tokenizer.py", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_same_seed_gives_the_same_bytes_in_another_process(table, tmp_path):
    sizes = ("--vocab_size", "500", "--sample_bytes", "40000")
    for name, seed, hash_seed in (("a", "1", "1"), ("b", "1", "2"), ("c", "2", "1")):
        output = tmp_path / name
        run = run_script("--input", table, "--output", output, *sizes, "--seed", seed, hash_seed=hash_seed)
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout) == json.loads((output / "tokenizer_report.json").read_text())
    for file in ("tokenizer.json", "tokenizer.model"):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b != c


def test_a_mistake_is_one_line_and_status_2(table):
    run = run_script("--input", table, "--output", table.parent, "--vocab_size", "500")
    assert (run.returncode, run.stdout) == (2, "")
    assert (
        run.stderr == f"error: {table.parent}: this folder is not empty; name another, or add --overwrite.\n"
    )
    abbreviated = run_script("--inp", table, "--output", table.parent)
    assert abbreviated.returncode == 2 and "--input" in abbreviated.stderr


def test_the_committed_tokenizer_is_what_its_command_makes(tmp_path):
    committed = REPOSITORY / "data" / "tokenizer"
    report = json.loads((committed / "tokenizer_report.json").read_text())
    inputs = [REPOSITORY / entry["path"] for entry in report["inputs"]]
    sizes = {name: report[name] for name in ("vocab_size", "sample_bytes", "text_share", "seed")}
    made = train_tokenizer(inputs, tmp_path, **sizes)
    for file in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja"):
        assert (committed / file).read_bytes() == (tmp_path / file).read_bytes(), f"train {file} again"
    assert made["dna"] == report["dna"] and made["english"] == report["english"]
