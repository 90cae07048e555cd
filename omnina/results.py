"""What a finished run leaves: the record, the plot, the model card, a table on the screen."""

import torch

from omnina.card.model_card import write_model_card
from omnina.data_profile import data_profile
from omnina.loss_plots import plot_answers, plot_losses
from omnina.markov_baseline import markov_baselines
from omnina.metric_names import distinct_names
from omnina.run_folder import made_by, write_log, write_record
from omnina.stage import Stage
from omnina.trainer import OmniNATrainer


def finish(stage: Stage, trainer: OmniNATrainer, metrics: dict[str, float], seconds: float) -> None:
    """Write the loss plot, ``run.json`` and the model card; print the figures beside their baselines."""
    folder, history = stage.folder, trainer.state.log_history
    markov, sample = {}, {}
    if not stage.data_settings.questions:
        tables = (stage.run.train_files, stage.run.validation_files)
        markov, sample = markov_baselines(*tables, stage.data_settings, stage.args.seed)
    order_5 = {source: values["order_5"] for source, values in markov.items()}
    names = distinct_names([*stage.validation.sources, *order_5])
    training = stage.run.token_weights().described
    if stage.questions:
        plot_answers(history, names, training, folder / "loss.png")
    else:
        plot_losses(history, order_5, names, training, folder / "loss.png")
    first = next((entry for entry in history if "eval_loss" in entry and entry["step"] == 0), {})
    steps = trainer.state.global_step - trainer.first_step
    write_log(folder, history)
    record = {
        "command": stage.command,
        "steps": trainer.state.global_step,
        "best_checkpoint": trainer.state.best_model_checkpoint,
        "seconds": round(seconds, 1),
        "steps_in_these_seconds": steps,
        "skipped_steps": trainer.health.skipped,
        "tokens_per_second": round(steps * stage.plan.stride / seconds, 1),
        **_speed(stage, trainer),
        "parameters": trainer.model.num_parameters(),
        "validation_at_start": {key: value for key, value in first.items() if key.startswith("eval_")},
        "validation_at_end": metrics,
        "markov_bits_per_base": markov,
        **({"markov_sample": sample} if sample else {}),
        "data": {"train": stage.train.data_hash, "validation": stage.validation.data_hash},
        "profile": data_profile(stage.train, stage.tokenizer),
        "counts": {"train": stage.train.counts.as_json(), "validation": stage.validation.counts.as_json()},
        "seed": stage.args.seed,
        **made_by(),
    }
    write_model_card(folder, f"OmniNA, {folder.name}", record["parameters"], record)
    write_record(folder, record)  # the last: with it the run is finished
    _print_results(stage, record)


def _speed(stage: Stage, trainer: OmniNATrainer) -> dict:
    """Throughput while training, and its share of the device's ceiling in the dtype of the run's products."""
    args = stage.args
    dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
    return trainer.throughput.record(args.device, dtype, args.world_size)


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
