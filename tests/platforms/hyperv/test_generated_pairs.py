# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a VM's initial state and a task: check mode predicts the real run (tests/suite/pairs.py)."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import STATES
from hypothesis import strategies as st

from platforms.hyperv import reading
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Switch
from platforms.hyperv.tasks import run
from platforms.windows.failures import Failed
from suite.pairs import FAILS, UNDISTURBED, Pair, assert_true, pairs

_NIC = {"type": "network", "source": "lan"}
_SETTINGS = {
    "cpus": st.sampled_from([1, 2]),
    "memory": st.sampled_from(["512M", "1G"]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([[], ["a"]]),
    "autostart": st.booleans(),
    "disks": st.lists(st.sampled_from([{"size": "1G"}, {"size": "2G"}]), min_size=1, max_size=2),
    "networks": st.lists(
        st.sampled_from([_NIC, {**_NIC, "vlan": 7}, {"type": "network", "source": "dmz"}]), max_size=2
    ),
    "secure_boot": st.booleans(),
    "tpm": st.booleans(),
    "checkpoint_type": st.sampled_from(["standard", "disabled"]),
    "stop_action": st.sampled_from(["save", "turn_off"]),
    "integration_services": st.fixed_dictionaries({"vss": st.booleans()}),
    "native": st.sampled_from([{"Memory.Priority": 10}, {"VM.LockOnDisconnect": "On"}]),
}
_STATES = st.sampled_from([ABSENT, STOPPED, RUNNING, PAUSED])
_POLICIES = st.fixed_dictionaries(
    {
        "allow_restart": st.booleans(),
        "stop_mode": st.sampled_from(["graceful", "force"]),
        "purge": st.sampled_from([[], ["networks"], ["disks"]]),
    }
)
_ASKED = st.fixed_dictionaries({}, optional=_SETTINGS)
_READS = ("Get-", "Test-")
_ERROR = Failed("OperationFailed,Microsoft.HyperV", "NotSpecified", "Es ging schief.")


class _OnHyperV(Pair):
    def __init__(self, host, asked):
        self._host, self._asked, self.state = host, asked, asked["state"]

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        asked = {**self._asked, "state": "started"} if again and self.state == "restarted" else self._asked
        windows = self._host.windows
        windows.invoke = lambda *call: self._disturbed(disturbance, *call)
        try:
            result = run(self._host, check=check, name=["web"], **asked)
        finally:
            windows.invoke = self._host.invoke
        return SimpleNamespace(**{"msg": "", "diff": [], **result})

    def _disturbed(self, disturbance, context, command, bound):
        """Invoke a command; ``disturbance`` may make a call that writes fail, or lose its answer."""
        kind = disturbance.at_this_call(not command.name.startswith(_READS))
        if kind == FAILS:
            raise _ERROR
        if kind is not None:
            self._host.windows.faults.is_lost = True
        return self._host.invoke(context, command, bound)

    def platform_state(self):
        vms = [reading.vm_state(self._host, vm) for vm in self._host.vms]
        nics = [[(nic.switch, nic.vlan) for nic in vm.hardware.nics] for vm in self._host.vms]
        sizes = {path: getattr(self._host.files.vhd(path), "size", 0) for path in sorted(self._host.files.contents)}
        kept = [{key: vm[key] for key in ("id", "power", "stored", "mark", "disks")} for vm in vms]
        native = [vm.shown["LockOnDisconnect"] for vm in self._host.vms]
        return [kept, nics, sizes, native]

    def assert_sound(self):
        """Assert that the VM of somebody else is unchanged."""
        assert (self._host.vm("mail").state, self._host.vm("mail").shown["Notes"]) == ("Running", "mine")


@pairs(60, _STATES, st.fixed_dictionaries(_SETTINGS), st.sampled_from([*STATES]), _ASKED, _POLICIES)
def test_check_mode_predicts_the_real_run(power, found, state, asked, policy, disturbance):
    policy = {**policy, "purge": [name for name in policy["purge"] if name in asked]}
    host = HyperV()
    host.switches += [Switch("lan", "Private"), Switch("dmz", "Private")]
    host.add("mail", state="Running", disk="C:\\mail.vhdx").shown["Notes"] = "mine"
    if power != ABSENT:
        result = run(host, name=["web"], state="present" if power == STOPPED else "started", **found)
        assert not result["failed"], result["msg"]
    if power == PAUSED:
        host.vm("web").state = "Paused"
    creation = {} if state == ABSENT or "disks" in asked else {"disks": [{}]}
    assert_true(_OnHyperV(host, {"state": state, **asked, **creation, **policy}), disturbance)
