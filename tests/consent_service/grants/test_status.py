"""Status lists against a decoder made by hand, and the offline verdict that fails closed."""

import json
import zlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.grants import tokens
from consent_service.grants.encoding import encode_base64url
from consent_service.grants.keys import SigningKeys, public_keys
from consent_service.grants.offline import judge_offline
from consent_service.grants.status_token import SHARD_ENTRIES, STATUS_TYPE, compress, read_list, sign_list
from consent_service.policy.domain import Effect

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URI = "https://consent.example/v1/status-lists/0"


def by_hand(lst: str, index: int) -> int:
    """Decode as the draft's section 4.1 says: entry by entry, least significant bits first."""
    raw = zlib.decompress(urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
    bits = "".join(f"{byte:08b}"[::-1] for byte in raw[index // 4 : index // 4 + 1])
    pair = bits[index % 4 * 2 : index % 4 * 2 + 2]
    return int(pair[::-1], 2)


indexes = st.integers(0, SHARD_ENTRIES - 1)


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(indexes, st.sampled_from([1, 2]), max_size=40), st.lists(indexes, max_size=20))
def test_bits_lie_where_the_draft_says(entries: dict[int, int], others: list[int]) -> None:
    lst = compress(entries.items())
    for index in [*entries, *others, *(index ^ 1 for index in entries)]:
        assert by_hand(lst, index) == entries.get(index, 0)


def test_the_drafts_own_example_is_read(keys: SigningKeys) -> None:
    # Section 4.1 of the draft, two-bit example: status values 1,2,0,3,0,1,0,1,1,2,3,3.
    statuses = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    packed = bytes([0xC9, 0x44, 0xF9])
    token = _list_token(keys, encode_base64url(zlib.compress(packed)))
    listed = read_list(token, uri=URI, keys=public_keys(keys.jwks), now=NOW)
    assert [listed.at(index) for index in range(12)] == statuses
    assert (listed.at(12), listed.at(-1)) == (None, None)


def _list_token(keys: SigningKeys, lst: Any, **changes: Any) -> str:
    now = int(NOW.timestamp())
    claims = {"sub": URI, "iat": now, "exp": now + 60, "status_list": {"bits": 2, "lst": lst}} | changes
    return tokens.sign(claims, typ=STATUS_TYPE, keys=keys)


def test_a_published_list_has_the_shape_of_the_draft(keys: SigningKeys) -> None:
    token = sign_list(compress([(3, 1)]), uri=URI, now=NOW, keys=keys)
    header, payload, _ = (urlsafe_b64decode(part + "==") for part in token.split("."))
    claims = json.loads(payload)
    assert json.loads(header)["typ"] == "statuslist+jwt"
    assert (claims["sub"], claims["ttl"], claims["exp"] - claims["iat"]) == (URI, 15, 60)
    assert claims["status_list"]["bits"] == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sub": URI + "1"}, "status_list_wrong"),
        ({"exp": int(NOW.timestamp())}, "status_list_expired"),
        ({"exp": None}, "status_list_expired"),
        ({"iat": int(NOW.timestamp()) + 11}, "status_list_expired"),
        ({"status_list": None}, "status_list_malformed"),
        ({"status_list": {"bits": 1, "lst": "eNoDAAAAAAE"}}, "status_list_malformed"),
        ({"status_list": {"bits": 2}}, "status_list_malformed"),
        ({"status_list": {"bits": 2, "lst": "not base64!"}}, "status_list_malformed"),
        ({"status_list": {"bits": 2, "lst": "AAAA"}}, "status_list_malformed"),
        (
            {"status_list": {"bits": 2, "lst": encode_base64url(zlib.compress(bytes(300_000)))}},
            "status_list_malformed",
        ),
        (
            {"status_list": {"bits": 2, "lst": encode_base64url(zlib.compress(bytes(99))[:-1])}},
            "status_list_malformed",
        ),
    ],
)
def test_a_list_that_cannot_be_relied_on_is_refused(
    keys: SigningKeys, changes: dict[str, Any], reason: str
) -> None:
    token = _list_token(keys, compress([]), **changes)
    listed = read_list(token, uri=URI, keys=public_keys(keys.jwks), now=NOW)
    assert (listed.reason, listed.at(0)) == (reason, None)


def test_a_reader_whose_clock_is_a_little_behind_still_reads(keys: SigningKeys) -> None:
    token = _list_token(keys, compress([]), iat=int(NOW.timestamp()) + 10)
    assert read_list(token, uri=URI, keys=public_keys(keys.jwks), now=NOW).at(0) == 0


def test_a_grant_is_no_status_list(keys: SigningKeys) -> None:
    token = tokens.sign({"sub": URI}, typ="likeness-grant+jwt", keys=keys)
    listed = read_list(token, uri=URI, keys=public_keys(keys.jwks), now=NOW)
    assert listed.reason == "token_type_wrong"


def test_a_platform_can_judge_a_grant_by_itself(world: Any) -> None:
    grant = world.issue()
    token, shard = world.grants.token(grant), grant.status_list[0]

    def judge(listed: str | None, now: datetime, audience: str = world.studio) -> tuple[Effect, str]:
        verdict = judge_offline(
            token,
            jwks=world.grants.jwks,
            status_list=listed,
            issuer="https://consent.example",
            audience=audience,
            now=now,
        )
        return verdict.effect, verdict.reason

    fresh = world.grants.status_lists.publish(shard)
    assert judge(fresh, NOW) == (Effect.ALLOW, "valid")
    assert judge(fresh, NOW, world.rival) == (Effect.DENY, "token_audience_wrong")
    assert judge(None, NOW) == (Effect.INDETERMINATE, "status_list_missing")
    assert judge(fresh, NOW + timedelta(seconds=59)) == (Effect.ALLOW, "valid")
    assert judge(fresh, NOW + timedelta(seconds=60)) == (Effect.INDETERMINATE, "status_list_expired")
    world.grants.revoke(world.ada, grant.id)
    assert judge(world.grants.status_lists.publish(shard), NOW) == (Effect.DENY, "grant_revoked")
    # A list that was kept from before the withdrawal serves a minute at most.
    assert judge(fresh, NOW + timedelta(seconds=61)) == (Effect.INDETERMINATE, "status_list_expired")


@pytest.mark.parametrize(
    ("statuses", "effect", "reason"),
    [
        (2, Effect.DENY, "grant_suspended"),
        (3, Effect.INDETERMINATE, "status_unknown"),
    ],
)
def test_other_statuses_offline(world: Any, statuses: int, effect: Effect, reason: str) -> None:
    grant = world.issue()
    uri = world.grants.status_lists.uri(grant.status_list[0])
    listed = sign_list(compress([(grant.status_list[1], statuses)]), uri=uri, now=NOW, keys=world.keys)
    verdict = judge_offline(
        world.grants.token(grant),
        jwks=world.grants.jwks,
        status_list=listed,
        issuer="https://consent.example",
        audience=world.studio,
        now=NOW,
    )
    assert (verdict.effect, verdict.reason) == (effect, reason)
