import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

from consent_service.accounts import webhooks
from consent_service.container import build, initialise
from consent_service.db.session import transaction
from consent_service.settings import Settings

COMMAND = [sys.executable, "-c", "from consent_service.cli import main; main()", "worker"]


def test_a_worker_of_its_own_does_what_others_asked_for_and_ends_cleanly(
    service_settings: Settings, tmp_path: Path
) -> None:
    arrived = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    initialise(service_settings)
    container = build(service_settings)
    with transaction(container.engine) as session:
        url = f"http://127.0.0.1:{server.server_port}/"
        container.accounts.create_relying_party(session, "Acme", url)
        webhooks.enqueue(session, None, "grant.revoked", {"grant_id": "grt_1"})
    container.close()
    environment = {
        **os.environ,
        "CONSENT_DATA_DIR": str(service_settings.data_dir),
        "CONSENT_MODELS_DIR": str(service_settings.models),
    }
    log = (tmp_path / "log").open("w")
    worker = subprocess.Popen(COMMAND, env=environment, stderr=log)
    try:
        assert arrived.wait(60)
    finally:
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(30)
        server.shutdown()
        thread.join()
        server.server_close()
        log.close()
    assert code == 0, (tmp_path / "log").read_text()
