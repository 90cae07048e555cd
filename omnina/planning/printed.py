"""A plan as a table for the terminal, and as JSON values."""

import json
from collections.abc import Iterator
from pathlib import Path

from omnina.benchmarks.figures import stamp
from omnina.checkpointed_layers import checkpointed_count
from omnina.planning.disk import Disk
from omnina.planning.memory import fitting_share
from omnina.planning.plan import Plan
from omnina.planning.tables import KnownTables

GB = 1e9
UNKNOWN = "not known"
WIDTHS = (22, 22)  # columns of names and values

Row = tuple[str, str, str]  # name, value, where it is from


def plan_table(plan: Plan) -> str:
    """Lines of name, value and where the value is from."""
    machine = plan.subject.machine
    devices = f"{machine.devices} x {machine.name}" if machine.kind == "cuda" else machine.name
    lines = [f"{plan.config} ({plan.subject.stage}) on {devices}, {machine.link}", ""]
    for name, rows in _sections(plan):
        lines += [name, *(_line(row) for row in rows), ""]
    return "\n".join([*lines, *(f"Note: {note}." for note in plan.subject.notes)]).rstrip()


def write_json(plan: Plan, path: Path) -> None:
    """The figures into a file, with where and when they were made."""
    path.write_text(json.dumps({"made": stamp(), "plan": plan_json(plan)}, indent=2) + "\n", encoding="utf-8")


def plan_json(plan: Plan) -> dict:
    """The same figures, in bytes, tokens, seconds and FLOP."""
    machine, steps, memory, disk = plan.subject.machine, plan.subject.steps, plan.memory, plan.disk
    return {
        "config": plan.config,
        "stage": plan.subject.stage,
        "devices": {"name": machine.name, "count": machine.devices, "together": machine.link},
        "parameters": plan.subject.parameters.model,
        "trained_parameters": plan.subject.parameters.trained,
        "flops": {
            "token": plan.subject.token_flops,
            "run": _times(plan.subject.token_flops, steps.all_tokens),
        },
        "data": {
            "training": _table_json(plan.subject.training),
            "validation": _table_json(plan.subject.validation),
        },
        "steps": dict(vars(steps)) | {"all_tokens": steps.all_tokens},
        "memory": {
            "parts": memory.parts | {"pass": memory.of_pass(memory.tokens)},
            "total": memory.total,
            "usable": memory.usable,
            "fits": memory.fits,
            "layers_computed_again": _layers_again(plan),
            "largest_tokens_per_device": memory.most_tokens,
            "basis": memory.basis,
        },
        "speed": plan.speed and dict(vars(plan.speed)),
        "duration": plan.duration and dict(vars(plan.duration)) | {"hours": plan.duration.hours},
        "disk": dict(vars(disk)) | {"total": disk.total},
        "notes": plan.subject.notes,
    }


def _sections(plan: Plan) -> Iterator[tuple[str, list[Row]]]:
    yield "Model", _model(plan)
    yield "Data", [*_data("training", plan.subject.training), *_data("validation", plan.subject.validation)]
    yield "Steps", _steps(plan)
    yield f"Memory of {'a GPU' if plan.subject.machine.kind == 'cuda' else 'the process'}", _memory(plan)
    yield "Time", _time(plan)
    yield "Disk", _disk(plan.disk)


def _model(plan: Plan) -> list[Row]:
    known, steps = plan.subject.parameters, plan.subject.steps
    rows = [("parameters", f"{known.model:,}", "")]
    if known.adapters:
        rows.append(("of adapters", f"{known.adapters:,}", "only these train"))
    work = _times(plan.subject.token_flops, steps.all_tokens)
    basis = f"forward and backward, in documents of {steps.document:,.0f} tokens"
    return [
        *rows,
        ("FLOP a token", f"{plan.subject.token_flops:.3g}", basis),
        ("FLOP of the run", UNKNOWN if work is None else f"{work:.3g}", ""),
    ]


def _data(name: str, table: KnownTables | None) -> list[Row]:
    if table is None:
        return [(name, UNKNOWN, "")]
    documents, tokens = float(table.documents.sum()), float(table.tokens.sum())
    return [(name, f"{tokens:,.0f} tokens", f"{documents:,.0f} documents; {table.basis}")]


def _steps(plan: Plan) -> list[Row]:
    steps, devices = plan.subject.steps, plan.subject.machine.devices
    basis = f"{steps.tokens:,} of at most {plan.subject.run.tokens_per_step:,} on average"
    passes = f"{steps.accumulation} accumulation x {devices} of at most {steps.pass_tokens:,} tokens"
    return [
        ("steps", _number(steps.count), ""),
        ("tokens a step", f"{steps.tokens:,}", basis),
        ("passes a step", f"{steps.accumulation * devices}", passes),
        ("tokens of the run", _number(steps.all_tokens), ""),
        ("epochs", UNKNOWN if steps.epochs is None else f"{steps.epochs:,.2f}", ""),
    ]


