"""How much each of a run's exports counts in their average. Pure."""

from collections.abc import Sequence

LEAST_WIDTH, MOST_WIDTH = 0.01, 0.28


def power_profile(steps: Sequence[int], width: float) -> list[float]:
    """Return the weight of each export in an average by a power of the step; they sum to 1.

    The average at step T is that of the weights at t by t^g, over all steps; here each export
    stands for the steps since the one before it.

    Args:
        steps: After which the exports were made, rising, the first at least 1.
        width: Standard deviation of the profile over T (sigma_rel), from 0.01 to 0.28: the larger,
            the further back it reaches.

    Source:
        Karras et al. 2024 (Analyzing and Improving the Training Dynamics of Diffusion Models),
        section 3.1, eq. 3, and algorithm 2.
    """
    power = exponent(width) + 1
    last = steps[-1]
    ends = [(step / last) ** power for step in steps]
    return [end - begin for begin, end in zip([0.0, *ends], ends, strict=False)]


def exponent(width: float) -> float:
    """Return the exponent g of a profile of a width."""
    import numpy as np

    square = width**-2
    return float(np.roots([1, 7, 16 - square, 12 - square]).real.max())
