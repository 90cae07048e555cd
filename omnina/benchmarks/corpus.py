"""Cost of the corpus pipeline: whole builds of generated flat files, each in a process of its own.

A build reads, filters, cuts windows, leaves out duplicates, splits and writes Parquet, as ``build_corpus``
does for anyone; ``near`` is FASTA of near-duplicates, which are left out too. Its cost is the processor time,
less that of a build of one tiny record (start-up: datatrove, pyarrow), which is given apart. Two workers are
compared with one by the clock: that ratio needs two free cores, and start-up is in both sides of it.
"""

import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from omnina.benchmarks.child import in_child, peak_resident_bytes
from omnina.benchmarks.figures import single
from omnina.benchmarks.records import MEGABYTE, write_families, write_fasta, write_genbank
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml

WINDOW = 3000  # bases
RANGE_BYTES = 16 * MEGABYTE
TASKS = 8
REPEATS = 3  # of the comparison by the clock, one and two workers in turn
_FILTERS = {"min_bases": 200, "max_n_run": 1}
_CONFIGS = {
    "FASTA": {
        "sources": [{"path": "*.fa", "format": "nt_fasta", "window": WINDOW, "split_at_n": True}],
        "templates": {"annotations": [{"response": "{annotation}"}]},
        "filters": _FILTERS,
    },
    "GenBank": {
        "sources": [{"path": "*.gb", "passages": "features"}],
        "templates": {
            "annotations": [{"response": ["{feature_type} of {organism}.", "Product: {product}."]}]
        },
        "filters": {"min_bases": 200, "max_n_run": 1},
    },
}
_CONFIGS["near"] = _CONFIGS["FASTA"] | {"dedup": {"near": True}, "split": {"by": "cluster"}}
_WRITERS: dict[str, tuple[str, Callable[[Path, int], int]]] = {
    "FASTA": ("records.fa", write_fasta),
    "GenBank": ("records.gb", write_genbank),
    "near": ("records.fa", write_families),
}
FORMATS = tuple(_CONFIGS)


@dataclass(frozen=True)
class Build:
    """What one build took.

    Attributes:
        bases: of the record file.
        wall_seconds: of the build.
        cpu_seconds, peak_bytes: of this process, which does all the work if there is one worker.
        output_bytes, output_bases: of the shards.
        stage_seconds: processor time by stage.
    """

    format: str
    megabytes: float
    workers: int
    bases: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    output_bytes: int
    output_bases: int
    stage_seconds: dict[str, float]


def measure_corpus(
    megabytes: list[int], formats: Iterable[str] = FORMATS, scratch: Path | None = None
) -> list[dict]:
    """Figures as rows ``{work, metric, value}``.

    Args:
        formats: some of FORMATS.
        megabytes: sizes of the record files, ascending.
        scratch: folder for files and tables, of four times the largest size; the system's own if None.

    Raises UserError for a scratch folder that is not there or takes no files.
    """
    _check_scratch(scratch)
    rows = []
    for record_format in formats:
        with TemporaryDirectory(dir=scratch) as folder:
            rows += list(_rows(record_format, megabytes, Path(folder)))
    return rows


def _check_scratch(scratch: Path | None) -> None:
    try:
        with TemporaryDirectory(dir=scratch):
            pass
    except OSError as error:
        raise UserError(
            f"--scratch {scratch}: {error.strerror}; name a folder that is there and can be written."
        ) from error


def build_once(record_format: str, megabytes: float, workers: int, records: str, bases: int) -> dict:
    """One build of a folder of records, as a ``Build``; for a child process."""
    with TemporaryDirectory(dir=records) as folder:
        config = Path(folder) / "corpus.yaml"
        values = _CONFIGS[record_format] | {"range_bytes": RANGE_BYTES}
        config.write_text(yaml.safe_dump(values), encoding="utf-8")
        output = Path(folder) / "tables"
        before, began = time.process_time(), time.perf_counter()
        stage_seconds = _run(config, Path(records), output, workers)
        wall, cpu = time.perf_counter() - began, time.process_time() - before
        splits = json.loads((output / "manifest.json").read_text(encoding="utf-8"))["splits"].values()
        written = [sum(split[name] for split in splits) for name in ("bytes", "bases")]
    measured = (wall, cpu, peak_resident_bytes(), *written, stage_seconds)
    return asdict(Build(record_format, megabytes, workers, bases, *measured))


