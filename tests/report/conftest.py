"""A run to report on that means harm."""

from pathlib import Path

import pytest
from answering import made_rows, settings
from tables import write_table

from omnina import finetune

MARKUP = "<script>alert('x')</script>"
QUESTION = f'Is it "><img src=x onerror=alert(1)> rich? {MARKUP} {{{{ 7*7 }}}} $5 $6'
ANSWERS = {"yes": "<b>yes</b> & so on", "no": "</td></table><h1>no</h1>"}


@pytest.fixture(scope="session")
def hostile(world, tmp_path_factory) -> Path:
    """A run on a table whose headers, questions and answers are markup, in a folder whose name is."""
    folder = tmp_path_factory.mktemp("hostile")
    tables = {name: folder / f"{name}<i>.csv" for name in ("train", "val")}
    for seed, (name, path) in enumerate(tables.items()):
        rows = [row for row in made_rows(120 if name == "train" else 40, seed) if row["response"] in ANSWERS]
        rewritten = [
            {
                MARKUP: "x",
                "sequence": row["sequence"],
                "question": QUESTION,
                "response": ANSWERS[row["response"]],
            }
            for row in rows
        ]
        write_table(path, rewritten)
    output = folder / "run <b>bold"
    files = {"train_files": str(tables["train"]), "validation_files": str(tables["val"])}
    finetune.main(settings(world, output, max_steps=4, save_steps=2, eval_steps=2, **files))
    return output
