"""Names what FFmpeg, the operating system and Python say went wrong, in the words of our own error tree.

In: exceptions of PyAV, OSError, MemoryError. Out: `MediaError` and `StorageFullError` with plain messages
that hold no host path.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av.error

from provenance.errors import (
    MalformedMediaError,
    MediaLimitError,
    ProvenanceError,
    StorageFullError,
    UnsupportedMediaError,
)

_FULL = (errno.ENOSPC, errno.EDQUOT)


def translate(error: BaseException) -> ProvenanceError | None:
    """Our name for an exception met while reading or writing media.

    Args:
        error: What was raised.

    Returns:
        The error to raise instead, or None if it is not about media (a bug, then).
    """
    if isinstance(error, ProvenanceError):
        return error
    number = getattr(error, "errno", None) if isinstance(error, OSError | av.error.FFmpegError) else None
    if number in _FULL:
        return StorageFullError("no space left for the output")
    if number == errno.EFBIG:
        return MediaLimitError("the output passed its size limit")
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return MediaLimitError("the media needs more memory than allowed")
    if isinstance(error, av.error.FFmpegError):
        return _translate_ffmpeg(error)
    return None


def _translate_ffmpeg(error: av.error.FFmpegError) -> ProvenanceError:
    unsupported = (av.error.DecoderNotFoundError, av.error.PatchWelcomeError, av.error.NotImplementedError)
    if isinstance(error, unsupported):
        return UnsupportedMediaError("the media uses a codec or feature that is not supported")
    return MalformedMediaError(f"the media is broken: {(error.strerror or 'unknown').lower()}")


@contextmanager
def translated() -> Iterator[None]:
    """Raise our own errors in place of FFmpeg's and the system's.

    Raises:
        ProvenanceError: The translation, with the original as its cause.
    """
    try:
        yield
    except Exception as error:
        ours = translate(error)
        if ours is None or ours is error:
            raise
        raise ours from error
