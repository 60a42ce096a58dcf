"""Consent & Provenance Service: likeness consent, checked before every use."""

import os

__version__ = "0.1.0"

# ONNX Runtime's official builds report usage to their maker unless this is set before they are loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
