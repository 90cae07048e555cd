"""What a finished run leaves: the record, the plot, the model card, a table on the screen."""

import numpy as np

from omnina.dataset import read_sources
from omnina.markov import markov_bits_per_base
from omnina.report import plot_answers, plot_losses, write_model_card
from omnina.run_folder import write_record
from omnina.stage import Stage
from omnina.trainer import OmniNATrainer

MARKOV_BASES = 50_000_000  # the baseline is counted on at most that many bases of a source


def finish(stage: Stage, trainer: OmniNATrainer, metrics: dict[str, float], seconds: float) -> None:
    """Write the loss plot, ``run.json`` and the model card; print the figures beside their baselines."""
    folder, history = stage.folder, trainer.state.log_history
    markov = {} if stage.data_settings.questions else markov_baselines(stage)
    order_5 = {source: values["order_5"] for source, values in markov.items()}
    if stage.questions:
        plot_answers(history, list(stage.questions.by_text), folder / "loss.png")
    else:
        plot_losses(history, order_5, folder / "loss.png")
    first = next((entry for entry in history if "eval_loss" in entry and entry["step"] == 0), {})
    steps = trainer.state.global_step - trainer.first_step
    record = {
        "steps": trainer.state.global_step,
        "best_checkpoint": trainer.state.best_model_checkpoint,
        "seconds": round(seconds, 1),
        "steps_in_these_seconds": steps,
        "tokens_per_second": round(steps * stage.plan.stride / seconds, 1),
        "parameters": trainer.model.num_parameters(),
        "validation_at_start": {key: value for key, value in first.items() if key.startswith("eval_")},
        "validation_at_end": metrics,
        "markov_bits_per_base": markov,
        "data": {"train": stage.train.data_hash, "validation": stage.validation.data_hash},
        "counts": {"train": stage.train.counts.as_json(), "validation": stage.validation.counts.as_json()},
        "seed": stage.args.seed,
    }
    write_record(folder, record)
    facts = {"parameters": f"{trainer.model.num_parameters():,}", "steps": str(trainer.state.global_step)}
    facts |= {"training tables": ", ".join(stage.run.train_files), "seed": str(stage.args.seed)}
    write_model_card(folder, f"OmniNA, {folder.name}", metrics, facts)
    _print_results(stage, record)


def markov_baselines(stage: Stage) -> dict[str, dict[str, float]]:
    """Markov bits per base by source: of order 5, and of the order that is best on validation."""
    training, validation = (
        _sequences(stage, files) for files in (stage.run.train_files, stage.run.validation_files)
    )
    found = {}
    for source in sorted(validation):
        if source in training:
            bits = markov_bits_per_base(training[source], validation[source])
            best = int(np.argmin(bits))
            found[source] = {"order_5": bits[5], "best": bits[best], "best_order": best}
    return found


def _sequences(stage: Stage, files: list[str]) -> dict[str, list[str]]:
    """Sequences by source, each source up to MARKOV_BASES bases."""
    sequences: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for source, bases in read_sources(files, stage.data_settings):
        if sizes.get(source, 0) < MARKOV_BASES:
            sequences.setdefault(source, []).append(bases)
            sizes[source] = sizes.get(source, 0) + len(bases)
    return sequences


def _print_results(stage: Stage, record: dict) -> None:
    start, end = record["validation_at_start"], record["validation_at_end"]
    print(
        f"\n{record['steps']} steps in {record['seconds']:.0f} s, {record['tokens_per_second']:.0f} tokens/s"
    )
    print(f"{'validation':<34}{'start':>9}{'end':>9}")
    for name, value in end.items():
        before = f"{start[name]:9.3f}" if name in start else " " * 9
        print(f"{name.removeprefix('eval_'):<34}{before}{value:9.3f}")
    for source, values in record["markov_bits_per_base"].items():
        print(
            f"{source + ', Markov, bits per base':<34}order 5 {values['order_5']:.3f}, "
            f"best (order {values['best_order']}) {values['best']:.3f}"
        )
    print(f"Everything is in {stage.folder}: model, run.json, loss.png")
