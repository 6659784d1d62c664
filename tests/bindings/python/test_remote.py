"""The client of other machines against servers that behave badly, and its pure parts."""

from __future__ import annotations

import asyncio
import os
import struct
import unittest
from collections.abc import Awaitable, Callable

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

from cells import matrix
from cells._cell import quic, remote, wire
from cells._cell.errors import RefusedError, UnavailableError
from cells._cell.frames import HEADER_BYTES, Kind, header
from cells._cell.remote import End, Remote, remote_of

Script = Callable[["Peer", int], None]


def accepted() -> bytes:
    name = matrix.CELL.encode()
    payload = struct.pack("<4sHIQH", b"CELL", 1, 0, matrix.FINGERPRINT, len(name))
    payload += name + struct.pack("<HH", 0, 0)
    return header(Kind.HELLO_ACK, 0, len(payload)) + payload


def sum_of(value: int) -> bytes:
    return header(Kind.RESPONSE, 1, 8) + value.to_bytes(8, "little")


class Peer(QuicConnectionProtocol):
    """One connection of a server: the script says what becomes of each call."""

    server: Server

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived) and len(event.data) > HEADER_BYTES:
            self.server.calls.append((id(self), event.stream_id))
            self.server.script(self, event.stream_id)
            self.transmit()

    def answer(self, stream: int, data: bytes, is_end: bool = True) -> None:
        self._quic.send_stream_data(stream, data, end_stream=is_end)

    def turn_away(self, stream: int) -> None:
        self._quic.reset_stream(stream, remote.DRAINING)
        self._quic.stop_stream(stream, remote.DRAINING)


class Server:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[tuple[int, int]] = []

    def play(self, talk: Callable[[matrix.AsyncClient], Awaitable[None]]) -> None:
        asyncio.run(self._play(talk))

    async def _play(
        self, talk: Callable[[matrix.AsyncClient], Awaitable[None]]
    ) -> None:
        config = QuicConfiguration(is_client=False, alpn_protocols=["cell/1"])
        config.load_cert_chain(os.path.join(os.environ["CELL_KEYS"], "matrix.pem"))

        def peer(*args: object, **named: object) -> Peer:
            made = Peer(*args, **named)  # type: ignore[arg-type]
            made.server = self
            return made

        server = await serve("127.0.0.1", 0, configuration=config, create_protocol=peer)
        port = server._transport.get_extra_info("sockname")[1]
        at = f"matrix@127.0.0.1:{port}"
        try:
            async with matrix.aio.connect(at, timeout=20) as client:
                await talk(client)
        finally:
            server.close()

    @property
    def connections(self) -> int:
        return len({connection for connection, _ in self.calls})


