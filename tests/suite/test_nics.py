# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``networks`` of a running VM: what check mode reports of its NICs is what a run does."""

from __future__ import annotations

import pytest

from suite.answer import Task

NAME, OTHER = "pvg-nics", "pvc-nics"
NICS = [f"52:54:00:00:11:0{number}" for number in range(3)]


#: What is requested of three NICs, and which MACs the definition has then.
LEFT_OUT = {
    "with MACs": ([{"mac": NICS[0]}, {"mac": NICS[2]}], [True, False, True]),
    "without MACs": ([{}, {"model": "e1000"}], [True, True, False]),
}


@pytest.mark.parametrize(("requested", "remaining"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_nic_whose_place_the_next_start_changes_is_not_detached(qemu, carry, requested, remaining):
    """The second of three NICs is left out: the running VM would lose the third one, and keep the second."""
    qemu.clean()
    nics = [{"type": "user", "mac": mac} for mac in NICS]
    created = carry(
        qemu, [Task("create", {**qemu.creation, "name": [NAME], "networks": nics, "state": "started"})], [NAME]
    )
    assert not created["create"].failed, created["create"].msg
    options = {"name": [NAME], "networks": requested, "purge": ["networks"]}
    tasks = [Task("check", options, check=True), Task("run", options), Task("again", options)]
    answers = carry(qemu, tasks, [NAME])
    assert [answer.changed for answer in answers.values()] == [True, True, False], answers["run"].msg
    assert answers["check"].diff == answers["run"].diff
    for answer in answers.values():
        assert answer.vm(NAME)["restart_required"] == ["networks.1", "networks.2"]
        assert answer.result["warnings"] == answers["check"].result["warnings"]
    running = qemu.virsh("dumpxml", NAME)
    stored = qemu.virsh("dumpxml", NAME, "--inactive")
    assert [[mac in text for mac in NICS] for text in (running, stored)] == [[True, True, True], remaining]


_ON = ["libvirt_test", "proxmox", "virtualbox_double", "hyperv", "vmm"]


@pytest.mark.parametrize("platform_name", _ON, indirect=True, scope="session")
def test_nic_before_another_one_is_left_out_as_check_mode_says(platform, carry):
    """Rejected, or done; never rejected because the NIC behind it still has its MAC until the next start."""
    platform.clean()
    nics = [{"mac": mac} for mac in NICS]
    created = carry(platform, [Task("c", {**platform.creation, "name": [OTHER], "networks": nics, "state": "started"})])
    assert not created["c"].failed, created["c"].msg
    options = {"name": [OTHER], "networks": [nics[0], nics[2]], "purge": ["networks"]}
    answers = carry(platform, [Task("check", options, check=True), Task("run", options), Task("again", options)])
    seen = [
        (one.failed, one.changed, one.msg, one.diff, one.vm(OTHER)["restart_required"], one.result.get("warnings"))
        for one in answers.values()
    ]
    assert seen[0] == seen[1]
    assert "is also that of" not in answers["run"].msg
    assert answers["run"].failed or not answers["again"].changed
