"""A checkpoint's README.md: what it is, what it was made from, how well it does, what it is not for.

Everything in it is read from the checkpoint's own files; what is not known is left out. The wording is in
``model_card.md.jinja``.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import jinja2

from omnina.chunking import PIECES
from omnina.evaluation.summary import markdown_table
from omnina.files.durable import write_whole
from omnina.files.json_file import read_object
from omnina.files.yaml_file import read_yaml
from omnina.inference.questions import load_questions
from omnina.tables.rows import DataSettings

CARD_FILE = "README.md"
TEMPLATE = Path(__file__).with_name("model_card.md.jinja")
RECIPE = [
    *("model_config", "checkpoint", "tokenizer", "tokens_per_step", "max_length", "learning_rate"),
    *("lr_scheduler_type", "warmup_steps", "weight_decay", "optim", "dropout", "lora_rank", "lora_alpha"),
    *("train_weights", "mixing_temperature", "strand_free_questions", "segmentations", "split_share"),
    *("random_windows", "shortest_window", "reverse_complement"),
    *("resolution", "answer_balance", "uniform_prior"),
    *("loss_weights", "label_smoothing", "z_loss", "window_cuts", "both_strands", "write_sequences"),
    *("local_heads", "muon", "layer_decay", "ema_decay"),
    *("bf16", "fp16", "fp8", "seed"),
]
LOSSES = ("eval_loss", "eval_sequence_loss", "eval_annotation_loss")
LONGEST_LIST = 8  # answers of a question that are written out


def write_model_card(
    folder: Path,
    title: str,
    parameters: int,
    record: Mapping | None = None,
    evaluation: Mapping | None = None,
    imported: Mapping | None = None,
) -> None:
    """Write a checkpoint's README.md.

    Args:
        folder: with ``config.json``; ``config.yaml`` and ``questions.json`` are read if they are there.
        title: the model's name.
        parameters: numbers in its weights.
        record: ``run.json`` of the run that made it.
        evaluation: ``metrics.json`` of its evaluation: ``results`` and ``notes``.
        imported: ``import.json``, of a checkpoint that others trained.
    """
    settings = read_yaml(folder / "config.yaml") if (folder / "config.yaml").is_file() else {}
    questions = load_questions(folder).by_text
    text = _template().render(
        title=title,
        shape=_shape(read_object(folder / "config.json"), parameters),
        questions=[{"text": text, "answers": _answers(asked.labels)} for text, asked in questions.items()],
        calibrated=any(asked.temperature != 1 for asked in questions.values()),
        alike=any(asked.log_prior is not None for asked in questions.values()),
        imported=imported,
        record=record,
        recipe=_recipe(settings, record or {}),
        data=_data(settings, record) if record else [],
        trimmed=record["counts"]["train"]["trimmed_bases"] if record else 0,
        losses=_losses(record) if record else [],
        markov=record["markov_bits_per_base"] if record else {},
        evaluation=_evaluation(evaluation) if evaluation else None,
    )
    write_whole(folder / CARD_FILE, lambda stream: stream.write(text.encode()))


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters |= {"cell": _cell, "line": _line}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _cell(value: object) -> str:
    """Text that ends neither its cell nor its row."""
    return _line(value).replace("|", "\\|")


def _line(value: object) -> str:
    return " ".join(str(value).split())


def _shape(config: Mapping, parameters: int) -> dict[str, int | bool]:
    return {
        "parameters": parameters,
        "layers": config["num_hidden_layers"],
        "hidden": config["hidden_size"],
        "heads": config["num_attention_heads"],
        "vocabulary": config["vocab_size"],
        "positions": config["max_position_embeddings"],
        "fast_rotation": (config.get("rope_parameters") or {}).get("factor", 1.0) < 1,
    }


def _answers(labels: list[str] | None) -> str:
    if labels is None:
        return "free text"
    shown = ", ".join(labels[:LONGEST_LIST])
    return f"{shown}, ... ({len(labels)} in all)" if len(labels) > LONGEST_LIST else shown


def _recipe(settings: Mapping, record: Mapping) -> dict[str, object]:
    """Settings that were set, then what the run came to."""
    left_out = ("None", "False", "[]")
    settings = {**settings, **_shares(settings)}
    chosen = {name: _words(settings[name]) for name in RECIPE if str(settings.get(name)) not in left_out}
    measured = {name: record[name] for name in ("steps", "seconds", "tokens_per_second") if name in record}
    return chosen | measured


def _shares(settings: Mapping) -> dict[str, object]:
    """What was in force where a share was left to its default, which may be another one day."""
    several = {"shortest_window": "random_windows"}
    if settings.get("resolution", PIECES) == PIECES:
        several["split_share"] = "segmentations"
    defaults = {field.name: field.default for field in fields(DataSettings)}
    return {
        share: settings.get(share) or defaults[share]
        for share, times in several.items()
        if int(settings.get(times) or 1) > 1
    }


def _words(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _data(settings: Mapping, record: Mapping) -> list[dict[str, object]]:
    return [_part(name, settings.get(f"{name}_files", []), record) for name in ("train", "validation")]


def _part(name: str, tables: list[str], record: Mapping) -> dict[str, object]:
    counts = record["counts"][name]
    left_out = counts["filtered"] | counts["rejected"]
    return {
        "name": "training" if name == "train" else name,
        "tables": ", ".join(tables),
        "sha256": record["data"][name],
        "left_out": "; ".join(f"{rows:,} rows, {reason}" for reason, rows in left_out.items()),
        **{key: counts[key] for key in ("rows", "used", "bases", "tokens")},
    }


def _losses(record: Mapping) -> list[dict[str, str]]:
    start, end = record["validation_at_start"], record["validation_at_end"]
    names = [name for name in end if name in LOSSES or name.endswith(("bits_per_base", "written_bits"))]
    return [
        {
            "name": name.removeprefix("eval_").replace("_", " "),
            "start": f"{start[name]:.3f}" if name in start else "",
            "end": f"{end[name]:.3f}",
        }
        for name in names
    ]


def _evaluation(evaluation: Mapping) -> dict[str, object]:
    """The table with its headings one level down: the card has a title of its own."""
    table = markdown_table(evaluation["results"])
    table = "\n".join(f"#{line}" if line.startswith("## ") else line for line in table.split("\n"))
    return {"table": table, "notes": evaluation["notes"]}
