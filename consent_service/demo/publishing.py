"""Steps 6, 7 and 8: a clip is published, others are held back; the published file is verified.

In: the stage, her account, the grant. Out: the published clip. The clips are the studio's again: another
movement, other words than in her cameo.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from consent_service.demo.client import JsonObject
from consent_service.demo.enrolling import Account
from consent_service.demo.granting import HIM, PURPOSE, GivenGrant
from consent_service.demo.people import IMPOSTER, SHE
from consent_service.demo.performance import Say, Turn
from consent_service.demo.report import Narrator
from consent_service.demo.stage import Stage
from consent_service.demo.studio import Take
from provenance.media import transcode

_PENDING: Final = frozenset({"received", "checking", "marking", "signing", "verifying"})
_GREETING: Final = (
    Say("Hello everybody! The harbour is quiet this morning, and the boats are waiting for the tide."),
    Turn("left", 12, 1.2),
    Say("I wish you could see it."),
)
_LIVELY: Final = Take(seed=2026, liveliness=2.2)


@dataclass(frozen=True, slots=True)
class PublishedClip:
    """A clip that was let out.

    Attributes:
        clip_id: Its identifier.
        source: The clip as it was generated.
        file: The published file: marked, signed.
        manifest_id: Of its manifest.
        watermark: The identifier in picture and sound, hex.
    """

    clip_id: str
    source: Path
    file: Path
    manifest_id: str
    watermark: str


def publish(tell: Narrator, stage: Stage, she: Account, grant: GivenGrant) -> PublishedClip:
    """Submit a generated clip with her face and voice, declared, and follow it until it is published."""
    with tell.bar("generating a clip of her", 1):
        source = stage.studio.compose(SHE, _GREETING, stage.out / "generated.mp4", _LIVELY)
    clip = _submit(tell, stage, source, [she.likeness_id])
    _show_clip(tell, clip)
    tell.expect("published", clip["state"] == "published")
    tell.expect("allowed by her grant", [check["grant_id"] for check in clip["checks"]] == [grant.grant_id])
    output = clip["output"]
    tell.expect("read back: intact and trusted", bool(output["intact"] and output["trusted"]))
    tell.expect("read back: both marks", bool(output["picture_mark"] and output["sound_mark"]))
    published = stage.out / "published.mp4"
    published.write_bytes(stage.platform.fetch(str(clip["file"])))
    tell.show("file", str(published))
    return PublishedClip(
        str(clip["clip_id"]), source, published, str(clip["manifest_id"]), str(clip["watermark"])
    )


def refuse_undeclared(tell: Narrator, stage: Stage, she: Account, clip: PublishedClip) -> None:
    """Submit the same clip without its declaration, then one with a face nobody declared."""
    bare = _submit(tell, stage, clip.source, [])
    tell.expect("without a declaration: not published", bare["state"] in {"refused", "needs_review"})
    tell.show("without a declaration", bare["state"])
    tell.expect_reasons(
        "without a declaration: reasons", bare["reasons"], "undeclared_face", "undeclared_voice"
    )

    with tell.bar("generating a clip with a stranger in it", 1):
        pair = stage.out / "with-stranger.mp4"
        stage.studio.two_people(SHE, IMPOSTER, _GREETING, pair, _LIVELY)
    strange = _submit(tell, stage, pair, [she.likeness_id])
    tell.expect("with a stranger: not published", strange["state"] in {"refused", "needs_review"})
    tell.show("with a stranger", strange["state"])
    tell.expect_reasons("with a stranger: reasons", strange["reasons"], "unknown_face", "undeclared_face")


def verify(tell: Narrator, stage: Stage, clip: PublishedClip) -> None:
    """Verify the published file, the same with one byte flipped, and a copy re-encoded at half size."""
    verdict = _verdict(tell, stage, clip.file, "published file")
    for answer in ("intact", "trusted", "marked", "consented"):
        tell.expect(f"{answer}: yes", verdict[answer] == "yes")

    flipped = _flip_a_byte(clip.file, stage.out / "tampered.mp4")
    verdict = _verdict(tell, stage, flipped, "one byte flipped")
    tell.expect("tampered", verdict["state"] == "tampered" and verdict["intact"] == "no")

    copy = stage.out / "reencoded.mp4"
    with tell.bar("re-encoding: H.264 CRF 28, half size, no metadata", 1):
        transcode(clip.file, copy, crf=28, scale=0.5)
    tell.show("copy", f"{copy.stat().st_size / 1e3:.0f} kB of {clip.file.stat().st_size / 1e3:.0f} kB")
    verdict = _verdict(tell, stage, copy, "re-encoded copy")
    tell.expect("recovered", verdict["state"] == "recovered")
    tell.expect("its watermark led back to the manifest", verdict["manifest_id"] == clip.manifest_id)


def verify_withdrawn(tell: Narrator, stage: Stage, clip: PublishedClip) -> None:
    """Verify the published file once more, after she withdrew her consent."""
    verdict = _verdict(tell, stage, clip.file, "published file, after the revocation")
    tell.expect("still intact and trusted", verdict["intact"] == "yes" and verdict["trusted"] == "yes")
    tell.expect("no longer consented", verdict["consented"] == "no")


def _submit(tell: Narrator, stage: Stage, clip: Path, likenesses: list[str]) -> JsonObject:
    """Hand a clip in with its declaration and wait until it rests."""
    declaration = {
        "requester_id": HIM,
        "purpose": PURPOSE,
        "commercial": False,
        "likenesses": [{"likeness_id": likeness, "uses": ["face", "voice"]} for likeness in likenesses],
        "generator": {"name": "Example Video Model", "version": "3.1"},
    }
    with tell.bar("submitting", len(_PENDING)) as bar:
        submitted = stage.platform.send("/v1/clips", clip, {"declaration": json.dumps(declaration)})
        place = f"/v1/clips/{submitted['clip_id']}"
        return stage.platform.watch(place, "state", _PENDING, bar.advance)


def _verdict(tell: Narrator, stage: Stage, file: Path, called: str) -> JsonObject:
    """Verify a file as a stranger does, and show the answers."""
    with tell.bar(f"verifying: {called}", 1):
        verdict = stage.stranger.send("/v1/verifications", file)
    answers = (f"{name} {verdict[name]}" for name in ("intact", "trusted", "marked", "consented"))
    tell.show(called, f"{verdict['state']} ({', '.join(answers)})")
    tell.say(str(verdict["sentence"]))
    if verdict["reasons"]:
        tell.show(f"{called}: reasons", verdict["reasons"])
    return verdict


def _show_clip(tell: Narrator, clip: JsonObject) -> None:
    """Show what the gate found and what was made."""
    tell.show("clip", clip["clip_id"])
    tell.show("state", clip["state"])
    if clip["reasons"]:
        tell.show("reasons", clip["reasons"])
    for check in clip["checks"]:
        tell.show("check", f"{check['decision']} ({', '.join(check['reasons'])}) by {check['grant_id']}")
    for sighting in (clip["scan"] or {}).get("sightings", []):
        tell.show(f"scan: {sighting['use']}", f"{sighting['match']}, score {sighting['score']}")
    for modality, mark in (clip["marks"] or {}).items():
        tell.show(f"mark: {modality}", _brief(mark))
    tell.show("watermark", clip["watermark"])
    tell.show("manifest", clip["manifest_id"])
    tell.show("log entry", clip["log_index"])


def _brief(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(
        f"{key} {round(each, 3) if isinstance(each, float) else each}" for key, each in value.items()
    )


def _flip_a_byte(source: Path, destination: Path) -> Path:
    """Copy a file with one bit changed in the middle of its pictures and sound (the `mdat` box)."""
    content = bytearray(source.read_bytes())
    begin, end = _media_data(content)
    content[(begin + end) // 2] ^= 1
    destination.write_bytes(content)
    return destination


def _media_data(content: bytes | bytearray) -> tuple[int, int]:
    """Return where the payload of the largest `mdat` box begins and ends (ISO/IEC 14496-12, 4.2)."""
    at, found = 0, (0, 0)
    while at + 8 <= len(content):
        size, kind, head = int.from_bytes(content[at : at + 4], "big"), bytes(content[at + 4 : at + 8]), 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(content)
        if kind == b"mdat" and end - at - head > found[1] - found[0]:
            found = (at + head, end)
        at = end
    if found == (0, 0):
        raise ValueError("the file has no media data")
    return found
