"""What can stop the library from answering. A negative answer (tampered, unmarked) is never an exception.

Each class carries a stable `code`; messages are lowercase sentences without paths of the host.
"""

from typing import ClassVar


class ProvenanceError(Exception):
    """Root of the tree: the work could not be done.

    Attributes:
        code: Stable machine-readable name.
    """

    code: ClassVar[str] = "provenance_error"


class MediaError(ProvenanceError):
    """The media file cannot be used."""

    code = "media_unusable"


class EmptyMediaError(MediaError):
    """The file has no bytes, or no decodable stream."""

    code = "media_empty"


class NotMediaError(MediaError):
    """The bytes are not a media container this library reads."""

    code = "not_media"


class MalformedMediaError(MediaError):
    """The container or a stream in it is broken or cut short."""

    code = "media_malformed"


class UnsupportedMediaError(MediaError):
    """Well-formed media of a kind this operation does not support."""

    code = "media_unsupported"


class MediaLimitError(MediaError):
    """A limit on size, dimensions, duration, memory or time was passed."""

    code = "media_limit_exceeded"


class DecoderCrashedError(MediaError):
    """The sandboxed decoder died; the caller goes on running."""

    code = "decoder_crashed"


class NoVideoError(MediaError):
    """The file holds no moving picture, and the operation needs one."""

    code = "media_no_video"


class NoAudioError(MediaError):
    """The file holds no sound, and the operation needs it."""

    code = "media_no_audio"


class SandboxUnavailableError(ProvenanceError):
    """This system cannot confine a decoder; outside media is then not read at all."""

    code = "sandbox_unavailable"


class KeyMaterialError(ProvenanceError):
    """A key or certificate is missing, unreadable or outside its profile."""

    code = "key_material_unusable"


class SigningError(ProvenanceError):
    """The manifest could not be signed."""

    code = "signing_failed"


class SignerUnavailableError(SigningError):
    """The signer cannot be reached."""

    code = "signer_unavailable"


class TimestampUnavailableError(SigningError):
    """The RFC 3161 timestamp authority cannot be reached or refused."""

    code = "timestamp_unavailable"


class StorageFullError(ProvenanceError):
    """The output could not be written for want of space; nothing partial was left."""

    code = "storage_full"
