"""A figure of windows with a variant less that of windows without, over strands and ways to lay a window."""

from collections.abc import Callable, Sequence

import numpy as np

from omnina.inference.variants.haplotypes import Window, Windows, other_strand

Measure = Callable[[Sequence[Window]], np.ndarray]


def differences(pairs: Sequence[Windows], measure: Measure, both_strands: bool) -> np.ndarray:
    """(pairs, ...) float64: the alternative's figure less the reference's.

    Args:
        pairs: with and without each variant; several windows of a side count by their mean.
        measure: (windows, ...) of windows that are all different.
        both_strands: the mean of both; else as the windows are written.
    """
    windows = list(dict.fromkeys(window for pair in pairs for window in (*pair.ref, *pair.alt)))
    means = measure(windows)
    if both_strands:
        means = (means + measure([other_strand(window) for window in windows])) / 2
    places = {window: place for place, window in enumerate(windows)}

    def side(of_pair: Sequence[Window]) -> np.ndarray:
        return means[[places[window] for window in of_pair]].mean(axis=0)

    found = [side(pair.alt) - side(pair.ref) for pair in pairs]
    return np.array(found).reshape(len(pairs), *means.shape[1:])
