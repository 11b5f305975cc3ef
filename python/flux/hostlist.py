"""``flux.hostlist``: lists of host names, in the text form of RFC 29."""

from functools import cmp_to_key
from numbers import Integral
from re import compile as _pattern
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Union, overload

from ._absent import absent

__all__ = ["Hostlist", "decode"]

MAX_RANGE = 1 << 20
"""The most hosts that a range may have."""

MAX_RANGES = 10240
"""The most ranges between brackets."""

MAX_NUMBER = 1 << 25
"""The largest number in a range: a name with a larger number is never part of a range."""

_split = _pattern(r"(?:[^\[\]\t, ]|\[[^\[\]]*\])+|[^\t, ]").findall
_is_bracketed = _pattern(r"([^\[\]]*)\[([^\[\]]*)\](.*)").fullmatch
_is_range = _pattern(r"([0-9]+)(?:-([0-9]*))?").fullmatch
_ending = _pattern(r"(.*?)([0-9]+)").fullmatch


class _Host(NamedTuple):
    name: str
    #: The text before the number.
    prefix: str
    #: At the end of the name; None without a suffix.
    number: Optional[int]
    #: Digits of the number, including zeros in front.
    width: int


def _host(name: str, with_number: bool = True) -> _Host:
    found = _ending(name) if with_number else None
    if found is None or int(found[2]) > MAX_NUMBER:
        return _Host(name, name, None, 0)
    return _Host(name, found[1], int(found[2]), len(found[2]))


def _are_of_one_width(first: _Host, second: _Host) -> bool:
    """Whether one range can contain two numbers. One number must have the same digits at the width of the
    other number."""
    return any(
        f"{one.number:0{one.width}}" == f"{one.number:0{other.width}}"
        for one, other in ((first, second), (second, first))
    )


def _follows(previous: _Host, host: _Host) -> bool:
    if previous.number is None or host.number is None or previous.prefix != host.prefix:
        return False
    return host.number == previous.number + 1 and _are_of_one_width(previous, host)


def _compare(first: _Host, second: _Host) -> int:
    if first.prefix != second.prefix:
        return -1 if first.prefix < second.prefix else 1
    if first.number is None or second.number is None:
        return (first.number is not None) - (second.number is not None)
    if _are_of_one_width(first, second):
        return first.number - second.number
    return first.width - second.width


def _parse(text: str) -> List[_Host]:
    hosts: List[_Host] = []
    for part in _split(text):
        found = _is_bracketed(part)
        if found is not None:
            hosts += _expand(text, found[1], found[2], found[3])
        elif "[" in part or "]" in part:
            raise ValueError(f"invalid hostlist '{text}': close the brackets, and put numbers into them")
        else:
            hosts.append(_host(part))
    return hosts


def _expand(text: str, prefix: str, inside: str, suffix: str) -> Iterator[_Host]:
    parts = inside.split(",")
    if len(parts) > MAX_RANGES:
        raise ValueError(f"invalid hostlist: {len(parts)} ranges between brackets; the limit is {MAX_RANGES}")
    for part in parts:
        found = _is_range(part)
        low = int(found[1]) if found else 0
        high = int(found[2]) if found and found[2] else low
        if found is None or high < low or high - low >= MAX_RANGE:
            raise ValueError(f"invalid hostlist '{text}': '{part}' is neither a number nor a range of at most {MAX_RANGE}")
        width = len(found[1])
        for number in range(low, high + 1):
            # A name with more text after its number is taken literally.
            yield _host(f"{prefix}{number:0{width}}{suffix}", with_number=not suffix)


def _of(hosts: Any) -> List[_Host]:
    if isinstance(hosts, Hostlist):
        return hosts._hosts
    if isinstance(hosts, str):
        return _parse(hosts)
    try:
        texts = list(hosts)
    except TypeError as cause:
        raise TypeError(f"Hostlist() expected text or texts, not {type(hosts).__name__}") from cause
    result: List[_Host] = []
    for each in texts:
        if not isinstance(each, str):
            raise TypeError(f"Hostlist() expected text or texts, not {type(each).__name__}")
        result += _parse(each)
    return result


