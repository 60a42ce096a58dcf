"""Soft binding assertions: what we write comes back, what others write is decoded or refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.softbinding.assertion import SOFT_BINDING_ALG, SoftBinding, decode, encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=600))
def test_a_value_survives_the_assertion(value: bytes) -> None:
    binding = SoftBinding(SOFT_BINDING_ALG, value)
    assert decode(encode(binding)) == (binding,)


def test_the_value_is_text_because_json_has_no_bytes() -> None:
    blocks = encode(SoftBinding(SOFT_BINDING_ALG, b"\0\xff"))["blocks"]
    assert blocks == [{"scope": {}, "value": "AP8="}]


def test_other_writers_use_lists_or_plain_text() -> None:
    values = [{"value": [1, 2]}, {"value": "b64'AQI='"}, {"value": "not base64!"}]
    found = decode({"alg": "com.example.mark", "blocks": values})
    assert [one.value for one in found] == [b"\1\2", b"\1\2", b"not base64!"]


@pytest.mark.parametrize("data", [None, {}, {"alg": 1, "blocks": []}, {"alg": "a", "blocks": [{"value": 7}]}])
def test_what_is_no_assertion_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="soft binding"):
        decode(data)


@given(json_values | st.fixed_dictionaries({"alg": json_values, "blocks": json_values}))
def test_anything_is_decoded_or_refused(data: object) -> None:
    with suppress(ValueError, TypeError):
        decode(data)
