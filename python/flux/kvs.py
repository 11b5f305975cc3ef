"""``flux.kvs``: values by key. ``put`` collects values. ``commit`` makes them durable together."""

from typing import Any, Dict, List
from weakref import WeakKeyDictionary

from sluice.handle import Sluice

from ._absent import absent

__all__ = ["commit", "get", "put"]

_changes: "WeakKeyDictionary[Sluice, List[Dict[str, Any]]]" = WeakKeyDictionary()


def get(flux_handle: Sluice, key: str) -> Any:
    """The value of a key.

    :returns: a JSON value
    :raises FileNotFoundError: the key is not set
    :raises IsADirectoryError: the key is a directory
    """
    return flux_handle.rpc("kvs.get", {"key": key}).get()["value"]


def put(flux_handle: Sluice, key: str, value: Any) -> None:
    """Sets a value at the next ``commit`` of this handle. None unlinks the key."""
    change = {"key": key, "unlink": True} if value is None else {"key": key, "value": value}
    _changes.setdefault(flux_handle, []).append(change)


def commit(flux_handle: Sluice) -> int:
    """Makes all put values durable. After an error, no put value is durable.

    :returns: the version of the store with these values
    :raises OSError: ``EINVAL`` for an invalid key, ``EISDIR``, ``ENOTDIR``, after which the put values
        are lost
    """
    ops = _changes.pop(flux_handle, [])
    return int(flux_handle.rpc("kvs.commit", {"ops": ops}).get()["version"])


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
