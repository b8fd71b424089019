# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host that are passed through to VMs: libvirt's test driver starts such VMs, without the devices."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.scenarios.snapshots import snapshot

WEB, DB = "pvc-device-web", "pvc-device-db"
_ADDRESS = "<address domain='0' bus='1' slot='0' function='0'/>"
_DEVICE = f"<hostdev mode='subsystem' type='pci' managed='yes'><source>{_ADDRESS}</source></hostdev>"


def _with_device(platform, name):
    definition = platform.virsh("dumpxml", name, "--inactive")
    platform.virsh("define", "/dev/stdin", stdin=definition.replace("</devices>", f"{_DEVICE}</devices>"))


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_device_is_used_by_one_running_vm(platform, carry):
    platform.clean()
    platform.bring({WEB: STOPPED, DB: STOPPED})
    for name in (WEB, DB):
        _with_device(platform, name)
    platform.move(DB, RUNNING)
    start = {"name": WEB, "state": "started"}
    tasks = [
        Task("checked", start, check=True),
        Task("start", start),
        snapshot("memory", DB, "first"),
        Task("stop", {"name": DB, "state": "stopped", "stop_mode": "force"}),
        Task("start later", start),
        Task("again", start),
    ]
    answers = carry(platform, tasks, [WEB, DB])
    for label in ("checked", "start"):
        answer = answers[label]
        assert (answer.failed, answer.changed) == (True, False)
        assert f"{WEB}: devices.pci 0000:01:00.0: the device is used by {DB}. Stop that VM first" in answer.msg
    assert answers["memory"].failed and "its memory cannot be saved" in answers["memory"].msg
    assert [answers[label].changed for label in ("start later", "again")] == [True, False], answers["start later"].msg
    powers = {name: vm["power"] for name, vm in answers["again"].truth.items()}
    assert powers == {WEB: RUNNING, DB: STOPPED}
