"""Marks media, signs manifests and reads both back. Knows nothing of people, grants, HTTP or SQL."""

__version__ = "0.1.0"
