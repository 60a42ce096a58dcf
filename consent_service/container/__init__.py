"""The one place a running service is put together: `build(settings) -> Container`."""

from consent_service.container.build import Container, build, initialise

__all__ = ["Container", "build", "initialise"]
