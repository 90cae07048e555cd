"""Hypothesis strategies of broken files: a valid one with bytes changed, and bytes at random."""

import json
from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

# What readers of text stumble over.
TOKENS = (
    *(
        b"\x00",
        b"\xef\xbb\xbf",
        b"\r",
        b"\r\n",
        b"\n",
        b"\n\n",
        b'"',
        b'""',
        b"'",
        b",",
        b"\t",
        b";",
        b"//\n",
    ),
    *(b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", "Ä".encode("latin-1"), b"\x1f\x8b"),
    *(b"-1", b"1e999", b"nan", b"inf", b"9" * 40, b"0", b"\xd9\xa3", b"../../etc/passwd", b"%00", b"%s"),
    *(b"[" * 50, b"{" * 50, b"(" * 50, b"A" * 200_000, b" " * 3000, b"\x0b", b"\x1c", b"\x85", b"\x01"),
)
MOST_CHANGES = 6


@st.composite
def broken(draw: DrawFn, valid: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """``valid`` after some changes: bytes set, cut, doubled, moved, or tokens put in or over others."""
    data = bytearray(valid)
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=MOST_CHANGES)):
        change(draw, data, (*TOKENS, *tokens))
    return bytes(data)


def files(valid: bytes, tokens: Sequence[bytes] = ()) -> SearchStrategy[bytes]:
    """Mostly a valid file that was broken, now and then bytes at random."""
    return st.one_of(broken(valid, tokens), broken(valid, tokens), broken(valid, tokens), st.binary())


def values() -> SearchStrategy[object]:
    """JSON values, nested, with numbers that are none, that do not end, and of all sizes."""
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(
            ["", "../../x", "/etc/passwd", "nan", "1e-5", "yes", "\x00", "~", "a" * 5000, 10**30]
        ),
    )
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )


@st.composite
def broken_values(draw: DrawFn, valid: object) -> object:
    """A JSON value in which one to three places hold another value, or are gone."""
    value = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(1, 3))):
        value = _replaced(draw, value)
    return value


def _replaced(draw: DrawFn, value: object) -> object:
    """The value with a place in it replaced or removed, or replaced as a whole."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 3:
        return draw(values())
    place = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    if draw(st.integers(0, 4)) == 4:
        del value[place]
    else:
        value[place] = _replaced(draw, value[place])
    return value


def _span(draw: DrawFn, data: bytearray) -> slice:
    start = draw(st.integers(0, len(data)))
    return slice(start, start + draw(st.sampled_from([0, 1, 2, 5, 20, 100, 1000])))


def _set_byte(draw: DrawFn, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))


def _cut(draw: DrawFn, data: bytearray, _: Sequence[bytes]) -> None:
    del data[draw(st.integers(0, len(data))) :]


def _remove(draw: DrawFn, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_span(draw, data)]


def _repeat(draw: DrawFn, data: bytearray, _: Sequence[bytes]) -> None:
    span = _span(draw, data)
    data[span] = data[span] * draw(st.sampled_from([2, 3, 50]))


def _move(draw: DrawFn, data: bytearray, _: Sequence[bytes]) -> None:
    span = _span(draw, data)
    moved = data[span]
    del data[span]
    place = draw(st.integers(0, len(data)))
    data[place:place] = moved


def _put(draw: DrawFn, data: bytearray, tokens: Sequence[bytes]) -> None:
    span = _span(draw, data)
    data[span] = draw(st.sampled_from(tokens))


def _insert(draw: DrawFn, data: bytearray, tokens: Sequence[bytes]) -> None:
    place = draw(st.integers(0, len(data)))
    data[place:place] = draw(st.sampled_from(tokens))


CHANGES: tuple[Callable[[DrawFn, bytearray, Sequence[bytes]], None], ...] = (
    *(_set_byte, _cut, _remove, _repeat, _move, _put, _insert),
)
