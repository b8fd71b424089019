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


# The option devices ---------------------------------------------------------------------------------------------------

_PCI, _USB = {"type": "pci", "id": "0000:01:00.0"}, {"type": "usb", "id": "046d:c52b"}
#: {platform: (devices of the same VM, one after the other)}.
_DEVICES = {
    "libvirt_test": (_PCI, _USB),
    "proxmox": ({"type": "pci", "mapping": "gpu1"}, {"type": "usb", "mapping": "key"}),
}
_RUNS = ("check", "real", "again")


@pytest.mark.parametrize("platform_name", list(_DEVICES), indirect=True, scope="session")
def test_devices_are_added_and_removed(platform, carry):
    platform.clean()
    first, second = _DEVICES[platform.name]
    wanted = {
        "one": {**platform.creation, "devices": [first]},
        "both": {"devices": [second]},
        "same": {"devices": [first]},
        "last": {"devices": [second], "purge": ["devices"]},
        "none": {"devices": [], "purge": ["devices"]},
    }
    tasks = [Task(f"{step} {run}", {"name": WEB, **wanted[step]}, run == "check") for step in wanted for run in _RUNS]
    answers = carry(platform, tasks, [WEB])
    found = {"one": [first], "both": [first, second], "same": [first, second], "last": [second], "none": []}
    for step, devices in found.items():
        check, real, again = (answers[f"{step} {run}"] for run in _RUNS)
        assert not real.failed, real.msg
        assert (check.changed, check.diff) == (real.changed, real.diff) and real.changed == (step != "same")
        assert (again.changed, again.vm(WEB)["settings"]["devices"]) == (False, devices)
        assert len(platform.settings(real.truth[WEB])["devices"]) == len(devices)


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_running_vm_keeps_a_device_to_itself(platform, carry):
    """It is given at the next start, and no other VM is started with it meanwhile."""
    platform.clean()
    platform.bring({WEB: STOPPED, DB: RUNNING})
    device = {"devices": [_PCI]}
    tasks = [
        Task("off", {"name": WEB, **device}),
        Task("on", {"name": DB, **device}),
        Task("restart", {"name": DB, "state": "restarted", "stop_mode": "force"}),
        Task("start", {"name": WEB, "state": "started"}),
        Task("clash", {"name": WEB, **device, "native": {"devices/hostdev/source/address@bus": "2"}}),
    ]
    answers = carry(platform, tasks, [WEB, DB])
    assert [answers[label].changed for label in ("off", "on", "restart")] == [True] * 3, answers["restart"].msg
    assert answers["on"].vm(DB)["restart_required"] == ["devices.pci 0000:01:00.0"]
    assert f"the device is used by {DB}" in answers["start"].msg
    assert "Use the option devices" in answers["clash"].msg
