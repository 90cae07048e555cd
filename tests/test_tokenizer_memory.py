"""The cap on memory: what is planned fits it, what does not fit is refused, and the real peak stays below."""

import subprocess
import sys
from pathlib import Path

import pytest
from tables import random_dna, write_table

from omnina.errors import UserError
from omnina.vocabulary.memory import needed_memory, plan_memory
from omnina.vocabulary.sentencepiece_training import train_in_process
from omnina.vocabulary.training import Reading, train_tokenizer

GIGABYTE, MEGABYTE = 10**9, 10**6


@pytest.mark.parametrize("vocab_size", [500, 32_000])
@pytest.mark.parametrize("cap", [1, 4, 64])
def test_the_sample_fills_the_cap_and_does_not_depend_on_workers(cap, vocab_size):
    plans = [plan_memory(cap, None, vocab_size, workers) for workers in (0, 1, 2)]
    assert len({plan.sample_bytes for plan in plans}) == 1
    needed = needed_memory(plans[0].sample_bytes, vocab_size, 1)
    assert 0.99 * cap * GIGABYTE < needed <= cap * GIGABYTE
    for workers, plan in enumerate(plans):
        assert workers * plan.reader_bytes <= plan.trainer_bytes < cap * GIGABYTE


@pytest.mark.parametrize(
    ("cap", "sample_bytes", "workers"), [(0.5, None, 1), (2, 100 * MEGABYTE, 1), (4, None, 20)]
)
def test_a_cap_that_is_too_small_says_what_is_needed(cap, sample_bytes, workers):
    with pytest.raises(UserError, match=r"max_memory_gb .* is too small") as caught:
        plan_memory(cap, sample_bytes, 32_000, workers)
    sample, needed = (
        float(str(caught.value).split(before)[1].split()[0].rstrip(".").replace(",", ""))
        for before in ("a sample of ", "workers need ")
    )
    plan = plan_memory(needed + 0.01, int(sample), 32_000, workers)
    assert plan.sample_bytes == sample


def write_lines(path: Path, lines: int) -> Path:
    path.write_text("".join(f" {random_dna(4000, seed)}\t1\n" for seed in range(lines)))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's own memory")
def test_training_without_memory_ends_with_a_message(tmp_path):
    lines = write_lines(tmp_path / "lines.tsv", 1000)
    with pytest.raises(UserError, match=r"more than the 0\.06 GB that --max_memory_gb leaves"):
        train_in_process(lines, tmp_path / "model", 500, 60 * MEGABYTE)
    assert not (tmp_path / "model").exists()
    assert 60 * MEGABYTE < train_in_process(lines, tmp_path / "model", 500, GIGABYTE) < GIGABYTE


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"read_bytes": 0}, {"max_memory_gb": float("nan")}])
def test_numbers_that_make_no_sense_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Reading(**wrong)


def test_a_cap_is_checked_before_anything_is_read(tmp_path):
    with pytest.raises(UserError, match="max_memory_gb"):
        train_tokenizer([tmp_path], tmp_path / "out", vocab_size=500, reading=Reading(max_memory_gb=0.1))


PEAK_OF_ALL = """
import sys, threading, time
import psutil
from omnina.vocabulary.training import Reading, train_tokenizer
from pathlib import Path

def held(process):
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0

def watch():
    me = psutil.Process()
    while True:
        peak[0] = max(peak[0], sum(map(held, [me, *me.children(recursive=True)])))
        time.sleep(0.02)

if __name__ == "__main__":
    peak = [0]
    threading.Thread(target=watch, daemon=True).start()
    table, output, cap, vocab_size, share = sys.argv[1:]
    report = train_tokenizer([table], Path(output), vocab_size=int(vocab_size), text_share=float(share),
                             reading=Reading(max_memory_gb=float(cap), workers=1))
    sampled = sum(report[name]["sampled_bytes"] for name in ("dna", "english"))
    print(peak[0], sampled, report["sample_bytes"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("cap", "vocab_size", "share"), [(0.8, 1024, 0.5), (1.5, 32_000, 0.05)])
def test_all_processes_together_stay_below_the_cap(tmp_path, cap, vocab_size, share):
    """The input, its English of ever new words, is larger than the sample that the cap allows."""
    pytest.importorskip("psutil")
    rows = (
        {"sequence": random_dna(3000, seed), "response": random_dna(3000, -seed).lower().replace("a", " ")}
        for seed in range(8000)
    )
    table = write_table(tmp_path / "t.csv", list(rows))
    script = tmp_path / "watched.py"
    script.write_text(PEAK_OF_ALL)
    arguments = [table, tmp_path / "out", cap, vocab_size, share]
    run = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    peak, sampled, wanted = map(int, run.stdout.split())
    print(f"cap {cap} GB, peak {peak / GIGABYTE:.2f} GB, sample {sampled / MEGABYTE:.1f} MB")
    assert sampled > 0.99 * wanted
    assert peak < cap * GIGABYTE
