"""What stands between a client and the hub where only web traffic gets out: a WebSocket gateway, and a proxy."""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

from acrwatch.devhub import DevHub

WAIT = 10.0


class _Served:
    """Something that listens on a loop of its own while the block runs."""

    port = 0

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)

    async def _open(self) -> None:
        raise NotImplementedError

    async def _end(self) -> None:
        await self._close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _close(self) -> None:
        raise NotImplementedError


class Gateway(_Served):
    """Takes WebSockets over TLS at /$servicebus/websocket and hands their bytes on to the hub, over TLS as well."""

    def __init__(self, hub: DevHub, ca: Path) -> None:
        super().__init__()
        self.passed = 0
        self._hub = hub
        self._trust = ssl.create_default_context(cafile=ca)
        assert hub._authority is not None
        self._presents = hub._authority.server_context()

    @property
    def endpoint(self) -> str:
        return f"sb://localhost:{self.port}"

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/$servicebus/websocket", self._pass)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._presents)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["AMQPWSB10"], max_msg_size=0)
        await socket.prepare(request)
        reader, writer = await asyncio.open_connection("localhost", self._hub.port, ssl=self._trust)
        back = asyncio.create_task(self._back(reader, socket))
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                self.passed += 1
                writer.write(message.data)
        back.cancel()
        writer.close()
        return socket

    async def _back(self, reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await socket.send_bytes(data)
        await socket.close()


class Proxy(_Served):
    """Answers CONNECT (RFC 9110 section 9.3.6). `asked`: to where and with which user and password."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, str]] = set()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        target = head[0].split()[1]
        sent = next((line.split()[-1] for line in head if line.casefold().startswith("proxy-authorization:")), "")
        self.asked.add((target, base64.b64decode(sent).decode()))
        host, _, port = target.rpartition(":")
        there, answer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, answer), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
