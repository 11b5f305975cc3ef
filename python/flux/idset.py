"""``flux.idset``: sets of ids, in the text form of RFC 22."""

from bisect import bisect_right
from numbers import Integral
from re import compile as _pattern
from typing import Any, Iterable, Iterator, List, Tuple, Union

from ._absent import absent

__all__ = ["IDSET_FLAG_BRACKETS", "IDSET_FLAG_RANGE", "IDSET_INVALID_ID", "IDset", "decode"]

IDSET_FLAG_BRACKETS = 2
"""Flag of ``encode()``: brackets around a set of several ids."""

IDSET_FLAG_RANGE = 4
"""Flag of ``encode()``: consecutive ids as ``0-3``."""

IDSET_INVALID_ID = 0xFFFFFFFE
"""The result of ``first()``, ``next()`` and ``last()`` if the set has no such id."""

MAX_ID = 2**31 - 1
"""The largest id."""

_is_part = _pattern(r"(0|[1-9][0-9]*)(?:-(0|[1-9][0-9]*))?").fullmatch
_Range = Tuple[int, int]
_Ids = Union["IDset", str, int, Iterable[int]]


def _parse(text: str) -> List[_Range]:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    ranges: List[_Range] = []
    for part in filter(None, inner.split(",")):
        found = _is_part(part)
        low = int(found[1]) if found else -1
        high = int(found[2]) if found and found[2] else low
        is_range = found is not None and found[2] is not None
        if found is None or high > MAX_ID or (is_range and high <= low) or (ranges and low <= ranges[-1][1]):
            raise ValueError(f"invalid idset '{text}': ids ascend to {MAX_ID}, as in 0-3,7")
        _append(ranges, low, high)
    return ranges


def _append(ranges: List[_Range], low: int, high: int) -> None:
    """Adds a range that begins within or after the last range."""
    if ranges and low <= ranges[-1][1] + 1:
        ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
    else:
        ranges.append((low, high))


def _of(ids: Any) -> List[_Range]:
    if isinstance(ids, IDset):
        return ids._ranges
    if isinstance(ids, str):
        return _parse(ids)
    if isinstance(ids, Integral) and not isinstance(ids, bool):
        ids = [ids]
    ranges: List[_Range] = []
    try:
        ordered = sorted(ids)
    except TypeError as cause:
        raise TypeError(f"IDset() expected an idset, text or integers, not {type(ids).__name__}") from cause
    for each in ordered:
        _check(each)
        _append(ranges, int(each), int(each))
    return ranges


def _check(number: Any) -> None:
    if not isinstance(number, Integral):
        raise TypeError(f"an id must be an integer, not {type(number).__name__}")
    if not 0 <= number <= MAX_ID:
        raise ValueError(f"invalid id {number}: ids are 0 to {MAX_ID}")


def _union(first: List[_Range], second: List[_Range]) -> List[_Range]:
    ranges: List[_Range] = []
    for low, high in sorted([*first, *second]):
        _append(ranges, low, high)
    return ranges


def _intersection(first: List[_Range], second: List[_Range]) -> List[_Range]:
    ranges: List[_Range] = []
    i = j = 0
    while i < len(first) and j < len(second):
        low, high = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if low <= high:
            _append(ranges, low, high)
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return ranges


def _difference(first: List[_Range], second: List[_Range]) -> List[_Range]:
    gaps: List[_Range] = []
    begin = 0
    for low, high in second:
        if begin < low:
            gaps.append((begin, low - 1))
        begin = high + 1
    if begin <= MAX_ID:
        gaps.append((begin, MAX_ID))
    return _intersection(first, gaps)


