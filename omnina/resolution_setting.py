"""The key ``resolution``: a name, or the probability with which a token of DNA is read as its bases."""

from omnina.chunking import RANDOM, RESOLUTIONS
from omnina.errors import UserError


def is_drawn(resolution: str) -> bool:
    """Whether each row is cut into tokens in a way that is drawn for it (``resolution_draws.py``)."""
    return resolution == RANDOM or base_probability(resolution) is not None


def base_probability(resolution: str) -> float | None:
    """The number that the key is, above 0 and below 1; None for a name. UserError for neither."""
    if resolution in RESOLUTIONS:
        return None
    try:
        probability = float(resolution)
    except ValueError:
        probability = 0.0
    if not 0 < probability < 1:
        raise UserError(
            f"resolution ({resolution}) must be {', '.join(RESOLUTIONS)}, or a number above 0 and below 1, "
            "the probability with which a token of DNA is read as its bases."
        )
    return probability
