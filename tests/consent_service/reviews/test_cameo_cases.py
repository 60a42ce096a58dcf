"""A cameo in doubt is a case like any other: listed, decided with a reason, carried out by its slice."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from consent_service.cameos.domain import Status
from consent_service.cameos.sealing import Sealer, face_place, voice_place
from consent_service.cameos.tables import CameoRow, ChallengeRow
from consent_service.container import Container
from consent_service.db.session import transaction
from consent_service.kernel.ids import new_id

REASON = {"reason": "seen in a video call with an identity document"}


@pytest.fixture
def held(container: Container, callers: Any) -> tuple[CameoRow, dict[str, str]]:
    """A cameo that waits for a moderator, with its templates sealed; and the headers of its person."""
    person_id, headers = callers.person()
    now = datetime.now(UTC)
    row = CameoRow(
        id=new_id("cam"),
        person_id=person_id,
        challenge_id=new_id("chl"),
        status=Status.NEEDS_REVIEW,
        reasons=["no_parallax"],
        evidence={"face": {"parallax": 0.05}},
        sha256="0" * 64,
        received_at=now,
        decided_at=now,
    )
    sealer = Sealer(container.vault)
    with transaction(container.engine) as session:
        challenge = ChallengeRow(
            id=row.challenge_id,
            person_id=person_id,
            digits="407192",
            turns=["left"],
            issued_at=now,
            expires_at=now,
        )
        session.add(challenge)
        session.flush()
        face, voice = np.zeros(128, np.float32), np.zeros(256, np.float32)
        row.sealed_face = sealer.seal(session, person_id, face, face_place(row.id))
        row.sealed_voice = sealer.seal(session, person_id, voice, voice_place(row.id))
        session.add(row)
    return row, headers


def decide(client: TestClient, moderator: dict[str, str], ruling: str) -> Any:
    (case,) = client.get("/v1/cases", headers=moderator).json()["cases"]
    path = f"/v1/cases/{case['case_id']}/decision"
    return client.post(path, headers=moderator, json={"ruling": ruling, **REASON})


def test_a_held_cameo_is_listed_with_its_figures(
    client: TestClient, callers: Any, held: tuple[CameoRow, dict[str, str]]
) -> None:
    (case,) = client.get("/v1/cases", headers=callers.moderator()[1]).json()["cases"]
    assert (case["kind"], case["subject_id"], case["reasons"]) == ("cameo", held[0].id, ["no_parallax"])
    assert case["evidence"] == {"face": {"parallax": 0.05}}


def test_a_released_cameo_enrols_its_person(
    client: TestClient, callers: Any, held: tuple[CameoRow, dict[str, str]]
) -> None:
    row, headers = held
    moderator = callers.moderator()[1]
    decided = decide(client, moderator, "release").json()
    assert (decided["state"], decided["ruling"]) == ("decided", "release")
    cameo = client.get(f"/v1/cameos/{row.id}", headers=headers).json()
    assert cameo["status"] == "accepted"
    assert client.get("/v1/likeness", headers=headers).json() == {"likeness_id": cameo["likeness_id"]}
    assert client.get("/v1/cases", headers=moderator).json()["cases"] == []


def test_an_upheld_cameo_is_rejected(
    client: TestClient, callers: Any, held: tuple[CameoRow, dict[str, str]]
) -> None:
    row, headers = held
    moderator = callers.moderator()[1]
    assert decide(client, moderator, "uphold").status_code == 200
    assert client.get(f"/v1/cameos/{row.id}", headers=headers).json()["status"] == "rejected"
    case_id = "cas_" + row.id.partition("_")[2]
    again = client.post(
        f"/v1/cases/{case_id}/decision", headers=moderator, json={"ruling": "release", **REASON}
    )
    assert (again.status_code, again.json()["code"]) == (409, "case_decided")
