"""Journey 3: a clip with her likeness is checked, scanned, marked, signed, read back and published."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from consent_service.demo.client import Caller, JsonObject, ServiceAnswerError
from provenance.manifests import TrustPolicy, read_file
from provenance.softbinding.assertion import SOFT_BINDING_ALG
from provenance.watermark import KeyRing, detect_file
from tests.journeys.conftest import Enrolled, Platform, Service, declaration, hand_in

# Run apart from the tests: the validator keeps a preference in the home folder.
INDEPENDENT = """
import json, sys
from pathlib import Path
import encypher_c2pa
file, pki = sys.argv[1], Path(sys.argv[2])
report = encypher_c2pa.verify(
    file,
    trust_pem=(pki / "anchors.pem").read_text(),
    tsa_trust_pem=(pki / "tsa-anchors.pem").read_text(),
    no_default_trust=True,
    telemetry=False,
    online=False,
)
wanted = ("validation_state", "integrity", "signature", "hard_binding")
print(json.dumps({name: report[name] for name in wanted}))
"""


def test_a_declared_and_granted_clip_is_published(
    published: JsonObject, she: Enrolled, grant: JsonObject
) -> None:
    assert published["reasons"] == []
    assert [check["decision"] for check in published["checks"]] == ["allow"]
    assert published["checks"][0]["grant_id"] == grant["grant_id"]
    seen = {(each["use"], each["match"], each["likeness_id"]) for each in published["scan"]["sightings"]}
    assert seen == {("face", "declared", she.likeness_id), ("voice", "declared", she.likeness_id)}
    assert published["output"] == {
        "intact": True,
        "trusted": True,
        "picture_mark": True,
        "sound_mark": True,
        "sound": "audible",
    }
    assert published["consent"] == "standing"


def test_the_published_file_carries_one_identifier_in_picture_sound_and_manifest(
    service: Service, published: JsonObject, published_file: Path, grant: JsonObject
) -> None:
    identifier = bytes.fromhex(published["watermark"])
    marks = detect_file(published_file, keys=KeyRing.load(service.data_dir / "keys"), deep=False)
    assert marks.video is not None
    assert marks.audio is not None
    assert (marks.video.payload, marks.audio.payload) == (identifier, identifier[:5])
    manifest = read_file(published_file, trust=TrustPolicy.load(service.data_dir / "keys" / "pki"))
    assert (manifest.intact, manifest.trusted, manifest.timestamp_trusted) == (True, True, True)
    assert manifest.manifest_id == published["manifest_id"]
    assert manifest.source_types == ("trainedAlgorithmicMedia",)
    bound = [each.value for each in manifest.soft_bindings if each.alg == SOFT_BINDING_ALG]
    assert bound == [identifier]
    assert [each.grant_id for each in manifest.grants] == [grant["grant_id"]]


def test_an_independent_validator_trusts_the_published_file(
    service: Service, published_file: Path, tmp_path: Path
) -> None:
    pki = service.data_dir / "keys" / "pki"
    done = subprocess.run(
        [sys.executable, "-c", INDEPENDENT, str(published_file), str(pki)],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {
        "validation_state": "Trusted",
        "integrity": "valid",
        "signature": "valid",
        "hard_binding": "match",
    }


def test_nothing_personal_is_in_the_published_file(published_file: Path, she: Enrolled) -> None:
    content = published_file.read_bytes()
    assert she.likeness_id.encode() not in content
    assert b"user-1" not in content


def test_the_file_is_served_safely_and_in_ranges(
    service: Service, platform: Platform, published: JsonObject, published_file: Path
) -> None:
    whole = published_file.read_bytes()
    assert hashlib.sha256(whole).hexdigest() == published["sha256"]
    headers = {"Authorization": f"Bearer {platform.key}"}
    with httpx.Client(base_url=service.url, headers=headers, trust_env=False) as http:
        full = http.get(published["file"])
        assert full.headers["content-type"] == "video/mp4"
        assert full.headers["content-disposition"].startswith("attachment")
        assert full.headers["x-content-type-options"] == "nosniff"
        for wanted, expected in (
            ("bytes=0-99", whole[:100]),
            ("bytes=100-", whole[100:]),
            ("bytes=-7", whole[-7:]),
        ):
            part = http.get(published["file"], headers={"Range": wanted})
            assert (part.status_code, part.content) == (206, expected)
            assert part.headers["content-range"].endswith(f"/{len(whole)}")
        beyond = http.get(published["file"], headers={"Range": f"bytes={len(whole)}-"})
        assert beyond.status_code == 416


def test_the_platform_is_told(platform: Platform, published: JsonObject) -> None:
    notice = platform.notices.wait_for("clip.published")
    assert notice is not None
    assert notice.signed
    assert published["state"] == "published"


def test_another_platform_does_not_see_the_clip(other_platform: Caller, published: JsonObject) -> None:
    for path in (f"/v1/clips/{published['clip_id']}", published["file"]):
        with pytest.raises(ServiceAnswerError) as refused:
            other_platform.fetch(path)
        assert (refused.value.status, refused.value.code) == (404, "clip_not_found")


def test_the_same_clip_without_its_declaration_is_refused_without_naming_her(
    service: Service, platform: Platform, greeting: Path, she: Enrolled
) -> None:
    clip = hand_in(platform.caller, greeting, declaration())
    assert clip["state"] == "refused"
    # How sure the comparison of voices is depends on the digits she happened to enrol with.
    assert "undeclared_face" in clip["reasons"]
    assert set(clip["reasons"]) - {"undeclared_face"} in ({"undeclared_voice"}, {"uncertain_voice"})
    assert she.likeness_id not in json.dumps(clip)
    with pytest.raises(ServiceAnswerError) as absent:
        platform.caller.fetch(f"/v1/clips/{clip['clip_id']}/file")
    assert absent.value.code == "clip_not_published"
    service.wait_until_tidy(clip["clip_id"])
