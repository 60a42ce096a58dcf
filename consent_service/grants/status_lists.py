"""Publishes what is withdrawn: status lists kept in the database, signed on demand.

In: the caller's transaction, which takes a place for a grant or changes what stands there. Out: the signed
list of a shard. A published list always shows the committed state: what is cached holds for one value of the
shard's change counter, and the counter is read each time.

Source: draft-ietf-oauth-status-list, section 13.2 (a list must not tell who is who: places are random, and
decoys hide how many grants were withdrawn).
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from sqlalchemy import Engine
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from consent_service.db.session import reading
from consent_service.grants.keys import SigningKeys
from consent_service.grants.status_token import SHARD_ENTRIES, TTL_SECONDS, Status, compress, sign_list
from consent_service.grants.tables import StatusEntryRow, StatusShardRow
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import NotFoundError

_FULL: Final = SHARD_ENTRIES // 2  # beyond it random places collide too often
_MOST_DECOYS: Final = 3


@dataclass(frozen=True, slots=True)
class _Published:
    """A signed list and the change counter it was made at."""

    changes: int
    lst: str
    token: str
    issued_at: datetime


class StatusLists:
    """Keeps and publishes the status lists of one service."""

    def __init__(self, engine: Engine, keys: SigningKeys, clock: Clock, public_url: str) -> None:
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._cache: dict[int, _Published] = {}
        self._lock = Lock()

    def uri(self, shard: int) -> str:
        """Return the address of a list; it is also its name inside the token."""
        return f"{self._public_url}/v1/status-lists/{shard}"

    def take_place(self, session: Session) -> tuple[int, int]:
        """Take a random place for a new grant, in the caller's transaction; return shard and index."""
        shard = _roomy_shard(session)
        return shard.shard, _take(session, shard, Status.VALID)

    def change(self, session: Session, place: tuple[int, int], status: Status) -> None:
        """Change what stands at a place, in the caller's transaction, among a few decoys."""
        shard = _locked(session, place[0])
        entry = session.get_one(StatusEntryRow, place)
        entry.status = status.value
        shard.changes += 1
        session.add_all([entry, shard])
        for _ in range(secrets.randbelow(_MOST_DECOYS)):
            _take(session, shard, Status.INVALID)
        session.flush()

    def publish(self, shard: int) -> str:
        """Return the signed list of a shard as committed now.

        Raises:
            NotFoundError: Code `status_list_unknown`.
        """
        now = self._clock.now()
        with reading(self._engine) as session:
            row = session.get(StatusShardRow, shard)
            if row is None:
                raise NotFoundError("status_list_unknown", "there is no such status list")
            cached = self._cache.get(shard)
            if cached is None or cached.changes != row.changes:
                lst = compress(_not_valid(session, shard))
            elif now - cached.issued_at < timedelta(seconds=TTL_SECONDS):
                return cached.token
            else:
                lst = cached.lst
        token = sign_list(lst, uri=self.uri(shard), now=now, keys=self._keys)
        self._remember(shard, _Published(row.changes, lst, token, now))
        return token

    def _remember(self, shard: int, published: _Published) -> None:
        """Keep the newer of two lists that were made at the same time."""
        with self._lock:
            held = self._cache.get(shard)
            if held is None or held.changes <= published.changes:
                self._cache[shard] = published


def _roomy_shard(session: Session) -> StatusShardRow:
    statement = (
        select(StatusShardRow)
        .where(col(StatusShardRow.entries) < _FULL)
        .order_by(col(StatusShardRow.shard))
        .limit(1)
        .with_for_update()
    )
    found = session.exec(statement).first()
    if found is not None:
        return found
    last = session.exec(select(StatusShardRow.shard).order_by(col(StatusShardRow.shard).desc())).first()
    shard = StatusShardRow(shard=0 if last is None else last + 1)
    session.add(shard)
    session.flush()
    return shard


def _locked(session: Session, shard: int) -> StatusShardRow:
    return session.get_one(StatusShardRow, shard, with_for_update=True, populate_existing=True)


def _take(session: Session, shard: StatusShardRow, status: Status) -> int:
    """Take a free random place of a shard."""
    while True:
        index = secrets.randbelow(SHARD_ENTRIES)
        if session.get(StatusEntryRow, (shard.shard, index)) is None:
            break
    session.add(StatusEntryRow(shard=shard.shard, index=index, status=status.value))
    shard.entries += 1
    session.add(shard)
    session.flush()
    return index


def _not_valid(session: Session, shard: int) -> list[tuple[int, int]]:
    status = col(StatusEntryRow.status)
    statement = select_columns(col(StatusEntryRow.index), status).where(
        col(StatusEntryRow.shard) == shard, status > Status.VALID.value
    )
    return [(row[0], row[1]) for row in session.connection().execute(statement)]
