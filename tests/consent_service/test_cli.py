"""The command line as an operator meets it: one line and a status when something cannot be done."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str, program: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = f"{program}\nfrom consent_service.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def one_line(done: subprocess.CompletedProcess[str], code: str) -> bool:
    return done.returncode == 2 and done.stderr.count("\n") == 1 and f"({code})" in done.stderr


def test_the_demo_without_its_extra_says_what_is_missing() -> None:
    hidden = "import sys; sys.modules['piper'] = None"
    assert one_line(run("demo", program=hidden), "studio_missing")


def test_production_without_keys_of_its_own_does_not_start(tmp_path: Path) -> None:
    done = run("serve", CONSENT_ENVIRONMENT="production", CONSENT_DATA_DIR=str(tmp_path / "data"))
    assert one_line(done, "key_material_unusable")


def test_a_setting_that_cannot_be_used_is_named() -> None:
    done = run("init", CONSENT_ENVIRONMENT="staging")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "CONSENT_ENVIRONMENT" in done.stderr


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("init", CONSENT_DATA_DIR=str(tmp_path / "file" / "data"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
