import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = str(Path(__file__).with_name("resumable.py"))


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(folder), *arguments], stdout=subprocess.PIPE, text=True
    )


def trace(folder: Path) -> list[str]:
    path = folder / "trace"
    return path.read_text().splitlines() if path.exists() else []


def until(met: Callable[[], bool]) -> None:
    for _ in range(1500):
        if met():
            return
        time.sleep(0.02)
    pytest.fail("it never came to that")


def test_a_worker_killed_in_a_step_resumes_there_and_repeats_nothing_before(tmp_path: Path) -> None:
    killed = start(tmp_path, "enqueue")
    until(lambda: "third began" in trace(tmp_path))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert trace(tmp_path) == ["first you", "second", "third began"]

    (tmp_path / "go").touch()
    output, _ = start(tmp_path).communicate(timeout=60)
    assert output.strip() == "SUCCESS"
    assert trace(tmp_path) == ["first you", "second", "third began", "third began", "third", "fourth"]


def test_a_request_survives_a_kill_before_it_was_taken_over(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    request = (
        "from consent_service.db.engine import create_database; from sqlmodel import SQLModel;"
        "from consent_service.jobs.runtime import JobRuntime; from consent_service.settings import Settings;"
        f"import os, pathlib; folder = pathlib.Path({str(tmp_path)!r});"
        "engine = create_database(f'sqlite:///{folder}/consent.db'); SQLModel.metadata.create_all(engine);"
        "JobRuntime(Settings(data_dir=folder), engine).enqueue('journey', 'job-1', 'you');"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", request], check=False).returncode == -signal.SIGKILL
    output, _ = start(tmp_path).communicate(timeout=60)
    assert output.strip() == "SUCCESS"
    assert trace(tmp_path)[-1] == "fourth"
