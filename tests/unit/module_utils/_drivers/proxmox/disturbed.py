# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that fail, lose an answer or are killed at one of their requests, and others who act between two of them."""

from __future__ import annotations

from simulators.proxmox.gateway import Gateway
from unit.module_utils._drivers.proxmox.simulated import Api


class Killed(BaseException):
    """The process of the task was killed."""


class Disturbed(Api):
    """Disturbs the changing request with a number, counted from 0: it is not carried out, or its answer is lost."""

    def __init__(self, world, number=None, kind="", status=500):
        super().__init__(world)
        self.count, self._number, self._kind, self._world, self._status = 0, number, kind, world, status

    def call(self, method, path, parameters=None):
        if method == "GET":
            return super().call(method, path, parameters)
        is_this, self.count = self.count == self._number, self.count + 1
        if not is_this:
            return super().call(method, path, parameters)
        if self._kind == "kill before":
            raise Killed
        if self._kind != "kill after":
            self._world.faults.request(self._kind, status=self._status, reason="internal error")
        answer = super().call(method, path, parameters)
        if self._kind == "kill after":
            raise Killed
        return answer


class Meanwhile(Api):
    """Somebody else acts directly before the request with a number of those that ``is_meant(method, path)``."""

    def __init__(self, world, is_meant, act, number=1):
        super().__init__(world)
        self._is_meant, self._act, self._left = is_meant, act, number

    def call(self, method, path, parameters=None):
        if self._is_meant(method, path):
            self._left -= 1
            if self._left == 0:
                self._act()
        return super().call(method, path, parameters)


def before_request(world, method, end, act, number=1):
    """The API for a task; somebody else acts before its request with a number to this end of a path."""
    return Meanwhile(world, lambda one, path: one == method and path.endswith(end), act, number)


def before_write(world, act, word=""):
    """The API for a task; somebody else acts before its first write with ``word`` in its method and path."""
    return Meanwhile(world, lambda method, path: method != "GET" and word in f"{method} {path}", act)


def let_tasks_end(world):
    """Let all tasks of the server end."""
    gateway = Gateway(world)
    for upid in list(world.tasks.by_upid):
        gateway.finished(upid)
