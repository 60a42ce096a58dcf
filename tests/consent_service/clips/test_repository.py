"""Clips in the database: back as they went in, found by grant, parent, case and mark."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from consent_service.clips import repository
from consent_service.clips.domain import (
    ClipConsent,
    ClipState,
    Declaration,
    DeclaredLikeness,
    Generator,
    PublishedFile,
    Ruling,
    Sound,
    SourceFile,
    Use,
)
from consent_service.clips.gate import GrantStanding, LikenessCheck, Match, OutputEvidence, Scan, Sighting
from consent_service.clips.record import Clip
from consent_service.clips.tables import ManifestRow
from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.kernel.errors import NotFoundError
from consent_service.kernel.ids import CaseId, ClipId, GrantId, LikenessId, RelyingPartyId, new_id

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LIKENESS = LikenessId(new_id("lik"))
GRANT = GrantId(new_id("grt"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_database(f"sqlite:///{tmp_path / 'clips.db'}")
    SQLModel.metadata.create_all(engine)
    yield engine
    engine.dispose()


def fresh(*parents: ClipId) -> Clip:
    declaration = Declaration(
        requester_id="user-1",
        purpose="entertainment",
        commercial=True,
        region="DE",
        likenesses=(DeclaredLikeness(LIKENESS, frozenset({Use.FACE, Use.VOICE})),),
        generator=Generator("model", "1"),
        categories=frozenset({"satire"}),
        parents=parents,
    )
    source = SourceFile("sources/x", "0" * 64, 3, 2.5, has_sound=True)
    return Clip(ClipId(new_id("clp")), RelyingPartyId(new_id("rp")), declaration, source, NOW, NOW)


def finished(clip: Clip, *, watermark: bytes = b"\xff\x00\xfe12345", grant: GrantId | None = GRANT) -> Clip:
    standing = GrantStanding(GRANT, "valid", NOW)
    return replace(
        clip,
        state=ClipState.PUBLISHED,
        round=1,
        watermark=watermark,
        checks=(LikenessCheck(LIKENESS, "allow", ("granted",), grant, "v", NOW),),
        scan=Scan((Sighting(Use.FACE, Match.DECLARED, LIKENESS, 0.0, 3, 0.25),), 4, 2.0),
        marks={"audio_reason": None},
        output=OutputEvidence(
            watermark,
            Sound.AUDIBLE,
            watermark,
            watermark[:5],
            intact=True,
            trusted=None,
            bound=True,
            grants=(standing,),
        ),
        reasons=("one", "two"),
        manifest_id="urn:c2pa:x",
        published=PublishedFile("published/x", "1" * 64, 7),
        published_at=NOW,
        log_index=4,
        consent=ClipConsent.STANDING,
        case_id=CaseId(new_id("cas")),
        ruling=Ruling.RELEASE,
    )


def test_a_clip_comes_back_as_it_went_in(engine: Engine) -> None:
    clip = fresh()
    with transaction(engine) as session:
        repository.add(session, clip)
    with reading(engine) as session:
        assert repository.get(session, clip.clip_id) == clip
    whole = finished(clip)
    for _ in range(2):
        with transaction(engine) as session:
            repository.save(session, whole)
    with reading(engine) as session:
        assert repository.get(session, clip.clip_id) == whole
        assert repository.by_case(session, whole.case_id or CaseId("")) == whole
        assert repository.by_case(session, CaseId("cas_none")) is None


def test_an_unknown_clip_is_not_found(engine: Engine) -> None:
    with reading(engine) as session, pytest.raises(NotFoundError):
        repository.get(session, ClipId("clp_none"))


def test_a_revocation_reaches_remixes_of_remixes_but_only_published_ones(engine: Engine) -> None:
    first = finished(fresh())
    second = finished(fresh(first.clip_id), watermark=b"22222222", grant=None)
    third = finished(fresh(second.clip_id), watermark=b"33333333", grant=None)
    held = replace(finished(fresh(first.clip_id), watermark=b"44444444"), state=ClipState.NEEDS_REVIEW)
    other = finished(fresh(), watermark=b"55555555", grant=GrantId("grt_other"))
    for clip in (first, second, third, held, other):
        with transaction(engine) as session:
            repository.add(session, clip)
            repository.save(session, clip)
    with reading(engine) as session:
        reached = {clip.clip_id for clip in repository.reached_by(session, GRANT)}
        assert reached == {first.clip_id, second.clip_id, third.clip_id}
        assert repository.awaiting_review(session) == (held,)
        assert repository.unfinished(session) == ()
        assert repository.published_among(session, [held.clip_id, other.clip_id, ClipId("x")]) == (other,)


def test_two_clips_never_share_an_identifier(engine: Engine) -> None:
    first, second = finished(fresh()), finished(fresh())
    with transaction(engine) as session:
        repository.add(session, first)
    with pytest.raises(IntegrityError), transaction(engine) as session:
        repository.add(session, second)


def test_a_manifest_is_found_by_the_whole_mark_or_by_what_sound_carries(engine: Engine) -> None:
    clip = finished(fresh())
    mark = clip.watermark or b""
    row = ManifestRow(
        manifest_id="urn:1", clip_id=clip.clip_id, watermark=mark, prefix=mark[:5], key="k", created_at=NOW
    )
    with transaction(engine) as session:
        repository.add(session, clip)
        repository.add_manifest(session, row)
    with reading(engine) as session:
        for payload in (mark, mark[:5]):
            assert [found.manifest_id for found in repository.manifests_by_mark(session, payload)] == [
                "urn:1"
            ]
        assert repository.manifests_by_mark(session, b"nothing!") == ()


def test_a_withdrawal_is_recorded_once(engine: Engine) -> None:
    with transaction(engine) as session:
        assert not repository.is_withdrawal_handled(session, GRANT)
        repository.record_withdrawal(session, GRANT, 2, NOW)
    with reading(engine) as session:
        assert repository.is_withdrawal_handled(session, GRANT)