class Hostlist:
    """A list of host names in their order. A name may occur several times.

    :param arg: text such as ``n[0-3,7]``, several such texts, or another list
    :raises ValueError: invalid text
    :raises TypeError: something else

    >>> Hostlist("n[9-11]").expand()
    ['n9', 'n10', 'n11']
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, arg: "Union[Hostlist, str, Iterable[str]]" = "") -> None:
        self._hosts: List[_Host] = list(_of(arg))

    def encode(self) -> str:
        """The list as text, with brackets for neighbours that differ only in the number."""
        parts: List[str] = []
        index = 0
        while index < len(self._hosts):
            end = self._end_of_group(index)
            parts.append(_encode_group(self._hosts[index:end]))
            index = end
        return ",".join(parts)

    def _end_of_group(self, begin: int) -> int:
        first = self._hosts[begin]
        end = begin + 1
        while first.number is not None and end < len(self._hosts):
            host = self._hosts[end]
            if host.number is None or host.prefix != first.prefix:
                break
            end += 1
        return end

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"Hostlist('{self}')"

    def __len__(self) -> int:
        return len(self._hosts)

    def __iter__(self) -> Iterator[str]:
        return (host.name for host in self._hosts)

    def __contains__(self, name: object) -> bool:
        return any(host.name == name for host in self._hosts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> List[str]: ...
    def __getitem__(self, index: Union[int, slice]) -> Union[str, List[str]]:
        if isinstance(index, slice):
            return [host.name for host in self._hosts[index]]
        if not isinstance(index, Integral):
            raise TypeError(f"an index is an integer or a slice, not {type(index).__name__}")
        if not -len(self._hosts) <= index < len(self._hosts):
            raise IndexError(f"index {index} is out of range: the list has {len(self._hosts)} hosts")
        return self._hosts[index].name

    def __eq__(self, other: object) -> bool:
        return self._hosts == other._hosts if isinstance(other, Hostlist) else NotImplemented

    def count(self) -> int:
        """The number of names."""
        return len(self._hosts)

    def expand(self) -> List[str]:
        """The names as a list."""
        return self[:]

    def index(self, name: str) -> int:
        """The index of the first occurrence of a name.

        :raises FileNotFoundError: the name is not in the list
        """
        for index, host in enumerate(self._hosts):
            if host.name == name:
                return index
        raise FileNotFoundError(2, f"{name} is not in the hostlist")

    def append(self, *args: "Union[Hostlist, str, Iterable[str]]") -> int:
        """Adds names at the end. Returns their number."""
        added = [host for each in args for host in _of(each)]
        self._hosts += added
        return len(added)

    def delete(self, hosts: "Union[Hostlist, str]") -> int:
        """Removes the first occurrence of each of these names. Returns the number of removed names."""
        deleted = 0
        for host in _of(str(hosts)):
            found = next((index for index, each in enumerate(self._hosts) if each.name == host.name), None)
            if found is not None:
                del self._hosts[found]
                deleted += 1
        return deleted

    def sort(self) -> "Hostlist":
        """Sorts by prefix, then by number, or by width if the numbers cannot be in one range. Returns the
        list."""
        self._hosts.sort(key=cmp_to_key(_compare))
        return self

    def uniq(self) -> "Hostlist":
        """Sorts, and keeps each name once. Returns the list."""
        self._hosts = list({host.name: host for host in self._hosts}.values())
        return self.sort()

    def copy(self) -> "Hostlist":
        """A copy of the list."""
        return Hostlist(self)


def _encode_group(hosts: List[_Host]) -> str:
    """Hosts with one prefix."""
    if len(hosts) == 1:
        return hosts[0].name
    prefix = hosts[0].prefix
    ranges: List[List[_Host]] = []
    for host in hosts:
        if ranges and _follows(ranges[-1][-1], host) and _are_of_one_width(ranges[-1][0], host):
            ranges[-1].append(host)
        else:
            ranges.append([host])
    texts = [_range_text(each, len(prefix)) for each in ranges]
    return f"{prefix}[{','.join(texts)}]"


def _range_text(hosts: List[_Host], begin: int) -> str:
    first, last = hosts[0].name[begin:], hosts[-1].name[begin:]
    return first if len(hosts) == 1 else f"{first}-{last}"


def decode(arg: Union[str, Iterable[str]]) -> Hostlist:
    """Parses one or several texts into a list.

    :raises ValueError: invalid text
    """
    return Hostlist(arg)


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
