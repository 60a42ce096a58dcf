"""The only SQL of grants, and the translation between rows and domain values.

In: a session and ids. Out: values that passed their own constructors, never rows.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from consent_service.accounts.tables import PrincipalRow
from consent_service.grants.domain import Grant, GrantOnFile, GrantState, Standing, standing_of
from consent_service.grants.encoding import canonical
from consent_service.grants.tables import GrantRow
from consent_service.grants.terms import GrantTerms, Use
from consent_service.kernel.ids import GrantId, LikenessId, PersonId, RelyingPartyId

_MOST_GRANTS_CHECKED: Final = 200
_STATE: Final = (col(GrantRow.state), col(GrantRow.not_before), col(GrantRow.not_after))
_FOR_STANDING: Final = select_columns(col(GrantRow.id), *_STATE)
_FOR_CHECK: Final = (
    select_columns(
        col(GrantRow.id), col(GrantRow.person_id), col(GrantRow.scope), col(GrantRow.description), *_STATE
    )
    .where(
        col(GrantRow.likeness_id) == bindparam("likeness_id"),
        col(GrantRow.relying_party_id) == bindparam("relying_party_id"),
    )
    .order_by(col(GrantRow.issued_at).desc())
    .limit(_MOST_GRANTS_CHECKED)
)  # built once: putting a statement together costs more than running it


def add(session: Session, grant: Grant, record: bytes) -> None:
    """Store a new grant with its consent record."""
    terms = grant.terms
    session.add(
        GrantRow(
            id=grant.id,
            likeness_id=grant.likeness_id,
            person_id=grant.person_id,
            relying_party_id=terms.relying_party_id,
            state=grant.state.value,
            scope=_scope_to_json(terms),
            description=terms.description,
            not_before=terms.not_before,
            not_after=terms.not_after,
            issued_at=grant.issued_at,
            status_shard=grant.status_list[0],
            status_index=grant.status_list[1],
            policy_version=grant.policy_version,
            record_id=grant.record_id,
            record=record.decode(),
            receipt_sha256=grant.receipt_sha256,
        )
    )
    session.flush()


def find(session: Session, grant_id: str, *, lock: bool = False) -> Grant | None:
    """Return a grant; with `lock`, as nobody else may change it before the transaction ends."""
    row = session.get(GrantRow, grant_id, with_for_update=lock, populate_existing=lock)
    return None if row is None else _grant(row)


def record_of(session: Session, grant_id: str) -> str | None:
    """Return the consent record of a grant, word for word."""
    return session.exec(select(GrantRow.record).where(GrantRow.id == grant_id)).first()


def save_withdrawal(session: Session, grant: Grant) -> None:
    """Store that a grant was revoked."""
    row = session.get_one(GrantRow, grant.id)
    row.state, row.revoked_at = grant.state.value, grant.revoked_at
    session.add(row)
    session.flush()


def for_check(session: Session, likeness_id: str, relying_party_id: str) -> list[GrantOnFile]:
    """Return what a relying party holds for a likeness: one indexed look, newest first."""
    likeness, party = LikenessId(likeness_id), RelyingPartyId(relying_party_id)
    return [
        GrantOnFile(
            GrantId(row.id),
            likeness,
            PersonId(row.person_id),
            GrantState(row.state),
            _terms(party, row.scope, row.description, row.not_before, row.not_after),
        )
        for row in session.connection().execute(
            _FOR_CHECK, {"likeness_id": likeness_id, "relying_party_id": relying_party_id}
        )
    ]


def page(session: Session, *, held_by: str, after: str, limit: int) -> list[Grant]:
    """Return grants a person gave or a relying party holds, in order of id, after a given one."""
    mine = (col(GrantRow.person_id) == held_by) | (col(GrantRow.relying_party_id) == held_by)
    statement = select(GrantRow).where(mine, GrantRow.id > after).order_by(GrantRow.id).limit(limit)
    return [_grant(row) for row in session.exec(statement)]


def standings(session: Session, grant_ids: Collection[str], now: datetime) -> dict[str, Standing]:
    """Return what grants are worth at `now`; absent ones are absent."""
    statement = _FOR_STANDING.where(col(GrantRow.id).in_(list(grant_ids)))
    return {
        row.id: standing_of(GrantState(row.state), row.not_before, row.not_after, now)
        for row in session.connection().execute(statement)
    }


def active_of_likeness(session: Session, likeness_id: str) -> Sequence[str]:
    """Return the grants for a likeness that are not final yet."""
    statement = select(GrantRow.id).where(
        GrantRow.likeness_id == likeness_id,
        col(GrantRow.state).in_([GrantState.ACTIVE.value, GrantState.SUSPENDED.value]),
    )
    return session.exec(statement).all()


def is_relying_party(session: Session, relying_party_id: str) -> bool:
    """Tell whether there is such a relying party and it has not been shut out."""
    row = session.get(PrincipalRow, relying_party_id)
    return row is not None and row.role == "relying_party" and row.disabled_at is None


def _grant(row: GrantRow) -> Grant:
    party = RelyingPartyId(row.relying_party_id)
    return Grant(
        GrantId(row.id),
        LikenessId(row.likeness_id),
        PersonId(row.person_id),
        _terms(party, row.scope, row.description, row.not_before, row.not_after),
        GrantState(row.state),
        row.issued_at,
        (row.status_shard, row.status_index),
        row.policy_version,
        row.record_id,
        row.receipt_sha256,
        row.revoked_at,
    )


def _scope_to_json(terms: GrantTerms) -> str:
    scope = {
        "requesters": sorted(terms.requesters),
        "uses": _values(terms.uses),
        "purposes": sorted(terms.purposes),
        "commercial": terms.commercial,
        "regions": sorted(terms.regions),
        "forbidden": sorted(terms.forbidden),
        "remix": terms.remix,
        "max_seconds": terms.max_seconds,
    }
    return canonical(scope).decode()


def _values(uses: Iterable[Use]) -> list[str]:
    return sorted(use.value for use in uses)


def _terms(
    party: RelyingPartyId, scope: str, description: str, not_before: datetime, not_after: datetime
) -> GrantTerms:
    stored = json.loads(scope)
    return GrantTerms(
        relying_party_id=party,
        requesters=frozenset(stored["requesters"]),
        uses=frozenset(Use(use) for use in stored["uses"]),
        purposes=frozenset(stored["purposes"]),
        commercial=stored["commercial"],
        regions=frozenset(stored["regions"]),
        description=description,
        not_before=not_before,
        not_after=not_after,
        forbidden=frozenset(stored["forbidden"]),
        remix=stored["remix"],
        max_seconds=stored["max_seconds"],
    )
