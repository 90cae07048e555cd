"""Nothing is fetched or sent, unless a command is given the name of a model on the hub to fetch.

That is ``scripts/import_checkpoint.py`` alone; every other part of OmniNA takes folders.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants

from omnina.errors import UserError

HUB_SWITCH = "HF_HUB_OFFLINE"
OFF = {HUB_SWITCH: "1", "HF_HUB_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
OURS: set[str] = set()  # switched off here, not by the user


def stay_offline() -> None:
    """Switch hub access and usage reports of the libraries off, here and in the processes started from here.

    What the user's environment says of them stays. peft asks the hub for a base model's configuration while
    it saves adapters, and ray reports its usage, unless told not to.
    """
    OURS.update(OFF.keys() - os.environ.keys())
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
    constants.HF_HUB_OFFLINE = _is_on(os.environ[HUB_SWITCH])


@contextmanager
def hub_access() -> Iterator[None]:
    """Let this process ask the hub inside; UserError if the user's own environment forbids it."""
    if _is_on(os.environ.get(HUB_SWITCH, "")) and HUB_SWITCH not in OURS:
        raise UserError(f"{HUB_SWITCH} is set, so nothing may be fetched; unset it, or give a folder.")
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, False
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _is_on(value: str) -> bool:
    return value.lower() not in ("0", "", "false", "no", "off")
