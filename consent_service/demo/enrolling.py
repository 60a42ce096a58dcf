"""Steps 2 and 3: two people enrol; an imposter, an old recording and a waved photograph are turned away.

In: the stage. Out: the accounts of both people with their likenesses. The service decides; the story only
composes recordings and reads the answers.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from consent_service.demo.client import Caller, JsonObject
from consent_service.demo.people import HE, IMPOSTER, SHE, Person
from consent_service.demo.performance import Script, answer
from consent_service.demo.report import Narrator
from consent_service.demo.stage import Stage
from consent_service.demo.studio import Studio, Take

_PENDING: Final = frozenset({"processing"})
_Record = Callable[[Script, Path, Take], Path]


@dataclass(frozen=True, slots=True)
class Account:
    """A person registered with the service, and the likeness they enrolled.

    Attributes:
        person: As the studio knows them.
        caller: With the person's own key.
        likeness_id: Their likeness.
        recording: The cameo that enrolled it.
    """

    person: Person
    caller: Caller
    likeness_id: str
    recording: Path


def enrol_two(tell: Narrator, stage: Stage) -> tuple[Account, Account]:
    """Let her and him record cameos that answer their challenges."""
    she, he = (_enrol(tell, stage, person) for person in (SHE, HE))
    tell.expect("two different likenesses are enrolled", she.likeness_id != he.likeness_id)
    return she, he


def turn_attacks_away(tell: Narrator, stage: Stage, she: Account) -> None:
    """Try to pass for her in three ways, each against a fresh challenge on her own account."""
    tell.say("An imposter got hold of her account and records himself.")
    studio = stage.studio
    refused = _attempt(tell, stage.out / "imposter.mp4", she.caller, _as(studio, IMPOSTER))
    _expect_refusal(tell, refused, "imposter", "face_mismatch")

    tell.say("Somebody sends her old recording in answer to a new challenge.")
    refused = _attempt(tell, she.recording, she.caller, None)
    _expect_refusal(tell, refused, "old recording", "recording_reused", "wrong_digits")

    tell.say("Somebody waves a photograph of her at the camera while the right digits are read out.")
    refused = _attempt(tell, stage.out / "flat-photo.mp4", she.caller, _flat(studio, SHE))
    _expect_refusal(tell, refused, "flat photo", "no_parallax", "turn_missing", "turn_wrong_order")


def _enrol(tell: Narrator, stage: Stage, person: Person) -> Account:
    created = stage.platform.post("/v1/people")
    caller = Caller(stage.url, str(created["api_key"]))
    recording = stage.out / f"cameo-{person.name}.mp4"
    cameo = _attempt(tell, recording, caller, _as(stage.studio, person))
    _show_evidence(tell, person.name, cameo)
    tell.expect(f"{person.name}: accepted", cameo["status"] == "accepted" and bool(cameo["likeness_id"]))
    return Account(person, caller, str(cameo["likeness_id"]), recording)


def _attempt(tell: Narrator, recording: Path, caller: Caller, record: _Record | None) -> JsonObject:
    """Ask for a challenge, record an answer (or take an old recording), send it, wait for the verdict."""
    with tell.bar("asking for a challenge", 3) as bar:
        challenge = caller.post("/v1/challenges")
        said = f"say {challenge['digits']}, turn {', '.join(challenge['turns'])}"
        tell.say(f"challenge: {said}; expires {challenge['expires_at'][:19]}Z")
        bar.advance("recording the answer")
        if record is not None:
            take = Take(seed=zlib.crc32(str(challenge["challenge_id"]).encode()))
            record(answer(challenge["digits"], challenge["turns"]), recording, take)
        bar.advance("the service looks at it")
        cameo = caller.send("/v1/cameos", recording, {"challenge_id": str(challenge["challenge_id"])})
        return caller.watch(f"/v1/cameos/{cameo['cameo_id']}", "status", _PENDING)


def _as(studio: Studio, person: Person) -> _Record:
    return lambda script, path, take: studio.compose(person, script, path, take)


def _flat(studio: Studio, person: Person) -> _Record:
    return lambda script, path, take: studio.flat_photo(person, script, path, take)


def _expect_refusal(tell: Narrator, cameo: JsonObject, who: str, *wanted: str) -> None:
    tell.expect(f"{who}: refused", cameo["status"] == "rejected")
    tell.expect_reasons(f"{who}: reasons", cameo["reasons"], *wanted)


def _show_evidence(tell: Narrator, who: str, cameo: JsonObject) -> None:
    """Show the figures the decision rests on."""
    tell.show(f"{who}: status", cameo["status"])
    if cameo["reasons"]:
        tell.show(f"{who}: reasons", cameo["reasons"])
    for part, figures in (cameo["evidence"] or {}).items():
        tell.show(f"{who}: {part}", _brief(figures))


def _brief(figures: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Return figures on one line."""
    if not isinstance(figures, dict):
        return str(figures)
    shown = (
        (name, round(value, 3) if isinstance(value, float) else value) for name, value in figures.items()
    )
    return ", ".join(f"{name} {_plain(value)}" for name, value in shown)


def _plain(value: object) -> str:
    return " then ".join(map(str, value)) if isinstance(value, list) else str(value)
