"""One verdict about a file: every state, on real bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from provenance.answer import Answer
from provenance.errors import MediaLimitError
from provenance.lineage import LineageState
from provenance.manifests import (
    ClaimRequest,
    GrantReference,
    LocalSigner,
    SigningIdentity,
    TrustPolicy,
    init_development_pki,
    sign_file,
)
from provenance.media import MediaLimits, transcode
from provenance.softbinding.fingerprint import fingerprint_file
from provenance.softbinding.repository import DirectoryRepository, StoredManifest
from provenance.verify import ConsentAnswer, Verdict, VerdictState, verify_file
from provenance.watermark import KeyRing, mark_file

GRANT = GrantReference("grant-a", "a" * 64, "https://consent.example/status/1")
OTHER_GRANT = GrantReference("grant-b", "b" * 64, "https://consent.example/status/2")


@dataclass(frozen=True)
class World:
    """A publisher with keys, a signed and stored clip, and a way to ask about any file."""

    keys: Path
    trust: TrustPolicy
    ring: KeyRing
    signer: LocalSigner
    claim: ClaimRequest
    signed: Path
    repository: DirectoryRepository

    def ask(self, path: Path, **changes: object) -> Verdict:
        settings: dict[str, object] = {
            "trust": self.trust,
            "keys": self.ring,
            "repository": self.repository,
            "consent": None,
            "deep": False,
        }
        return verify_file(path, **(settings | changes))  # type: ignore[arg-type] # settings named as the parameters


@pytest.fixture(scope="module")
def world(
    keys: Path,
    trust: TrustPolicy,
    ring: KeyRing,
    signer: LocalSigner,
    marked: Path,
    payload: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    folder = tmp_path_factory.mktemp("world")
    claim = ClaimRequest(
        title="Published",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        watermark_payload=payload,
        fingerprint=fingerprint_file(marked).encode(),
        grants=(GRANT,),
    )
    signed = folder / "signed.mp4"
    manifest = sign_file(marked, signed, claim, signer=signer, timestamp_url=None)
    repository = DirectoryRepository(folder / "repository")
    repository.store(StoredManifest(manifest.manifest_id, manifest.manifest, payload, claim.fingerprint))
    return World(keys, trust, ring, signer, claim, signed, repository)


@pytest.fixture(scope="module")
def copy(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copy") / "copy.mp4"
    transcode(world.signed, path, crf=26, preset="ultrafast")
    return path


@pytest.fixture
def flipped(world: World, tmp_path: Path) -> Path:
    data = bytearray(world.signed.read_bytes())
    data[-2000] ^= 1
    path = tmp_path / "flipped.mp4"
    path.write_bytes(data)
    return path


def granted(grants: tuple[GrantReference, ...]) -> ConsentAnswer:
    assert grants
    return ConsentAnswer(Answer.YES)


def revoked(grants: tuple[GrantReference, ...]) -> ConsentAnswer:
    assert grants
    return ConsentAnswer(Answer.NO, ("grant_revoked",))


def never(_grants: tuple[GrantReference, ...]) -> ConsentAnswer:
    raise AssertionError("consent must not be asked about grants that nobody trusted stated")


def test_a_published_clip_is_verified(world: World) -> None:
    verdict = world.ask(world.signed, consent=granted)
    assert verdict.state is VerdictState.VERIFIED
    assert (verdict.intact, verdict.trusted, verdict.marked, verdict.consented) == (Answer.YES,) * 4
    assert verdict.good
    assert verdict.grants == (GRANT,)


def test_revoked_consent_makes_an_intact_clip_no_longer_good(world: World) -> None:
    verdict = world.ask(world.signed, consent=revoked)
    assert (verdict.state, verdict.consented, verdict.good) == (VerdictState.VERIFIED, Answer.NO, False)
    assert "grant_revoked" in verdict.reasons


def test_one_flipped_byte_is_tampering(world: World, flipped: Path) -> None:
    verdict = world.ask(flipped)
    assert (verdict.state, verdict.intact) == (VerdictState.TAMPERED, Answer.NO)
    assert not verdict.good


def test_a_copy_without_metadata_is_recovered(world: World, copy: Path) -> None:
    verdict = world.ask(copy, consent=granted)
    assert verdict.state is VerdictState.RECOVERED
    assert (verdict.intact, verdict.trusted, verdict.marked) == (Answer.NO, Answer.YES, Answer.YES)
    assert (verdict.grants, verdict.consented) == ((GRANT,), Answer.YES)


def test_a_scaled_copy_is_recovered_by_the_deep_search(world: World, tmp_path: Path) -> None:
    path = tmp_path / "scaled.mp4"
    transcode(world.signed, path, crf=20, preset="ultrafast", scale=0.8)
    assert world.ask(path, deep=True).state is VerdictState.RECOVERED


@pytest.mark.parametrize("known", [False, True])
def test_a_mark_without_a_manifest_is_unresolved(
    world: World, copy: Path, tmp_path: Path, *, known: bool
) -> None:
    repository = DirectoryRepository(tmp_path / "empty") if known else None
    verdict = world.ask(copy, repository=repository)
    assert (verdict.state, verdict.marked) == (VerdictState.UNRESOLVED, Answer.YES)
    assert ("watermark_unknown_to_repository" if known else "no_repository") in verdict.reasons


def test_a_repository_that_names_another_clips_manifest_is_not_believed(
    world: World, clip: Path, copy: Path, payload: bytes, tmp_path: Path
) -> None:
    other = replace(world.claim, watermark_payload=bytes(8), fingerprint=None)
    manifest = sign_file(clip, tmp_path / "other.mp4", other, signer=world.signer, timestamp_url=None)
    lying = DirectoryRepository(tmp_path / "lying")
    lying.store(StoredManifest(manifest.manifest_id, manifest.manifest, payload, None))
    verdict = world.ask(copy, repository=lying, consent=never)
    assert verdict.state is VerdictState.UNRESOLVED
    assert "stored_manifest_unusable" in verdict.reasons


def test_a_broken_stored_manifest_is_not_believed(
    world: World, copy: Path, payload: bytes, tmp_path: Path
) -> None:
    broken = DirectoryRepository(tmp_path / "broken")
    broken.store(StoredManifest("urn:c2pa:x", b"not a manifest", payload, None))
    assert world.ask(copy, repository=broken).state is VerdictState.UNRESOLVED


def test_a_copy_in_another_container_is_recovered(world: World, copy: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mkv"
    with av.open(str(copy)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    verdict = world.ask(path)
    assert (verdict.state, verdict.trusted) == (VerdictState.RECOVERED, Answer.YES)


def test_the_signed_fingerprint_outweighs_the_repositorys(
    world: World, copy: Path, clip: Path, payload: bytes, tmp_path: Path
) -> None:
    stored = world.repository.find_by_watermark(payload)[0]
    for name, fingerprint in (("none", None), ("wrong", fingerprint_file(clip).encode())):
        repository = DirectoryRepository(tmp_path / name)
        repository.store(replace(stored, fingerprint=fingerprint))
        assert world.ask(copy, repository=repository).state is VerdictState.RECOVERED


def test_a_manifest_recovered_from_a_stranger_is_untrusted(
    world: World, marked: Path, copy: Path, payload: bytes, tmp_path: Path
) -> None:
    init_development_pki(tmp_path / "strange", datetime.now(UTC))
    stranger = LocalSigner(SigningIdentity.load(tmp_path / "strange"))
    signed = sign_file(marked, tmp_path / "out.mp4", world.claim, signer=stranger, timestamp_url=None)
    repository = DirectoryRepository(tmp_path / "repository")
    repository.store(StoredManifest(signed.manifest_id, signed.manifest, payload, None))
    verdict = world.ask(copy, repository=repository, consent=never)
    assert (verdict.state, verdict.trusted) == (VerdictState.UNTRUSTED, Answer.NO)


def test_signed_sound_is_verified(world: World, tmp_path: Path) -> None:
    source, signed = tmp_path / "tone.wav", tmp_path / "signed.wav"
    soundfile.write(source, np.sin(np.arange(48_000) / 9).astype(np.float32), 16_000)
    claim = replace(world.claim, watermark_payload=None, fingerprint=None)
    sign_file(source, signed, claim, signer=world.signer, timestamp_url=None)
    assert world.ask(signed).state is VerdictState.VERIFIED
    assert world.ask(source).state is VerdictState.NO_CREDENTIALS


def test_a_mark_copied_onto_another_picture_is_a_mismatch(
    world: World, make_picture: Callable[..., Path], payload: bytes, tmp_path: Path
) -> None:
    stranger = make_picture(tmp_path / "stranger.mp4", seed=77)
    mark_file(stranger, tmp_path / "forged.mp4", payload=payload, key=world.ring.active, preset="ultrafast")
    verdict = world.ask(tmp_path / "forged.mp4", consent=never)
    assert (verdict.state, verdict.marked) == (VerdictState.MISMATCH, Answer.NO)
    assert "picture_differs" in verdict.reasons


def test_a_manifest_that_binds_another_mark_is_a_mismatch(world: World, marked: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.mp4"
    sign_file(
        marked,
        path,
        replace(world.claim, watermark_payload=bytes(8)),
        signer=world.signer,
        timestamp_url=None,
    )
    verdict = world.ask(path)
    assert (verdict.state, verdict.intact, verdict.marked) == (VerdictState.MISMATCH, Answer.YES, Answer.NO)
    assert "watermark_disagrees" in verdict.reasons
    assert json.loads(json.dumps(verdict.to_json()))["evidence"]["candidates"][0]["similarityScore"] > 90


def test_a_manifest_that_promises_a_missing_mark_says_so(world: World, picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "unmarked.mp4"
    sign_file(picture, path, world.claim, signer=world.signer, timestamp_url=None)
    verdict = world.ask(path)
    assert (verdict.state, verdict.marked) == (VerdictState.VERIFIED, Answer.NO)
    assert "watermark_not_found" in verdict.reasons


def test_a_strangers_signature_is_untrusted_and_its_grants_are_not_asked_about(
    world: World, marked: Path, tmp_path: Path
) -> None:
    init_development_pki(tmp_path / "strange", datetime.now(UTC))
    stranger = LocalSigner(SigningIdentity.load(tmp_path / "strange"))
    sign_file(marked, tmp_path / "out.mp4", world.claim, signer=stranger, timestamp_url=None)
    verdict = world.ask(tmp_path / "out.mp4", consent=never)
    assert verdict.state is VerdictState.UNTRUSTED
    assert (verdict.intact, verdict.trusted, verdict.consented) == (Answer.YES, Answer.NO, Answer.UNKNOWN)


def test_an_unsigned_unmarked_clip_has_no_credentials(world: World, clip: Path) -> None:
    verdict = world.ask(clip)
    assert (verdict.state, verdict.marked) == (VerdictState.NO_CREDENTIALS, Answer.NO)
    assert (verdict.intact, verdict.trusted) == (Answer.UNKNOWN, Answer.UNKNOWN)
    assert not verdict.good


def test_a_known_picture_without_credentials_is_a_hint_only(world: World, picture: Path) -> None:
    verdict = world.ask(picture)
    assert verdict.state is VerdictState.NO_CREDENTIALS
    assert "similar_picture_known" in verdict.reasons
    assert verdict.manifest_id is None


def test_without_keys_the_mark_stays_open(world: World, copy: Path) -> None:
    assert world.ask(world.signed, keys=None).marked is Answer.UNKNOWN
    verdict = world.ask(copy, keys=None, repository=None)
    assert (verdict.state, verdict.marked) == (VerdictState.NO_CREDENTIALS, Answer.UNKNOWN)


@pytest.mark.parametrize(
    "content",
    [b"", b"no media at all", bytes(range(256)) * 20, b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 8],
)
def test_garbage_is_malformed(world: World, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.mp4"
    path.write_bytes(content)
    for ring in (world.ring, None):
        assert world.ask(path, keys=ring).state is VerdictState.MALFORMED


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_file_gets_a_negative_verdict(world: World, keep: float, tmp_path: Path) -> None:
    data = world.signed.read_bytes()
    path = tmp_path / "short.mp4"
    path.write_bytes(data[: int(len(data) * keep)])
    assert not world.ask(path).good


def test_a_file_over_the_limits_is_no_verdict(world: World) -> None:
    with pytest.raises(MediaLimitError):
        world.ask(world.signed, limits=MediaLimits(max_bytes=1000))


def remix(world: World, parent: Path, destination: Path) -> Path:
    claim = replace(world.claim, parents=(parent,), grants=(OTHER_GRANT,))
    sign_file(world.signed, destination, claim, signer=world.signer, timestamp_url=None, trust=world.trust)
    return destination


def test_a_remix_of_a_sound_clip_asks_about_its_grants_too(world: World, tmp_path: Path) -> None:
    asked: list[GrantReference] = []

    def record(grants: tuple[GrantReference, ...]) -> ConsentAnswer:
        asked.extend(grants)
        return ConsentAnswer(Answer.YES)

    verdict = world.ask(remix(world, world.signed, tmp_path / "remix.mp4"), consent=record)
    assert (verdict.state, verdict.lineage.state) == (VerdictState.VERIFIED, LineageState.SOUND)
    assert asked == [OTHER_GRANT, GRANT]
    assert verdict.good


def test_a_remix_of_a_tampered_clip_is_not_good(world: World, flipped: Path, tmp_path: Path) -> None:
    verdict = world.ask(remix(world, flipped, tmp_path / "remix.mp4"))
    assert (verdict.state, verdict.intact, verdict.trusted) == (VerdictState.VERIFIED, Answer.YES, Answer.YES)
    assert (verdict.lineage.state, verdict.lineage.sound) == (LineageState.TAMPERED, Answer.NO)
    assert not verdict.good


def test_a_tampered_grandparent_is_found(world: World, flipped: Path, tmp_path: Path) -> None:
    first = remix(world, flipped, tmp_path / "first.mp4")
    second = remix(world, first, tmp_path / "second.mp4")
    lineage = world.ask(second).lineage
    assert (lineage.state, lineage.sound) == (LineageState.TAMPERED, Answer.NO)
    assert len(lineage.manifest_ids) == 2


def test_a_remix_of_an_unsigned_or_untrusted_clip_says_so(
    world: World, clip: Path, marked: Path, tmp_path: Path
) -> None:
    init_development_pki(tmp_path / "strange", datetime.now(UTC))
    stranger = LocalSigner(SigningIdentity.load(tmp_path / "strange"))
    sign_file(marked, tmp_path / "foreign.mp4", world.claim, signer=stranger, timestamp_url=None)
    for parent, state in ((clip, LineageState.UNSIGNED), (tmp_path / "foreign.mp4", LineageState.UNTRUSTED)):
        verdict = world.ask(remix(world, parent, tmp_path / "remix.mp4"))
        assert (verdict.state, verdict.lineage.state) == (VerdictState.VERIFIED, state)


def test_a_verdict_is_json(world: World, copy: Path) -> None:
    for path in (world.signed, copy):
        values = json.loads(json.dumps(world.ask(path).to_json()))
        assert values["manifest_id"].startswith("urn:c2pa:")
