"""Every release must read the marks of every earlier one: these vectors are added to, never changed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance.watermark import cells
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.pattern import PicturePattern, layout_for
from provenance.watermark.payload import AUDIO, VIDEO
from provenance.watermark.sound_pattern import SoundPattern, sound_layout_for

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> Any:
    return json.loads(request.param.read_text())


@pytest.fixture
def key(golden: Any) -> WatermarkKey:
    return WatermarkKey(golden["epoch"], bytes.fromhex(golden["secret"]))


def test_the_key_schedule_stands(golden: Any, key: WatermarkKey) -> None:
    for label, derived in golden["derived"].items():
        assert key.derive(label).hex() == derived


@pytest.mark.parametrize("form", [VIDEO, AUDIO], ids=lambda form: form.modality)
def test_the_coded_payload_stands(golden: Any, key: WatermarkKey, form: Any) -> None:
    identifier = bytes.fromhex(golden["identifier"])[: form.identifier_bytes]
    coded = form.encode(key, identifier)
    assert np.packbits(coded < 0).tobytes().hex() == golden["coded"][form.modality]
    assert form.decode(key, coded) == identifier


def test_the_picture_pattern_stands(golden: Any, key: WatermarkKey) -> None:
    expected, identifier = golden["pattern"], bytes.fromhex(golden["identifier"])
    layout = layout_for(key)
    assert (len(layout.rows), layout.pilots) == (expected["carriers"], expected["pilots"])
    assert layout.rows[:8].tolist() == expected["rows"]
    assert layout.columns[-8:].tolist() == expected["columns"]
    assert layout.assignment[-8:].tolist() == expected["assignment"]
    pattern = PicturePattern.saying(key, identifier)
    assert list(pattern.phase) == expected["phase"]
    picture = pattern.render(640, 360)
    assert pattern.tile[::128, ::128].reshape(-1) == pytest.approx(expected["tile"], abs=1e-3)
    assert picture[::90, ::160].reshape(-1) == pytest.approx(expected["picture"], abs=1e-3)


def test_the_sound_pattern_stands(golden: Any, key: WatermarkKey) -> None:
    expected, identifier = golden["sound"], bytes.fromhex(golden["identifier"])[: AUDIO.identifier_bytes]
    layout = sound_layout_for(key)
    pattern = SoundPattern.saying(key, identifier)
    assert expected["grid"] == [cells.SLOTS, cells.BANDS, cells.SLOT_SECONDS]
    assert np.packbits(pattern.signs < 0).tobytes().hex() == expected["signs"]
    assert pattern.groups[:2].reshape(-1).tolist() == expected["groups"]
    assert layout.pilots[:8].tolist() == expected["pilots"]
    assert layout.assignment[-8:].tolist() == expected["assignment"]
