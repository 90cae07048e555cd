"""The strand that training reads, drawn for each window: the same on every machine."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from answering import PART, RICH, settings
from tables import random_dna, write_table

from omnina import finetune
from omnina.chunking import BASES, SequenceRules, parse_cell, reverse_complement, shifted_windows, windows
from omnina.config import FinetuneSettings, PretrainSettings, parse_run
from omnina.dataset import _decisive, load_data
from omnina.errors import UserError
from omnina.inference.questions import load_questions
from omnina.resolution import at_resolution
from omnina.run_help import help_text
from omnina.stage import prepare
from omnina.tables.rows import DataSettings, RowEncoder, TableRow
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

TOKENIZER = load_tokenizer(Path(__file__).parents[1] / "data" / "tokenizer")
FREE, OTHER = "Is this a gene?", "Which strand?"
WINDOWS = SequenceRules(min_bases=1, window=60)
PRETRAIN = DataSettings(400, False, WINDOWS, all_strands=True)
FINETUNE = DataSettings(400, True, None, both_strands=(FREE,))


def read(given: list[str], how: DataSettings, probability: float | None, question: str = FREE, **changes):
    """The sequences of each cell's documents."""
    how = replace(how, reverse_complement=probability, **changes)
    encoder = RowEncoder(TOKENIZER.backend_tokenizer.to_str(), BOS_ID, EOS_ID, how)
    texts = {"question": question, "response": "Yes"}
    rows = [TableRow("a.csv", 2, {"sequence": cell, **texts}) for cell in given]
    return [[sequences(document) for document in outcome.documents] for outcome in encoder.outcomes(rows)]


def sequences(document) -> str:
    parts = [document.input_ids[slice(*span)] for span in document.sequence_spans]
    return " ".join(TOKENIZER.decode(part).strip() for part in parts)


def cells(count: int, bases: int) -> list[str]:
    return [random_dna(bases, seed) for seed in range(count)]


def turned(found: list[list[str]], given: list[list[str]]) -> np.ndarray:
    """(cells, documents) whether each is read from its other strand; the sequences are else the same."""
    for mine, theirs in zip(found, given, strict=True):
        assert all(a in (b, reverse_complement(b)) for a, b in zip(mine, theirs, strict=True))
    return np.array([[a != b for a, b in zip(*pair, strict=True)] for pair in zip(found, given, strict=True)])


