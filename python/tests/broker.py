"""A broker under a test's control, at the other end of a socket pair."""

import contextlib
import errno
import json
import queue
import socket
import threading
from typing import Any, Callable, Dict, List, Optional

from sluice.errors import errnum_of, message_of
from sluice.message import Message, encode_payload
from sluice.wire import FrameDecoder, encode_message

WELCOME: Dict[str, Any] = {
    "name": "probe",
    "uuid": "uuid-1",
    "rank": 2,
    "size": 4,
    "args": ["a", "b"],
    "attrs": {"version": "1"},
    "conf": {"table": {"key": [1, 2]}},
}

#: Longest wait for a message that must come, in seconds.
PATIENCE = 20.0

Answer = Callable[[Message], Any]


def calling(*functions: Callable[[], Any]) -> Callable[..., None]:
    """A callback that makes calls, one after the other."""

    def call(*_: Any) -> None:
        for function in functions:
            function()

    return call


class Stream:
    """An answer with many payloads."""

    def __init__(self, *payloads: Any, ends: bool = True) -> None:
        self.payloads = payloads
        self.ends = ends


class FakeBroker:
    """Answers requests as a test specifies, and keeps them."""

    def __init__(self, welcome: Optional[Dict[str, Any]] = None, accepted: Optional[socket.socket] = None) -> None:
        if accepted is None:
            self._ours, self.theirs = socket.socketpair()
        else:
            self._ours = accepted
        self._answers: Dict[str, Answer] = {
            "exec.run": lambda _: Stream(ends=False),
            "event.subscribe": lambda _: None,
            "event.unsubscribe": lambda _: None,
            "module.status": lambda _: None,
        }
        self._sending = threading.Lock()
        self._matchtag = 1000
        self.requests: List[Message] = []
        self._responses: Dict[int, "queue.Queue[Message]"] = {}
        self._arrived = threading.Condition()
        self.closed = threading.Event()
        self._reads = threading.Event()
        self._reads.set()
        self.send(Message("control", raw=json.dumps({**WELCOME, **(welcome or {})}), control="welcome"))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def answer(self, topic: str, answer: Any) -> None:
        self._answers[topic] = answer if callable(answer) else lambda _: answer

    def send(self, message: Message) -> None:
        with self._sending:
            self._ours.sendall(encode_message(message))

    def send_bytes(self, data: bytes) -> None:
        self._ours.sendall(data)

    def pause(self) -> None:
        """Stops reading, after the message that it is about to read."""
        self._reads.clear()

    def go_on(self) -> None:
        """Reads again."""
        self._reads.set()

    def publish(self, topic: str, payload: Any = None, seq: int = 1) -> None:
        self.send(Message("event", topic, encode_payload(payload), seq=seq))

    def ask(self, topic: str, payload: Any = None, **fields: Any) -> "queue.Queue[Message]":
        """Sends a request to the client; its responses come through the queue."""
        self._matchtag += 1
        responses: "queue.Queue[Message]" = queue.Queue()
        self._responses[self._matchtag] = responses
        fields = {"matchtag": self._matchtag, "route": ["asker"], **fields}
        self.send(Message("request", topic, encode_payload(payload), **fields))
        return responses

    def call(self, topic: str, payload: Any = None, **fields: Any) -> Message:
        """The same, and waits for the response."""
        return self.ask(topic, payload, **fields).get(timeout=PATIENCE)

    def next_request(self, topic: str, matches: Callable[[Message], bool] = lambda _: True) -> Message:
        """The first request for a topic, among those that have come and those to come."""
        found: List[Message] = []

        def is_there() -> bool:
            found[:] = [each for each in self.requests if each.topic == topic and matches(each)]
            return bool(found)

        with self._arrived:
            if not self._arrived.wait_for(is_there, PATIENCE):
                raise AssertionError(f"no request {topic}; there were {self.requests}")
        return found[0]

    def end_subscription(self, topic: str) -> None:
        """Ends the latest subscription to a topic, as after missed events."""
        self.next_request("event.subscribe", lambda each: each.payload == {"topic": topic})
        requests = [each for each in self.requests if each.topic == "event.subscribe" and each.payload["topic"] == topic]
        self._fail(requests[-1], errno.ENODATA, "missed")

    def status(self, number: int) -> Any:
        """The payload of the ``module.status`` with this number."""
        return self.next_request("module.status", lambda each: each.payload["status"] == number).payload

    def close(self) -> None:
        if self._ours.fileno() < 0:
            return
        try:
            self._ours.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
        self._thread.join(PATIENCE)
        self._ours.close()

    def _serve(self) -> None:
        decoder = FrameDecoder()
        while True:
            self._reads.wait(PATIENCE)
            try:
                chunk = self._ours.recv(65536)
            except ConnectionError:
                chunk = b""
            if not chunk:
                self.closed.set()
                with contextlib.suppress(OSError):
                    # Both ways may have been shut already.
                    self._ours.shutdown(socket.SHUT_WR)
                return
            for message in decoder.push(chunk):
                self._receive(message)

    def _receive(self, message: Message) -> None:
        if message.type == "response":
            self._responses[message.matchtag].put(message)
            return
        with self._arrived:
            self.requests.append(message)
            self._arrived.notify_all()
        try:
            self._answer(message)
        except BrokenPipeError:
            # The requester has gone.
            return

    def _answer(self, message: Message) -> None:
        answer = self._answers.get(message.topic)
        if message.matchtag and answer is not None:
            try:
                payload = answer(message)
            except Exception as error:  # noqa: BLE001 - the answer that a test asked for
                self._fail(message, errnum_of(error) or errno.EIO, message_of(error))
                return
            self._respond(message, payload)
        elif message.matchtag:
            self._fail(message, errno.ENOSYS, f"Unknown service method '{message.topic}'")

    def _respond(self, request: Message, payload: Any) -> None:
        payloads = payload.payloads if isinstance(payload, Stream) else [payload]
        for each in payloads:
            self.send(Message("response", request.topic, encode_payload(each), matchtag=request.matchtag))
        if isinstance(payload, Stream) and payload.ends:
            self._fail(request, errno.ENODATA, "")

    def _fail(self, request: Message, errnum: int, text: str) -> None:
        response = Message("response", request.topic, matchtag=request.matchtag, errnum=errnum, error=text)
        self.send(response)
