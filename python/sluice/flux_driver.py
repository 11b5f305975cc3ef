"""``flux python -m sluice.flux_driver SOCKET``: lets Sluice drive a live Flux instance (docs/design/flux.md §2).

Uses the wire form of docs/wire-protocol.md on standard input and output, and with each client of the
socket. Translates the requests of Sluice to a broker. All other requests go to Flux unchanged. Each
request has its own thread and ``flux.Flux()``, so that modules load at the same time.
"""

import contextlib
import errno
import json
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Optional

from . import constants as c
from .errors import errnum_of, message_of, request_error
from .flux_record import FluxRecord, described, digest_of
from .host_environment import use_real_flux
from .message import Message, encode_payload
from .outlive import outlive_signals
from .wire import FrameDecoder, encode_message

#: Requests that Flux works on at the same time.
WORKERS = 40

_TOO_OLD = "this Flux does not support the request: it is older than the versions that Sluice can drive"
_FLUX_HAS = ("path", "name", "args", "exec")

#: Fields that only plans need, or that request a behaviour that Flux has in any case.
_DROPPED = (
    *("explicit", "ofStart", "plan", "digest", "requires", "timeoutMs"),
    *("insecure", "provides", "unitArgs"),
)
_DEFAULTS = {"thread": "own", "onFailure": "panic", "secret": False}

Answer = Callable[["Client", Any], Any]


class Client:
    """The handle of Flux for one thread."""

    _local = threading.local()

    def __init__(self, flux: Any) -> None:
        self.flux = flux

    @classmethod
    def of_this_thread(cls) -> "Client":
        """Opens a handle for this thread, or returns the open one.

        :raises OSError: no instance runs
        """
        client: "Optional[Client]" = getattr(cls._local, "client", None)
        if client is None:
            import flux

            client = cls._local.client = cls(flux.Flux())
        return client

    def rpc(self, topic: str, payload: Any = None, nodeid: int = c.NODEID_ANY, flags: int = 0) -> Any:
        """Sends a request, and returns its future."""
        return self.flux.rpc(topic, payload, nodeid, flags)

    def ask(self, topic: str, payload: Any = None) -> Any:
        """The response to a request.

        :raises OSError: the error of Flux, with an explanation for ``ENOSYS``
        """
        try:
            return self.rpc(topic, payload).get()
        except OSError as error:
            if error.errno == errno.ENOSYS:
                raise request_error(errno.ENOSYS, f"{topic}: {_TOO_OLD}") from error
            raise


_records: Dict[str, FluxRecord] = {}


def _record_of(client: Client) -> FluxRecord:
    """The record in the directory of this instance.

    :raises OSError: the instance has no directory
    """
    if "own" not in _records:
        directory = client.ask("attr.get", {"name": "rundir"})["value"]
        _records["own"] = FluxRecord(directory, int(client.flux.attr_get("rank")))
    return _records["own"]


@contextlib.contextmanager
def _noting(client: Client) -> Iterator[None]:
    """A module without a note stays loaded. ``apply`` treats it as loaded by another program."""
    try:
        yield
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        text = f"sluice: cannot record the loaded module: {where}{error.strerror}"
        client.flux.log(c.LEVELS.index("warning"), text)


def _check(_: Client, asked: Dict[str, Any]) -> None:
    others = [key for key in asked if key not in _FLUX_HAS and key not in _DROPPED and asked[key] != _DEFAULTS.get(key)]
    if others:
        raise request_error(errno.EINVAL, f"Flux does not support {', '.join(sorted(others))} for modules: remove it from the unit")


def _load(client: Client, asked: Dict[str, Any]) -> None:
    _check(client, asked)
    request = {"path": asked["path"], "args": asked.get("args", [])}
    for key in ("name", "exec"):
        if key in asked:
            request[key] = asked[key]
    client.ask("module.load", request)
    if "name" in asked:
        with _noting(client):
            paths = {each["name"]: each["path"] for each in _list(client, None)["modules"]}
            _record_of(client).loaded(asked["name"], asked, paths.get(asked["name"]))


def _remove(client: Client, asked: Dict[str, Any]) -> None:
    client.ask("module.remove", {key: asked[key] for key in ("name", "cancel") if key in asked})
    with _noting(client):
        _record_of(client).removed(asked["name"])


def _record(client: Client, asked: Dict[str, Any]) -> Any:
    requests: List[Dict[str, Any]] = asked.get("requests") or []
    by_name = {request["name"]: request for request in requests}
    entries = _record_of(client).entries()
    listed = {each["name"]: each for each in _list(client, None)["modules"]}
    # First come the modules that another program has loaded: they were loaded earlier, or Sluice does not
    # remove them.
    order = [name for name in listed if name not in entries] + [name for name in entries if name in listed]
    digests = {name: digest_of(module["path"]) for name, module in listed.items()}
    return {
        "modules": [described(listed[name], entries.get(name), by_name.get(name)) for name in order],
        "files": [
            {"digest": digests.get(request["name"]), "loader": None, "member": None, "variables": None}
            for request in requests
        ],
    }


def _amend(client: Client, asked: Dict[str, Any]) -> None:
    _record_of(client).amended(asked["name"], asked["request"])


def _take_turn(client: Client, asked: Dict[str, Any]) -> Any:
    return {"by": _record_of(client).take_turn(asked["by"], asked["waits"])}


