"""A corpus from its configuration: checked, run, and what came of it in words."""

from collections.abc import Iterator
from pathlib import Path

from omnina.corpus.corpus_config import CorpusConfig, read_corpus_config
from omnina.corpus.executors import ExecutorSettings, planned_scripts, run_stages
from omnina.corpus.filters import Counts
from omnina.corpus.lock import Lock
from omnina.corpus.manifest import MANIFEST_FILE, read_manifest
from omnina.corpus.progress import Progress
from omnina.errors import UserError
from omnina.files.output_links import refuse_links_out
from omnina.files.yaml_file import read_yaml


def build_corpus(
    config_file: Path,
    folder: Path,
    output: Path,
    executor: ExecutorSettings,
    *,
    forbid: tuple[str, ...] = (),
    dry_run: bool = False,
) -> str:
    """Run what is missing of a corpus; the same command again goes on where a killed one stopped.

    Args:
        config_file: the YAML, as corpus_config shows it.
        folder: of the record files.
        output: folder for the tables.
        executor: where to run, and in how many tasks.
        forbid: tables that training must stay away from, besides those that the YAML names.
        dry_run: run nothing: say what would be read and, for Slurm, give the job scripts.

    Returns what to print. Raises UserError for whatever the user can mend, a run that kept nothing too.
    """
    config = read_corpus_config(read_yaml(config_file), folder, forbid, str(config_file))
    executor.check_installed(dry_run=dry_run)
    if not dry_run:
        executor.prepare()
    # After the check: without datatrove these blocks cannot be imported.
    from omnina.corpus.pipeline import recorded_config, stages

    progress = Progress(output.resolve(), executor.tasks)
    if dry_run and executor.kind != "slurm":
        return _plan(config, executor)
    blocks = stages(config, progress)
    if dry_run:
        scripts = planned_scripts(blocks, executor, progress)
        return "\n".join((_plan(config, executor), *_in_order(scripts)))
    refuse_links_out(progress.folder)
    with Lock(progress.own):
        progress.begin(recorded_config(config, executor.tasks))
        run_stages(blocks, executor, progress)
    if any(map(progress.missing, blocks)):
        return "the jobs are submitted; the same command again, once they end, runs what is missing"
    return summary(progress.folder)


def summary(folder: Path) -> str:
    """The manifest in a few lines; UserError for a shard that is not whole, or if nothing was kept."""
    manifest = read_manifest(folder)
    counts = Counts.from_json(manifest["counts"])
    if not counts.kept:
        raise UserError(
            f"{folder}: {_why_nothing(counts)}; change the configuration, and remove that folder or choose "
            "another --output."
        )
    lines = [counts.summary()]
    for label, counts in manifest.get("counts_by_source", {}).items():
        lines.append(f"{label}: {Counts.from_json(counts).summary()}")
    for split, sizes in manifest["splits"].items():
        lines.append(f"{split}: {sizes['rows']} rows, {sizes['bases']} bases, {sizes['shards']} shards")
    return "\n".join((*lines, f"{folder / MANIFEST_FILE} names every shard with its sha256."))


def _why_nothing(counts: Counts) -> str:
    if not counts.read:
        return "'sources' takes no passage of the record files"
    ((reason, times),) = (counts.filtered + counts.rejected).most_common(1)
    return f"none of {counts.read} passages was kept, {times} for this reason: {reason}"


def _in_order(scripts: dict[str, str]) -> Iterator[str]:
    """Job scripts, each under a line that says which job sbatch is told to wait for."""
    before = ""
    for stage, script in scripts.items():
        yield f"# stage '{stage}'{before}\n{script}"
        before = f", with sbatch --dependency=afterok: on the job of stage '{stage}'"


def _plan(config: CorpusConfig, executor: ExecutorSettings) -> str:
    files = config.as_written["files"]
    return (
        f"{files['number']} files of {files['bytes'] / 1e6:.1f} MB, read in {len(config.units)} parts by "
        f"{executor.tasks} tasks, "
        f"{executor.workers} at a time; nothing was run."
    )
