"""Run by a test under accelerate: pretrain, and write the world size and the model wrapper's class."""

import json
import sys
from pathlib import Path

from omnina import pretrain, training


def main() -> None:
    report, *arguments = sys.argv[1:]
    original = training.finish

    def finish(stage, trainer, metrics, seconds):
        original(stage, trainer, metrics, seconds)
        world = {"world_size": trainer.args.world_size, "wrapper": type(trainer.model_wrapped).__name__}
        Path(report).write_text(json.dumps(world))

    training.finish = finish
    pretrain.main(arguments)


if __name__ == "__main__":
    main()