def _memory(plan: Plan) -> list[Row]:
    memory = plan.memory
    rows = [(name, _gb(size), "") for name, size in memory.parts.items() if size]
    rows.append(("pass", _gb(memory.of_pass(memory.tokens)), _pass_basis(plan)))
    most = f"{memory.most_tokens:,}" if memory.most_tokens >= plan.subject.run.max_length else "none"
    return [
        *rows,
        ("together", _gb(memory.total), memory.basis),
        ("usable", _gb(memory.usable), _usable_basis(plan)),
        ("fits", "yes" if memory.fits else "NO", "" if memory.fits else _remedy(plan)),
        ("largest pass", most, "tokens_per_device, at most"),
    ]


def _pass_basis(plan: Plan) -> str:
    again, layers = _layers_again(plan), plan.subject.config.num_hidden_layers
    told = f"; {again} of {layers} layers computed again" if again else ""
    return f"activations, of {plan.memory.tokens:,} tokens{told}"


def _layers_again(plan: Plan) -> int:
    return checkpointed_count(plan.subject.config.num_hidden_layers, plan.subject.shape.recomputed)


def _usable_basis(plan: Plan) -> str:
    if plan.subject.machine.kind == "cpu":
        return "free now"
    return f"of {_gb(plan.subject.machine.memory)}, the rest left to CUDA and gaps: assumed"


def _remedy(plan: Plan) -> str:
    subject = plan.subject
    if subject.machine.kind == "cpu" and plan.memory.most_tokens < subject.run.max_length:
        return "too large for this machine; --gpu NAME plans for another"
    share = fitting_share(subject.shape, subject.machine, plan.memory)
    if plan.memory.most_tokens >= subject.run.max_length:
        instead = f", or set {_checkpointing(share)}" if share else ""
        return f"lower tokens_per_device to {plan.memory.most_tokens:,}{instead}"
    if subject.shape.recomputed < 1:
        return f"set {_checkpointing(share or 1.0)}"
    if subject.machine.engine == "ddp":
        return "share the model among GPUs: --engine fsdp"
    return "take more GPUs, or larger ones"


def _checkpointing(share: float) -> str:
    """The settings that let this share of the layers compute their activations again."""
    part = f", checkpointed_share: {share:g}" if share < 1 else ""
    return f"activation_checkpointing: true{part}"


def _time(plan: Plan) -> list[Row]:
    speed, duration = plan.speed, plan.duration
    if speed is None:
        return [("tokens a second", UNKNOWN, _how_to_know(plan))]
    rows = [("tokens a second", f"{speed.tokens_per_second:,.0f}", speed.basis)]
    if duration is None:
        return [*rows, ("hours", UNKNOWN, "")]
    validation = UNKNOWN if duration.validation is None else f"{duration.validation:,.2f}"
    answers = "losses alone; answers come to it" if plan.subject.stage == "finetune" else ""
    rows += [("hours of training", f"{duration.training:,.2f}", _days(duration.training))]
    rows += [("hours of validation", validation, answers)]
    if duration.cost is not None:
        rows.append(("cost", f"{duration.cost:,.2f}", "in the currency of --price"))
    return rows


def _how_to_know(plan: Plan) -> str:
    machine = plan.subject.machine
    if machine.kind == "cuda":
        return "no data sheet or measurement tells of this dtype; bf16: true has one"
    if plan.subject.args.bf16:
        return "this processor has no instructions for bf16: --bf16 false, or --gpu NAME"
    return "--calibrate measures it"


def _days(hours: float) -> str:
    return f"{hours / 24:,.1f} days" if hours > 48 else ""


def _disk(disk: Disk) -> list[Row]:
    count = disk.checkpoints
    at_once = "how many at once is not known" if count is None else f"at most {count} at once"
    return [
        ("token ids", UNKNOWN if disk.cache is None else _gb(disk.cache), "in cache_dir"),
        ("a checkpoint", _gb(disk.checkpoint), at_once),
        ("model at the end", _gb(disk.model), ""),
        ("together", UNKNOWN if disk.total is None else _gb(disk.total), f"{_gb(disk.free)} are free"),
    ]


def _table_json(table: KnownTables | None) -> dict | None:
    if table is None:
        return None
    return {
        "basis": table.basis,
        "documents": float(table.documents.sum()),
        "tokens": float(table.tokens.sum()),
        "cache_bytes": table.cache_bytes,
    }


def _line(row: Row) -> str:
    name, value, basis = row
    return f"  {name:<{WIDTHS[0]}}{value:>{WIDTHS[1]}}  {basis}".rstrip()


def _times(one: float, count: int | None) -> float | None:
    return None if count is None else one * count


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _gb(size: float) -> str:
    return f"{size / GB:,.3f} GB" if size < GB else f"{size / GB:,.1f} GB"
