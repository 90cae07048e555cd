"""What a run will need, from its YAML alone: work, tokens, memory, hours, cost, disk.

    python scripts/plan.py configs/pretrain/example.yaml
    python scripts/plan.py configs/pretrain/example.yaml --calibrate
    python scripts/plan.py configs/pretrain/omnina-1.7b.yaml --gpu H100 --gpus 8 --price 2.50
    python scripts/plan.py configs/pretrain/omnina-1.7b.yaml --gpu A100-40GB --gpus 8 --engine fsdp
    python scripts/plan.py CONFIG.yaml --tokens_per_device 8192 --json output/plan.json

Takes every key of the YAML as a flag, as the run does. Without --gpu it plans for this machine. Nothing
is trained but by --calibrate, which makes real steps for some seconds, and nothing written but by --json.
"""

import argparse
from pathlib import Path

from omnina.command import positive_number, run_command, whole_number


def parse_arguments(arguments: list[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """The flags of this command, and those of the run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("config", metavar="CONFIG.yaml", help="of pretrain.sh or finetune.sh")
    parser.add_argument("--gpu", help="kind of GPU to plan for, as in H100; what is here if unset")
    parser.add_argument("--gpus", type=whole_number(1), help="how many; all that are here, or 1 of --gpu")
    parser.add_argument("--engine", choices=["ddp", "fsdp"], default="ddp", help="of several GPUs (ddp)")
    parser.add_argument("--price", type=positive_number, help="of an hour of one GPU")
    parser.add_argument("--calibrate", action="store_true", help="measure some real steps here, 20 seconds")
    parser.add_argument("--stage", choices=["pretrain", "finetune"], help="if the YAML does not tell")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_known_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Plan, print the table, write the figures."""
    given, overrides = parse_arguments(arguments)
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.files.new_file import check_output_file
    from omnina.planning.plan import make_plan
    from omnina.planning.printed import plan_table, write_json
    from omnina.planning.subject import Wish

    if given.json:
        check_output_file(given.json, "--json")
    wish = Wish(
        [given.config, *overrides],
        stage=given.stage,
        gpu=given.gpu,
        gpus=given.gpus,
        engine=given.engine,
        price=given.price,
        calibrate=given.calibrate,
    )
    plan = make_plan(wish)
    print(plan_table(plan))
    if given.json:
        write_json(plan, given.json)


if __name__ == "__main__":
    run_command(main)
