"""Where the mark may be hiding: geometries in the order in which they are worth trying, coarse to fine.

In: a whitened image and the pilots of one or more keys. Out: the best fits, refined, stage by stage:
unchanged and mirrored, then scaled and cropped, then squeezed along one axis, then turned by a few degrees.
Straightening and transforming an image does not depend on the key, so every key is tried on each transform.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.geometry import Fit, Geometry, PilotMatcher, spectrum

# A scale wrong by 0.35 % moves the far ends of the picture by about one reference sample.
_SCALES: Final = np.exp(np.arange(np.log(0.42), np.log(2.6), 0.0035))
_SQUEEZES: Final = np.exp(np.arange(-0.36, 0.361, 0.004))
_ROTATIONS: Final = tuple(0.3 * step for step in range(-8, 9) if step)
_ROTATED_SCALES: Final = np.exp(np.arange(np.log(0.97), np.log(1.12), 0.005))
_FINE_STEPS: Final = (0.002, 0.001)
_FINE_ROTATION: Final = (0.15, 0.07)
_FAST_SCALES: Final = (1.0, 0.998, 1.002)
_KEPT: Final = 3
_PROMISING: Final = 9.0  # far above anything an unmarked image reaches; worth decoding at once


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fit under one of the keys tried, by its index."""

    fit: Fit
    key: int


class Search:
    """Tries geometries of one image for several keys."""

    def __init__(self, image: NDArray[np.float32], matchers: tuple[PilotMatcher, ...]) -> None:
        self.image = image
        self.matchers = matchers

    def fast(self) -> list[Candidate]:
        """Return the candidates of a copy whose shape is unchanged or mirrored, best first."""
        shapes = (
            Geometry(scale, scale, mirrored=mirrored) for scale in _FAST_SCALES for mirrored in (False, True)
        )
        return self._best(self._tried(shapes), len(self.matchers) + 1)

    def deep(self) -> Iterator[list[Candidate]]:
        """Yield refined candidates, best first, stage by stage; a stage ends early on a promising fit."""
        for stage in (_scaled, _squeezed, _rotated):
            found = self._best(_until_promising(self._tried(stage())), _KEPT)
            refined = [self.refined(candidate) for candidate in found]
            yield sorted(refined, key=_by_score, reverse=True)

    def refined(self, candidate: Candidate) -> Candidate:
        """Return the best geometry near a coarse one."""
        for step in _FINE_STEPS:
            moves = (-2 * step, -step, 0.0, step, 2 * step)
            near = (
                candidate.fit.geometry.moved(horizontal=1 + across, vertical=1 + down)
                for across in moves
                for down in moves
            )
            candidate = self._better(candidate, near)
        for angle in _FINE_ROTATION if candidate.fit.geometry.rotation else ():
            near = (candidate.fit.geometry.moved(rotation=turn) for turn in (-angle, angle))
            candidate = self._better(candidate, near)
        return candidate

    def _better(self, candidate: Candidate, near: Iterable[Geometry]) -> Candidate:
        matcher = self.matchers[candidate.key]
        fits = (matcher.fit(spectrum(self.image, geometry), geometry) for geometry in near)
        return max((candidate, *(Candidate(fit, candidate.key) for fit in fits)), key=_by_score)

    def _tried(self, shapes: Iterable[Geometry]) -> Iterator[Candidate]:
        last: Geometry | None = None
        transformed = None
        for geometry in shapes:
            shape = replace(geometry, mirrored=False)
            if transformed is None or shape != last:
                last, transformed = shape, spectrum(self.image, shape)
            for index, matcher in enumerate(self.matchers):
                yield Candidate(matcher.fit(transformed, geometry), index)

    def _best(self, tried: Iterable[Candidate], count: int) -> list[Candidate]:
        return sorted(tried, key=_by_score, reverse=True)[:count]


def _until_promising(tried: Iterable[Candidate]) -> Iterator[Candidate]:
    for candidate in tried:
        yield candidate
        if candidate.fit.score > _PROMISING:
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
