# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that need a real guest: shutdown, SSH, addresses, disks as the guest sees them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.limits import scaled

pytestmark = pytest.mark.full

GUEST, DEAF, SLOW = "pvg-guest", "pvg-deaf", "pvg-slow"


def _made(qemu, name, key, **more):
    """Options of a VM with a guest that accepts the key."""
    own = {"name": [name], "state": "started", "disks": [{}, {"size": "16M"}]}
    return {**qemu.guest, **key.seed, **own, **more}


@pytest.mark.guest
@pytest.mark.core
def test_life_of_a_guest_from_cloud_init_to_absent(qemu, carry, key):
    """cloud-init seed and SSH, a disk grown while the guest runs, an outdated lease, a graceful shutdown."""
    qemu.clean()
    qemu.start_network()
    made = _made(qemu, GUEST, key, wait_for="ssh", timeout=int(scaled(120)))
    grown = {"name": [GUEST], "disks": [{}, {"size": "24M"}]}
    answers = carry(
        qemu,
        [
            Task("make", made),
            Task("again", made),
            Task("address", {"name": [GUEST], "state": "started", "wait_for": "address"}),
            Task("port", {"name": [GUEST], "state": "started", "wait_for": {"port": 22}}),
            Task("grow", grown),
        ],
        [GUEST],
    )
    for answer in answers.values():
        assert not answer.failed, answer.msg
    ssh = answers["make"].vm(GUEST)["ssh"]
    assert not answers["again"].changed
    assert not answers["address"].changed
    assert (answers["port"].changed, answers["port"].vm(GUEST)["ssh"]) == (False, ssh)
    assert key.say(ssh["host"], "hostname").strip() == GUEST
    assert int(key.say(ssh["host"], "cat /sys/block/vdb/size")) * 512 == 24 << 20
    _an_old_lease_is_not_believed(qemu, carry, ssh["host"])
    removed = carry(qemu, [Task("remove", {"name": [GUEST], "state": "absent", "stop_mode": "force"})], [GUEST])
    assert removed["remove"].truth[GUEST] is None
    assert qemu.files() == []


def _an_old_lease_is_not_believed(qemu, carry, address):
    """After a stop and a start with the NIC's link down, only an outdated lease exists, which is not reported."""
    stop = Task("stop", {"name": [GUEST], "state": "stopped", "stop_timeout": round(scaled(120))})
    answer = carry(qemu, [stop], [GUEST])["stop"]
    assert not answer.failed, answer.msg
    assert answer.truth[GUEST]["power"] == STOPPED
    qemu.virsh("start", GUEST, "--paused")
    assert address in qemu.virsh("domifaddr", GUEST)
    qemu.virsh("resume", GUEST)
    mac = answer.vm(GUEST)["mac_addresses"][0]
    qemu.virsh("domif-setlink", GUEST, mac, "down")
    waiting = Task("wait", {"name": [GUEST], "state": "started", "wait_for": "address", "timeout": 8})
    silent = carry(qemu, [waiting], [GUEST])["wait"]
    assert silent.failed
    assert address in silent.msg
    assert "8 s" in silent.msg
    assert silent.truth[GUEST]["power"] == RUNNING


@pytest.mark.guest
def test_guests_that_ignore_the_power_button(qemu, carry):
    """A guest that ignores the button runs on, or is powered off with force; a slow one gets its time; a lost press of
    the button is repeated.
    """
    qemu.clean()
    words = {DEAF: ("polyvirt.deaf",), SLOW: ("polyvirt.slowstop=4",), GUEST: ()}
    made = [
        Task(f"make {name}", {**qemu.creation, "name": [name], "state": "started", "native": qemu.kernel(*more)})
        for name, more in words.items()
    ]
    # The first press is lost, because the firmware still runs; the guest reacts to the next one.
    stop = [
        Task("lost press", {"name": [GUEST, SLOW], "state": "stopped", "stop_timeout": round(scaled(120))}),
        Task("deaf", {"name": [DEAF], "state": "stopped", "stop_timeout": 3}),
        Task("cut", {"name": [DEAF], "state": "stopped", "stop_mode": "graceful_then_force", "stop_timeout": 3}),
    ]
    answers = carry(qemu, [*made, *stop], list(words))
    for label in ("lost press", "cut"):
        assert not answers[label].failed, answers[label].msg
    assert {answers["lost press"].truth[name]["power"] for name in (GUEST, SLOW)} == {STOPPED}
    presses = [call for call in answers["lost press"].calls if "shutdown" in call.argv]
    assert len(presses) > 2, presses
    assert answers["deaf"].failed
    assert DEAF in answers["deaf"].msg
    assert "graceful_then_force" in answers["deaf"].msg
    assert answers["deaf"].truth[DEAF]["power"] == RUNNING
    assert answers["cut"].truth[DEAF]["power"] == STOPPED
    assert "forced after 3 s" in answers["cut"].vm(DEAF)["steps"][0]["note"]
