# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told to go wrong: at which call or task, how, and how often."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ApiError

#: What a request can be told to do. ``reply`` answers with a status and a reason in place of doing anything, and
#: ``reset`` drops the connection so; with ``_after`` the call is done first.
KINDS = ("reply", "reply_after", "reset", "reset_after", "delay", "truncate", "not_json", "expire")


@dataclass
class RequestFault:
    """Hits the next ``times`` requests that match, after ``skip`` that match and are let through."""

    kind: str
    method: str = "*"
    path: str = ".*"
    times: int = 1
    skip: int = 0
    status: int = 500
    reason: str = ""
    #: ``delay``: seconds that the answer comes late. The call itself is done at once.
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
    """Lets the next ``times`` tasks of a type fail with ``text`` at a step (0: at once), or end with warnings."""

    type: str
    text: str = ""
    step: int = 0
    times: int = 1
    id: str | None = None
    warnings: int = 0

    def concerns(self, task):
        return self.times > 0 and task.type == self.type and self.id in (None, task.id)


class Faults:
    """The list of both, and what concerns devices."""

    def __init__(self):
        self.requests = []
        self.tasks = []
        #: Every device that is plugged while this is True does not come.
        self.hotplug_fails = False
        #: While True, the statistics are not renewed.
        self.statistics_frozen = False
        #: Storages that have no room left.
        self.full_storages = set()

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
        """The error of this step of a task, or None."""
        for fault in self.tasks:
            if fault.concerns(task) and fault.step == step:
                fault.times -= 1
                if fault.warnings:
                    for number in range(fault.warnings):
                        task.warn(f"{fault.text or 'something is not as it should be'} ({number + 1})")
                    return None
                return ApiError(fault.text or "unexpected status")
        return None
