"""A sample of windows is bounded, fair, and the same whoever reads what in which order."""

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import random_dna, write_table

from omnina.errors import UserError
from omnina.vocabulary.sampling import WindowSample, language_budgets, sample_languages, sample_unit
from omnina.vocabulary.units import choose_units, find_inputs, list_units
from omnina.vocabulary.windows import DNA, ENGLISH, WINDOW_BYTES

EVERYTHING = language_budgets(10_000_000, 0.5)


def write_shards(folder: Path, shards: int = 6, groups: int = 4, rows: int = 10) -> list[Path]:
    """Parquet shards of several row groups; every cell says where it is."""
    paths = []
    for shard in range(shards):
        names = [f"shard {shard} row {row}" for row in range(groups * rows)]
        dna = [random_dna(300, hash((shard, row)) % 2**32) for row in range(groups * rows)]
        table = pa.table({"sequence": dna, "response": names, "notes": ["x" * 1000] * len(names)})
        paths.append(folder / f"train-{shard:05d}-000.parquet")
        pq.write_table(table, paths[-1], row_group_size=rows)
    return paths


def read(paths, budgets=EVERYTHING, read_bytes=10**9, seed=0, **options):
    return sample_languages(
        choose_units(list_units(find_inputs(paths)), read_bytes, seed), budgets, seed, **options
    )


def texts(languages) -> dict[str, tuple[list[str], list[str]]]:
    return {
        name: (list(language.training.windows()), list(language.held_out.windows()))
        for name, language in languages.items()
    }


def offered(seed: int, windows: int = 300) -> dict[str, float]:
    """Windows of several lengths and their ranks."""
    generator = random.Random(seed)
    return {f"{number:03d}" + "x" * (number % 7 * 40): generator.random() for number in range(windows)}


@pytest.mark.parametrize("seed", range(20))
def test_the_sample_is_the_windows_of_lowest_rank(seed):
    """Nothing that came late and short fills the room that a long one left."""
    ranks = offered(seed)
    sample = WindowSample(2000)
    for window, rank in ranks.items():
        sample.add(window, rank)
    kept = list(sample.windows())
    assert sample.sampled_bytes == sum(map(len, kept)) <= 2000
    assert (sample.total_windows, sample.total_bytes) == (300, sum(map(len, ranks)))
    assert kept == sorted(kept)
    by_rank = sorted(ranks, key=ranks.get)
    assert set(kept) == set(by_rank[: len(kept)])
    assert sample.sampled_bytes + len(by_rank[len(kept)]) > 2000


@pytest.mark.parametrize("seed", range(20))
def test_samples_of_parts_merge_to_the_sample_of_the_whole(seed):
    ranks, generator = offered(seed), random.Random(f"parts {seed}")
    whole, parts = WindowSample(2000), [WindowSample(2000) for _ in range(5)]
    for window, rank in ranks.items():
        whole.add(window, rank)
        generator.choice(parts).add(window, rank)
    merged = WindowSample(2000)
    generator.shuffle(parts)
    for part in parts:
        merged.merge(part)
    assert sorted(merged.windows()) == sorted(whole.windows())
    assert (merged.sampled_bytes, merged.total_bytes, merged.total_windows) == (
        whole.sampled_bytes,
        whole.total_bytes,
        whole.total_windows,
    )


def test_every_window_has_the_same_chance():
    counts: Counter[str] = Counter()
    generator = random.Random(0)
    for _ in range(2000):
        sample = WindowSample(40)
        for number in range(10):
            sample.add(str(number) * (4 if number < 5 else 12), generator.random())  # short and long ones
        counts.update(window[0] for window in sample.windows())
    short = sum(counts[str(number)] for number in range(5))
    long = sum(counts[str(number)] for number in range(5, 10))
    assert max(counts.values()) - min(counts.values()) < 0.2 * max(counts.values())
    assert 0.85 < long / short < 1  # the one that overflows is more often long


def test_every_row_group_has_the_same_chance(tmp_path):
    units = list_units(find_inputs(write_shards(tmp_path)))
    assert len(units) == 24
    quarter = sum(unit.text_bytes for unit in units) // 4
    counts = Counter(unit.number for seed in range(800) for unit in choose_units(units, quarter, seed))
    assert set(counts) == set(range(24))
    mean = sum(counts.values()) / 24
    assert 800 * 0.25 < mean < 800 * 0.3  # the one that goes over the limit is read too
    assert all(abs(count - mean) < 5 * mean**0.5 for count in counts.values())


