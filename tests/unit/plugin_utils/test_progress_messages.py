# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages during a task, with pauses that the test controls."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks import progress_messages


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": ["web1", "web2"]}, "pve: virsh_vm (web1, web2) is still running"),
        (
            {"name": "web1", "wait_for": "ssh", "timeout": 900},
            "pve: virsh_vm (web1) is still running; it waits for SSH for at most 900 s",
        ),
        ({"machines": [{"name": "web1"}], "wait_for": "state"}, "pve: virsh_vm is still running"),
        (
            {"name": ["web1"], "wait_for": "cloud_init"},
            "pve: virsh_vm (web1) is still running; it waits for cloud-init, which the guest agent reports",
        ),
        (
            {"name": ["web1"], "wait_for": {"http": ":80/"}, "timeout": 9},
            "pve: virsh_vm (web1) is still running; it waits for http :80/ for at most 9 s",
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


def test_messages_are_shown_until_the_end(monkeypatch):
    shown, pauses, twice = [], [], threading.Event()
    monkeypatch.setattr(progress_messages.Display, "display", lambda _self, text: shown.append(text))

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) < 3:
            return False
        twice.set()
        return True

    with progress_messages.show_progress("working", pause):
        assert twice.wait(60)
    assert (shown, pauses) == (["working (30 s)", "working (60 s)"], [30, 30, 30])


def test_nothing_is_shown_by_a_short_task(monkeypatch):
    shown = []
    monkeypatch.setattr(progress_messages.Display, "display", lambda _self, text: shown.append(text))
    before = threading.active_count()
    with progress_messages.show_progress("working"):
        pass
    for thread in threading.enumerate()[before:]:
        thread.join(60)
    assert shown == []


def test_how_far_a_task_is_is_shown_not_too_often(monkeypatch):
    shown, now = [], iter([100, 100, 105, 110.5, 110.5])
    monkeypatch.setattr(progress_messages.Display, "display", lambda _self, text: shown.append(text))
    progress = progress_messages.Progress("win", lambda: next(now))
    for text in ("0 of 3", "1 of 3", "2 of 3"):
        progress.show(text)
    assert shown == ["win: 0 of 3", "win: 2 of 3"]
