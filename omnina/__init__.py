"""OmniNA: a generative foundation model of nucleotide sequences and their annotations."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnina.inference.api import OmniNA

__all__ = ["OmniNA"]


def __getattr__(name: str) -> type["OmniNA"]:
    """``OmniNA``, imported when it is asked for: with it come torch and transformers, which take seconds."""
    if name == "OmniNA":
        from omnina.inference.api import OmniNA

        return OmniNA
    raise AttributeError(f"module 'omnina' has no attribute '{name}'")
