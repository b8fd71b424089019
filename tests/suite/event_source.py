# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the event source as ansible-rulebook does: its file alone, with a queue that takes one event at a time."""

from __future__ import annotations

import asyncio
import runpy
import time
from contextlib import asynccontextmanager
from dataclasses import replace

from collection_path import collections_path
from suite.limits import scaled

PATH = collections_path() / "ansible_collections/polyvirt/core/extensions/eda/plugins/event_source/vms.py"


class _OneAtATime:
    """What a source may use of the queue of ansible-rulebook."""

    def __init__(self, taken):
        self._taken, self._queue = taken, asyncio.Queue(1)

    async def put(self, event):
        await self._queue.put(event)
        self._taken.append(self._queue.get_nowait())


class Running:
    """A source that runs; ``events`` are those that it has sent."""

    def __init__(self):
        self.events, self.task = [], None

    async def until(self, is_true):
        """Wait until ``is_true()``."""
        deadline = time.monotonic() + scaled(60)
        while not is_true():
            assert not self.task.done(), "the source has ended"
            assert time.monotonic() < deadline, self.events
            await asyncio.sleep(0.02)

    async def sent(self, count):
        """Wait for ``count`` events; return the kind and the name of the VM of each, which are then forgotten."""
        await self.until(lambda: len(self.events) >= count)
        return self.taken()

    def taken(self):
        told = [(one["event"], one["vm"]["name"]) for one in self.events]
        self.events.clear()
        return told


@asynccontextmanager
async def running(**args):
    """A context in which the source runs. It must be cancelled cleanly.

    An interval of less than a second, which users cannot set, saves time.
    """
    source = Running()
    code, queue = runpy.run_path(str(PATH)), _OneAtATime(source.events)
    if args.get("interval", 1) >= 1:
        source.task = asyncio.ensure_future(code["main"](queue, args))
    else:
        settings = replace(code["settings_of"]({**args, "interval": 1}), interval=args["interval"])
        source.task = asyncio.ensure_future(code["Source"](queue, settings).run())
    try:
        yield source
    finally:
        source.task.cancel()
        done = await asyncio.wait_for(asyncio.gather(source.task, return_exceptions=True), scaled(20))
    assert isinstance(done[0], asyncio.CancelledError), done
