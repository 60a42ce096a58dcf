"""Real models, or a plain word about how to get them."""

import pytest

from consent_service.biometrics.registry import ModelRegistry
from consent_service.settings import Settings


@pytest.fixture(scope="session")
def models() -> ModelRegistry:
    """Return the registry over the pulled models; their absence is a failure, not a skip."""
    registry = ModelRegistry.from_settings(Settings())
    absent = [
        m.id for m in registry.models(frozenset({"service", "studio"})) if registry.state(m.id) != "verified"
    ]
    if absent:
        pytest.fail(f"models are missing or broken ({', '.join(absent)}): run `make setup`")
    return registry
