"""Model runtimes keep to themselves."""

import os
import subprocess
import sys
from pathlib import Path

from consent_service.biometrics.registry import ModelRegistry

RUN_A_MODEL = """
import sys
from pathlib import Path
from consent_service.biometrics.runtime import OnnxModel
OnnxModel(Path(sys.argv[1]))
"""


def test_running_a_model_reports_to_nobody(models: ModelRegistry, tmp_path: Path) -> None:
    """The runtime's usage reporting begins with an identifier in the home folder: none may appear."""
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    environment = {**os.environ, **home}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run(
        [sys.executable, "-c", RUN_A_MODEL, str(models.path("voice-activity"))],
        env=environment,
        cwd=Path(__file__).parents[3],
        check=True,
        timeout=60,
    )
    assert list(tmp_path.rglob("*")) == []
