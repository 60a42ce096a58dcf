"""A small, strict CBOR reader for the COSE headers of a claim signature.

In: bytes from anyone. Out: Python values (int, bytes, str, list, dict, bool, None, float as None). Depth and
size are bounded by the input, so a hostile signature costs no more than its own length.

Serves: RFC 8949 (Concise Binary Object Representation).
"""

_DEEPEST = 16
_INDEFINITE, _ONE_BYTE, _EIGHT_BYTES = 31, 24, 27
_INTEGERS, _BYTES, _STRINGS, _ARRAY, _TAG, _SIMPLE_OR_FLOAT = {0, 1}, 2, {2, 3}, 4, 6, 7
_SIMPLE: dict[int, object] = {20: False, 21: True, 22: None, 23: None}
_FLOAT_BYTES = {25: 2, 26: 4, 27: 8}


class _Break:
    """Marks the end of an indefinite-length item."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._position:
            raise ValueError("a CBOR item is cut short")
        part = self._data[self._position : self._position + count]
        self._position += count
        return part

    def item(self, depth: int = 0) -> object:
        if depth > _DEEPEST:
            raise ValueError("CBOR items are nested too deeply")
        head = self.take(1)[0]
        major, info = head >> 5, head & 0x1F
        if major == _SIMPLE_OR_FLOAT:
            return self._simple(info)
        length = None if info == _INDEFINITE else self._length(info)
        if major in _INTEGERS:
            return self._integer(major, length)
        if major in _STRINGS:
            return self._string(major, length, depth)
        if major == _TAG:
            return self.item(depth + 1)
        return self._list(length, depth) if major == _ARRAY else self._map(length, depth)

    def _length(self, info: int) -> int:
        if info < _ONE_BYTE:
            return info
        if info > _EIGHT_BYTES:
            raise ValueError("a CBOR length is reserved")
        return int.from_bytes(self.take(1 << (info - _ONE_BYTE)), "big")

    def _simple(self, info: int) -> object:
        if info == _INDEFINITE:
            return _Break
        if info in _FLOAT_BYTES:
            self.take(_FLOAT_BYTES[info])
            return None
        if info == _ONE_BYTE:
            self.take(1)
        return _SIMPLE.get(info)

    def _integer(self, major: int, value: int | None) -> int:
        if value is None:
            raise ValueError("a CBOR integer has no value")
        return value if major == 0 else -1 - value

    def _string(self, major: int, length: int | None, depth: int) -> bytes | str:
        if length is None:
            joined = b"".join(_chunk(part, major) for part in self._list(None, depth))
        else:
            joined = self.take(length)
        return joined if major == _BYTES else joined.decode()

    def _list(self, length: int | None, depth: int) -> list[object]:
        items: list[object] = []
        while length is None or len(items) < length:
            value = self.item(depth + 1)
            if value is _Break:
                if length is not None:
                    raise ValueError("a CBOR list ends early")
                break
            items.append(value)
        return items

    def _map(self, length: int | None, depth: int) -> dict[object, object]:
        flat = self._list(None if length is None else 2 * length, depth)
        if len(flat) % 2:
            raise ValueError("a CBOR map has a key without a value")
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {key: value for key, value in pairs if isinstance(key, (str, int, bytes))}


def _chunk(part: object, major: int) -> bytes:
    """A chunk of an indefinite-length string, which must be of the string's own type."""
    if isinstance(part, bytes) and major == _BYTES:
        return part
    if isinstance(part, str) and major != _BYTES:
        return part.encode()
    raise TypeError("a chunk of a CBOR string is of another type")


def decode(data: bytes) -> object:
    """Decode the first CBOR item.

    Raises:
        ValueError: It is cut short, nested too deeply or uses reserved values.
    """
    try:
        return _Reader(data).item()
    except (TypeError, UnicodeDecodeError) as error:
        raise ValueError("the CBOR is malformed") from error
