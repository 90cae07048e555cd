"""Which documented commands are not run as they stand, and why. A command is meant by how it begins.

All others are run, page by page, as a reader would: ``tests/docs/test_commands.py``.
"""

# Reasons that several have.
NETWORK = "asks the network for packages or files"
GPU = "needs GPUs"
CLUSTER = "needs a cluster; tests/test_nodes.py and tests/corpus/test_slurm.py run it with stand-ins"
HOURS = "minutes to hours long"
OWN_TEST = "is run by a test of its own: "
README = "the README has nearly the same command, which is run"

# Options and paths are checked; the command is not run.
NOT_RUN = {
    "pip install ": NETWORK,
    "source .venv/bin/activate": "the tests' environment is active",
    "bash scripts/setup.sh": NETWORK,
    "bash scripts/test.sh": "would run itself; continuous integration runs it",
    "python -m pytest tests/faults --fault-table": HOURS + "; the slow suite runs these tests",
    "python scripts/import_checkpoint.py": NETWORK + "; tests/inference/test_import.py runs it on a folder",
    "bash finetune.sh configs/finetune/example.yaml --checkpoint": "needs published weights",
    "bash finetune.sh configs/sweeps/published_finetuning.yaml --checkpoint": "needs published weights",
    "python scripts/export.py --checkpoint output/finetune --output": OWN_TEST
    + "tests/inference/test_export.py",
    "transformers serve": "serves until it is stopped; " + OWN_TEST + "tests/inference/test_serve.py",
    "import csv, json, urllib.request": "asks that server",
    "bash pretrain.sh configs/pretrain/tables.yaml --train_files": README,
    "bash finetune.sh configs/finetune/example.yaml --train_files my_train.csv": README,
    "python scripts/doctor.py": "a minute; " + OWN_TEST + "tests/doctor",
    "python scripts/plan.py configs/pretrain/example.yaml --calibrate": OWN_TEST + "tests/planning",
    "python scripts/serve.py": "serves until it is stopped; " + OWN_TEST + "tests/serving/test_app.py",
    "curl http://127.0.0.1": "asks that server",
    "python scripts/run_suite.py": HOURS + "; " + OWN_TEST + "tests/suites/test_running.py",
    "python scripts/embed_suite.py": HOURS + "; " + OWN_TEST + "tests/suites/test_frozen.py",
    "python scripts/sweep.py": HOURS + "; " + OWN_TEST + "tests/suites/test_sweep.py",
    "python scripts/train_tokenizer.py --input data/pretrain_train_example.csv": "its size is a loop's",
    "python scripts/compare_tokenizers.py": "needs that loop; tests/test_tokenizer_comparison.py compares",
    "python scripts/train_tokenizer.py --input output/corpus --output output/tokenizer ": README,
    "python scripts/benchmark.py": HOURS + "; " + OWN_TEST + "tests/test_benchmark.py",
    "bash scripts/benchmark_gpu.sh": GPU,
    "ACCELERATE_CONFIG=configs/accelerate/fsdp.yaml bash pretrain.sh": GPU,
    "sbatch ": CLUSTER,
    "python -m omnina.launch --config_file configs/accelerate/multi_node.yaml": CLUSTER,
    "bash pretrain.sh configs/pretrain/omnina-330m.yaml": README,
    "bash pretrain.sh --max_steps 20 --validation_documents 20": "the checkout begins with such a run",
    "bash pretrain.sh --model_config": "tests/test_model_config.py reads such files",
}

# Run once, when the checkout is made, with few steps.
BEGINNING = ("bash pretrain.sh", "bash finetune.sh")

# What is put behind commands that are run, so that two cores do it in seconds. The last of an option counts.
FEW_STEPS = "--max_steps 2 --logging_steps 1 --eval_steps 2 --save_steps 2 --validation_documents 8"
SMALL = (
    "--model_config configs/model/tiny.yaml --tokenizer data/tokenizer --compile_layers false --use_cpu true "
    "--bf16 false --tokens_per_step 4096 --tokens_per_device 2048 --dataloader_num_workers 0 "
)
ADDED = {
    "bash pretrain.sh": FEW_STEPS,
    "bash pretrain.sh configs/pretrain/omnina-66m.yaml": SMALL + FEW_STEPS,  # a GPU's size
    "bash finetune.sh": FEW_STEPS,
    "python scripts/score_variants.py --checkpoint output/finetune --saturate": "--segmentations 1",
    "python scripts/score_variants.py": "--indel_controls 2 --segmentations 1 --window 101",
}

# Python that speaks of the reader's own sequences: what they are here.
BEFORE_PYTHON = {
    "from omnina import OmniNA\n\nmodel": 'sequence, other = "CGATA" * 50, "TTGACCATG" * 20\n',
}


def rule(rules: dict[str, str], text: str) -> str | None:
    """The longest beginning of a command among the rules' keys; None if there is none."""
    return max((beginning for beginning in rules if text.startswith(beginning)), key=len, default=None)