def _rows(record_format: str, megabytes: list[int], folder: Path) -> Iterator[dict]:
    start = _measured(record_format, 0, 1, folder)
    builds = [_measured(record_format, size, 1, folder) for size in megabytes]
    yield single(record_format, "start-up, CPU s", start.cpu_seconds)
    for build in builds:
        cost = build.cpu_seconds - start.cpu_seconds
        work = f"{record_format}, {build.megabytes:,} MB"
        yield single(work, "million bases per CPU second", build.bases / cost / 1e6)
        yield single(work, "the same, start-up included", build.bases / build.cpu_seconds / 1e6)
        yield single(work, "CPU s", cost)
        for stage, seconds in build.stage_seconds.items():
            cost = seconds - start.stage_seconds[stage]
            yield single(work, f"CPU s of stage {stage}", cost)
        yield single(work, "peak memory, MB", build.peak_bytes / MEGABYTE)
        yield single(work, "tables, bytes a base", build.output_bytes / build.bases)
        yield single(work, "tables, bases a base", build.output_bases / build.bases)
    for small, large in pairwise(builds):
        growth = (large.cpu_seconds - start.cpu_seconds) / (small.cpu_seconds - start.cpu_seconds)
        name = f"{record_format}, {small.megabytes:,} to {large.megabytes:,} MB"
        yield single(name, "growth of cost / growth of bases", growth * small.bases / large.bases)
    yield from _workers_rows(record_format, megabytes[-1], folder)


def _workers_rows(record_format: str, megabytes: int, folder: Path) -> Iterator[dict]:
    """One worker and two on one file, in turn, by the clock."""
    pairs = [
        [_measured(record_format, megabytes, workers, folder).wall_seconds for workers in (1, 2)]
        for _ in range(REPEATS)
    ]
    ratios = [one / two for one, two in pairs]
    work = f"{record_format}, {megabytes:,} MB"
    yield single(work, "two workers, times one (median)", statistics.median(ratios))
    yield single(work, "two workers, times one (lowest)", min(ratios))
    yield single(work, "two workers, times one (highest)", max(ratios))
    for workers in (1, 2):
        start = _measured(record_format, 0, workers, folder).wall_seconds
        yield single(record_format, f"start-up by the clock, workers: {workers}, s", start)


def _measured(record_format: str, megabytes: int, workers: int, folder: Path) -> Build:
    records, bases = _records(record_format, megabytes, folder)
    arguments = (record_format, megabytes, workers, str(records), bases)
    return Build(**in_child("omnina.benchmarks.corpus", "build_once", *arguments))


def _records(record_format: str, megabytes: int, folder: Path) -> tuple[Path, int]:
    """The folder with the record file, made if it is not there, and the file's bases; 0: one tiny record."""
    name, write = _WRITERS[record_format]
    records = folder / f"{megabytes}"
    noted = records / "bases.txt"
    if not noted.exists():
        shutil.rmtree(records, ignore_errors=True)
        records.mkdir()
        noted.write_text(str(write(records / name, megabytes)), encoding="utf-8")
    return records, int(noted.read_text(encoding="utf-8"))


def _run(config_file: Path, records: Path, output: Path, workers: int) -> dict[str, float]:
    """The steps of ``build_corpus``; returns processor seconds by stage."""
    # Here and not above: importing datatrove and pyarrow is a part of the cost.
    from omnina.corpus.corpus_config import read_corpus_config
    from omnina.corpus.executors import ExecutorSettings, run_stages
    from omnina.corpus.progress import Progress

    progress, settings = Progress(output, TASKS), ExecutorSettings(tasks=TASKS, workers=workers)
    config = read_corpus_config(read_yaml(config_file), records, (), str(config_file))
    settings.prepare()
    from omnina.corpus.pipeline import recorded_config, stages

    progress.begin(recorded_config(config, TASKS))
    seconds = {}
    for stage, blocks in stages(config, progress).items():
        before = time.process_time()
        run_stages({stage: blocks}, settings, progress)
        seconds[stage] = time.process_time() - before
    return seconds
