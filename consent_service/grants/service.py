"""Use cases of consent: issue, look up, check, withdraw. Load, decide, save, record.

In: ids of callers the routes have authenticated, and values. Out: grants, decisions. Withdrawing is one
commit: state, status list, log entry, notice and follow-up job, all or none; the next check, in whatever
process, denies.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.accounts import webhooks
from consent_service.audit.service import AuditLog
from consent_service.db.group import GroupCommit
from consent_service.db.session import reading, transaction
from consent_service.grants import checks, repository
from consent_service.grants.domain import (
    CheckDecision,
    CheckRequest,
    Grant,
    GrantOnFile,
    GrantReference,
    GrantState,
    Standing,
    check_at_issue,
    decide_check,
    move,
    standing_of,
)
from consent_service.grants.grant_token import sign_grant
from consent_service.grants.keys import SigningKeys
from consent_service.grants.records import ConsentRecord, write_record
from consent_service.grants.status_lists import StatusLists
from consent_service.grants.status_token import Status
from consent_service.grants.terms import GrantTerms
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import InvalidInputError, NotFoundError
from consent_service.kernel.ids import GrantId, LikenessId, PersonId, new_id
from consent_service.policy.domain import Effect
from consent_service.policy.engine import PolicyEngine
from consent_service.vault.service import Vault

FOLLOW_UP: Final = "grant-revoked"
"""Name of the workflow that lists the clips a withdrawal touches; the clips slice registers it."""


class LikenessRegister(Protocol):
    """Who owns which enrolled likeness; the cameos slice knows."""

    def owner(self, session: Session, likeness_id: LikenessId) -> PersonId | None:
        """Return the owner of an enrolled likeness; None when there is none, or it was erased."""
        ...


@dataclass(frozen=True, slots=True)
class Floors:
    """What the use cases stand on."""

    engine: Engine
    clock: Clock
    vault: Vault
    audit: AuditLog
    policy: PolicyEngine
    runtime: JobRuntime
    likenesses: LikenessRegister


class GrantService:
    """Issues, checks and withdraws grants."""

    def __init__(self, floors: Floors, keys: SigningKeys, public_url: str) -> None:
        self._floors = floors
        self._engine, self._clock = floors.engine, floors.clock
        self._keys = keys
        self._issuer = public_url.rstrip("/")
        self._denials = GroupCommit(floors.engine)
        self.status_lists = StatusLists(floors.engine, keys, floors.clock, public_url)

    @property
    def jwks(self) -> Mapping[str, object]:
        """Keys to verify grants and status lists with."""
        return self._keys.jwks

    def issue(self, person_id: PersonId, likeness_id: LikenessId, terms: GrantTerms) -> Grant:
        """Record a person's consent to the use of their own likeness.

        Raises:
            NotFoundError: Code `likeness_unknown`; no such likeness of this person.
            InvalidInputError: The terms cannot be agreed to now, or name no relying party.
        """
        now = self._clock.now()
        check_at_issue(terms, now)
        with transaction(self._engine) as session:
            self._must_own(session, person_id, likeness_id)
            if not repository.is_relying_party(session, terms.relying_party_id):
                raise InvalidInputError("relying_party_unknown", "there is no such relying party")
            grant, record = self._draw_up(session, person_id, likeness_id, terms, now)
            repository.add(session, grant, record.text)
            self._record(session, "grant.issued", grant, {"receipt": record.sha256})
            self._notify(session, "grant.issued", grant, now)
        return grant

    def get(self, caller_id: str, grant_id: str) -> Grant:
        """Return a grant to the person who gave it or the relying party that holds it.

        Raises:
            NotFoundError: Code `grant_unknown`; none that this caller may know of.
        """
        with reading(self._engine) as session:
            grant = repository.find(session, grant_id)
        if grant is None or caller_id not in (grant.person_id, grant.terms.relying_party_id):
            raise NotFoundError("grant_unknown", "there is no such grant")
        return grant

    def page(self, caller_id: str, *, after: str, limit: int) -> list[Grant]:
        """Return the grants a person gave or a relying party holds, in order of id."""
        with reading(self._engine) as session:
            return repository.page(session, held_by=caller_id, after=after, limit=limit)

    def record(self, person_id: str, grant_id: str) -> str:
        """Return the consent record to the person who consented, word for word as it was hashed.

        Raises:
            NotFoundError: Code `grant_unknown`.
        """
        with reading(self._engine) as session:
            grant, text = repository.find(session, grant_id), repository.record_of(session, grant_id)
        if grant is None or text is None or grant.person_id != person_id:
            raise NotFoundError("grant_unknown", "there is no such grant")
        return text

    def token(self, grant: Grant) -> str:
        """Return a grant as a token a relying party can verify offline."""
        uri = self.status_lists.uri(grant.status_list[0])
        return sign_grant(grant, issuer=self._issuer, status_uri=uri, keys=self._keys)

    def revoke(self, person_id: str, grant_id: str) -> Grant:
        """Withdraw a consent; denied from this commit on. Doing it again changes nothing.

        Raises:
            NotFoundError: Code `grant_unknown`; no such grant of this person.
        """
        with transaction(self._engine) as session:
            grant = repository.find(session, grant_id, lock=True)
            if grant is None or grant.person_id != person_id:
                raise NotFoundError("grant_unknown", "there is no such grant")
            return self._withdraw(session, grant)

    def revoke_all(self, session: Session, likeness_id: LikenessId) -> int:
        """Withdraw every grant for a likeness in the caller's transaction; return how many.

        For the erasure of a likeness: call it before the person's key is destroyed.
        """
        ids = repository.active_of_likeness(session, likeness_id)
        for grant_id in ids:
            grant = repository.find(session, grant_id, lock=True)
            if grant is not None:
                self._withdraw(session, grant)
        return len(ids)

    def check(self, request: CheckRequest) -> CheckDecision:
        """Answer whether a use is allowed, from the state committed at this moment.

        An unknown likeness and one without a grant for the asker are answered alike. A denial is in the log,
        durably, before it is answered; those that come at the same time share a commit.
        """
        now = self._clock.now()
        with reading(self._engine) as session:
            grants = repository.for_check(session, request.likeness_id, request.relying_party_id)
        finding = decide_check(grants, request, now)
        at = max(request.at, now) if request.at else now
        ruling = self._floors.policy.decide(checks.question_of(request, finding.grant, at))
        decision = checks.combine(finding, ruling)
        if decision.decision is Effect.DENY:
            self._log_denial(request, finding.grant, decision)
        return decision

    def standing(self, session: Session, grant_ids: Collection[str]) -> dict[str, Standing]:
        """Return what each grant is worth now, as the session sees it; `unknown` for those never issued."""
        found = repository.standings(session, grant_ids, self._clock.now())
        return {grant_id: found.get(grant_id, Standing.UNKNOWN) for grant_id in grant_ids}

    def standing_of(self, grant: Grant) -> Standing:
        """Return what one loaded grant is worth now."""
        return standing_of(grant.state, grant.terms.not_before, grant.terms.not_after, self._clock.now())

    def reference(self, grant_id: str) -> GrantReference:
        """Return what a manifest may say of a grant in public.

        Raises:
            NotFoundError: Code `grant_unknown`.
        """
        with reading(self._engine) as session:
            grant = repository.find(session, grant_id)
        if grant is None:
            raise NotFoundError("grant_unknown", "there is no such grant")
        return GrantReference(grant.id, self.status_url(grant.id), grant.receipt_sha256)

    def status_url(self, grant_id: str) -> str:
        """Return the public address of a grant's standing."""
        return f"{self._issuer}/v1/grants/{grant_id}/status"

    def _must_own(self, session: Session, person_id: PersonId, likeness_id: LikenessId) -> None:
        if self._floors.likenesses.owner(session, likeness_id) != person_id:
            raise NotFoundError("likeness_unknown", "there is no such likeness of yours")

    def _draw_up(
        self, session: Session, person_id: PersonId, likeness_id: LikenessId, terms: GrantTerms, now: datetime
    ) -> tuple[Grant, ConsentRecord]:
        grant_id, version = GrantId(new_id("grt")), self._floors.policy.version
        ids = {"grant_id": grant_id, "likeness_id": likeness_id, "person_id": person_id}
        record = write_record(
            new_id("rec"), ids=ids, terms=terms, policy_version=version, issuer=self._issuer, at=now
        )
        place = self.status_lists.take_place(session)
        grant = Grant(
            id=grant_id,
            likeness_id=likeness_id,
            person_id=person_id,
            terms=terms,
            state=GrantState.ACTIVE,
            issued_at=now.replace(microsecond=0),
            status_list=place,
            policy_version=version,
            record_id=record.id,
            receipt_sha256=record.sha256,
        )
        return grant, record

    def _withdraw(self, session: Session, grant: Grant) -> Grant:
        now = self._clock.now()
        revoked = move(grant, GrantState.REVOKED, now)
        if revoked is grant:
            return grant
        repository.save_withdrawal(session, revoked)
        self.status_lists.change(session, grant.status_list, Status.INVALID)
        self._record(session, "grant.revoked", grant, {"receipt": grant.receipt_sha256})
        self._notify(session, "grant.revoked", revoked, now)
        self._floors.runtime.enqueue(FOLLOW_UP, f"{FOLLOW_UP}-{grant.id}", grant.id)
        return revoked

    def _record(self, session: Session, kind: str, grant: Grant, values: Mapping[str, str]) -> None:
        """Log a change as commitments that lose their meaning with the person's key."""
        values = {"person": grant.person_id, "likeness": grant.likeness_id, "grant": grant.id, **values}
        commitments = {
            name: self._floors.vault.commitment(session, grant.person_id, value.encode())
            for name, value in values.items()
        }
        self._floors.audit.append(
            session, kind, commitments=commitments, facts={"policy_version": grant.policy_version}
        )

    def _notify(self, session: Session, event: str, grant: Grant, now: datetime) -> None:
        data = {
            "grant_id": grant.id,
            "likeness_id": grant.likeness_id,
            "standing": standing_of(grant.state, grant.terms.not_before, grant.terms.not_after, now).value,
        }
        webhooks.enqueue(session, grant.terms.relying_party_id, event, data, now=now)

    def _log_denial(self, request: CheckRequest, grant: GrantOnFile | None, decision: CheckDecision) -> None:
        facts: dict[str, str | int | bool] = {
            "relying_party": request.relying_party_id,
            "reasons": " ".join(decision.reasons),
            "policy_version": decision.policy_version,
        }

        def write(session: Session) -> None:
            commitments = {} if grant is None else self._commitment_to(session, grant)
            self._floors.audit.append(session, "check.denied", commitments=commitments, facts=facts)

        self._denials.write(write)

    def _commitment_to(self, session: Session, grant: GrantOnFile) -> dict[str, str]:
        """Return the commitment to a grant; none once its person was erased."""
        try:
            value = self._floors.vault.commitment(session, grant.person_id, grant.id.encode())
        except NotFoundError:
            return {}
        return {"grant": value}
