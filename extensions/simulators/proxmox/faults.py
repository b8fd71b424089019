# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated errors: which call or task fails, with which error, and how often."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ApiError

#: Kinds of errors of a request. ``reply`` answers with a status and a reason, and ``reset`` closes the connection; the
#: call is not carried out, or before that with ``_after``.
KINDS = ("reply", "reply_after", "reset", "reset_after", "delay", "truncate", "not_json", "expire")


@dataclass
class RequestFault:
    """Applies to the next ``times`` matching requests, after the first ``skip`` of them."""

    kind: str
    method: str = "*"
    path: str = ".*"
    times: int = 1
    skip: int = 0
    status: int = 500
    reason: str = ""
    #: ``delay``: seconds by which the answer is late. The call itself is carried out at once.
    seconds: float = 0.0
    errors: dict | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"a request cannot be told to {self.kind!r}; it can: {', '.join(KINDS)}")

    def hits(self, method, path):
        if self.times <= 0 or self.method not in ("*", method) or not re.fullmatch(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class TaskFault:
    """The next ``times`` tasks of a type fail with ``text`` at a step (0: at once), or end with warnings."""

    type: str
    text: str = ""
    step: int = 0
    times: int = 1
    id: str | None = None
    warnings: int = 0

    def concerns(self, task):
        return self.times > 0 and task.type == self.type and self.id in (None, task.id)


class Faults:
    """All simulated errors: of requests, of tasks, of devices and storages."""

    def __init__(self):
        self.requests = []
        self.tasks = []
        #: While True, hotplug of every device fails.
        self.hotplug_fails = False
        #: While True, the statistics are not updated.
        self.statistics_frozen = False
        #: Ids of full storages.
        self.full_storages = set()
        #: VMs with files that vanish while a list is created.
        self.vanishing = set()
        #: The daemon behind the proxy: running, stopped or frozen.
        self.daemon = "running"

    def request(self, kind, **settings):
        fault = RequestFault(kind, **settings)
        self.requests.append(fault)
        return fault

    def task(self, type, text="", **settings):
        fault = TaskFault(type, text, **settings)
        self.tasks.append(fault)
        return fault

    def of_request(self, method, path):
        return next((fault for fault in self.requests if fault.hits(method, path)), None)

    def of_step(self, task, step):
        """The error for this step of a task, or None."""
        for fault in self.tasks:
            if fault.concerns(task) and fault.step == step:
                fault.times -= 1
                if fault.warnings:
                    for number in range(fault.warnings):
                        task.warn(f"{fault.text or 'something is not as it should be'} ({number + 1})")
                    return None
                return ApiError(fault.text or "unexpected status")
        return None
