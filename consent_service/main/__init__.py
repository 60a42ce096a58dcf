"""The HTTP application."""

from consent_service.main.app import create_app

__all__ = ["create_app"]
