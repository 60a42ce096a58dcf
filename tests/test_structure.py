"""The house keeps its shape: contracts hold, and each would catch the direction it forbids."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = Path(sys.executable).with_name("lint-imports")

# One forbidden import per contract: the module that would carry it, the line, the contract it must break.
FORBIDDEN = [
    ("consent_service/db/broken.py", "import consent_service.grants.service", "Slices are layered"),
    ("consent_service/audit/broken.py", "import consent_service.accounts.service", "Slices are layered"),
    ("provenance/watermark/broken.py", "import consent_service.kernel.ids", "Provenance stands alone"),
    ("provenance/manifests/broken.py", "import fastapi", "Provenance stands alone"),
    ("consent_service/grants/domain.py", "import sqlalchemy", "Domain modules are pure"),
    ("consent_service/clips/service.py", "import fastapi", "HTTP stays in api and pages"),
    ("consent_service/accounts/broken.py", "import jose.jwt", "python-jose has one door"),
    ("consent_service/verification/broken.py", "import c2pa", "c2pa lives in one room"),
    ("provenance/watermark/broken.py", "import av", "PyAV lives in one room"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINT), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for package in ("consent_service", "provenance"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_contracts_hold(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout


def test_every_contract_has_a_counterexample() -> None:
    contracts = (ROOT / "pyproject.toml").read_text().count("[[tool.importlinter.contracts]]")
    assert len({contract for _, _, contract in FORBIDDEN}) == contracts


@pytest.mark.parametrize(("module", "line", "contract"), FORBIDDEN)
def test_forbidden_direction_is_caught(copy: Path, module: str, line: str, contract: str) -> None:
    target = copy / module
    before = target.read_text() if target.exists() else None
    target.write_text(f"{before or ''}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        target.unlink() if before is None else target.write_text(before)
    assert result.returncode == 1
    assert any(contract in row and "BROKEN" in row for row in result.stdout.splitlines()), result.stdout


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in ("consent_service", "provenance", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        if "versions" not in path.parts  # migrations are generated
        and (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
