"""What every test may lean on: the development media, when they are there."""

from pathlib import Path

import pytest

SHARED_MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Folder of licensed development media beside the checkout; skips when absent."""
    if not SHARED_MEDIA.is_dir():
        pytest.skip("development media are not beside this checkout")
    return SHARED_MEDIA