def _list(client: Client, _: Any) -> Any:
    modules: List[Dict[str, Any]] = []
    for each in client.ask("module.list", {"service": "module"})["mods"]:
        name = each["name"]
        services = [service for service in each.get("services", []) if service != name]
        # A removal of one module removes no other, because Flux does not report which modules a user loaded by name.
        modules.append({"name": name, "path": each.get("path", ""), "services": services, "explicit": True})
    return {"modules": modules}


def _attributes(client: Client, _: Any) -> Any:
    names = client.ask("attr.list", None)["names"]
    futures = [(name, client.rpc("attr.get", {"name": name})) for name in names]
    attrs: Dict[str, str] = {}
    for name, future in futures:
        try:
            attrs[name] = future.get()["value"]
        except FileNotFoundError:
            # Another program has removed it meanwhile.
            continue
    return {"attrs": attrs}


def _set_attribute(client: Client, asked: Dict[str, Any]) -> None:
    client.ask("attr.set", {**asked, "flags": 0})


def _configuration(client: Client, _: Any) -> Any:
    return {"value": client.ask("config.get", None) or {}}


def _log(client: Client, asked: Dict[str, Any]) -> None:
    client.flux.log(c.LEVELS.index(asked["level"]), asked["text"])


#: Requests of Sluice to a broker that have another form in Flux.
TRANSLATED: Dict[str, Answer] = {
    "module.load": _load,
    "module.remove": _remove,
    "module.list": _list,
    "module.check": _check,
    "module.record": _record,
    "module.amend": _amend,
    "module.apply-turn": _take_turn,
    "attr.list": _attributes,
    "attr.set": _set_attribute,
    "config.get": _configuration,
    "log.append": _log,
    "broker.getenv": lambda client, asked: client.ask("broker.getenv", asked or {}),
    "broker.setenv": lambda client, asked: client.ask("broker.setenv", asked),
    "event.subscribe": lambda *_: None,
    "event.unsubscribe": lambda *_: None,
}


class Connection:
    """One client of the driver.

    :param read: returns the received bytes, which are empty at the end
    :param write: writes all bytes of its argument
    """

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], Any]) -> None:
        self._read = read
        self._write = write
        self._sending = threading.Lock()

    def serve(self, workers: ThreadPoolExecutor) -> None:
        """Answers requests until the client disconnects.

        :raises OSError: no Flux instance runs
        """
        self.send(Message("control", raw=json.dumps(welcome()), control="welcome"))
        decoder = FrameDecoder()
        while True:
            chunk = self._read(65536)
            if not chunk:
                return
            for message in decoder.push(chunk):
                if message.type == "request":
                    workers.submit(self._answer, message)

    def send(self, message: Message) -> None:
        """Sends a message, from any thread. A disconnected client gets no message."""
        with self._sending:
            try:
                self._write(encode_message(message))
            except (BrokenPipeError, ConnectionResetError):
                return

    def _answer(self, request: Message) -> None:
        try:
            client = Client.of_this_thread()
            translate = TRANSLATED.get(request.topic)
            if translate is not None:
                self._respond(request, translate(client, request.payload))
            else:
                self._pass_on(client, request)
        except Exception as error:  # noqa: BLE001 - the requester gets any error
            self._fail(request, errnum_of(error) or errno.EPROTO, message_of(error))

    def _pass_on(self, client: Client, request: Message) -> None:
        future = client.rpc(request.topic, request.payload, _nodeid(request.nodeid), request.flags)
        if request.noresponse:
            return
        self._respond(request, future.get())
        while request.streaming:
            future.reset()
            self._respond(request, future.get())

    def _respond(self, request: Message, payload: Any) -> None:
        if not request.noresponse:
            raw = encode_payload(payload)
            self.send(Message("response", request.topic, raw, matchtag=request.matchtag, route=request.route))

    def _fail(self, request: Message, errnum: int, text: str) -> None:
        if not request.noresponse:
            fields: Dict[str, Any] = {"matchtag": request.matchtag, "route": request.route}
            self.send(Message("response", request.topic, errnum=errnum, error=text, **fields))


def _nodeid(nodeid: Any) -> int:
    if nodeid == "any":
        return c.NODEID_ANY
    return c.NODEID_UPSTREAM if nodeid == "upstream" else int(nodeid)


def welcome() -> Dict[str, Any]:
    """The welcome of a broker, with the facts of the Flux instance."""
    flux = Client.of_this_thread().flux
    rank, size = int(flux.attr_get("rank")), int(flux.attr_get("size"))
    return {"name": "flux", "uuid": "flux", "rank": rank, "size": size, "args": [], "attrs": {}, "conf": {}}


def _listen(path: str, workers: ThreadPoolExecutor) -> None:
    """Serves the clients of a socket, which are rc files in other languages."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            connection = Connection(sock.recv, sock.sendall)
            threading.Thread(target=connection.serve, args=(workers,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main(argv: List[str]) -> int:
    """The command.

    :returns: the exit status
    """
    use_real_flux()
    # Ctrl-C is for Sluice, which may have to undo changes first. The end of the input ends the driver.
    outlive_signals()
    # Output of Flux or Python belongs to no request.
    output = os.dup(1)
    os.dup2(2, 1)
    workers = ThreadPoolExecutor(WORKERS)

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(output, view) :]

    try:
        if len(argv) > 1:
            _listen(argv[1], workers)
        Connection(lambda size: os.read(0, size), write).serve(workers)
    except (ImportError, OSError) as error:
        print(f"sluice: cannot drive Flux: {message_of(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv)
    sys.stderr.flush()
    # A request that Flux has not answered must not keep the process alive.
    os._exit(status)
