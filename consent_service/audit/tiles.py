"""The log as static tiles, the form in which witnesses and monitors follow logs.

In: a tile's path, such as `x001/234.p/17`. Out: which stored nodes or leaves make it up, and their bytes. A
full tile never changes; a partial one is named by its width, so neither does it.
Source: C2SP tlog-tiles, sections "Merkle tree" and "Log entries".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
_HIGHEST: Final = 63 // TILE_HEIGHT
_PATH: Final = re.compile(r"((?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """`width` consecutive items from `index * 256` on."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.index < 0 or not 1 <= self.width <= TILE_WIDTH:
            raise ValueError("not a tile")

    @property
    def start(self) -> int:
        """The first item."""
        return self.index * TILE_WIDTH

    @property
    def end(self) -> int:
        """Past the last item."""
        return self.start + self.width


def parse_tile(path: str) -> Tile | None:
    """Return the tile a path names, or None; a path has one spelling only."""
    found = _PATH.fullmatch(path)
    if found is None or found[2] == str(TILE_WIDTH):
        return None
    number = int(found[1].replace("x", "").replace("/", ""))
    width = int(found[2]) if found[2] else TILE_WIDTH
    if width > TILE_WIDTH or tile_path(number) != found[1]:
        return None
    return Tile(number, width)


def tile_path(index: int) -> str:
    """Return the path of a full tile: groups of three digits, all but the last with an `x`."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def is_tile_level(level: int) -> bool:
    """Tell whether there can be tiles at this level."""
    return 0 <= level <= _HIGHEST


def entry_bundle(leaves: Iterable[bytes]) -> bytes:
    """Return leaves as an entry bundle: each after its length in two bytes."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
