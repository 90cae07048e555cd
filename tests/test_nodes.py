"""Two launchers that stand for two machines: on loopback, in network namespaces, and under a false Slurm."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from launching import HUNG, ROOT, SCRIPT, command, environment, launched, losses, reports
from world import arguments, make_world

from omnina.launch import exit_status

SLURM = ROOT / "scripts" / "slurm"
FAKE_SRUN = """#!/usr/bin/env bash
# Runs the command once for each node, at once; the highest status counts.
while [[ "$1" == --* ]]; do shift; done
for ((node = 0; node < SLURM_JOB_NUM_NODES; node++)); do SLURM_NODEID=$node "$@" & pids+=($!); done
highest=0
for pid in "${pids[@]}"; do wait "$pid"; status=$?; ((status > highest)) && highest=$status; done
exit $highest
"""
FAKE_SCONTROL = """#!/usr/bin/env bash
if [ "$1" = requeue ]; then echo "$2" >> "$REQUEUED"; else printf '127.0.0.1\\n127.0.0.2\\n'; fi
"""
NAMESPACES = """
mount -t tmpfs none /run
ip netns add one && ip netns add two
ip link add first type veth peer name second
ip link set first netns one && ip link set second netns two
for each in "one first 10.9.0.1" "two second 10.9.0.2"; do
  set -- $each
  ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$1" link set "$2" up && ip -n "$1" link set lo up
done
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def of_node(rank: int, address: str, port: int, report: Path, run: list[str]) -> list[str]:
    """The command of one of two machines with one process each."""
    options = ["--num_machines", "2", "--machine_rank", str(rank), "--num_processes", "2"]
    options += ["--main_process_ip", address, "--main_process_port", str(port)]
    return [*command("multi_node.yaml", *options), SCRIPT, str(report), "pretrain", *run]


def on_two_nodes(report: Path, run: list[str]) -> list[dict]:
    port = free_port()
    nodes = [
        subprocess.Popen(
            of_node(rank, "127.0.0.1", port, report, run), cwd=ROOT, env=environment(), stderr=subprocess.PIPE
        )
        for rank in range(2)
    ]
    ended = [(node.communicate(timeout=HUNG)[1].decode(), node.returncode) for node in nodes]
    assert [status for _, status in ended] == [0, 0], ended[0][0][-5000:] + ended[1][0][-5000:]
    return reports(report)


