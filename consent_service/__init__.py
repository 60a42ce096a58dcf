"""Consent & Provenance Service: likeness consent, checked before every use."""

__version__ = "0.1.0"
