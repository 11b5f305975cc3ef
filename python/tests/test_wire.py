import errno
import json
import random
import struct
import unittest
from typing import Any, List

from sluice.errors import ProtocolError
from sluice.message import Message, decode_payload, encode_payload
from sluice.wire import HEADER_LIMIT, PAYLOAD_LIMIT, FrameDecoder, encode_message, is_topic

MESSAGES = [
    Message("request", "kvs.get", '{"key":"a"}', matchtag=7, flags=2, nodeid=3, route=["x", "y"], userid=5, rolemask=1),
    Message("request", "a", nodeid="upstream"),
    Message("response", "kvs.get", b"\x00\xff", matchtag=7, route=["x"]),
    Message("response", "kvs.get", matchtag=0xFFFFFFFF, errnum=2, error="nö such kéy"),
    Message("event", "heartbeat.pulse", '{"n":"☃"}', seq=2**53 - 1),
    Message("control", raw="{}", control="welcome"),
]


def fields(message: Message) -> Any:
    names = "type topic raw matchtag flags nodeid errnum error seq control route userid rolemask".split()
    return [getattr(message, name) for name in names]


def frame(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">II", len(text), len(body)) + text + body


class WireForm(unittest.TestCase):
    def decoded(self, *chunks: bytes) -> List[Message]:
        decoder = FrameDecoder()
        return [message for chunk in chunks for message in decoder.push(chunk)]

    def test_a_message_comes_out_as_it_went_in(self) -> None:
        for message in MESSAGES:
            with self.subTest(message=message):
                (out,) = self.decoded(encode_message(message))
                self.assertEqual(fields(out), fields(message))

    def test_pieces_of_any_size_make_the_same_messages(self) -> None:
        whole = b"".join(map(encode_message, MESSAGES))
        chance = random.Random(1)
        for _ in range(200):
            cuts = sorted(chance.sample(range(len(whole)), chance.randrange(1, 20)))
            chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])]
            self.assertEqual([fields(m) for m in self.decoded(*chunks)], [fields(m) for m in MESSAGES])

    def test_one_byte_at_a_time_is_linear(self) -> None:
        data = encode_message(Message("event", "a", b"x" * 20_000))
        (message,) = self.decoded(*(bytes([byte]) for byte in data))
        self.assertEqual(message.raw, b"x" * 20_000)

    def test_what_is_no_message_is_refused(self) -> None:
        good = {"type": "request", "topic": "a.b"}
        bad = [
            frame(b"{"),
            frame([]),
            frame({"type": "letter"}),
            frame({"topic": "a"}),
            frame({**good, "seq": 1}),
            frame({**good, "topic": "a..b"}),
            frame({**good, "topic": 3}),
            frame({**good, "matchtag": -1}),
            frame({**good, "matchtag": True}),
            frame({**good, "matchtag": 2**32}),
            frame({**good, "flags": 4}),
            frame({**good, "nodeid": "all"}),
            frame({**good, "route": [""]}),
            frame({**good, "payload": "xml"}, b"x"),
            frame(good, b"x"),
            frame({**good, "payload": "json"}, b"\xff"),
            frame({"type": "response", "topic": "a", "error": 1}),
            frame({"type": "control", "control": "dance"}),
            struct.pack(">II", HEADER_LIMIT + 1, 0),
            struct.pack(">II", 2, PAYLOAD_LIMIT + 1),
        ]
        for data in bad:
            with self.subTest(data=data), self.assertRaises(ProtocolError):
                self.decoded(data)

    def test_a_declared_length_reserves_nothing(self) -> None:
        decoder = FrameDecoder()
        self.assertEqual(decoder.push(struct.pack(">II", 10, PAYLOAD_LIMIT)), [])
        self.assertEqual(decoder.pending, 8)

    def test_what_is_too_large_is_not_sent(self) -> None:
        for message in [Message("request", "a" * HEADER_LIMIT), Message("event", "a", b"x" * (PAYLOAD_LIMIT + 1))]:
            with self.assertRaises(OSError) as caught:
                encode_message(message)
            self.assertIn("is over the limit", str(caught.exception))

    def test_a_payload_with_too_many_levels_has_an_error_number(self) -> None:
        value: List[Any] = []
        for _ in range(100_000):
            value = [value]
        with self.assertRaises(OSError) as caught:
            encode_payload(value)
        self.assertEqual(caught.exception.errno, errno.EINVAL)
        with self.assertRaises(OSError) as caught:
            decode_payload("[" * 100_000)
        self.assertEqual(caught.exception.errno, errno.EPROTO)

    def test_topics_are_words_joined_by_dots(self) -> None:
        self.assertTrue(all(map(is_topic, ["a", "a.b", "kvs-watch.watch", "é.b"])))
        self.assertFalse(any(map(is_topic, ["", ".", "a.", ".a", "a..b", "a b", "a.b\n"])))


if __name__ == "__main__":
    unittest.main()
