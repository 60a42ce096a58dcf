import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import EmptyMediaError, MediaLimitError, NotMediaError
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits, check_file


@pytest.mark.parametrize("name", MediaLimits.__slots__)
def test_limits_that_nothing_satisfies_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MediaLimits(**{name: 0})


@settings(deadline=None)
@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000))
def test_a_picture_passes_exactly_within_side_and_area(width: int, height: int) -> None:
    limits = MediaLimits(max_side=4000, max_pixels=4_000_000)
    fits = max(width, height) <= 4000 and width * height <= 4_000_000
    if fits:
        limits.check_picture(width, height)
    else:
        with pytest.raises(MediaLimitError, match="picture"):
            limits.check_picture(width, height)


def test_files_are_judged_before_they_are_opened(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert check_file(file, DEFAULT_LIMITS) == 5
    with pytest.raises(MediaLimitError, match="larger than 4 bytes"):
        check_file(file, MediaLimits(max_bytes=4))
    file.write_bytes(b"")
    with pytest.raises(EmptyMediaError):
        check_file(file, DEFAULT_LIMITS)
    with pytest.raises(NotMediaError):
        check_file(tmp_path, DEFAULT_LIMITS)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotMediaError):
        check_file(tmp_path / "pipe", DEFAULT_LIMITS)
    with pytest.raises(FileNotFoundError):
        check_file(tmp_path / "absent", DEFAULT_LIMITS)
