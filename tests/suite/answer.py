# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of a task: its result, its backend calls, and the state of its VMs afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Task:
    """One task of the platform's module ``about`` something; ``label`` is its name among the answers."""

    label: str
    options: dict
    check: bool = False
    about: str = "vm"


@dataclass(frozen=True)
class Answer:
    """``truth`` is {name: state} from the backend's own tool; ``rc`` is negative if the module was killed."""

    result: dict
    rc: int = 0
    truth: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)

    @property
    def changed(self):
        return self.result.get("changed", False)

    @property
    def failed(self):
        return self.rc != 0

    @property
    def msg(self):
        return str(self.result.get("msg", ""))

    @property
    def vms(self):
        return self.result.get("vms", [])

    @property
    def diff(self):
        return self.result.get("diff") or []

    def vm(self, name):
        return next(vm for vm in self.vms if vm["name"] == name)

    def diff_of(self, name):
        return next((one for one in self.diff if one["before_header"] == name), None)


def writes(platform, answer):
    return [call.argv for call in answer.calls if platform.is_write(call)]
