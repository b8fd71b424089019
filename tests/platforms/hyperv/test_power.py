# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power of VMs on Hyper-V: guests that do not answer or hang, and VMs that have lost their files."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.tasks import done, run

FORCE = {"stop_mode": "force"}


def test_guest_without_services_is_not_asked():
    host = HyperV()
    host.add("web", state="Running", services=False)
    for check in (True, False):
        for state in ("stopped", "absent", "restarted"):
            result = run(host, check=check, name=["web"], state=state)
            assert (result["failed"], result["changed"], host.vm("web").state) == (True, False, "Running")
            assert "web: the guest cannot be asked to shut down" in result["msg"]
    assert host.writes() == []
    assert not run(host, check=True, name=["web"], state="stopped", stop_mode="graceful_then_force")["failed"]
    assert not run(host, check=True, name=["web"], state="stopped", **FORCE)["failed"]


def test_guest_that_stops_answering_after_the_check_is_not_turned_off():
    host = HyperV()
    host.add("web", state="Running", disk="C:\\Hyper-V\\Disks\\web.vhdx")
    host.after("Get-VHD", lambda: host.guest("web", services=False))
    result = run(host, name=["web"], state="stopped")
    assert (result["failed"], host.vm("web").state) == (True, "Running")
    assert "shutdown service" in result["msg"]
    host.guest("web", services=False)
    done(host, name=["web"], state="stopped", stop_mode="graceful_then_force", stop_timeout=5)
    assert host.vm("web").state == "Off"


@pytest.mark.parametrize("hung_state", ["Running", "Stopping"])
@pytest.mark.parametrize("state", ["stopped", "absent", "restarted"])
def test_power_off_is_repeated_while_a_request_to_shut_down_is_pending(state, hung_state):
    host = HyperV()
    host.add("web", state="Running", shutdown="hangs", hung_state=hung_state)
    assert run(host, name=["web"], state="stopped", stop_timeout=5)["failed"]
    result = run(host, name=["web"], state="stopped", timeout=5, **FORCE)
    assert result["failed"]
    assert "web: Hyper-V does not turn the VM off while a request to shut down is pending" in result["msg"]
    done(host, name=["web"], state=state, **FORCE)
    assert [vm.state for vm in host.vms] == {"stopped": ["Off"], "absent": [], "restarted": ["Running"]}[state]


@pytest.mark.parametrize(
    ("found", "state"),
    [("Running", "started"), ("Off", "stopped"), ("Paused", "paused"), ("Saved", "suspended"), ("Saving", "present")],
)
def test_vm_whose_files_are_lost_is_only_left_as_it_is(found, state):
    host = HyperV()
    host.add("web", state=f"{found}Critical")
    result = done(host, name=["web"], state=state)
    assert (result["changed"], result["vms"][0]["state"]) == (False, "unknown")
    warning = f"web: {found}Critical: Hyper-V cannot reach the files of the VM."
    assert result["warnings"] == ([warning] if found != "Saving" else [])
    others = {"started", "stopped", "paused", "suspended", "restarted", "absent"} - {state}
    for options in [*({"state": other} for other in sorted(others)), {"cpus": 3}]:
        for check in (True, False):
            result = run(host, check=check, name=["web"], stop_mode="force", **options)
            assert "its state is unknown" in result["msg"], options
    assert host.writes() == []


def test_saved_vm_whose_guest_does_not_shut_down_is_saved_again():
    """Also if it is resumed for a change that needs a restart."""
    host = HyperV()
    host.add("web", state="Saved", services=False)
    for options in ({"state": "stopped"}, {"cpus": 3, "allow_restart": True}):
        result = run(host, name=["web"], stop_mode="graceful", stop_timeout=5, **options)
        assert (result["failed"], result["vms"][0]["state"], host.vm("web").state) == (True, "suspended", "Saved")