def test_no_more_is_read_than_needed(tmp_path, monkeypatch):
    units = list_units(find_inputs(write_shards(tmp_path)))
    chosen = choose_units(units, 3 * units[0].text_bytes, seed=0)
    assert 3 <= len(chosen) <= 4
    assert choose_units(units, 1, seed=0) != choose_units(units, 1, seed=3)
    asked = []
    original = pq.ParquetFile.iter_batches

    def watched(self, *arguments, **options):
        asked.append((options["row_groups"], options["columns"]))
        return original(self, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    sample_languages(chosen, EVERYTHING, seed=0)
    assert asked == [([unit.row_group], ["sequence", "response"]) for unit in chosen]


def test_a_budget_that_suffices_keeps_everything(tmp_path):
    languages = read(write_shards(tmp_path))
    kept = {name: training + held_out for name, (training, held_out) in texts(languages).items()}
    assert Counter(kept[ENGLISH]) == Counter(
        f"shard {shard} row {row}" for shard in range(6) for row in range(40)
    )
    assert texts(languages)[ENGLISH][1]  # some are held out
    assert sum(map(len, kept[DNA])) == 240 * 301


@pytest.mark.parametrize("budget", [EVERYTHING, language_budgets(20_000, 0.1)])
@pytest.mark.parametrize("read_bytes", [10**9, 30_000])
def test_neither_the_order_of_files_nor_workers_matter(tmp_path, budget, read_bytes):
    paths = write_shards(tmp_path)
    once = read(paths, budget, read_bytes)
    for name, language in once.items():
        assert language.training.sampled_bytes <= budget[name]
    assert texts(once) == texts(read(paths[::-1], budget, read_bytes))
    assert texts(once) != texts(read(paths, budget, read_bytes, seed=1))
    if read_bytes < 10**9:  # once is enough: processes take a second to start
        assert texts(once) == texts(read(paths, budget, read_bytes, workers=2, worker_bytes=10**9))


def test_equal_row_groups_are_sampled_apart(tmp_path):
    names = [f"row {row}" for row in range(200)] * 2
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"response": names}), path, row_group_size=200)
    first, second = (sample_unit(u, language_budgets(1000, 0.5), 0) for u in list_units(find_inputs(path)))
    assert texts(first)[ENGLISH][0] != texts(second)[ENGLISH][0]
    assert texts(first)[ENGLISH][1] != texts(second)[ENGLISH][1]


def test_english_files_are_not_lost_among_many_tables(tmp_path):
    paths = write_shards(tmp_path)
    (tmp_path / "books.txt").write_text("plain words\n" * 50)
    for seed in range(5):
        units = choose_units(list_units(find_inputs([*paths, tmp_path / "books.txt"])), 1000, seed)
        assert [unit.file.path.suffix for unit in units].count(".txt") == 1
        assert [unit.file.path.suffix for unit in units].count(".parquet") == 1


def test_long_rows_of_every_shard_rejoin(tmp_path):
    dna = {name: random_dna(9000, seed) for seed, name in enumerate("abc")}
    for name, sequence in dna.items():
        write_table(tmp_path / f"{name}.csv", [{"sequence": sequence, "response": name}])
    for unit in list_units(find_inputs(str(tmp_path / "*.csv"))):
        windows = [window for language, window in unit.windows() if language == DNA]
        assert "".join(window.removeprefix(" ") for window in windows) == dna[unit.file.path.stem]
        assert max(map(len, windows)) <= WINDOW_BYTES


def test_a_bad_row_is_named_from_any_process_and_row_group(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table({"sequence": ["ACGT"] * 25 + ["AC!T"], "response": ["x"] * 26})
    pq.write_table(table, path, row_group_size=10)
    for workers in (0, 1):
        with pytest.raises(UserError, match=r"t.parquet:26: .*'!' at base 3"):
            read([path], workers=workers, worker_bytes=10**9)


def test_a_reader_without_memory_says_so(tmp_path):
    path = write_table(tmp_path / "t.csv", [{"sequence": random_dna(10_000_000), "response": "x"}])
    with pytest.raises(UserError, match=r"t.csv: no memory left .*--max_memory_gb"):
        read([path], workers=1, worker_bytes=30_000_000)