@pytest.mark.parametrize("how", [PRETRAIN, FINETUNE])
def test_a_probability_of_one_turns_every_document_and_makes_no_more(how):
    given = read(cells(50, 150), how, None)
    found = read(cells(50, 150), how, 1.0)
    for both, one in zip(given, found, strict=True):
        assert one == both[len(both) // 2 :] and len(one) == (3 if how is PRETRAIN else 1)


def test_windows_of_every_cut_turn_from_where_they_are():
    cell = random_dna(500)
    parsed = parse_cell(cell)
    pieces = windows(parsed, WINDOWS) + shifted_windows(parsed, WINDOWS, 3)
    [found] = read([cell], PRETRAIN, 1.0, cuts=3)
    assert found == [reverse_complement(piece.text) for piece in pieces] and len(found) > 20


@pytest.mark.parametrize("probability", [0.2, 0.5])
@pytest.mark.parametrize("how", [PRETRAIN, FINETUNE])
def test_so_many_rows_turn_and_the_same_ones_again(how, probability):
    rows = cells(1000, 50)
    found = read(rows, how, probability)
    share = turned(found, [[cell] for cell in rows]).mean()
    assert share == pytest.approx(probability, abs=0.05)  # three standard deviations
    backwards = [read(rows[start : start + 250], how, probability) for start in (750, 500, 250, 0)]
    assert [cell for part in backwards[::-1] for cell in part] == found


def test_windows_of_one_row_turn_apart_from_each_other():
    rows = cells(300, 120)
    found = turned(read(rows, PRETRAIN, 0.5), [[cell[:60], cell[60:]] for cell in rows])
    assert found.shape == (300, 2)
    for pair in ((False, False), (False, True), (True, False), (True, True)):
        assert (found == pair).all(axis=1).mean() == pytest.approx(0.25, abs=0.08)


def test_random_windows_turn_whatever_their_length_and_the_rows_other_ones():
    rows = cells(400, 50)
    given = read(rows, FINETUNE, None, question=OTHER, random_windows=4, shortest_window=0.5)
    found = turned(read(rows, FINETUNE, 0.5, random_windows=4, shortest_window=0.5), given)
    assert found.shape == (400, 4)
    lengths = np.array([[len(window) for window in each] for each in given])
    for document in (1, 2, 3):
        assert np.corrcoef(found[:, 0], found[:, document])[0, 1] == pytest.approx(0, abs=0.15)
        assert np.corrcoef(lengths[:, document], found[:, document])[0, 1] == pytest.approx(0, abs=0.15)


def test_the_strand_tells_nothing_of_the_window_that_is_kept_of_a_long_row():
    tokenizer = at_resolution(TOKENIZER, BASES).backend_tokenizer.to_str()
    how = DataSettings(120, True, None, both_strands=(FREE,), reverse_complement=0.5, drawn_windows=True)
    rows = cells(200, 550)
    texts = {"question": FREE, "response": "Yes"}
    records = [TableRow("a.csv", 2, {"sequence": cell, **texts}) for cell in rows]
    outcomes = RowEncoder(tokenizer, BOS_ID, EOS_ID, how).outcomes(records)
    found = [sequences(outcome.documents[0]) for outcome in outcomes]
    firsts = [cell.index(window) for window, cell in zip(found, rows, strict=True) if window in cell]
    assert 70 < len(firsts) < 130
    middle = (550 - len(found[0])) / 2
    assert np.mean(np.array(firsts) < middle) == pytest.approx(0.5, abs=0.15)


def test_all_segmentations_of_a_window_and_both_orders_are_of_one_strand():
    rows = cells(40, 50)
    for how, changes in (
        (FINETUNE, {"segmentations": 4, "split_share": 0.5}),
        (PRETRAIN, {"segmentations": 2, "random_resolution": True, "written": True}),
    ):
        found = read(rows, how, 0.5, **changes)
        assert {len(each) for each in found} == {4} and {len(set(each)) for each in found} == {1}
        assert 8 < turned(found, [[cell] * 4 for cell in rows])[:, 0].sum() < 32


def test_only_strand_free_questions_turn_and_labelled_sequences_part_by_part():
    rows = ["AAACCU", "a:AAR b:GG", "TTTC"]
    assert read(rows, FINETUNE, 1.0) == [["AGGTTT"], ["YTT CC"], ["GAAA"]]
    assert read(rows, FINETUNE, 1.0, question=OTHER) == [["AAACCT"], ["AAR GG"], ["TTTC"]]


def test_worker_processes_draw_the_same(tmp_path):
    table = write_table(tmp_path / "a.csv", [{"sequence": c, "response": "x"} for c in cells(300, 150)])
    how = replace(PRETRAIN, reverse_complement=0.5)
    made = [
        load_data(
            str(table), TOKENIZER.backend_tokenizer.to_str(), BOS_ID, EOS_ID, how,
            cache_dir=tmp_path / f"cache{workers}", workers=workers,
        )
        for workers in (0, 2)
    ]  # fmt: skip
    assert made[0].counts.documents == 900
    ids = [[row["input_ids"].tolist() for row in data] for data in made]
    assert ids[0] == ids[1]


def test_caches_of_runs_that_do_not_ask_are_named_as_before():
    names = [
        json.dumps(_decisive(("{}", 1, 2, replace(FINETUNE, reverse_complement=share))))
        for share in (None, 0.5, 0.6)
    ]
    assert "reverse_complement" not in names[0] and len(set(names)) == 3


@pytest.mark.parametrize("kind", [PretrainSettings, FinetuneSettings])
def test_the_setting_is_of_training_alone_and_given_in_the_file_or_by_flag(tmp_path, kind):
    given = {"train_files": "a.csv", "validation_files": "b.csv", "tokens_per_step": 8192, "use_cpu": True}
    given |= {"tokens_per_device": 4096, "checkpoint": "c"}
    given |= {"strand_free_questions": [FREE]} if kind is FinetuneSettings else {}
    path = tmp_path / "run.yaml"
    for in_file, flags in (({"reverse_complement": 0.25}, []), ({}, ["--reverse_complement", "0.25"])):
        path.write_text(yaml.safe_dump(given | in_file))
        run, _ = parse_run([str(path), *flags], kind)
        training, validation = run.training_settings(0), run.data_settings()
        assert (training.reverse_complement, validation.reverse_complement) == (0.25, None)
        assert training.all_strands == (kind is PretrainSettings)
        assert not validation.all_strands and not validation.both_strands
    path.write_text(yaml.safe_dump(given))
    run, _ = parse_run([str(path)], kind)
    assert run.training_settings(0).reverse_complement is None and not run.training_settings(0).all_strands
    assert "--reverse_complement" in help_text("", kind)


def test_fine_tuning_turns_its_training_rows_and_asks_both_strands_as_ever(world, tmp_path):
    table = [{"question": RICH, "response": "yn"[n % 2], "sequence": random_dna(40, n)} for n in range(20)]
    table += [{"question": PART, "response": "ab"[n % 2], "sequence": random_dna(40, n)} for n in range(20)]
    changes = {
        "reverse_complement": 1.0,
        "strand_free_questions": [RICH],
        "cache_dir": str(tmp_path / "cache"),
    }
    rows = write_table(tmp_path / "rows.csv", table)
    changes |= {"train_files": str(rows), "validation_files": str(rows)}
    stage = prepare(*parse_run(settings(world, tmp_path / "run", **changes), FinetuneSettings))
    given = [row["sequence"] for row in table]
    for data, expected in (
        (stage.train, [reverse_complement(bases) for bases in given[:20]] + given[20:]),
        (stage.validation, given),
    ):
        spans = [row["input_ids"][slice(*row["sequence_spans"].reshape(-1, 2)[0])] for row in data]
        assert [stage.tokenizer.decode(ids).strip() for ids in spans] == expected
    by_text = stage.questions.by_text
    assert (by_text[RICH].strand_free, by_text[PART].strand_free) == (True, False)


def test_a_folder_of_another_probability_is_refused(world, tmp_path):
    changes = {"strand_free_questions": [RICH], "max_steps": 2, "eval_steps": 2, "save_steps": 2}
    run = tmp_path / "run"
    finetune.main(settings(world, run, reverse_complement=0.5, **changes))
    by_text = load_questions(run).by_text
    assert (by_text[RICH].strand_free, by_text[PART].strand_free) == (True, False)
    for other in ({"reverse_complement": 0.6}, {}):
        with pytest.raises(UserError, match="tokenised"):
            finetune.main(settings(world, run, **changes, **other))
