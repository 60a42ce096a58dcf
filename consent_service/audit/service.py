"""Appends what happened to the transparency log in the caller's transaction, and proves it afterwards.

In: a kind, commitments (keyed hashes whose meaning dies with the person's key) and public facts. Out: the
leaf's index, signed checkpoints, inclusion and consistency proofs. An append and a proof each touch O(log n)
stored hashes. No personal data goes in: a leaf cannot be taken back.
Source: RFC 6962 section 2.1; C2SP tlog-checkpoint and tlog-tiles.
"""

import json
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session

from consent_service.audit import repository
from consent_service.audit.checkpoint import Checkpoint, Verifier, sign
from consent_service.audit.domain import (
    Node,
    Span,
    completed_by,
    consistency_spans,
    inclusion_spans,
    leaf_hash,
    node_hash,
    span_hash,
)
from consent_service.audit.tiles import TILE_HEIGHT, entry_bundle, is_tile_level, parse_tile
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import InvalidInputError, NotFoundError

KINDS: Final = frozenset(
    {
        "cameo.accepted",
        "cameo.rejected",
        "cameo.review",
        "grant.issued",
        "grant.revoked",
        "check.denied",
        "clip.published",
        "clip.refused",
        "clip.review",
        "case.decided",
        "likeness.erased",
    }
)
Fact = str | int | bool


class AuditLog:
    """The log of one service, known to the world by its `origin` and public key."""

    def __init__(self, signing_key: Ed25519PrivateKey, origin: str, clock: Clock) -> None:
        self._key = signing_key
        self._origin = origin
        self._clock = clock

    def __repr__(self) -> str:
        return f"AuditLog({self._origin!r})"

    @property
    def verifier(self) -> Verifier:
        """What a stranger needs to check this log's checkpoints."""
        return Verifier(self._origin, self._key.public_key())

    def append(
        self,
        session: Session,
        kind: str,
        *,
        commitments: Mapping[str, str] | None = None,
        facts: Mapping[str, Fact] | None = None,
    ) -> int:
        """Add one leaf in the caller's transaction and return its index; a rollback leaves no gap.

        Raises:
            ValueError: The kind is not one the log knows.
        """
        if kind not in KINDS:
            raise ValueError(f"`{kind}` is no kind of log entry")
        now = self._clock.now()
        leaf = _canonical(
            {
                "v": 1,
                "kind": kind,
                "at": now.isoformat(timespec="microseconds"),
                "commitments": dict(commitments or {}),
                "facts": dict(facts or {}),
            }
        )
        index = repository.lock_size(session)
        repository.add_leaf(session, index, kind, leaf, now)
        repository.add_nodes(session, _completed(session, index, leaf_hash(leaf)))
        return index

    def checkpoint(self, session: Session) -> str:
        """Return a signed note of the tree as the session sees it."""
        size = repository.size(session)
        return sign(Checkpoint(self._origin, size, self.root(session, size)), self._key)

    def size(self, session: Session) -> int:
        """Return how many leaves the session sees."""
        return repository.size(session)

    def root(self, session: Session, size: int) -> bytes:
        """Return the root of the first `size` leaves.

        Raises:
            NotFoundError: The log is not that long yet.
        """
        self._known(session, size)
        return _hashes(session, (Span(0, size),))[0]

    def entry(self, session: Session, index: int) -> bytes:
        """Return the bytes of one leaf.

        Raises:
            NotFoundError: There is no such leaf.
        """
        found = repository.leaf(session, index)
        if found is None:
            raise NotFoundError("log_entry_unknown", "the log has no such entry")
        return found

    def inclusion(self, session: Session, index: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that leaf `index` is among the first `size`, leaf to root.

        Raises:
            InvalidInputError: The index is not in a tree of that size.
            NotFoundError: The log is not that long yet.
        """
        self._known(session, size)
        try:
            return _hashes(session, inclusion_spans(index, size))
        except ValueError as error:
            raise InvalidInputError("log_range_invalid", str(error)) from None

    def consistency(self, session: Session, old: int, new: int) -> tuple[bytes, ...]:
        """Return the proof that the first `old` leaves are unchanged among the first `new`.

        Raises:
            InvalidInputError: The sizes are not in order.
            NotFoundError: The log is not that long yet.
        """
        self._known(session, new)
        try:
            return _hashes(session, consistency_spans(old, new))
        except ValueError as error:
            raise InvalidInputError("log_range_invalid", str(error)) from None

    def hash_tile(self, session: Session, level: int, path: str) -> bytes:
        """Return a Merkle tile: the hashes of up to 256 subtrees, one after the other.

        Raises:
            NotFoundError: There is no such tile, or not that much of it yet.
        """
        tile = parse_tile(path)
        if tile is None or not is_tile_level(level):
            raise _no_tile()
        found = repository.row_of_nodes(session, level * TILE_HEIGHT, tile.start, tile.end)
        if len(found) < tile.width:
            raise _no_tile()
        return b"".join(found)

    def entry_tile(self, session: Session, path: str) -> bytes:
        """Return a bundle of up to 256 leaves.

        Raises:
            NotFoundError: There is no such bundle, or not that much of it yet.
        """
        tile = parse_tile(path)
        found = repository.leaves(session, tile.start, tile.end) if tile else ()
        if tile is None or len(found) < tile.width:
            raise _no_tile()
        return entry_bundle(found)

    @staticmethod
    def _known(session: Session, size: int) -> None:
        if size > repository.size(session):
            raise NotFoundError("log_size_unknown", "the log is not that long yet")


def _no_tile() -> NotFoundError:
    return NotFoundError("log_tile_unknown", "the log has no such tile")


def _completed(session: Session, index: int, leaf: bytes) -> dict[Node, bytes]:
    """Return the hashes that the new leaf makes final: its own and every parent it completes."""
    pairs = completed_by(index)
    siblings = repository.nodes(session, [sibling for sibling, _ in pairs])
    hashes, current = {Node(0, index): leaf}, leaf
    for sibling, parent in pairs:
        current = node_hash(siblings[sibling], current)
        hashes[parent] = current
    return hashes


def _hashes(session: Session, spans: tuple[Span, ...]) -> tuple[bytes, ...]:
    stored = repository.nodes(session, [node for span in spans for node in span.nodes()])
    return tuple(span_hash(span, stored.__getitem__) for span in spans)


def _canonical(leaf: Mapping[str, object]) -> bytes:
    """Return the one serialisation of a leaf: sorted keys, no spaces, UTF-8 (RFC 8785 for these types)."""
    return json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
