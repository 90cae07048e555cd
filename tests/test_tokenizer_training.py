"""No byte of the input is lost on the way to SentencePiece, and the same input gives the same bytes."""

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnina.errors import UserError
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.tokenizer import load_tokenizer
from omnina.tokenizer_sampling import (
    DNA,
    ENGLISH,
    WINDOW_BYTES,
    WindowSample,
    cut_text,
    plain_text_windows,
    sample_languages,
    table_windows,
)
from omnina.tokenizer_training import (
    PRINTABLE,
    check_output_folder,
    repetitions,
    train_tokenizer,
    training_lines,
)

REPOSITORY = Path(__file__).parents[1]
SENTENCEPIECE_LIMIT = 4192  # bytes; longer lines are dropped in silence
SAMPLE_BYTES = 10_000_000


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def random_dna(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def of_language(windows, name: str) -> list[str]:
    return [window for language, window in windows if language == name]


@pytest.fixture
def table(tmp_path) -> Path:
    generator = random.Random(0)
    words = [random_dna(7, seed).lower() for seed in range(60)]
    rows = [
        {"sequence": random_dna(400, seed), "response": " ".join(generator.choices(words, k=8))}
        for seed in range(200)
    ]
    return write_table(tmp_path / "table.csv", rows)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(4, 40))
def test_windows_join_to_the_text(text, limit):
    windows = list(cut_text(text, limit))
    assert "".join(windows) == text
    assert all(0 < len(window.encode()) <= limit for window in windows)


@given(st.lists(st.text("aé", min_size=1, max_size=5), min_size=1), st.integers(11, 40))
def test_words_stay_whole_where_windows_can_hold_them(words, limit):
    windows = list(cut_text(" ".join(words), limit))
    assert [word for window in windows for word in window.split()] == words
    assert all(window.startswith(" ") for window in windows[1:])


def test_no_base_of_a_long_sequence_is_lost(tmp_path):
    sequence = random_dna(30_000).lower().replace("t", "u")
    path = write_table(tmp_path / "t.csv", [{"sequence": sequence, "response": "a gene"}])
    windows = of_language(table_windows(path), DNA)
    assert all(window.startswith(" ") for window in windows)
    assert "".join(window[1:] for window in windows) == sequence.upper().replace("U", "T")
    assert max(len(window) for window in windows) == WINDOW_BYTES < SENTENCEPIECE_LIMIT


def test_cells_are_shown_as_the_prompt_shows_them(tmp_path):
    row = {
        "source": "elsewhere",
        "question": "Is it cut?",
        "response": "Yes,\r\n\nat once",
        "sequence": "gRNA:acgu  targetRNA:NNN",
    }
    windows = list(table_windows(write_table(tmp_path / "t.csv", [row])))
    assert windows == [
        (DNA, " gRNA:ACGT targetRNA:NNN"),
        (ENGLISH, "Yes,"),
        (ENGLISH, "at once"),
        (ENGLISH, " Is it cut?"),
    ]


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("text", ["word " * 20_000 + "end", "é" * 30_000, "short"])
def test_no_line_of_a_text_file_is_lost_for_its_length(tmp_path, text, ending):
    path = tmp_path / "text.txt"
    path.write_text(f"first\n\n{text}{ending}", encoding="utf-8")
    first, *windows = of_language(plain_text_windows(path), ENGLISH)
    assert first == "first"
    assert "".join(windows) == text
    assert all(len(window.encode()) <= WINDOW_BYTES for window in windows)
    assert all(set(window.split()) <= {"word", "end"} for window in windows if "word" in text)


def test_a_sample_is_bounded_ordered_and_repeatable():
    def sample(seed: str) -> WindowSample:
        windows = WindowSample(1000, seed)
        for number in range(500):
            windows.add(f"{number:03d}" + "x" * (number % 40))
        return windows

    once, again, other = sample("a"), sample("a"), sample("b")
    assert 950 < once.sampled_bytes == sum(map(len, once.windows())) <= 1000
    assert (once.total_windows, once.total_bytes) == (500, sum(3 + number % 40 for number in range(500)))
    assert once.windows() == sorted(once.windows()) == again.windows() != other.windows()


def test_every_window_has_the_same_chance():
    counts: Counter[str] = Counter()
    for seed in range(2000):
        sample = WindowSample(40, str(seed))
        for number in range(10):
            sample.add(str(number) * (4 if number < 5 else 12))  # short and long ones
        counts.update(window[0] for window in sample.windows())
    short = sum(counts[str(number)] for number in range(5))
    long = sum(counts[str(number)] for number in range(5, 10))
    assert max(counts.values()) - min(counts.values()) < 0.2 * max(counts.values())
    assert 0.85 < long / short < 1  # the one that overflows is more often long


def test_a_budget_that_suffices_keeps_everything(table):
    languages = sample_languages([table], SAMPLE_BYTES, 0.5, seed=0)
    offered = list(table_windows(table))
    for name, language in languages.items():
        kept = language.training.windows() + language.held_out.windows()
        assert Counter(kept) == Counter(of_language(offered, name))
        assert language.held_out.windows()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_scarcer_language_is_repeated_to_its_share(table, share):
    languages = sample_languages([table], SAMPLE_BYTES, share, seed=0)
    repeats = repetitions(languages, share)
    dna, english = (languages[name].training.sampled_bytes * repeats[name] for name in (DNA, ENGLISH))
    assert min(repeats.values()) == 1
    assert english / (dna + english) == pytest.approx(share, abs=0.05)


def test_sentencepiece_sees_the_prompts_and_printable_characters_only(tmp_path):
    row = {"sequence": random_dna(9000), "response": "na\u00efve\tcell \u2581 (β)"}
    languages = sample_languages([write_table(tmp_path / "t.csv", [row])], SAMPLE_BYTES, 0.5, seed=3)
    lines = list(training_lines(languages, {DNA: 1, ENGLISH: 2}))
    assert lines.count("na") == lines.count("ve") == lines.count("cell ") == lines.count(" (") == 2
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
    assert report["english"]["measured"]["characters_per_token"] > 1


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