@pytest.mark.slow
def test_two_nodes_train_and_go_on(world, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    launched("cpu.yaml", 1, tmp_path / "r1", "pretrain", arguments(world, "pretrain", one))
    run = arguments(world, "pretrain", two)
    for name in ("r2", "r3"):
        found = on_two_nodes(tmp_path / name, run)
        assert [(process["world_size"], process["node"]) for process in found] == [(2, "0"), (2, "1")]
        assert losses(two) == pytest.approx(losses(one), abs=1e-4)
        shutil.rmtree(two / "checkpoint-20")
        (two / "run.json").unlink()


def namespaces_are_allowed() -> bool:
    make = ["unshare", "-rnm", "bash", "-c", "mount -t tmpfs none /run && ip netns add one"]
    tools = shutil.which("unshare") and shutil.which("ip")
    return bool(tools) and subprocess.run(make, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_two_nodes_in_network_namespaces_of_their_own(world, tmp_path):
    if not namespaces_are_allowed():
        pytest.skip("this system makes no network namespaces for users; loopback is tested above")
    run = arguments(world, "pretrain", tmp_path / "run")
    report = tmp_path / "report"
    script = NAMESPACES
    for rank, (name, device) in enumerate((("one", "first"), ("two", "second"))):
        words = " ".join(f"'{word}'" for word in of_node(rank, "10.9.0.1", 29511, report, run))
        script += f"\nGLOO_SOCKET_IFNAME={device} ip netns exec {name} {words} & pids+=($!)"
    script += '\nfor pid in "${pids[@]}"; do wait "$pid" || exit 1; done'
    done = subprocess.run(
        ["unshare", "-rnm", "bash", "-c", script],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=HUNG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    assert [(process["world_size"], process["node"]) for process in reports(report)] == [(2, "0"), (2, "1")]


@pytest.mark.parametrize("path", sorted(SLURM.iterdir()), ids=lambda path: path.name)
def test_slurm_scripts_are_bash(path):
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def job(tmp_path: Path, python: str, *run: str) -> tuple[subprocess.CompletedProcess, Path]:
    """The pretraining job on two nodes of one process each, with Slurm's commands made here."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("srun", FAKE_SRUN), ("scontrol", FAKE_SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    job_id = 100_000 + os.getpid() % 10_000
    slurm = {
        "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": str(job_id), "SLURM_JOB_NAME": "job", "SLURM_GPUS_ON_NODE": "1",
        "LOG_DIR": str(tmp_path), "REQUEUED": str(tmp_path / "requeued"), "PYTHON": python,
        "PATH": f"{tools}:{os.environ['PATH']}",
    }  # fmt: skip
    script = str(SLURM / "pretrain.sbatch")
    done = subprocess.run(
        ["bash", script, *run],
        env=environment(**slurm),
        capture_output=True,
        text=True,
        check=False,
        timeout=HUNG,
    )
    return done, tmp_path / "requeued"


def test_a_preempted_job_is_queued_again_and_a_broken_one_is_not(tmp_path):
    for status in (75, 1):
        folder = tmp_path / str(status)
        folder.mkdir()
        python = folder / "python"
        python.write_text(f"#!/usr/bin/env bash\nexit {status}\n")
        python.chmod(0o755)
        done, requeued = job(folder, str(python))
        assert done.returncode == status, done.stderr
        assert requeued.is_file() == (status == 75)


@pytest.mark.slow
def test_a_job_on_two_nodes_trains_with_a_log_for_each_rank(world, tmp_path):
    folder = tmp_path / "run"
    done, requeued = job(tmp_path, sys.executable, *arguments(world, "pretrain", folder))
    assert done.returncode == 0, done.stderr[-5000:]
    assert not requeued.exists()
    assert (folder / "model.safetensors").is_file()
    logs = sorted((tmp_path).glob("job-*/start-0/node-*/**/stdout.log"))
    assert [path.relative_to(tmp_path).parts[2] for path in logs] == ["node-0", "node-1"]
    assert "20 steps in" in logs[0].read_text()


def test_the_launcher_ends_with_the_status_of_the_run(tmp_path):
    script = tmp_path / "stopped.py"
    script.write_text("import sys\nsys.exit(75)\n")
    for config, processes in (("cpu.yaml", "1"), ("ddp.yaml", "2")):
        run = [*command(config, "--num_processes", processes, "--main_process_port", "0"), str(script)]
        done = subprocess.run(run, cwd=ROOT, env=environment(), capture_output=True, check=False)
        assert done.returncode == 75, done.stderr
    assert exit_status(-9) == 137


def test_the_launcher_passes_signals_on_and_waits_for_the_end(tmp_path):
    script = tmp_path / "warned.py"
    script.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit(75)))\n"
        f"open({str(tmp_path / 'ready')!r} + sys.argv[1], 'w').close()\n"
        "time.sleep(300)\n"
    )
    for name, (config, processes) in {"1": ("cpu.yaml", "1"), "2": ("ddp.yaml", "1")}.items():
        run = [*command(config, "--num_processes", processes, "--main_process_port", "0"), str(script), name]
        process = subprocess.Popen(run, cwd=ROOT, env=environment(), stderr=subprocess.PIPE)
        while not (tmp_path / f"ready{name}").exists():
            assert process.poll() is None, process.stderr.read()
        process.terminate()
        assert process.wait(timeout=HUNG) == 75
