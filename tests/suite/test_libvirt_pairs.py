# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a VM and a task about it, with the real virsh and libvirt's test driver: check mode predicts the
run. A pair needs some 40 processes, which makes about 900 in an hour.
"""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import STATES
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.modules.virsh_vm import MODULE
from hypothesis import strategies as st

from platforms.libvirt.testdriver import Platform
from suite.pairs import UNDISTURBED, Pair, assert_true, pairs
from unit.module_utils._drivers.disturbed import disturbed
from unit.module_utils._engine.world import FakeClock

NAME = "pvg-web"
_DISK = {"size": Platform.disk_size}
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from(["64M", "96M"]),
    "description": st.sampled_from(["", "one <two>\nthree"]),
    "tags": st.sampled_from([[], ["a"], ["a", "b"]]),
    "autostart": st.booleans(),
    "disks": st.sampled_from([[_DISK], [_DISK, _DISK]]),
    "networks": st.lists(st.just({"type": "user"}), max_size=2),
    "boot_order": st.sampled_from([["disk"], ["cdrom", "disk"]]),
    "max_cpus": st.integers(2, 3),
    "native": st.fixed_dictionaries({"on_reboot": st.sampled_from(["restart", "destroy"])}),
}
_FOUND = st.fixed_dictionaries({**_SETTINGS, "state": st.sampled_from([None, "stopped", "started", "paused"])})
_ASKED = st.fixed_dictionaries(
    {
        "state": st.sampled_from(STATES),
        "stop_mode": st.sampled_from(["graceful", "force"]),
        "allow_restart": st.booleans(),
        "purge": st.sampled_from([[], ["networks"], ["disks"]]),
    },
    optional=_SETTINGS,
)


class _OnLibvirt(Pair):
    def __init__(self, platform, asked):
        self._platform, self._asked, self.state = platform, asked, asked["state"]

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        asked = {**self._asked, "state": "started"} if again and self.state == "restarted" else self._asked
        real = Commands.run

        def run_disturbed(port, argv, writes=False, **more):
            return disturbed(disturbance, argv, writes, lambda counted: real(port, argv, writes=counted, **more))

        with mock.patch.object(Commands, "run", run_disturbed):
            return _carry_out(self._platform, asked, check)

    def platform_state(self):
        return self._platform.truth([NAME]), self._platform.files()


def _carry_out(platform, asked, check=False):
    given = {**platform.options("vm"), "name": [NAME], **asked}
    params = ArgumentSpecValidator(MODULE.argument_spec).validate(given)
    assert params.error_messages == []
    with mock.patch.object(task, "Clock", FakeClock):
        result = MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=check))
    assert "exception" not in result, result["exception"]
    return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "vms": [], "diff": [], **result})


@pytest.fixture
def libvirt(ground):
    """libvirt's test driver, with VMs that no other test uses."""
    return ground.open("libvirt_test", "pvg-")


@pairs(20, _FOUND, _ASKED, at_most=500)
def test_check_mode_predicts_the_real_run(libvirt, found, asked, disturbance):
    libvirt.clean()
    if "networks" in asked["purge"]:
        asked.setdefault("networks", [])
    if "disks" in asked["purge"]:
        asked.setdefault("disks", [_DISK])
    if found["state"] is not None:
        state = found.pop("state")
        outcome = _carry_out(libvirt, {**found, "state": "stopped" if state == "stopped" else "started"})
        assert not outcome.failed, outcome.msg
        if state == "paused":
            assert not _carry_out(libvirt, {"state": "paused"}).failed
    elif asked["state"] not in ("absent", "paused", "suspended", "restarted"):
        asked.setdefault("disks", [_DISK])
    assert_true(_OnLibvirt(libvirt, asked), disturbance)
