"""Three-valued answer shared by the verdicts: a question is answered yes, answered no, or left open.

Nothing here decides anything; `UNKNOWN` exists so that "could not find out" is never read as "no" or "yes".
"""

from enum import StrEnum


class Answer(StrEnum):
    """Outcome of one question about a file."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, value: bool | None) -> "Answer":
        """Turn `True`, `False` or `None` into an answer."""
        if value is None:
            return cls.UNKNOWN
        return cls.YES if value else cls.NO
