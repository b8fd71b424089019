# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages during a task, with pauses that the test controls."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports.progress import report
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks import progress_messages


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": ["web1", "web2"]}, "pve: virsh_vm (web1, web2) is still running"),
        (
            {"name": "web1", "wait_for": "ssh", "timeout": 900},
            "pve: virsh_vm (web1) is still running; it waits for SSH (timeout 900 s, without the platform's own work)",
        ),
        ({"machines": [{"name": "web1"}], "wait_for": "state"}, "pve: virsh_vm is still running"),
        (
            {"name": ["web1"], "wait_for": "cloud_init"},
            "pve: virsh_vm (web1) is still running; it waits for cloud-init, which the guest agent reports",
        ),
        (
            {"name": ["web1"], "wait_for": {"http": ":80/"}, "timeout": 9},
            "pve: virsh_vm (web1) is still running; it waits for http :80/"
            " (timeout 9 s, without the platform's own work)",
        ),
        (
            {"name": ["web1"], "wait_for": {"condition": "winrm", "port": None}},
            "pve: virsh_vm (web1) is still running; it waits for WinRM",
        ),
        ({"name": ["web1"], "wait_for": ["ssh"]}, "pve: virsh_vm (web1) is still running"),
    ],
)
def test_task_is_described(arguments, expected):
    assert progress_messages.describe("pve", "polyvirt.core.virsh_vm", arguments) == expected


class Clock:
    """Seconds, which pass with the pauses; the block has ended after ``count`` of them."""

    def __init__(self, count=0):
        self.seconds, self._left, self.done = 0, count, threading.Event()

    def now(self):
        return self.seconds

    def pause(self, seconds):
        if not self._left:
            self.done.set()
            return True
        self._left, self.seconds = self._left - 1, self.seconds + seconds
        return False


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(progress_messages.Display, "display", lambda _self, text: lines.append(text))
    return lines


def test_messages_are_shown_until_the_end(shown):
    clock, told = Clock(2), []
    with progress_messages.show_progress("pve", "pve: working", told.append, clock.pause, clock.now):
        assert clock.done.wait(60)
    assert shown == ["pve: working (30 s)", "pve: working (60 s)"]
    assert told[0] == {"step": "pve: working", "percent": None, "mib": None, "seconds": 30}


def test_nothing_is_shown_by_a_short_task(shown):
    before = threading.active_count()
    with progress_messages.show_progress("pve", "working", lambda _progress: None):
        report("web1: create")
    for thread in threading.enumerate()[before:]:
        thread.join(60)
    assert shown == []


def test_steps_that_a_task_reports_are_shown(shown):
    clock, told = Clock(), []
    with progress_messages.show_progress("pve", "pve: working", told.append, clock.pause, clock.now):
        report("web1: create")
        clock.seconds = 12
        report("download of x.img", 50 << 20, 200 << 20)
        report(None)
    report("web2: create")
    assert shown == ["pve: download of x.img (25 %, 50 MiB, 12 s)"]
    assert told == [{"step": "download of x.img", "percent": 25, "mib": 50, "seconds": 12}]


def test_steps_of_a_task_with_no_log_are_not_shown(shown):
    clock = Clock(1)
    tell = progress_messages.tell_listeners(SimpleNamespace(no_log=True), {})
    with progress_messages.show_progress("pve", "pve: working", tell, clock.pause, clock.now):
        assert clock.done.wait(60)
        report("web1: create")
    assert shown == ["pve: working (30 s)"]


@pytest.mark.parametrize(
    ("last", "current", "expected"),
    [
        (None, ("create", None, 9), False),
        (None, ("create", None, 10), True),
        (("create", None, 12), ("start", None, 13), True),
        (("create", None, 12), ("create", None, 13), False),
        (("create", None, 12), ("create", None, 42), True),
        (("copy", 9, 12), ("copy", 10, 13), True),
        (("copy", 11, 12), ("copy", 19, 13), False),
        (("copy", None, 12), ("copy", 5, 13), False),
        (("copy", 50, 12), (None, None, 99), False),
    ],
)
def test_which_reports_are_shown(last, current, expected):
    assert progress_messages.is_due(last, current) is expected


def test_line_of_a_step_is_not_shown_again_soon(shown):
    clock = Clock()
    progress = progress_messages.Progress("working", before="pve: ", now=clock.now)
    clock.seconds = 20
    progress.report("web1: create")
    clock.seconds = 30
    progress.show()
    assert shown == ["pve: web1: create (20 s)"]
    clock.seconds = 60
    progress.show()
    assert shown[1:] == ["pve: web1: create (60 s)"]


def test_listeners_get_the_task_with_its_progress(monkeypatch):
    heard = []
    monkeypatch.setattr(progress_messages, "LISTENERS", [lambda *words: heard.append(words)])
    task = SimpleNamespace(no_log=False)
    progress_messages.tell_listeners(task, {"a": 1})({"step": "x"})
    assert heard == [(task, {"a": 1}, {"step": "x"})]
