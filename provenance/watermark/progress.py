"""Progress of a job made of parts.

In: a callable that takes fractions 0..1. Out: one for a part of the whole.
"""

from collections.abc import Callable

Progress = Callable[[float], None]


def part(progress: Progress | None, begin: float, end: float) -> Progress | None:
    """Return a callable that reports a part's own 0..1 as `begin`..`end` of the whole."""
    if progress is None:
        return None
    return lambda fraction: progress(begin + (end - begin) * fraction)
