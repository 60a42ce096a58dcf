"""What every test may lean on: the real models, the studio's recordings, the development media when there."""

import os
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from consent_service.biometrics.registry import ModelRegistry
from consent_service.demo.cache import StudioCache
from consent_service.settings import Settings

# Laws are about results; how long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("steady", deadline=None)
hypothesis_settings.load_profile("steady")

SHARED_MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Folder of licensed development media beside the checkout; skips when absent."""
    if not SHARED_MEDIA.is_dir():
        pytest.skip("development media are not beside this checkout")
    return SHARED_MEDIA


@pytest.fixture(scope="session")
def models() -> ModelRegistry:
    """Return the registry over the pulled models; their absence is a failure, not a skip."""
    registry = ModelRegistry.from_settings(Settings())
    wanted = registry.models(frozenset({"service", "studio"}))
    if absent := [model.id for model in wanted if registry.state(model.id) != "verified"]:
        pytest.fail(f"models are missing or broken ({', '.join(absent)}): run `make setup`")
    return registry


@pytest.fixture(scope="session")
def composed(models: ModelRegistry, tmp_path_factory: pytest.TempPathFactory) -> StudioCache:
    """Return the studio; each recording is composed once in a run, whichever worker asks first."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return StudioCache(models, shared / "composed")
