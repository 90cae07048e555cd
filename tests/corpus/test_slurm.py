"""The jobs that Slurm is given: as asked, each stage after the one before; and what they do when they run.

``sbatch``, ``squeue``, ``srun`` and ``scontrol`` are stand-ins: the first notes what it is given, the second
prints what a test says is in the queue, the third runs its command, the fourth repeats its argument.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("datatrove")

from omnina.corpus.build import build_corpus
from omnina.corpus.executors import ExecutorSettings
from omnina.errors import UserError

ROOT = Path(__file__).parents[2]
STAGES = ("keys", "choice", "rows", "manifest")
SBATCH = """#!/bin/bash
count=$(ls "{noted}" | grep -c script || true)
cp "${{@: -1}}" "{noted}/$count.script"
printf '%s\\n' "${{@:1:$#-1}}" > "{noted}/$count.arguments"
echo "Submitted batch job $((1000 + count))"
"""
SQUEUE = '#!/bin/bash\n[[ -f "{noted}/queue" ]] || exit 0\ncat "{noted}/queue"\n'
SRUN = '#!/bin/bash\nwhile [[ "$1" == -* ]]; do [[ "$1" == -n ]] && shift; shift; done\nexec "$@"\n'


@pytest.fixture
def config(tmp_path) -> Path:
    records = tmp_path / "records"
    records.mkdir()
    for name in "abc":
        (records / f"{name}.fa").write_text(f">{name} gene {name}\n" + name.upper().replace("B", "G") * 300)
    values = {
        "sources": [{"path": "*.fa", "format": "nt_fasta"}],
        "templates": {"annotations": [{"response": "{annotation}"}]},
        "output": {"format": "csv"},
    }
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "corpus.yaml"


@pytest.fixture
def noted(tmp_path, monkeypatch) -> Path:
    """Where the stand-in for sbatch notes its scripts and arguments."""
    programs, folder = tmp_path / "bin", tmp_path / "noted"
    for path in (programs, folder):
        path.mkdir()
    scontrol = '#!/bin/bash\necho "${@: -1}"\n'  # show hostnames NODES
    ours = {"sbatch": SBATCH.format(noted=folder), "squeue": SQUEUE.format(noted=folder)}
    for name, text in (ours | {"srun": SRUN, "scontrol": scontrol}).items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return folder


def submit(config: Path, tasks: int = 3, **settings) -> str:
    executor = ExecutorSettings("slurm", tasks, workers=2, partition="cpu", **settings)
    return build_corpus(config, config.parent / "records", config.parent / "out", executor)


def run_here(config: Path, output: str = "out") -> str:
    return build_corpus(config, config.parent / "records", config.parent / output, ExecutorSettings(tasks=3))


def jobs(noted: Path) -> list[tuple[str, list[str], str]]:
    """(id, arguments, script) of each submitted job that runs a stage, in order."""
    found = []
    for path in sorted(noted.glob("*.script"), key=lambda path: int(path.stem)):
        script = path.read_text()
        if "launch_pickled_pipeline" in script:  # the others sum datatrove's statistics
            arguments = path.with_suffix(".arguments").read_text().split()
            found.append((str(1000 + int(path.stem)), arguments, script))
    return found


def directives(script: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    return dict(line.partition("=")[::2] for line in lines)


def test_every_stage_is_a_job_as_asked_after_the_one_before(config, noted):
    submit(config, time="02:00:00", cpus_per_task=2, memory_per_cpu=6)
    submitted = jobs(noted)
    assert [directives(script)["job-name"] for *_, script in submitted] == [f"corpus_{n}" for n in STAGES]
    before = None
    for (job, arguments, script), tasks in zip(submitted, (3, 1, 3, 1), strict=True):
        asked = directives(script)
        assert asked["array"] == f"0-{tasks - 1}%2"
        assert (asked["partition"], asked["time"], asked["nodes"]) == ("cpu", "02:00:00", "1")
        assert (asked["cpus-per-task"], asked["mem-per-cpu"]) == ("2", "6G")
        waits = [one for one in arguments if one.startswith("--dependency")]
        assert waits == ([f"--dependency=afterok:{before}"] if before else [])
        before = job


def test_what_is_submitted_is_no_result(config, noted):
    assert submit(config).startswith("the jobs are submitted")


def test_the_scripts_are_bash_and_run_the_stage_in_the_environment_of_the_command(config, noted):
    submit(config)
    for (_, _, script), stage in zip(jobs(noted), STAGES, strict=True):
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert script.startswith("#!/bin/bash\n#SBATCH ")
        lines = script.splitlines()
        pickled = config.parent / "out" / "progress" / "logs" / stage / "executor.pik"
        assert lines[-1] == f"srun  -l -n 1 launch_pickled_pipeline {pickled}"
        assert pickled.is_file()
        in_environment = sys.prefix != sys.base_prefix
        assert (f"source {sys.prefix}/bin/activate" in lines) == in_environment


def test_only_missing_tasks_are_submitted_again(config, noted):
    run_here(config)
    for name in ("task-00001.json", "manifest.json"):
        (config.parent / "out" / name).unlink()
    printed = build_corpus(
        config,
        config.parent / "records",
        config.parent / "out",
        ExecutorSettings("slurm", 3, 2, partition="cpu"),
        dry_run=True,
    )
    assert "# stage 'rows'\n" in printed
    assert "# stage 'manifest', with sbatch --dependency=afterok: on the job of stage 'rows'\n" in printed
    assert printed.count("#!/bin/bash") == 2
    submit(config)
    assert [directives(script)["job-name"] for *_, script in jobs(noted)] == [
        "corpus_rows",
        "corpus_manifest",
    ]
    assert directives(jobs(noted)[0][2])["array"] == "0-0%2"


@pytest.mark.parametrize("state", ["RUNNING None", "PENDING Dependency", "COMPLETING None"])
def test_jobs_in_the_queue_are_named_and_nothing_is_submitted_beside_them(config, noted, state):
    submit(config)
    job = jobs(noted)[2][0]
    given = sorted(noted.iterdir())
    (noted / "queue").write_text(f"7 RUNNING None\n{job} {state}\n")
    for attempt in (submit, run_here):
        with pytest.raises(UserError, match=rf"jobs for it, {job} \(stage 'rows', {state}\).*scancel {job}$"):
            attempt(config)
    assert sorted(noted.iterdir()) == [*given, noted / "queue"]


def test_what_has_left_the_queue_or_never_runs_is_submitted_again(config, noted):
    submit(config)
    (noted / "queue").write_text(f"{jobs(noted)[1][0]} PENDING DependencyNeverSatisfied\n")
    submit(config)
    assert len(jobs(noted)) == 2 * len(STAGES)
    (noted / "queue").write_text(f"{jobs(noted)[-1][0]} PENDING Dependency\n")  # of the second time
    with pytest.raises(UserError, match="stage 'manifest'"):
        submit(config)


def test_a_job_is_noted_as_soon_as_it_is_submitted(config, noted):
    """So that a command killed between two of them does not submit the first again."""
    sbatch = noted.parent / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace("echo", f'[[ -e "{noted}/2.script" ]] && exit 3\necho'))
    with pytest.raises(UserError, match=r"sbatch failed .status 3."):
        submit(config)
    (noted / "queue").write_text("1000 RUNNING None\n")
    with pytest.raises(UserError, match=r"1000 .stage 'keys', RUNNING None."):
        submit(config)


def test_where_the_queue_cannot_be_asked_nothing_is_submitted(config, noted):
    submit(config)
    squeue = noted.parent / "bin" / "squeue"
    squeue.write_text("#!/bin/bash\necho 'cannot contact slurm controller' >&2\nexit 1\n")
    with pytest.raises(UserError, match=r"squeue failed \(cannot contact.*remove .*slurm_jobs\.jsonl"):
        submit(config)
    squeue.unlink()
    with pytest.raises(UserError, match="no 'squeue' here"):
        run_here(config)


@pytest.mark.slow
def test_the_jobs_write_the_bytes_of_a_local_run(config, noted):
    submit(config)
    for _, _, script in jobs(noted):
        last = int(directives(script)["array"].partition("%")[0].partition("-")[2])
        for task in range(last + 1):
            environment = os.environ | {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_NODELIST": "node1"}
            environment |= {"PYTHONPATH": str(ROOT)}
            subprocess.run(["bash", "-c", script], env=environment, check=True, capture_output=True)
    run_here(config, "local")
    for path in (config.parent / "local").iterdir():
        if path.is_file():
            assert (config.parent / "out" / path.name).read_bytes() == path.read_bytes(), path.name
    assert submit(config).startswith("3 passages = 2 kept + ")  # nothing is missing
