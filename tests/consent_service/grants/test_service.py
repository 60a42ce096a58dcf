"""The promises of consent: only your own, recorded without personal data, answered from what stands now."""

import errno
import hashlib
import json
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from consent_service.accounts.tables import WebhookEventRow
from consent_service.audit.domain import verify_inclusion
from consent_service.audit.tables import LogEntryRow
from consent_service.db.session import reading
from consent_service.grants.domain import Standing
from consent_service.grants.grant_token import verify_grant
from consent_service.grants.keys import public_keys
from consent_service.kernel.errors import InvalidInputError, NotFoundError
from consent_service.kernel.ids import LikenessId, RelyingPartyId, new_id
from consent_service.policy.domain import Effect


def leaves(session: Session, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(row.leaf) for row in session.exec(select(LogEntryRow)).all()]
    return [leaf for leaf in found if leaf["kind"] == kind]


def test_consent_given_is_consent_found(world: Any) -> None:
    grant = world.issue()
    decision = world.grants.check(world.question())
    assert (decision.decision, decision.reasons) == (Effect.ALLOW, ("granted",))
    assert (decision.grant_id, decision.valid_until) == (grant.id, grant.terms.not_after)
    assert decision.policy_version == world.floors.policy.version
    assert world.grants.get(world.ada, grant.id) == grant
    assert world.grants.get(world.studio, grant.id) == grant


def test_a_grant_is_logged_and_announced_without_personal_data(world: Any) -> None:
    grant = world.issue()
    with reading(world.engine) as session:
        (leaf,) = leaves(session, "grant.issued")
        (event,) = session.exec(select(WebhookEventRow)).all()
    assert set(leaf["commitments"]) == {"person", "likeness", "grant", "receipt"}
    assert not any(name in json.dumps(leaf) for name in (world.ada, world.ada_likeness, grant.id))
    body = json.loads(event.body)
    assert (event.event_type, event.relying_party_id) == ("grant.issued", world.studio)
    assert body["data"] == {"grant_id": grant.id, "likeness_id": world.ada_likeness, "standing": "valid"}


def test_the_receipt_is_the_hash_of_the_record(world: Any) -> None:
    grant = world.issue()
    record = world.grants.record(world.ada, grant.id)
    assert hashlib.sha256(record.encode()).hexdigest() == grant.receipt_sha256
    assert json.loads(record)["terms"]["description"] == grant.terms.description
    with pytest.raises(NotFoundError):
        world.grants.record(world.bob, grant.id)


def test_nobody_can_grant_what_is_not_theirs(world: Any) -> None:
    for likeness in (world.bob_likeness, LikenessId(new_id("lik"))):
        with pytest.raises(NotFoundError) as caught:
            world.grants.issue(world.ada, likeness, world.terms())
        assert caught.value.code == "likeness_unknown"
    assert world.grants.page(world.ada, after="", limit=10) == []


def test_a_grant_needs_a_relying_party_that_exists(world: Any) -> None:
    for party in (RelyingPartyId(new_id("rp")), RelyingPartyId("rp_" + world.ada[4:])):
        with pytest.raises(InvalidInputError) as caught:
            world.issue(relying_party_id=party)
        assert caught.value.code == "relying_party_unknown"


def test_another_persons_grant_does_not_exist_for_you(world: Any) -> None:
    grant = world.issue()
    for stranger in (world.bob, world.rival):
        with pytest.raises(NotFoundError) as unknown:
            world.grants.get(stranger, new_id("grt"))
        with pytest.raises(NotFoundError) as foreign:
            world.grants.get(stranger, grant.id)
        assert (unknown.value.code, unknown.value.detail) == (foreign.value.code, foreign.value.detail)
        with pytest.raises(NotFoundError):
            world.grants.revoke(stranger, grant.id)
        assert world.grants.page(stranger, after="", limit=10) == []
    with pytest.raises(NotFoundError):
        world.grants.revoke(world.studio, grant.id)  # the holder may look, not withdraw
    assert world.grants.check(world.question()).decision is Effect.ALLOW


def test_an_unknown_likeness_and_a_denied_one_look_alike(world: Any) -> None:
    world.issue(relying_party_id=world.rival)
    unknown = world.grants.check(world.question(likeness_id=LikenessId(new_id("lik"))))
    denied = world.grants.check(world.question())
    enrolled = world.grants.check(world.question(likeness_id=world.bob_likeness))
    assert unknown == denied == enrolled
    assert (unknown.decision, unknown.reasons, unknown.grant_id) == (Effect.DENY, ("no_grant",), None)
    with reading(world.engine) as session:
        logged = leaves(session, "check.denied")
    assert len({json.dumps([leaf["facts"], leaf["commitments"]]) for leaf in logged}) == 1


