"""Withdrawing: one commit, seen by the very next check anywhere, told by the status list, never by halves."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlmodel import Session, select

from consent_service.accounts.tables import WebhookEventRow
from consent_service.audit.tables import LogEntryRow
from consent_service.db.session import reading, transaction
from consent_service.grants.domain import GrantState, Standing
from consent_service.grants.keys import SigningKeys, public_keys
from consent_service.grants.service import FOLLOW_UP
from consent_service.grants.status_token import read_list
from consent_service.grants.tables import StatusEntryRow, StatusShardRow
from consent_service.grants.terms import Use
from consent_service.jobs.tables import JobRequestRow
from consent_service.kernel.errors import NotFoundError
from consent_service.policy.domain import Effect

ROOT = Path(__file__).resolve().parents[3]


def leaves(session: Session, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(row.leaf) for row in session.exec(select(LogEntryRow)).all()]
    return [leaf for leaf in found if leaf["kind"] == kind]


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
