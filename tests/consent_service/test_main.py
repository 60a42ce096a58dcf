import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from consent_service.cli import main
from consent_service.container import Container, build, initialise
from consent_service.container.keys import PKI_FOLDER
from consent_service.kernel.errors import UnavailableError
from consent_service.main import create_app
from consent_service.settings import Settings
from consent_service.vault.keys import MASTER_KEY_FILE

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_it_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.json() == {
        "ready": True,
        "checks": dict.fromkeys(("database", "schema", "models", "keys", "disk", "jobs"), "ok"),
    }


def test_it_says_what_is_not_ready(service_settings: Settings, tmp_path: Path) -> None:
    settings = service_settings.model_copy(update={"models_dir": tmp_path / "no-models"})
    initialise(settings)
    with TestClient(create_app(settings)) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["models"].startswith("model_missing: ")
    assert "consent-service models pull" in answer.json()["checks"]["models"]


def test_a_home_page_shows_where_to_look(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    for link in ("/docs", "/verify", "/.well-known/jwks.json", "/v1/log/checkpoint", "/readyz"):
        assert f'href="{link}"' in answer.text
        assert client.get(link).status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "development instance" in answer.text


def test_the_reference_shows_every_route_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in operations.values():
            assert operation["summary"].rstrip(".").replace("'", "&#39;") in page
    assert "<script" not in page
    assert "//" not in page.replace("https://", "").replace("http://", "").replace("://", "")


def test_metrics_count_routes_not_paths(client: TestClient) -> None:
    client.get("/v1/log/entries/7")
    text = client.get("/metrics").text
    assert 'route="/v1/log/entries/{index}",status="404"' in text
    assert "entries/7" not in text
    for gauge in ("consent_jobs_waiting 0.0", 'consent_notices{state="dead"} 0.0', "consent_log_entries 0.0"):
        assert gauge in text
    assert "consent_policy" in text  # counted by another room, in the registry of the process


def test_the_log_is_public(client: TestClient) -> None:
    note = client.get("/v1/log/checkpoint")
    assert note.headers["content-type"].startswith("text/plain")
    assert note.text.split("\n")[1] == "0"
    assert client.get("/v1/log/proofs/consistency", params={"old": 0, "new": 0}).json()["hashes"] == []
    assert client.get("/v1/log/proofs/inclusion", params={"index": 0, "size": 1}).status_code == 404
    assert client.get("/v1/log/tile/0/000.p/1").status_code == 404
    assert client.get("/v1/log/tile/entries/000.p/1").status_code == 404
    assert client.get(f"/v1/log/entries/{10**30}").status_code == 422


def test_the_snapshot_of_the_api_is_current(client: TestClient) -> None:
    """When this fails: look at the difference, then run `make openapi`."""
    assert client.get("/openapi.json").json() == json.loads(SNAPSHOT.read_text())


def test_every_operation_is_described(client: TestClient) -> None:
    document: dict[str, Any] = client.get("/openapi.json").json()
    tags = {tag["name"] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert set(operation["tags"]) <= tags, (method, path)
            assert "application/problem+json" in operation["responses"]["4XX"]["content"]


def test_an_application_can_be_made_again_and_again(service_settings: Settings) -> None:
    settings = service_settings.model_copy(update={"embedded_worker": True})
    initialise(settings)
    for _ in range(2):
        with TestClient(create_app(settings)) as client:
            assert client.get("/readyz").json()["ready"]


def test_initialising_again_changes_nothing(service_settings: Settings) -> None:
    assert "master key" in initialise(service_settings)
    keys = {path: path.read_bytes() for path in service_settings.keys_dir.rglob("*") if path.is_file()}
    assert initialise(service_settings) == ()
    assert {path: path.read_bytes() for path in keys} == keys


def test_a_lost_master_key_is_not_replaced_silently(container: Container, callers: Any) -> None:
    callers.person()
    settings = container.settings
    container.close()
    (settings.keys_dir / MASTER_KEY_FILE).unlink()
    with pytest.raises(UnavailableError, match="restore it"):
        initialise(settings)


def test_production_refuses_the_development_authority(service_settings: Settings) -> None:
    initialise(service_settings)
    settings = service_settings.model_copy(
        update={"environment": "production", "timestamp_url": "https://tsa"}
    )
    with pytest.raises(UnavailableError, match="development keys are refused"):
        build(settings)


def test_production_needs_an_outside_timestamp_authority(service_settings: Settings) -> None:
    initialise(service_settings)
    settings = service_settings.model_copy(
        update={"environment": "production", "signer_socket": service_settings.data_dir / "signer.sock"}
    )
    with pytest.raises(UnavailableError) as caught:
        build(settings)
    assert caught.value.code == "timestamp_authority_missing"


def test_production_makes_no_certificates(service_settings: Settings) -> None:
    settings = service_settings.model_copy(update={"environment": "production"})
    assert "development certificates" not in initialise(settings)
    assert not (settings.keys_dir / PKI_FOLDER).exists()
    with pytest.raises(UnavailableError):
        build(settings)


@pytest.fixture
def shell(service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CONSENT_DATA_DIR", str(service_settings.data_dir))
    monkeypatch.setenv("CONSENT_MODELS_DIR", str(service_settings.models.resolve()))
    return service_settings


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["consent-service", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_an_operator_sets_up_from_a_shell(
    shell: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "init") == 0
    assert (shell.keys_dir / MASTER_KEY_FILE).exists()
    for arguments, role in (
        (("relying-party", "create", "Acme", "--webhook", "http://127.0.0.1:9/"), "relying_party_id"),
        (("person", "create"), "person_id"),
        (("moderator", "create", "Mo"), "moderator_id"),
    ):
        capsys.readouterr()
        assert run(monkeypatch, *arguments) == 0
        shown = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
        assert role in shown
        assert shown["api_key"].startswith("csk_")
        assert ("webhook_secret" in shown) is (role == "relying_party_id")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("person", "create"), "run `consent-service init`"),
        (("relying-party", "create", ""), "run `consent-service init`"),
    ],
)
def test_errors_are_one_line_and_a_status(
    shell: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert not shell.data_dir.exists()
    assert run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_bad_setting_is_named(
    shell: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del shell
    monkeypatch.setenv("CONSENT_MAX_UPLOAD_BYTES", "lots")
    assert run(monkeypatch, "init") == 2
    assert "CONSENT_MAX_UPLOAD_BYTES" in capsys.readouterr().err


def test_help_loads_no_models_and_no_codecs() -> None:
    code = (
        "import sys; import consent_service.cli;"
        "heavy = {'numpy', 'av', 'cv2', 'onnxruntime', 'fastapi', 'sqlalchemy', 'dbos', 'c2pa'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_form_of_many_parts_is_refused_before_it_fills_the_memory(client: TestClient) -> None:
    parts = {f"field{number}": "x" for number in range(10)}
    many = client.post("/v1/verifications", data=parts, files={"file": b"x"})
    long = client.post("/v1/verifications", data={"note": "x" * 100_000}, files={"file": b"x"})
    files = client.post("/v1/verifications", files=[("file", b"x")] * 2)
    assert {answer.status_code for answer in (many, long, files)} == {400}
    assert many.json()["code"] == "bad_request"


def test_a_database_that_cannot_be_used_is_one_line_without_its_password(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    initialise(service_settings)
    monkeypatch.setenv("CONSENT_DATA_DIR", str(service_settings.data_dir))
    for url in ("no url", "postgresql+psycopg://consent:hunter2@127.0.0.1:1/consent"):
        monkeypatch.setenv("CONSENT_DATABASE_URL", url)
        monkeypatch.setattr("sys.argv", ["consent-service", "person", "create"])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr().err
        assert (caught.value.code, said.count("\n")) == (2, 1)
        assert "hunter2" not in said
