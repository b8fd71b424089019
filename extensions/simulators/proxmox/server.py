# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator as an HTTPS server.

One event loop answers all connections, so the steps of the world run one after another without locks, and hundreds of
connections may wait at once. aiohttp supports this, arbitrary reason phrases, and access to the connection of an
answer, which tests reset.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
import tempfile
import threading

from aiohttp import web

from . import certificates, control, wire
from .errors import ApiError, Dropped
from .gateway import Gateway, body_text, refused

_NAME = "pve-api-daemon/3.0"
_LINGER_NONE = struct.pack("ii", 1, 0)
_LARGEST_UPLOAD = 8 << 30


class Server:
    """A world behind HTTPS, in its own thread: ``with Server(world) as server: …``.

    With a driven clock, each request advances the time by ``tick`` seconds, so tasks end for a client that polls them,
    however busy the host is.
    """

    def __init__(self, world, host="127.0.0.1", port=0, folder=None, tick=0.0):
        self.world = world
        self.tick = tick
        self.gateway = Gateway(world)
        self.host = host
        self.port = port
        #: The file of the CA that clients must trust.
        self.authority = None
        self._folder = folder
        self._own_folder = None
        self._ready = threading.Event()
        self._trouble = None
        self._loop = None
        self._stopped = None
        self._thread = threading.Thread(target=self._run, name="proxmox-simulator", daemon=True)

    @property
    def url(self):
        return f"https://{self.host}:{self.port}"

    def __enter__(self):
        if self._folder is None:
            self._own_folder = self._folder = tempfile.mkdtemp(prefix="proxmox-simulator-")
        self._thread.start()
        self._ready.wait()
        if self._trouble:
            self._remove_folder()
            raise self._trouble
        return self

    def __exit__(self, *_reason):
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._remove_folder()

    def _remove_folder(self):
        if self._own_folder:
            shutil.rmtree(self._own_folder)

    def wait(self):
        """Wait until the server ends."""
        while self._thread.is_alive():
            self._thread.join(1)

    def _run(self):
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._trouble = error
            self._ready.set()

    async def _serve(self):
        made = certificates.make(self._folder)
        application = web.Application(client_max_size=_LARGEST_UPLOAD)
        application.router.add_route("*", "/{anything:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port, ssl_context=made.context(), backlog=1024)
            await site.start()
            self.port = runner.addresses[0][1]
            self.authority = made.authority
            self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
            self._ready.set()
            await self._stopped.wait()
        finally:
            await _cut_off(runner.server.connections)
            await runner.cleanup()

    async def _answer(self, http):
        if http.path.startswith(control.PREFIX):
            return await control.answer(self.world, http)
        if not http.path.startswith(wire.PREFIX + "/"):
            return _response(refused(ApiError(f"no such file '{http.path}'", 501)))
        try:
            request = await wire.read(http, self.world.uploads)
        except ApiError as error:
            return _response(refused(error))
        process = self.gateway.open(request)
        await self._finish(process)
        if isinstance(process.error, Dropped):
            _reset(http.transport)
            return web.Response(status=500)
        if process.error:
            raise process.error
        return _response(process.value)

    async def _finish(self, process):
        engine = self.world.engine
        if engine.clock.driven:
            # Time advances while a client waits for an answer.
            engine.finish(process)
            engine.advance(self.tick)
        while not process.done:
            pause = (engine.next_due() - engine.clock.now) / engine.clock.factor
            await asyncio.sleep(max(pause, 0.0))
            engine.run_due()


def _response(answer):
    response = web.Response(
        status=answer.status, reason=answer.reason, body=body_text(answer), headers={"Server": _NAME}
    )
    if answer.body is not None:
        response.headers["Content-Type"] = "application/json;charset=UTF-8"
    if answer.status >= 400:
        response.force_close()
    return response


async def _cut_off(connections):
    """Abort connections that clients keep alive: aiohttp would wait for each client to close its connection."""
    for transport in [one.transport for one in connections if one.transport]:
        transport.abort()
    await asyncio.sleep(0)  # The event loop closes the sockets in its next iteration.


def _reset(transport):
    """Close a connection with a TCP reset."""
    connection = transport.get_extra_info("socket") if transport else None
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        transport.abort()
