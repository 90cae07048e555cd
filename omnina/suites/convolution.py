"""A small convolutional network as a baseline: what is reached without any language model.

One layer of filters over one-hot bases, pooled over neighbours so that places count, and two dense layers:
the layout that CNNProm used for promoters (Umarov and Solovyev, 2017, doi:10.1371/journal.pone.0171410).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from omnina.evaluation.metrics import Scored
from omnina.suites.task import Example, Task, drawn_rows

NAME = "convolution"
FILTERS, WIDTH, POOLED, DENSE = 128, 15, 4, 128
DROPOUT = 0.5
EPOCHS, ROWS, LEARNING_RATE = 30, 64, 1e-3
MOST_ROWS, LONGEST = 20_000, 5_000
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CODES = np.full(128, 4)  # an ASCII letter's place among A, C, G, T; 4 for any other
CODES[[ord(base) for base in "ACGT"]] = range(4)


def name(task: Task) -> str:
    """Of its column; it says so if training rows were left out."""
    return NAME if len(task.train) <= MOST_ROWS else f"{NAME} ({MOST_ROWS:,} training rows at most)"


def fit_convolution(task: Task, seed: int) -> Scored:
    """The test rows' probabilities, from the epoch whose validation loss is lowest; on a GPU if there is one.

    Args:
        task: sequences of any lengths; shorter ones are filled with zeros at their end, longer ones than
            ``LONGEST`` bases cut there. Of more than ``MOST_ROWS`` training rows, the same ones every time.
        seed: of weights, order and dropout.
    """
    task = replace(task, train=drawn_rows(task.train, MOST_ROWS))
    labels = sorted({row.label for row in task.train})
    lengths = [len(row.sequence) for rows in (task.train, task.validation, task.test) for row in rows]
    longest = min(max(*lengths, WIDTH), LONGEST)
    train, validation = (
        (_one_hot(rows, longest), _targets(rows, labels)) for rows in (task.train, task.validation)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network(longest, len(labels)).to(DEVICE)
        _fit(network, train, validation)
    probabilities = _logits(network, _one_hot(task.test, longest)).softmax(-1).cpu().numpy()
    return Scored([row.label for row in task.test], labels, probabilities)


def _network(longest: int, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(4, FILTERS, WIDTH, padding="same"),  # (B, 4, L) -> (B, FILTERS, L)
        nn.ReLU(),
        nn.MaxPool1d(POOLED, ceil_mode=True),
        nn.Flatten(),
        nn.Dropout(DROPOUT),
        nn.Linear(FILTERS * -(-longest // POOLED), DENSE),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(DENSE, classes),  # (B, classes)
    )


def _fit(network: nn.Module, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE)
    best, best_state = float("inf"), network.state_dict()
    for _ in range(EPOCHS):
        network.train()
        for places in torch.randperm(len(train[1])).split(ROWS):
            optimizer.zero_grad()
            F.cross_entropy(_answered(network, train[0][places]), train[1][places].to(DEVICE)).backward()
            optimizer.step()
        loss = F.cross_entropy(_logits(network, validation[0]), validation[1].to(DEVICE)).item()
        if loss < best:
            best, best_state = loss, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best_state)


@torch.no_grad()
def _logits(network: nn.Module, inputs: Tensor) -> Tensor:
    network.eval()
    return torch.cat([_answered(network, rows) for rows in inputs.split(ROWS)])


def _answered(network: nn.Module, inputs: Tensor) -> Tensor:
    """(B, 4, L) int8 -> (B, classes) logits."""
    return network(inputs.to(DEVICE).float())


def _one_hot(rows: Sequence[Example], longest: int) -> Tensor:
    """(rows, 4, L) int8."""
    found = np.zeros((len(rows), 5, longest), dtype=np.int8)
    for place, row in enumerate(rows):
        bases = row.sequence[:longest].upper().replace("U", "T").encode()
        codes = CODES[np.frombuffer(bases, dtype=np.uint8)]
        found[place, codes, np.arange(len(codes))] = 1
    return torch.from_numpy(found[:, :4])


def _targets(rows: Sequence[Example], labels: Sequence[str]) -> Tensor:
    """(rows,) int64; a label that training never saw counts as the first."""
    places = {label: place for place, label in enumerate(labels)}
    return torch.tensor([places.get(row.label, 0) for row in rows])
