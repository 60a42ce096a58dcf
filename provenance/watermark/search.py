"""Where the mark may be hiding: geometries in the order in which they are worth trying, coarse to fine.

In: a whitened image and the pilots of one or more keys. Out: the best fits, refined, stage by stage:
unchanged and mirrored, then scaled and cropped, then squeezed along one axis, then turned by a few degrees.
Straightening and transforming an image does not depend on the key, so every key is tried on each transform.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.geometry import Fit, Geometry, PilotMatcher, halved, spectrum
from provenance.watermark.pattern import PERIOD, Layout

# A scale wrong by 0.35 % moves the far ends of the picture by about one reference sample.
_SCALES: Final = np.exp(np.arange(np.log(0.42), np.log(2.6), 0.0035))
_SQUEEZES: Final = np.exp(np.arange(-0.36, 0.361, 0.004))
_ROTATIONS: Final = tuple(0.3 * step for step in range(-8, 9) if step)
_ROTATED_SCALES: Final = np.exp(np.arange(np.log(0.97), np.log(1.12), 0.005))
_FINE_STEPS: Final = ((0.002, 0.15), (0.001, 0.08), (0.001, 0.04))  # of scale, and degrees
_FAST_SCALES: Final = (1.0, 0.998, 1.002)
_KEPT: Final = 4
_PROMISING: Final = 8.5  # above anything an unmarked image reaches
_PATIENCE: Final = 40  # fits after a promising one


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fit under one of the keys tried, by its index."""

    fit: Fit
    key: int


class Search:
    """Tries geometries of one whitened image for several keys.

    Args:
        image: On the reference grid.
        layouts: Carriers of each key.
    """

    def __init__(self, image: NDArray[np.float32], layouts: Sequence[Layout]) -> None:
        self._whole = _Grid(image, layouts, PERIOD)
        self._layouts = layouts

    def fast(self) -> list[Candidate]:
        """Return the candidates of a copy whose shape is unchanged or mirrored, best first."""
        shapes = (
            Geometry(scale, scale, mirrored=mirrored) for scale in _FAST_SCALES for mirrored in (False, True)
        )
        return _best(self._whole.tried(shapes), len(self._layouts) + 1)

    def deep(self) -> Iterator[list[Candidate]]:
        """Yield refined candidates, best first, stage by stage; a stage ends early once a fit stands out.

        Half the resolution holds the whole band of the pattern and takes a third of the time.
        """
        coarse = _Grid(halved(self._whole.image), self._layouts, PERIOD // 2)
        for stage in (_scaled, _squeezed, _rotated):
            found = _best(_until_settled(coarse.tried(stage())), _KEPT)
            yield _best((coarse.refined(candidate) for candidate in found), _KEPT)


class _Grid:
    """An image at one resolution, with the pilots at that resolution."""

    def __init__(self, image: NDArray[np.float32], layouts: Sequence[Layout], period: int) -> None:
        self.image = image
        self._period = period
        self._matchers = tuple(PilotMatcher(layout, period) for layout in layouts)

    def tried(self, shapes: Iterable[Geometry]) -> Iterator[Candidate]:
        """Yield how each geometry fits each key; those alike but for mirroring should follow each other."""
        last: Geometry | None = None
        transformed = np.zeros(0, np.complex64)
        for geometry in shapes:
            shape = replace(geometry, mirrored=False)
            if shape != last:
                last, transformed = shape, spectrum(self.image, shape, self._period)
            for index, matcher in enumerate(self._matchers):
                yield Candidate(matcher.fit(transformed, geometry), index)

    def refined(self, candidate: Candidate) -> Candidate:
        """Return the best geometry near a coarse one."""
        for step, angle in _FINE_STEPS:
            moves = [1 + count * step for count in (-2, -1, 0, 1, 2)]
            now = candidate.fit.geometry
            near = [now.moved(horizontal=across, vertical=down) for across in moves for down in moves]
            candidate = self._better(candidate, near)
            if now.rotation:
                now = candidate.fit.geometry
                candidate = self._better(candidate, [now.moved(rotation=-angle), now.moved(rotation=angle)])
        return candidate

    def _better(self, candidate: Candidate, near: Iterable[Geometry]) -> Candidate:
        matcher = self._matchers[candidate.key]
        fits = (matcher.fit(spectrum(self.image, geometry, self._period), geometry) for geometry in near)
        return max((candidate, *(Candidate(fit, candidate.key) for fit in fits)), key=_by_score)


def _best(tried: Iterable[Candidate], count: int) -> list[Candidate]:
    return sorted(tried, key=_by_score, reverse=True)[:count]


def _until_settled(tried: Iterable[Candidate]) -> Iterator[Candidate]:
    """Pass candidates on until a promising one has not been bettered for a while.

    A clear mark shows through wrong geometries too, so the first promising one is seldom the right one.
    """
    best, waited = 0.0, 0
    for candidate in tried:
        yield candidate
        waited += 1
        if candidate.fit.score > best:
            best, waited = candidate.fit.score, 0
        if best > _PROMISING and waited >= _PATIENCE:
            return


def _by_score(candidate: Candidate) -> float:
    return candidate.fit.score


def _scaled() -> Iterator[Geometry]:
    return (Geometry(scale, scale, mirrored=mirrored) for scale in _SCALES for mirrored in (False, True))


def _squeezed() -> Iterator[Geometry]:
    for ratio in _SQUEEZES:
        yield Geometry(ratio, 1.0)
        yield Geometry(1.0, ratio)


def _rotated() -> Iterator[Geometry]:
    return (Geometry(scale, scale, rotation=angle) for angle in _ROTATIONS for scale in _ROTATED_SCALES)
