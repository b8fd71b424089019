# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of state and request: check mode predicts what the real run does."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import STATES
from hypothesis import strategies as st

from suite.pairs import UNDISTURBED, Disturbance, Pair, assert_true, pairs
from unit.module_utils._drivers.disturbed import disturbed
from unit.module_utils._drivers.vmm.in_process import InProcess, openbsd, task, well

_NIC = st.sampled_from([{"type": "nat"}, {"type": "network", "source": "lan"}, {"type": "network", "source": "dmz"}])
_DISK = st.sampled_from([{"size": "16M"}, {"size": "24M"}])
_SETTINGS = {
    "memory": st.sampled_from(["64M", "96M"]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([[], ["a"]]),
    "autostart": st.booleans(),
    "disks": st.lists(_DISK, min_size=1, max_size=2),
    "networks": st.lists(_NIC, max_size=2),
    "boot_device": st.sampled_from(["default", "disk"]),
    "owner": st.sampled_from(["", "root"]),
    "native": st.sampled_from([{"sev": True}, {"sev": False}]),
}
_STATES = st.sampled_from([ABSENT, STOPPED, RUNNING, PAUSED])
_POLICIES = st.fixed_dictionaries(
    {
        "allow_restart": st.booleans(),
        "stop_mode": st.sampled_from(["graceful", "force"]),
        "purge": st.sampled_from([[], ["networks"], ["disks"]]),
    }
)
_REQUESTS = st.fixed_dictionaries({}, optional=_SETTINGS)
#: The bytes of the header of a qcow2 image that contain the size of the disk.
_SIZE_AT = slice(24, 32)
_CONF = """\
switch "lan" { interface bridge0 }
switch "dmz" { interface bridge1 }
vm "mail" {
\tmemory 64M
\tdisk "%s"
}
"""


class _OnOpenBSD(Pair):
    def __init__(self, host, requested):
        self._host, self._requested, self.state = host, requested, requested["state"]

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        requested = {**self._requested, "state": "started"} if again and self.state == "restarted" else self._requested
        return task(self._host, check=check, commands=_Disturbed(self._host, disturbance), **requested)

    def platform_state(self):
        known = [
            {key: vm.get(key) for key in ("name", "running", "paused", "memory", "disks", "interfaces")}
            for vm in self._host.state.look()["vms"]
        ]
        sizes = {path.name: path.read_bytes()[_SIZE_AT] for path in self._host.storage.iterdir()}
        return [self._host.text(), sorted(known, key=lambda vm: vm["name"]), sizes]

    def assert_sound(self):
        """Check that the VM of the administrator is unchanged, and that vmd accepts the file."""
        assert self._host.states()["mail"] == "stopped"
        self._host.well("vmd", "-n")


class _Disturbed(InProcess):
    """Runs programs like InProcess; ``disturbance`` happens to one call that writes."""

    def __init__(self, machine, disturbance):
        super().__init__(machine)
        self._disturbance = disturbance

    def run(self, argv, writes=False, **more):
        run = super().run
        return disturbed(self._disturbance, argv, writes, lambda counted: run(argv, writes=counted, **more))


@pairs(60, _STATES, st.fixed_dictionaries(_SETTINGS), st.sampled_from([*STATES]), _REQUESTS, _POLICIES)
def test_check_mode_predicts_the_real_run(power, found, state, requested, policy, disturbance):
    state = "stopped" if state == "suspended" else state
    policy = {**policy, "purge": [name for name in policy["purge"] if name in requested]}
    with openbsd() as host:
        for bridge in ("bridge0", "bridge1"):
            host.well("ifconfig", bridge, "create")
        host.write("/etc/vm.conf", _CONF % host.disk())
        host.well("vmctl", "reload")
        host.well("vmctl", "stop", "-fw", "mail")
        if power != ABSENT:
            well(host, state="present" if power == STOPPED else "started", **found)
        if power == PAUSED:
            host.well("vmctl", "pause", "web")
        creation = {} if state == ABSENT or "disks" in requested else {"disks": [{}]}
        assert_true(_OnOpenBSD(host, {"state": state, **requested, **creation, **policy}), disturbance)


def test_failed_enlargement_of_a_disk_is_not_reported_as_a_change():
    """The copy to a larger image is interrupted, and removed."""
    with openbsd() as host:
        well(host, state="present", disks=[{"size": "16M"}])
        pair = _OnOpenBSD(host, {"state": "present", "disks": [{"size": "24M"}]})
        before = pair.platform_state()
        lost = pair.run(disturbance=Disturbance("lost", 1))
        assert (lost.failed, lost.changed, lost.diff, pair.platform_state()) == (True, False, [], before)
        again = pair.run()
        assert (again.failed, again.changed, again.vms[0]["disks"][0]["size"]) == (False, True, "24M")