def test_denials_are_logged_and_permissions_are_not(world: Any) -> None:
    world.issue()
    world.grants.check(world.question())
    world.grants.check(world.question(commercial=True, purpose="news"))
    with reading(world.engine) as session:
        (leaf,) = leaves(session, "check.denied")
    assert leaf["facts"]["reasons"] == "purpose_not_granted commercial_not_granted"
    assert leaf["facts"]["relying_party"] == world.studio
    assert set(leaf["commitments"]) == {"grant"}


def test_every_denial_is_in_the_log_before_it_is_answered(world: Any) -> None:
    world.issue()
    answered: list[int] = []
    missing: list[int] = []

    def ask(_: int) -> None:
        for _ in range(5):
            world.grants.check(world.question(purpose="advertising"))
            answered.append(1)
            owed = len(answered)
            with reading(world.engine) as session:
                missing.extend(range(len(leaves(session, "check.denied")), owed))

    threads = [Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not missing
    with reading(world.engine) as session:
        assert len(leaves(session, "check.denied")) == 40
        assert world.floors.audit.size(session) == 41
        root = world.floors.audit.root(session, 41)
        for index in range(41):
            proof = world.floors.audit.inclusion(session, index, 41)
            assert verify_inclusion(world.floors.audit.entry(session, index), index, 41, proof, root)


def test_a_denial_that_cannot_be_logged_is_not_answered(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(world.floors.audit, "append", full)
    with pytest.raises(OSError, match="no space"):
        world.grants.check(world.question())


def test_protected_topics_are_denied_whatever_was_granted(world: Any) -> None:
    world.issue()
    decision = world.grants.check(world.question(categories=frozenset({"sexual"})))
    assert (decision.decision, decision.reasons) == (Effect.DENY, ("sexual_content_protected",))


def test_a_question_about_the_future_is_answered_as_things_stand(world: Any) -> None:
    grant = world.issue()
    later = grant.terms.not_after
    assert world.grants.check(world.question(at=later)).reasons == ("grant_expired",)
    assert world.grants.check(world.question(at=later - timedelta(seconds=1))).decision is Effect.ALLOW
    world.clock.moment = later
    assert world.grants.check(world.question()).reasons == ("grant_expired",)


def test_an_unanswerable_question_is_indeterminate_and_not_allowed(world: Any) -> None:
    world.issue(regions=frozenset({"DE"}))
    decision = world.grants.check(world.question())
    assert (decision.decision, decision.reasons) == (Effect.INDETERMINATE, ("region_unknown",))
    assert decision.valid_until is None


def test_the_token_carries_the_scope_and_the_hashes(world: Any) -> None:
    grant = world.issue(max_seconds=30, forbidden=frozenset({"alcohol"}), regions=frozenset({"DE"}))
    verdict = verify_grant(
        world.grants.token(grant),
        keys=public_keys(world.grants.jwks),
        issuer="https://consent.example",
        audience=world.studio,
        now=world.clock.now(),
    )
    assert verdict.claims is not None
    assert verdict.claims.scope == {
        "v": 1,
        "requesters": ["*"],
        "uses": ["face", "voice"],
        "purposes": ["education", "entertainment"],
        "forbid": ["alcohol"],
        "regions": ["DE"],
        "remix": False,
        "commercial": False,
        "max_secs": 30,
        "desc_sha256": grant.terms.description_sha256,
        "policy_sha256": world.floors.policy.version,
    }
    assert verdict.claims.receipt_sha256 == grant.receipt_sha256


def test_a_reference_says_no_more_than_a_manifest_may(world: Any) -> None:
    grant = world.issue()
    reference = world.grants.reference(grant.id)
    assert reference.status_url == f"https://consent.example/v1/grants/{grant.id}/status"
    assert reference.receipt_sha256 == grant.receipt_sha256
    with pytest.raises(NotFoundError):
        world.grants.reference("grt_unknown")
    with reading(world.engine) as session:
        assert world.grants.standing(session, ["grt_unknown"]) == {"grt_unknown": Standing.UNKNOWN}


def test_a_check_is_one_look_at_one_index(world: Any) -> None:
    with world.engine.connect() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT id FROM grants WHERE likeness_id = 'a' AND relying_party_id = 'b'"
            )
        ).all()
    assert len(plan) == 1
    assert "ix_grants_check" in plan[0][-1]
