"""The protocol core, byte by byte, and both clients against servers that lie."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import struct
import tempfile
import threading
import unittest
from collections.abc import Callable
from pathlib import Path

from cells import matrix
from cells._cell import frames
from cells._cell.errors import ArchiveError
from cells._cell.frames import FrameDecoder, Kind, Violation
from cells._cell.protocol import Call, Connection, FullError, NotStartedError
from cells._cell.reader import Reader

CELL = "button_service"
FINGERPRINT = 0x8A37000000000001


def frame(
    kind: int, call_id: int = 0, payload: bytes = b"", flags: int = 0, ext: bytes = b""
) -> bytes:
    size = len(ext) + len(payload)
    head = struct.pack("<IBBHQQQ", size, kind, flags, len(ext), call_id, 0, 0)
    return head + ext + payload


def accepted(code: int = 0, message: str = "") -> bytes:
    text = message.encode()
    payload = struct.pack("<4sHIQH", b"CELL", 1, 0, FINGERPRINT, len(CELL))
    payload += CELL.encode() + struct.pack("<HH", code, len(text)) + text
    return frame(2, payload=payload)


class Vectors(unittest.TestCase):
    def test_frames_are_those_of_the_protocol(self) -> None:
        text = Path(os.environ["CELL_PROTOCOL"]).read_text(encoding="utf-8")
        vectors = {
            vector["name"]: bytes.fromhex(vector["hex"]) for vector in json.loads(text)
        }
        hello = frames.hello(CELL, FINGERPRINT, "demo")
        self.assertEqual(hello, vectors["hello"])
        request = frames.header(
            Kind.REQUEST, 1, 8, 0x1122334455667788, deadline_us=10_000_000
        )
        self.assertEqual(request + b"start_bt", vectors["request"])
        self.assertEqual(frames.header(Kind.CANCEL, 1), vectors["cancel"])
        self.assertEqual(frames.header(Kind.PONG, 5), vectors["pong"])
        (ack,) = FrameDecoder().feed(vectors["hello_ack accepted"])
        self.assertEqual(frames.read_hello_ack(ack.payload).code, 0)
        (ack,) = FrameDecoder().feed(vectors["hello_ack refused"])
        refused = frames.read_hello_ack(ack.payload)
        self.assertEqual((refused.code, refused.fingerprint), (2, FINGERPRINT + 1))
        (status,) = FrameDecoder().feed(vectors["status"])
        self.assertEqual(frames.read_status(status.payload), (4, "late"))


class Core(unittest.TestCase):
    def setUp(self) -> None:
        self.connection = Connection(CELL, FINGERPRINT, "test")

    def start(self, count: int = 1) -> list[Call]:
        start = self.connection.start
        return [start(0.0, 10.0, 7, b"request") for _ in range(count)]

    def sent(self) -> list[int]:
        data = b"".join(self.connection.out.pending(10_000))
        self.connection.out.advance(len(data))
        return [sent.kind for sent in FrameDecoder().feed(data)]

    def test_calls_do_not_wait_for_the_handshake(self) -> None:
        (call,) = self.start()
        self.assertEqual(self.sent(), [Kind.HELLO, Kind.REQUEST])
        ended = self.connection.receive(accepted() + frame(4, call.id, b"answer"))
        self.assertEqual(ended, [call])
        self.assertEqual(call.result(), (b"answer", False))

    def test_bytes_may_come_one_by_one(self) -> None:
        (call,) = self.start()
        stream = accepted() + frame(4, call.id, b"answer", flags=1, ext=bytes(16))
        ended = [
            done for byte in stream for done in self.connection.receive(bytes([byte]))
        ]
        self.assertEqual(ended, [call])
        self.assertEqual(call.result(), (b"answer", True))

    def test_going_away_frees_what_was_not_started(self) -> None:
        first, second = self.start(2)
        self.sent()
        ended = self.connection.receive(accepted() + frame(7, first.id))
        self.assertEqual(ended, [second])
        self.assertRaises(NotStartedError, second.result)
        self.assertRaises(NotStartedError, self.start)
        self.assertFalse(self.connection.is_finished)
        self.connection.receive(frame(4, first.id))
        self.assertTrue(self.connection.is_finished)

    def test_an_end_before_the_handshake_starts_nothing(self) -> None:
        (call,) = self.start()
        self.sent()
        self.connection.close("gone")
        self.assertRaises(NotStartedError, call.result)

    def test_an_end_behind_the_handshake_may_have_started_calls(self) -> None:
        self.connection.receive(accepted())
        (sent,) = self.start()
        self.sent()
        (unsent,) = self.start()
        self.connection.close("gone")
        self.assertRaises(matrix.UnavailableError, sent.result)
        self.assertRaises(NotStartedError, unsent.result)

    def test_a_failed_write_leaves_answers_on_their_way(self) -> None:
        self.connection.receive(accepted())
        (sent,) = self.start()
        self.sent()
        (unsent,) = self.start()
        self.assertEqual(self.connection.write_failed("broken"), [unsent])
        self.assertEqual(self.connection.receive(frame(4, sent.id)), [sent])
        self.assertTrue(self.connection.is_finished)

    def test_cancelling_takes_back_what_has_not_left(self) -> None:
        self.sent()
        (call,) = self.start()
        self.connection.cancel(call)
        self.assertEqual(self.sent(), [])
        (call,) = self.start()
        self.assertEqual(self.sent(), [Kind.REQUEST])
        self.connection.cancel(call)
        self.assertEqual(self.sent(), [Kind.CANCEL])
        self.assertEqual(self.connection.receive(accepted() + frame(4, call.id)), [])

    def test_a_full_connection_says_so(self) -> None:
        self.start(1024)
        self.assertRaises(FullError, self.start)

    def test_pings_are_answered_but_not_without_end(self) -> None:
        self.sent()
        self.connection.receive(accepted() + frame(8, 5))
        self.assertEqual(self.sent(), [Kind.PONG])
        self.connection.receive(frame(8, 5) * 10_000)
        self.assertLessEqual(len(self.sent()), 64)

    def test_a_refusal_names_the_other_fingerprint(self) -> None:
        (call,) = self.start()
        self.connection.receive(accepted(2, "schema drift"))
        with self.assertRaises(matrix.SchemaMismatchError) as raised:
            call.result()
        self.assertEqual(raised.exception.fingerprint, FINGERPRINT)

    def test_violations_end_the_connection(self) -> None:
        for bad in [
            frame(77),
            frame(0),
            frame(1),
            frame(3, 1),
            frame(6, 1),
            frame(2),
            struct.pack("<IBBHQQQ", 0xFFFFFFFF, 4, 0, 0, 1, 0, 0),
            struct.pack("<IBBHQQQ", (16 << 20) + 1, 4, 0, 0, 1, 0, 0),
            struct.pack("<IBBHQQQ", 8, 4, 0, 16, 1, 0, 0),
            struct.pack("<IBBHQQQ", 32, 4, 0, 8, 1, 0, 0),
            frame(5, 1, b"x"),
        ]:
            connection = Connection(CELL, FINGERPRINT, "test")
            connection.receive(accepted())
            call = connection.start(0.0, 10.0, 7, b"")
            connection.out.advance(1 << 20)
            self.assertEqual(connection.receive(bad), [call], bad[:40])
            self.assertRaises(matrix.UnavailableError, call.result)
            self.assertTrue(connection.is_finished)

    def test_handshakes_are_read_to_their_end_and_no_further(self) -> None:
        whole = accepted(3, "no")[32:]
        frames.read_hello_ack(whole + b"more")
        for end in range(len(whole)):
            self.assertRaises(Violation, frames.read_hello_ack, whole[:end])

    def test_noise_is_a_violation_or_nothing(self) -> None:
        noise = random.Random(7)
        for _ in range(2000):
            connection = Connection(CELL, FINGERPRINT, "test")
            if noise.random() < 0.5:
                connection.receive(accepted())
            connection.start(0.0, 10.0, 7, b"")
            for _ in range(8):
                head = bytes([noise.randrange(64), 0, 0, 0, noise.randrange(11)])
                connection.receive(head + noise.randbytes(noise.randrange(120)))
            connection.close("done")
            self.assertTrue(connection.is_finished)


class Archives(unittest.TestCase):
    def test_small_archives_cannot_become_large_values(self) -> None:
        # A vector of a million units would be fine, four billion are not.
        reader = Reader(struct.pack("<iI", 0, 0xFFFFFFFF))
        self.assertRaises(ArchiveError, reader.items, 0, 0, 1)
        # Two strings over the same bytes.
        shared = b"x" * 100
        length = 100 & 0x3F | 0x80 | (100 & ~0x3F) << 2
        archive = shared + struct.pack("<Ii", length, -100)
        archive += struct.pack("<Ii", length, -108)
        reader = Reader(archive)
        self.assertEqual(reader.string(100), "x" * 100)
        self.assertRaises(ArchiveError, reader.string, 108)

    def test_values_that_do_not_fit_are_refused(self) -> None:
        calls: list[Callable[[], object]] = [
            lambda: matrix.add(-1, 0),
            lambda: matrix.add(1 << 64, 0),
            lambda: matrix.slow(1 << 32),
            lambda: matrix.echo("\ud800"),
            lambda: matrix.echo("x" * (17 << 20)),
        ]
        for call in calls:
            with self.assertRaises(ArchiveError):
                call()


class Hostile(unittest.TestCase):
    """Both clients end each call with an error, and in time."""

    def survive(self, serve: Callable[[socket.socket], None]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/matrix.sock"
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(64)
            thread = threading.Thread(target=accept, args=(listener, serve))
            thread.start()
            try:
                with (
                    matrix.connect(path, timeout=0.5) as client,
                    self.assertRaises(matrix.CellError),
                ):
                    client.echo("hello")
                asyncio.run(self.survive_async(path))
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
                thread.join()

    async def survive_async(self, path: str) -> None:
        async with matrix.aio.connect(path, timeout=0.5) as client:
            calls = [client.echo("hello") for _ in range(20)]
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                self.assertIsInstance(outcome, matrix.CellError)

    def test_silence(self) -> None:
        self.survive(lambda stream: wait(stream))

    def test_an_end_at_once(self) -> None:
        self.survive(lambda stream: None)

    def test_noise(self) -> None:
        noise = random.Random(1)
        self.survive(lambda stream: stream.sendall(noise.randbytes(5000)))

    def test_a_handshake_and_then_noise(self) -> None:
        noise = random.Random(2)
        self.survive(lambda stream: stream.sendall(hello() + noise.randbytes(5000)))

    def test_a_frame_that_never_ends(self) -> None:
        head = struct.pack("<IBBHQQQ", 16 << 20, 4, 0, 0, 1, 0, 0)

        def serve(stream: socket.socket) -> None:
            stream.sendall(hello() + head + bytes(1000))
            wait(stream)

        self.survive(serve)

    def test_a_length_beyond_the_limit(self) -> None:
        head = struct.pack("<IBBHQQQ", 0xFFFFFFFF, 4, 0, 0, 1, 0, 0)
        self.survive(lambda stream: stream.sendall(hello() + head))

    def test_half_a_frame_and_the_end(self) -> None:
        self.survive(lambda stream: stream.sendall(hello() + frame(4, 1)[:20]))

    def answer_all(self, payload: bytes, flags: int) -> None:
        answers = (frame(4, call_id, payload, flags) for call_id in range(1, 30))
        data = hello() + b"".join(answers)

        def serve(stream: socket.socket) -> None:
            stream.sendall(data)
            wait(stream)

        self.survive(serve)

    def test_an_answer_that_is_no_archive(self) -> None:
        self.answer_all(b"\xff" * 3, 0)

    def test_an_error_that_the_route_has_not(self) -> None:
        self.answer_all(b"", 1)

    def test_going_away_without_end(self) -> None:
        self.survive(lambda stream: stream.sendall(hello() + frame(7, 0)))


def hello() -> bytes:
    name = b"matrix"
    payload = struct.pack("<4sHIQH", b"CELL", 1, 0, matrix.FINGERPRINT, len(name))
    return frame(2, payload=payload + name + struct.pack("<HH", 0, 0))


def accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    threads: list[threading.Thread] = []
    while True:
        try:
            stream, _ = listener.accept()
        except OSError:
            break
        thread = threading.Thread(target=attend, args=(stream, serve))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def attend(stream: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with stream:
        try:
            serve(stream)
        except OSError:
            return


def wait(stream: socket.socket) -> None:
    """Reads until the client has gone."""
    while stream.recv(1 << 16):
        pass


if __name__ == "__main__":
    unittest.main()
