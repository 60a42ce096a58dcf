"""The house keeps its shape: contracts hold, and each would catch the direction it forbids."""

import shutil
import subprocess
import sys
from itertools import pairwise
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


@pytest.fixture(scope="module")
def broken(copy: Path) -> dict[str, list[str]]:
    """Return the import chains the linter names, by contract, when every forbidden direction is taken."""
    folder = copy.with_name("broken")
    shutil.copytree(copy, folder)
    for module, line, _ in FORBIDDEN:
        with (folder / module).open("a") as file:
            file.write(f"\n{line}\n")
    result = lint(folder)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    chains: dict[str, list[str]] = {}
    heading = ""
    for line, following in pairwise([*lines, ""]):
        heading = line if following and set(following) == {"-"} else heading
        if " -> " in line:
            chains.setdefault(heading, []).append(line)
    return chains


@pytest.mark.parametrize(("module", "line", "contract"), FORBIDDEN)
def test_forbidden_direction_is_caught(
    broken: dict[str, list[str]], module: str, line: str, contract: str
) -> None:
    importer = module.removesuffix(".py").replace("/", ".")
    imported = line.removeprefix("import ").split(".", maxsplit=1)[0]
    chains = [chain for heading, found in broken.items() if heading.startswith(contract) for chain in found]
    assert any(f"{importer} -> {imported}" in chain for chain in chains), chains


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in ("consent_service", "provenance", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
