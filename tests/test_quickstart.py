"""The notebook runs from its first cell to its last, on small checkpoints in the place of trained ones."""

import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def test_every_cell_of_the_quickstart_runs(checkpoint, finished, tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("records"))
    shutil.copytree(checkpoint, tmp_path / "output" / "pretrain")
    shutil.copytree(finished, tmp_path / "output" / "finetune")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path / "examples")}}
    done = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    printed = "".join(output.get("text", "") for cell in done.cells for output in cell.get("outputs", []))
    assert "Does this sequence code for a protein?" in printed
    assert "bits per base" in printed and "record:" in printed
    assert "P(yes)" in printed
