"""What FSDP cannot train with, refused before anything is read."""

import os

from omnina.errors import UserError


def fsdp_is_asked() -> bool:
    """Whether the accelerate configuration asks for FSDP: ``accelerate launch`` hands it on so."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def check_whole(key: str, needed: str, without: str) -> None:
    """UserError where FSDP would shard the matrices or weights that a setting needs whole.

    ``without``: how the setting is switched off.
    """
    if fsdp_is_asked():
        raise UserError(
            f"{key} needs whole {needed} on each GPU, which FSDP divides; leave ACCELERATE_CONFIG out (DDP), "
            f"or {without}."
        )
