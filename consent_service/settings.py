"""Everything an operator can set, from environment variables `CONSENT_*`, with safe defaults.

In: the environment. Out: one frozen `Settings` value that `container` turns into adapters.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, computed_field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Operator settings; every field is an environment variable with the prefix `CONSENT_`."""

    model_config = SettingsConfigDict(env_prefix="CONSENT_", frozen=True)

    environment: Literal["development", "production"] = Field(
        default="development",
        description="`production` refuses development keys and the local timestamp authority.",
    )
    data_dir: Path = Field(default=Path("var"), description="Database, keys, files and models live below it.")
    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL; SQLite below data_dir by default."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Issuer of tokens and base of every link."
    )
    models_dir: Path | None = Field(default=None, description="Model cache; data_dir/models by default.")
    models_override: Path | None = Field(
        default=None, description="TOML file naming an operator's own models."
    )
    policies_dir: Path = Field(
        default=Path(__file__).resolve().parent.parent / "policies",
        description="Cedar policies, schema and cases.",
    )
    signer_socket: Path | None = Field(
        default=None, description="Unix socket of a signing process; none means the key in keys_dir/pki."
    )
    timestamp_url: str | None = Field(
        default=None, description="RFC 3161 authority; none means the development one."
    )
    timestamp_policy: Literal["require", "skip"] = Field(
        default="require", description="`require` refuses to sign when the authority does not answer."
    )
    embedded_worker: bool = Field(
        default=True, description="Run durable jobs inside `serve`; off with a separate worker."
    )
    executor_id: str = Field(
        default="local",
        pattern=r"^[A-Za-z0-9._-]{1,60}$",
        description="Name of this worker; its jobs resume under it.",
    )
    worker_concurrency: int = Field(default=2, gt=0, description="Jobs run at once by one worker.")
    max_upload_bytes: int = Field(default=256 * 1024 * 1024, gt=0, description="Largest accepted upload.")
    max_clip_seconds: float = Field(default=180.0, gt=0, description="Longest accepted clip.")
    max_cameo_seconds: float = Field(default=60.0, gt=0, description="Longest accepted cameo recording.")
    challenge_seconds: int = Field(
        default=300, gt=0, description="A challenge expires after so many seconds."
    )

    @computed_field  # type: ignore[prop-decorator]  # pydantic documents this pairing; mypy cannot model it
    @property
    def database(self) -> str:
        """SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'consent.db'}"

    @property
    def models(self) -> Path:
        """Folder in which verified model files lie."""
        return self.models_dir or self.data_dir / "models"

    @property
    def keys_dir(self) -> Path:
        """Folder with the master key, token keys and the development PKI (mode 0700)."""
        return self.data_dir / "keys"

    @property
    def files_dir(self) -> Path:
        """Folder of the local object store."""
        return self.data_dir / "files"
