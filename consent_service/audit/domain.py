"""The Merkle tree as pure arithmetic: what to hash, which stored nodes prove it, and how to check a proof.

In: hashes, indices and sizes. Out: roots, proof node coordinates, verdicts. Nothing here touches a database,
so a stranger can verify with this module alone.
Source: RFC 6962 sections 2.1, 2.1.1, 2.1.2; RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """The complete subtree of `2**level` leaves that starts at leaf `index * 2**level`."""

    level: int
    index: int

    def __post_init__(self) -> None:
        if self.level < 0 or self.index < 0:
            raise ValueError("a node's level and index are natural numbers")


@dataclass(frozen=True, slots=True)
class Span:
    """The leaves from `start` to before `end`; its hash is folded from complete subtrees."""

    start: int
    end: int

    def nodes(self) -> Iterator[Node]:
        """Yield the complete subtrees it consists of, left to right: at most two per level."""
        start = self.start
        while start < self.end:
            level = (self.end - start).bit_length() - 1
            yield Node(level, start >> level)
            start += 1 << level


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf (prefix 0x00 keeps leaves and nodes apart)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (prefix 0x01)."""
    return sha256(b"\x01" + left + right).digest()


def completed_by(index: int) -> tuple[tuple[Node, Node], ...]:
    """Return each (left sibling, parent) that the leaf appended at `index` completes, upwards."""
    pairs = []
    level, position = 0, index
    while position & 1:
        pairs.append((Node(level, position - 1), Node(level + 1, position >> 1)))
        level, position = level + 1, position >> 1
    return tuple(pairs)


def span_hash(span: Span, lookup: Callable[[Node], bytes]) -> bytes:
    """Return the tree hash of a span that starts at a multiple of its largest power of two."""
    hashes = [lookup(node) for node in span.nodes()]
    if not hashes:
        return EMPTY_ROOT
    right = hashes.pop()
    while hashes:
        right = node_hash(hashes.pop(), right)
    return right


def inclusion_spans(index: int, size: int) -> tuple[Span, ...]:
    """Return the spans whose hashes prove that leaf `index` is in the tree of `size` leaves, leaf to root.

    Raises:
        ValueError: There is no such leaf in that tree.
    """
    if not 0 <= index < size:
        raise ValueError("the index is not in the tree")
    path: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(Span(middle, end))
            end = middle
        else:
            path.append(Span(start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_spans(old: int, new: int) -> tuple[Span, ...]:
    """Return the spans whose hashes prove that the tree of `old` leaves is the start of that of `new`.

    Raises:
        ValueError: The sizes are not in order.
    """
    if not 0 <= old <= new:
        raise ValueError("the sizes are not in order")
    if old in {0, new}:
        return ()
    path: list[Span] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(Span(middle, end))
            end = middle
        else:
            path.append(Span(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(Span(start, end))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: tuple[bytes, ...], root: bytes) -> bool:
    """Tell whether `leaf` (its bytes) is at `index` in the tree of `size` leaves with this root.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size or not _well_formed((*proof, root)):
        return False
    position, last, current = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            current = node_hash(sibling, current)
            position, last = _skip_even(position, last)
        else:
            current = node_hash(current, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and current == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: tuple[bytes, ...]
) -> bool:
    """Tell whether the tree of `old` leaves is a prefix of the tree of `new` leaves.

    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 <= old <= new or not _well_formed((*proof, old_root, new_root)):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    return _fold_consistency(old, new, old_root, new_root, proof)


def _fold_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: tuple[bytes, ...]) -> bool:
    path = proof if old & (old - 1) else (old_root, *proof)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            position, last = _skip_even(position, last)
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _skip_even(position: int, last: int) -> tuple[int, int]:
    """Climb while the node is the lone right edge of its level."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count` (RFC 6962 section 2.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def _well_formed(hashes: tuple[bytes, ...]) -> bool:
    return all(len(value) == HASH_BYTES for value in hashes)
