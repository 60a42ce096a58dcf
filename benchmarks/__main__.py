"""Run every benchmark: `python -m benchmarks` (or `make bench`)."""

import tempfile
from pathlib import Path

from benchmarks import checks, media
from benchmarks.report import publish


def main() -> None:
    """Measure in a temporary folder and publish the results."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        publish([*media.measure(folder), *checks.measure(folder)])


if __name__ == "__main__":
    main()
