"""One undisturbed run that all faults are compared with; one that was killed in its seventh step; the table.

python -m pytest tests/faults --fault-table docs/reliability.md
"""

import re
import shutil
from functools import partial
from pathlib import Path

import pytest
import yaml
from fault_injection import at_call, kill
from faults_world import STEP, World, assert_same_run, came_from, write_tables

from omnina.vocabulary.training import train_tokenizer

BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"
ROWS: list[tuple[str, str, str]] = []


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("faults")
    write_tables(folder)
    size = train_tokenizer(
        [str(folder / "train.csv")],
        folder / "tokenizer",
        vocab_size=420,
        sample_bytes=1_000_000,
        text_share=0.3,
        seed=0,
    )["vocab_size"]
    model = {"vocab_size": size + 1, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    model |= {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512}
    (folder / "model.yaml").write_text(yaml.safe_dump(model))
    return World(folder)


@pytest.fixture(scope="session")
def reference(world) -> Path:
    """The run that nothing happened to."""
    status, log = world.run("reference")
    assert status == 0, log
    return world.folder / "reference"


@pytest.fixture(scope="session")
def killed(world, reference) -> Path:
    """Killed in its seventh step: checkpoints of steps 2, 4 and 6."""
    status, log = world.run("killed", partial(at_call, kill, *STEP, call=13))
    assert status == -9, log
    return world.folder / "killed"


@pytest.fixture
def name(request) -> str:
    """Of this test's run."""
    return re.sub(r"\W+", "_", f"{request.module.__name__}_{request.node.name}")


@pytest.fixture
def copy(world, killed, name) -> Path:
    """A folder of its own with the killed run in it."""
    folder = world.folder / name
    shutil.copytree(killed, folder)
    return folder


@pytest.fixture
def resumed(world, reference, name, record_property):
    """Run again to the end: the bits must be those of the uninterrupted run, and the row is noted.

    The call names the fault, what happened, the steps done when it did, and the step that is gone on from.
    """

    def check(fault: str, happened: str, *, done: int, begin: int, says: str = "") -> str:
        status, log = world.run(name)
        assert status == 0, log
        assert says in log
        folder = world.folder / name
        assert came_from(log) == begin, log
        assert_same_run(folder, reference)
        assert not list(folder.glob(".*.partial"))
        lost = done - begin
        record_property("fault", (fault, happened, "nothing" if not lost else f"{lost} step(s), made again"))
        return log

    return check


@pytest.fixture
def refused(record_property):
    """Note a fault that a run is stopped by before it writes."""

    def note(fault: str, happened: str) -> None:
        record_property("fault", (fault, happened, "nothing"))

    return note


def pytest_addoption(parser) -> None:
    parser.addoption("--fault-table", type=Path, help="Markdown file whose table of faults is written anew")


def pytest_runtest_logreport(report) -> None:
    if report.when == "call" and report.passed:
        ROWS.extend(value for key, value in report.user_properties if key == "fault")


def pytest_sessionfinish(session) -> None:
    page = session.config.getoption("--fault-table", default=None)
    if page is not None and session.testsfailed == 0:
        before, rest = page.read_text().split(BEGIN)
        _, after = rest.split(END)
        lines = [f"| {number} | {' | '.join(row)} |" for number, row in enumerate(ROWS, 1)]
        table = "\n".join(["| | fault | what happened | what was lost |", "|---:|---|---|---|", *lines])
        page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
