import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.watermark import convolution
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.payload import AUDIO, VIDEO, PayloadFormat, false_positive_bits, margin

secrets = st.binary(min_size=32, max_size=32)
epochs = st.integers(1, 1000)
keys = st.builds(WatermarkKey, epochs, secrets)
formats = st.sampled_from([VIDEO, AUDIO])


@given(st.lists(st.integers(0, 1), min_size=1, max_size=120))
def test_the_code_round_trips(bits: list[int]) -> None:
    word = np.array(bits, np.uint8)
    coded = convolution.encode(word)
    assert len(coded) == convolution.coded_length(len(bits))
    assert np.array_equal(convolution.decode(coded), word)


@given(st.lists(st.integers(0, 1), min_size=96, max_size=96), st.sets(st.integers(0, 415), max_size=11))
def test_the_code_corrects_any_eleven_flipped_values(bits: list[int], flipped: set[int]) -> None:
    # The free distance of this code is 24, so eleven hard errors are always corrected.
    word = np.array(bits, np.uint8)
    received = convolution.encode(word)
    received[list(flipped)] *= -1
    assert np.array_equal(convolution.decode(received), word)


@given(keys, formats, st.data(), st.integers(0, 2**32 - 1), st.floats(0.1, 100.0))
def test_identifiers_round_trip_through_noise(
    key: WatermarkKey, form: PayloadFormat, data: st.DataObject, seed: int, gain: float
) -> None:
    identifier = data.draw(st.binary(min_size=form.identifier_bytes, max_size=form.identifier_bytes))
    coded = form.encode(key, identifier)
    noise = np.random.default_rng(seed).normal(scale=1 / 1.6, size=len(coded))
    assert form.decode(key, gain * (coded + noise)) == identifier


@given(keys, keys, formats, st.data())
def test_another_key_reads_nothing(
    key: WatermarkKey, other: WatermarkKey, form: PayloadFormat, data: st.DataObject
) -> None:
    identifier = data.draw(st.binary(min_size=form.identifier_bytes, max_size=form.identifier_bytes))
    if key != other:
        assert form.decode(other, form.encode(key, identifier)) is None


@given(keys, formats, st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_noise_reads_as_nothing(key: WatermarkKey, form: PayloadFormat, seed: int) -> None:
    assert form.decode(key, np.random.default_rng(seed).normal(size=form.coded_length)) is None


@given(keys, st.binary(min_size=8, max_size=8))
@settings(max_examples=8, deadline=None)
def test_every_changed_tag_bit_is_noticed(key: WatermarkKey, identifier: bytes) -> None:
    bits = convolution.decode(VIDEO.encode(key, identifier))
    for position in range(len(bits)):
        changed = bits.copy()
        changed[position] ^= 1
        assert VIDEO.decode(key, convolution.encode(changed)) is None


@pytest.mark.parametrize("length", [0, 4, 5, 7, 9])
def test_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="carries 8 bytes"):
        VIDEO.encode(WatermarkKey(1, bytes(32)), bytes(length))


def test_the_bound_counts_attempts() -> None:
    assert false_positive_bits(1) == 32
    assert false_positive_bits(16) == 28


def test_the_margin_is_mean_over_deviation() -> None:
    coded = np.array([1, -1, 1, -1], np.float32)
    assert margin(np.array([1.0, -1.0, 3.0, -3.0]) * coded) == pytest.approx(2.0)
    assert margin(np.zeros(4)) == 0.0