class IDset:
    """A set of ids from 0 to 2147483647. Large ranges need little memory.

    :param arg: text such as ``0-3,7``, with or without brackets; an id; ids; or another set
    :param flags: of ``str()``: ``IDSET_FLAG_RANGE``, ``IDSET_FLAG_BRACKETS``
    :raises ValueError: invalid text or id
    :raises TypeError: something else

    >>> str(IDset([3, 1, 2]) + "7")
    '1-3,7'
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, arg: _Ids = "", flags: int = IDSET_FLAG_RANGE) -> None:
        self._ranges: List[_Range] = list(_of(arg))
        self.default_flags = flags

    def set_flags(self, flags: int) -> None:
        """Sets the flags of ``str()``."""
        self.default_flags = flags

    def encode(self, flags: "int | None" = None) -> str:
        """The set as text.

        :param flags: by default those of the constructor
        """
        chosen = self.default_flags if flags is None else flags
        parts: List[str] = []
        for low, high in self._ranges:
            if chosen & IDSET_FLAG_RANGE and low < high:
                parts.append(f"{low}-{high}")
            else:
                parts.extend(map(str, range(low, high + 1)))
        text = ",".join(parts)
        return f"[{text}]" if chosen & IDSET_FLAG_BRACKETS and self.count() > 1 else text

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"IDset('{self.encode(IDSET_FLAG_RANGE)}')"

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[int]:
        for low, high in list(self._ranges):
            yield from range(low, high + 1)

    def __contains__(self, number: int) -> bool:
        return self.test(number)

    def __getitem__(self, number: int) -> bool:
        return self.test(number)

    def __setitem__(self, number: int, value: "bool | int") -> None:
        if value not in (0, 1):
            raise TypeError(f"an id takes True or False, not {value!r}")
        if value:
            self.set(number)
        else:
            self.clear(number)

    def __eq__(self, other: object) -> bool:
        return self.equal(other)

    def __add__(self, other: _Ids) -> "IDset":
        return self.union(other)

    __or__ = __add__

    def __sub__(self, other: _Ids) -> "IDset":
        return self.difference(other)

    def __and__(self, other: _Ids) -> "IDset":
        return self.intersect(other)

    def __iadd__(self, other: _Ids) -> "IDset":
        return self.add(other)

    def __isub__(self, other: _Ids) -> "IDset":
        return self.subtract(other)

    def equal(self, other: object) -> bool:
        """Whether another set has the same ids.

        :raises TypeError: ``other`` is no ``IDset``
        """
        if not isinstance(other, IDset):
            raise TypeError(f"an IDset compares with another, not with {type(other).__name__}")
        return self._ranges == other._ranges

    def count(self) -> int:
        """The number of ids."""
        return sum(high - low + 1 for low, high in self._ranges)

    def test(self, number: int) -> bool:
        """Whether the set contains an id.

        :raises ValueError: the id is negative
        """
        if isinstance(number, Integral) and number > MAX_ID:
            return False
        _check(number)
        index = bisect_right(self._ranges, (number, MAX_ID)) - 1
        return index >= 0 and number <= self._ranges[index][1]

    def set(self, start: int, end: "int | None" = None) -> "IDset":
        """Adds an id, or all ids from ``start`` to ``end``. Returns the set."""
        self._ranges = _union(self._ranges, [_bounds(start, end)])
        return self

    def clear(self, start: int, end: "int | None" = None) -> "IDset":
        """Removes an id, or all ids from ``start`` to ``end``. Returns the set."""
        self._ranges = _difference(self._ranges, [_bounds(start, end)])
        return self

    def first(self) -> int:
        """The smallest id, or ``IDSET_INVALID_ID`` for an empty set."""
        return self._ranges[0][0] if self._ranges else IDSET_INVALID_ID

    def last(self) -> int:
        """The largest id, or ``IDSET_INVALID_ID`` for an empty set."""
        return self._ranges[-1][1] if self._ranges else IDSET_INVALID_ID

    def next(self, number: int) -> int:
        """The smallest id above ``number``, or ``IDSET_INVALID_ID``."""
        for low, high in self._ranges:
            if high > number:
                return max(low, number + 1)
        return IDSET_INVALID_ID

    def expand(self) -> List[int]:
        """The ids as a list."""
        return list(self)

    def copy(self) -> "IDset":
        """A copy of the set."""
        return IDset(self)

    def add(self, arg: _Ids) -> "IDset":
        """Adds ids. Returns the set."""
        self._ranges = _union(self._ranges, _of(arg))
        return self

    def subtract(self, arg: _Ids) -> "IDset":
        """Removes ids. Returns the set."""
        self._ranges = _difference(self._ranges, _of(arg))
        return self

    def union(self, *args: _Ids) -> "IDset":
        """A new set with the ids of this set and all others."""
        result = self.copy()
        for each in args:
            result.add(each)
        return result

    def intersect(self, *args: _Ids) -> "IDset":
        """A new set with the ids that are in all sets."""
        result = self.copy()
        for each in args:
            result._ranges = _intersection(result._ranges, _of(each))
        return result

    def difference(self, *args: _Ids) -> "IDset":
        """A new set with the ids of this set that no other set has."""
        result = self.copy()
        for each in args:
            result.subtract(each)
        return result


def _bounds(start: int, end: "int | None") -> _Range:
    _check(start)
    if end is None:
        return start, start
    _check(end)
    if end < start:
        raise ValueError(f"invalid range {start}-{end}: it must ascend")
    return start, end


def decode(string: str) -> IDset:
    """Parses a text into a set.

    :raises ValueError: invalid text
    """
    return IDset(string)


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
