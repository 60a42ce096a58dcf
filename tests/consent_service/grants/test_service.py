"""The promises of consent: only your own, withdrawn in one commit, seen by the very next check anywhere."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from consent_service.accounts.tables import WebhookEventRow
from consent_service.audit.tables import LogEntryRow
from consent_service.db.session import reading, transaction
from consent_service.grants.domain import GrantState, Standing
from consent_service.grants.grant_token import verify_grant
from consent_service.grants.keys import SigningKeys, public_keys
from consent_service.grants.service import FOLLOW_UP
from consent_service.grants.status_token import read_list
from consent_service.grants.tables import StatusEntryRow, StatusShardRow
from consent_service.grants.terms import Use
from consent_service.jobs.tables import JobRequestRow
from consent_service.kernel.errors import InvalidInputError, NotFoundError
from consent_service.kernel.ids import LikenessId, RelyingPartyId, new_id
from consent_service.policy.domain import Effect

ROOT = Path(__file__).resolve().parents[3]


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


def test_a_withdrawal_denies_from_its_commit_and_carries_everything_with_it(world: Any) -> None:
    grant = world.issue()
    revoked = world.grants.revoke(world.ada, grant.id)
    assert (revoked.state, revoked.revoked_at) == (GrantState.REVOKED, world.clock.now())
    decision = world.grants.check(world.question())
    assert (decision.decision, decision.reasons) == (Effect.DENY, ("grant_revoked",))
    with reading(world.engine) as session:
        assert len(leaves(session, "grant.revoked")) == 1
        (job,) = session.exec(select(JobRequestRow)).all()
        events = session.exec(select(WebhookEventRow)).all()
        assert world.grants.standing(session, [grant.id]) == {grant.id: Standing.REVOKED}
    assert (job.name, json.loads(job.arguments)) == (FOLLOW_UP, [grant.id])
    assert sorted(event.event_type for event in events) == ["grant.issued", "grant.revoked"]


def test_withdrawing_twice_changes_nothing(world: Any) -> None:
    grant = world.issue()
    first = world.grants.revoke(world.ada, grant.id)
    world.clock.pass_by(days=1)
    assert world.grants.revoke(world.ada, grant.id) == first
    with reading(world.engine) as session:
        assert len(leaves(session, "grant.revoked")) == 1
        assert len(session.exec(select(JobRequestRow)).all()) == 1
        assert session.get_one(StatusShardRow, 0).changes == 1


def test_a_withdrawal_that_fails_half_way_leaves_nothing_behind(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.issue()

    def break_down(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(world.floors.runtime, "enqueue", break_down)
    with pytest.raises(RuntimeError, match="no room"):
        world.grants.revoke(world.ada, grant.id)
    assert world.grants.check(world.question()).decision is Effect.ALLOW
    with reading(world.engine) as session:
        assert leaves(session, "grant.revoked") == []
        assert session.get_one(StatusShardRow, 0).changes == 0
    assert _listed(world, grant) == 0


def test_one_of_two_grants_withdrawn_leaves_the_other(world: Any) -> None:
    first, second = world.issue(), world.issue(uses=frozenset({Use.FACE}))
    world.grants.revoke(world.ada, first.id)
    assert world.grants.check(world.question()).grant_id == second.id
    assert world.grants.check(world.question(uses=frozenset(Use))).decision is Effect.DENY


def test_a_likeness_that_goes_takes_all_its_grants_along(world: Any) -> None:
    grants = [world.issue() for _ in range(3)]
    world.grants.revoke(world.ada, grants[0].id)
    with transaction(world.engine) as session:
        assert world.grants.revoke_all(session, world.ada_likeness) == 2
        world.floors.vault.erase(session, world.ada)
    assert world.grants.check(world.question()).decision is Effect.DENY
    with reading(world.engine) as session:
        standings = world.grants.standing(session, [grant.id for grant in grants])
        denied = leaves(session, "check.denied")
    assert set(standings.values()) == {Standing.REVOKED}
    assert denied[-1]["commitments"] == {}


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


def test_many_withdrawals_of_one_grant_at_once_are_one(world: Any) -> None:
    grant = world.issue()
    with ThreadPoolExecutor(8) as pool:
        revoked = list(pool.map(lambda _: world.grants.revoke(world.ada, grant.id), range(16)))
    assert len(set(revoked)) == 1
    with reading(world.engine) as session:
        assert len(leaves(session, "grant.revoked")) == 1


def test_no_check_that_starts_after_a_withdrawal_returned_allows(world: Any) -> None:
    # Four askers all the while; what counts is each answer to a question asked after `revoke` came back.
    grants = [world.issue(requesters=frozenset({f"user-{n}"})) for n in range(12)]
    withdrawn: dict[str, bool] = {}
    wrong: list[str] = []
    done = Event()

    def ask_on() -> None:
        while not done.is_set():
            for number in range(len(grants)):
                requester = f"user-{number}"
                was_withdrawn = withdrawn.get(requester, False)
                answer = world.grants.check(world.question(requester_id=requester))
                if was_withdrawn and answer.decision is not Effect.DENY:
                    wrong.append(requester)

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask_on) for _ in range(4)]
        for number, grant in enumerate(grants):
            world.grants.revoke(world.ada, grant.id)
            withdrawn[f"user-{number}"] = True
        done.set()
        for asker in askers:
            asker.result()
    assert wrong == []


def test_a_process_killed_while_it_withdraws_loses_nothing_and_halves_nothing(
    world: Any, tmp_path: Path
) -> None:
    SigningKeys.create(tmp_path / "token-keys")
    grants = [world.issue() for _ in range(40)]
    said: list[str] = []
    for told in (1, 6):
        left = [grant.id for grant in grants if grant.id not in said]
        script = Path(__file__).with_name("revoke_many.py")
        arguments = [str(tmp_path), str(tmp_path / "token-keys"), world.ada, *left]
        with subprocess.Popen(
            [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as other:
            assert other.stdout is not None
            said += [other.stdout.readline().strip() for _ in range(told)]
            other.kill()
            said += other.stdout.read().split()  # answered before the kill arrived
    with reading(world.engine) as session:
        standings = world.grants.standing(session, [grant.id for grant in grants])
        entries = {(row.shard, row.index): row.status for row in session.exec(select(StatusEntryRow)).all()}
        jobs = {row.job_id for row in session.exec(select(JobRequestRow)).all()}
        logged = len(leaves(session, "grant.revoked"))
    revoked = {grant.id for grant in grants if standings[grant.id] is Standing.REVOKED}
    assert set(said) <= revoked
    assert len(revoked) - len(set(said)) <= 2  # at each kill one may have been committed and not yet told
    assert {grant.id for grant in grants if entries[grant.status_list] == 1} == revoked
    assert jobs == {f"{FOLLOW_UP}-{grant_id}" for grant_id in revoked}
    assert logged == len(revoked)


def test_a_reference_says_no_more_than_a_manifest_may(world: Any) -> None:
    grant = world.issue()
    reference = world.grants.reference(grant.id)
    assert reference.status_url == f"https://consent.example/v1/grants/{grant.id}/status"
    assert reference.receipt_sha256 == grant.receipt_sha256
    with pytest.raises(NotFoundError):
        world.grants.reference("grt_unknown")
    with reading(world.engine) as session:
        assert world.grants.standing(session, ["grt_unknown"]) == {"grt_unknown": Standing.UNKNOWN}


def _listed(world: Any, grant: Any) -> int | None:
    shard, index = grant.status_list
    token = world.grants.status_lists.publish(shard)
    uri = world.grants.status_lists.uri(shard)
    listed = read_list(token, uri=uri, keys=public_keys(world.grants.jwks), now=world.clock.now())
    assert listed.reason is None
    return listed.at(index)


def test_the_list_shows_a_withdrawal_at_once_and_is_cached_otherwise(world: Any) -> None:
    grant, other = world.issue(), world.issue()
    publish = world.grants.status_lists.publish
    before = publish(0)
    assert (_listed(world, grant), _listed(world, other)) == (0, 0)
    world.clock.pass_by(seconds=14)
    assert publish(0) is before
    world.grants.revoke(world.ada, grant.id)
    assert (_listed(world, grant), _listed(world, other)) == (1, 0)
    world.clock.pass_by(seconds=15)
    assert publish(0) is not before
    assert (_listed(world, grant), _listed(world, other)) == (1, 0)


def test_places_are_random_and_decoys_hide_the_count(world: Any) -> None:
    grants = [world.issue() for _ in range(20)]
    for grant in grants:
        world.grants.revoke(world.ada, grant.id)
    with reading(world.engine) as session:
        entries = session.exec(select(StatusEntryRow)).all()
        shard = session.get_one(StatusShardRow, 0)
    indexes = [grant.status_list[1] for grant in grants]
    assert len(set(indexes)) == 20
    assert indexes != sorted(indexes)
    assert len(entries) == shard.entries > 20
    assert shard.changes == 20


def test_a_full_shard_is_followed_by_the_next(world: Any) -> None:
    first = world.issue()
    with transaction(world.engine) as session:
        session.get_one(StatusShardRow, 0).entries = 1 << 19
    second = world.issue()
    assert (first.status_list[0], second.status_list[0]) == (0, 1)
    assert _listed(world, second) == 0
    with pytest.raises(NotFoundError):
        world.grants.status_lists.publish(2)


def test_a_check_is_one_look_at_one_index(world: Any) -> None:
    with world.engine.connect() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT id FROM grants WHERE likeness_id = 'a' AND relying_party_id = 'b'"
            )
        ).all()
    assert len(plan) == 1
    assert "ix_grants_check" in plan[0][-1]


OTHER_PROCESS = """
import sys
from pathlib import Path
from sqlmodel import Session
from consent_service.db.engine import create_database
from consent_service.db.session import reading
from consent_service.grants import checks, repository
from consent_service.grants.domain import CheckRequest, decide_check
from consent_service.grants.terms import Use
from consent_service.kernel.clock import SystemClock
from datetime import datetime
engine = create_database(sys.argv[1])
asked = CheckRequest(sys.argv[2], sys.argv[3], "user-1", frozenset({Use.FACE}), "entertainment")
now = datetime.fromisoformat(sys.argv[4])
for line in sys.stdin:
    with reading(engine) as session:
        found = repository.for_check(session, asked.likeness_id, asked.relying_party_id)
    print(decide_check(found, asked, now).effect.value, flush=True)
"""


def test_the_very_next_check_of_another_process_sees_a_withdrawal(world: Any) -> None:
    url = str(world.engine.url)
    arguments = [url, world.studio, world.ada_likeness, world.clock.now().isoformat()]
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def ask() -> str:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write("?\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        assert ask() == "deny"
        for _ in range(10):
            grant = world.issue()
            assert ask() == "allow"
            world.grants.revoke(world.ada, grant.id)
            assert ask() == "deny"
        other.stdin.close()
    assert other.returncode == 0