class Hostile(unittest.TestCase):
    def answers(self, script: Script) -> Server:
        server = Server(script)

        async def talk(client: matrix.AsyncClient) -> None:
            self.assertEqual(await client.add(2, 3), 5)

        server.play(talk)
        return server

    def fails(self, script: Script, words: str) -> Server:
        server = Server(script)

        async def talk(client: matrix.AsyncClient) -> None:
            with self.assertRaisesRegex(matrix.UnavailableError, words):
                await client.add(2, 3)

        server.play(talk)
        return server

    def test_a_call_that_was_not_taken_is_made_again_elsewhere(self) -> None:
        def turn_away(peer: Peer, stream: int) -> None:
            if len(peer.server.calls) == 1:
                peer.turn_away(stream)
            else:
                peer.answer(stream, accepted() + sum_of(5))

        server = self.answers(turn_away)
        self.assertEqual((len(server.calls), server.connections), (2, 2))

    def test_a_server_that_drains_before_it_starts_a_call(self) -> None:
        def leave(peer: Peer, stream: int) -> None:
            if len(peer.server.calls) == 1:
                peer.close(error_code=remote.DRAINING)
            else:
                peer.answer(stream, accepted() + sum_of(5))

        server = self.answers(leave)
        self.assertEqual((len(server.calls), server.connections), (2, 2))

    def test_a_call_that_may_have_been_started_is_not_made_again(self) -> None:
        def ends(peer: Peer, stream: int) -> None:
            peer.answer(stream, accepted())

        server = self.fails(ends, "ended the call without an answer")
        self.assertEqual(len(server.calls), 1)

        def closes(peer: Peer, _: int) -> None:
            peer.close(error_code=7)

        server = self.fails(closes, "closed the connection .code 7.")
        self.assertEqual(len(server.calls), 1)

    def test_a_server_that_falls_silent(self) -> None:
        def nothing(_: Peer, __: int) -> None:
            pass

        idle, wire.IDLE_S_MAX = wire.IDLE_S_MAX, 0.5
        alive, wire.KEEP_ALIVE_S = wire.KEEP_ALIVE_S, 60.0
        try:
            server = self.fails(nothing, "does not answer")
        finally:
            wire.IDLE_S_MAX, wire.KEEP_ALIVE_S = idle, alive
        self.assertEqual(len(server.calls), 1)

    def test_an_old_connection_is_replaced_and_finishes_its_calls(self) -> None:
        held: list[tuple[Peer, int]] = []

        def late(peer: Peer, stream: int) -> None:
            if not held:
                held.append((peer, stream))
                return
            # The first call is answered once another connection has the second.
            for other, number in (held[0], (peer, stream)):
                other.answer(number, accepted() + sum_of(5))
                other.transmit()

        server = Server(late)

        async def talk(client: matrix.AsyncClient) -> None:
            old = asyncio.create_task(client.add(2, 3))
            await asyncio.sleep(quic.REMOTE_AGE_S_MAX * 2)
            self.assertEqual(len(held), 1)
            self.assertEqual(await client.add(2, 3), 5)
            self.assertEqual(await old, 5)

        age, quic.REMOTE_AGE_S_MAX = quic.REMOTE_AGE_S_MAX, 1.0
        try:
            server.play(talk)
        finally:
            quic.REMOTE_AGE_S_MAX = age
        self.assertEqual((len(server.calls), server.connections), (2, 2))

    def test_what_breaks_the_protocol_ends_the_call_alone(self) -> None:
        def lies(peer: Peer, stream: int) -> None:
            if len(peer.server.calls) == 1:
                peer.answer(stream, accepted() + b"\xff" * HEADER_BYTES, is_end=False)
            else:
                peer.answer(stream, accepted() + sum_of(5))

        server = Server(lies)

        async def talk(client: matrix.AsyncClient) -> None:
            with self.assertRaisesRegex(matrix.UnavailableError, "broke the protocol"):
                await client.add(2, 3)
            self.assertEqual(await client.add(2, 3), 5)

        server.play(talk)
        self.assertEqual((len(server.calls), server.connections), (2, 1))

    def test_another_schema_is_refused_and_the_connection_stays(self) -> None:
        def refuses(peer: Peer, stream: int) -> None:
            name = matrix.CELL.encode()
            payload = struct.pack("<4sHIQH", b"CELL", 1, 0, 7, len(name))
            payload += name + struct.pack("<HH", 2, 5) + b"drift"
            frame = header(Kind.HELLO_ACK, 0, len(payload)) + payload
            peer.answer(stream, frame)

        server = Server(refuses)

        async def talk(client: matrix.AsyncClient) -> None:
            for _ in range(2):
                with self.assertRaisesRegex(matrix.SchemaMismatchError, "drift"):
                    await client.add(2, 3)

        server.play(talk)
        self.assertEqual((len(server.calls), server.connections), (2, 1))


class Pure(unittest.TestCase):
    def test_addresses_are_a_host_and_a_port(self) -> None:
        for good in ("host:4433", "10.0.0.1:1", "[::1]:65535", "a-b.example:80"):
            self.assertEqual(str(remote_of("x", good)), good)
        self.assertEqual(remote_of("x", "[::1]:9"), Remote("x", "::1", 9))
        for bad in (
            *("", "host", ":1", "host:", "host:0", "host:65536", "::1:4433"),
            *("[::1]", "[x]:1", "a b:1", "/a:1", "host:1x", "host:\u0661"),
        ):
            self.assertIsNone(remote_of("x", bad), bad)

    def test_only_certificates_make_trying_again_pointless(self) -> None:
        for alert, word in ((45, "expired"), (48, "another authority"), (116, "wants")):
            end = remote.closed_by_cell(0x100 + alert, False, "")
            self.assertIs(end.error, RefusedError)
            self.assertIn(word, end.reason)
        for alert, word in ((45, "expired"), (42, "not the cell's (why)")):
            end = remote.closed_here(0x100 + alert, "why")
            self.assertIs(end.error, UnavailableError)
            self.assertIn(word, end.reason)
        for end in (
            remote.closed_by_cell(remote.DRAINING, True, ""),
            remote.closed_by_cell(2, False, ""),
        ):
            self.assertEqual((end.error, end.is_silent), (None, False))
        for end in (
            remote.closed_by_cell(7, True, ""),
            remote.closed_by_cell(10, False, "it broke"),
            remote.closed_here(10, "it broke"),
            End("", is_silent=True),
        ):
            self.assertEqual((end.error, end.is_silent), (None, True))


if __name__ == "__main__":
    unittest.main()
