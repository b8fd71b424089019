# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error messages of the API, and waiting for tasks: on the simulated cluster."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError, NotFound, Refused, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import Answer
from ansible_collections.polyvirt.core.plugins.module_utils._tools.proxmox import Busy, HotplugFailed, Proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._tools.proxmox_errors import Outdated, explained

from simulators.proxmox import behind, worlds
from unit.module_utils._drivers.proxmox.simulated import Api, SimulatedClock

WHO = "ansible@pve!ci"
VM = "/nodes/pve1/qemu/100"


@pytest.fixture(name="world")
def _world():
    return worlds.with_cases()


@pytest.fixture(name="tool")
def _tool(world):
    return Proxmox(Api(world), SimulatedClock(world))


def _error(status, reason="", errors=None, call="GET /nodes/pve2/qemu"):
    return explained(Answer(status, reason, errors=errors), call, WHO, "pve1:8006")


_RIGHTS, _FORM = "Permission check failed", "Parameter verification failed."
_TWO = {"net0": "invalid format - x\n", "cpu": "y"}


@pytest.mark.parametrize(
    ("answer", "kind", "texts"),
    [
        ((401, "Authentication failed!"), ApiError, (WHO, "Authentication failed. Check", "api_token_secret")),
        ((403, f"{_RIGHTS} (/vms/1, VM.PowerMgmt)"), Refused, (WHO, "VM.PowerMgmt on /vms/1", "pveum")),
        ((403, f"{_RIGHTS} (/vms/1, VM.Config.Disk|VM.Config.CDROM)"), Refused, ("VM.Config.Disk or VM.Config.",)),
        ((403, _RIGHTS), Refused, (WHO, "GET /nodes/pve2/qemu", "docs/proxmox.md")),
        ((403, f"{_RIGHTS} (pool 'x' does not exist)"), NotFound, ("pool 'x' does not exist.", "Create it")),
        ((595, "No route to host"), ApiError, ("node 'pve2'", "No route to host", "pvecm status")),
        ((596, "Connection timed out"), Busy, ("node 'pve2'", "did not answer", "Connection timed out")),
        ((503, "Service Unavailable"), Busy, ("pve1:8006 answered GET /nodes/pve2/qemu with 503", "pveproxy")),
        ((500, "hostname lookup 'pve2' failed - x"), NotFound, ("no node 'pve2'", "pvecm nodes")),
        ((500, "storage 'foo' does not exist"), ApiError, ("storage 'foo'", "Set storage")),
        ((500, "can't remove VM 100 - protection mode enabled"), ApiError, ("protection: false",)),
        ((500, "VM is locked (backup)"), Busy, ("VM is locked (backup).",)),
        ((500, "VM is locked (suspended)"), ApiError, ("locked (suspended)",)),
        ((500, "checksum mismatch (file change by other user?)"), Outdated, ("checksum mismatch",)),
        ((500, "cluster not ready - no quorum?"), ApiError, ("no quorum", "pvecm status")),
        ((400, _FORM, _TWO), ApiError, ("cpu: y; net0: invalid format - x.",)),
        ((400, _FORM, {"net0": "hotplug problem - no"}), HotplugFailed, ("net0: hotplug problem",)),
    ],
)
def test_errors_are_explained(answer, kind, texts):
    error = _error(*answer)
    assert error.__class__ == kind
    for text in texts:
        assert text in str(error)


def test_run_waits_for_the_task(world, tool):
    tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    assert world.cluster.machines[101].running


def test_first_poll_of_a_task_is_early_and_the_pauses_grow(world, tool):
    world.timing.start = 20
    tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    polls = [entry.second for entry in world.journal.requests if entry.path.endswith("/status")]
    pauses = [later - sooner for sooner, later in zip(polls, polls[1:])]
    assert polls[0] - world.journal.requests[0].second < 0.3
    assert all(sooner <= later + 1e-6 for sooner, later in zip(pauses, pauses[1:]))
    assert max(pauses) == pytest.approx(2, abs=0.01)
    assert polls[-1] - world.journal.requests[0].second < 22.5


def test_error_of_a_failed_task_has_the_end_of_its_log(world, tool):
    world.faults.task("qmclone", "no space left on device", step=1)
    with pytest.raises(ApiError) as caught:
        tool.run("POST", "/nodes/pve1/qemu/9000/clone", newid=200, full=1)
    for text in ("qmclone", "no space left", "create full clone of drive scsi0", "Free space"):
        assert text in str(caught.value)


def test_warnings_of_a_task_are_not_a_failure(world, tool):
    world.faults.task("qmstart", "the disk is slow", warnings=2)
    tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    assert [warning for warning in tool.taken_warnings() if "the disk is slow" in warning and "qmstart" in warning]


def test_warning_of_several_lines_is_complete(world, tool):
    """Only its first line is marked in the log, and the remedy is often in the last one."""
    world.faults.task("qmstart", "certificates expire\nRun 'qm enroll-efi-keys 101'.", warnings=2)
    tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    text = "The task qmstart warned: certificates expire Run 'qm enroll-efi-keys 101'."
    assert tool.taken_warnings() == [f"{text} (1)", f"{text} (2)"]


def test_held_lock_file_is_a_temporary_error(world, tool):
    behind.hold_file_lock(world, 101, 30)
    with pytest.raises(Busy, match="can't lock file"):
        tool.run("POST", "/nodes/pve2/qemu/101/status/start")


@pytest.mark.parametrize("status", [502, 503, 504, 595, 596])
def test_task_continues_while_its_status_is_unavailable(world, tool, status):
    world.faults.request("reply", path=".*/tasks/.*/status", status=status, reason="Connection timed out", times=3)
    tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    assert world.cluster.machines[101].running


def test_task_continues_while_the_server_is_unreachable(world):
    """The server's proxy is restarted: three polls cannot connect."""

    class Restarting(Api):
        polls = 0

        def call(self, method, path, parameters=None):
            if "/tasks/" in path:
                self.polls += 1
                if self.polls in (1, 2, 3):
                    raise Unavailable("Nobody listens.", "not_responding")
            return super().call(method, path, parameters)

    tool = Proxmox(Restarting(world), SimulatedClock(world))
    tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    assert world.cluster.machines[101].running


def test_wait_for_a_task_of_a_lost_server_ends(world):
    """Each poll takes as long as the timeout of a call."""

    class Lost(Api):
        def call(self, method, path, parameters=None):
            if "/tasks/" not in path:
                return super().call(method, path, parameters)
            world.engine.advance(35)
            raise Unavailable("Nobody listens.", "not_responding")

    began = world.now
    with pytest.raises(ApiError, match=r"pve1:8006 did not report .* UPID:pve2:.*Nobody listens"):
        Proxmox(Lost(world), SimulatedClock(world)).run("POST", "/nodes/pve2/qemu/101/status/start")
    assert 120 < world.now - began < 200


@pytest.mark.parametrize("status", [502, 503, 504])
def test_read_is_repeated_while_a_proxy_answers_for_the_server(world, tool, status):
    world.faults.request("reply", path="/version", status=status, reason="Service Unavailable", times=2)
    assert tool.get("/version")["version"]
    world.faults.request("reply", path="/version", status=status, reason="Service Unavailable", times=99)
    with pytest.raises(Busy, match=f"GET /version with {status}"):
        tool.get("/version")


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        ({"status": 503, "reason": "Service Unavailable"}, (0, 1)),
        ({"status": 500, "reason": "VM is locked (backup)"}, (0, 0)),
        ({"status": 400, "reason": "wrong", "errors": {"net0": "hotplug problem - no"}}, (1, 0)),
    ],
)
def test_writes_are_counted_by_the_answer(world, tool, fault, counted):
    world.faults.request("reply", method="PUT", **fault)
    before = change_counter.count()
    with pytest.raises(ApiError):
        tool.put(f"{VM}/config", onboot=True)
    assert tuple(after - former for after, former in zip(change_counter.count(), before)) == counted


@pytest.mark.parametrize(
    ("error", "counted"), [("VM 101 already running", (0, 0)), ("VM is locked (backup)", (0, 0)), ("a crash", (0, 1))]
)
def test_task_that_failed_before_any_change_is_not_counted(world, tool, error, counted):
    world.faults.task("qmstart", error)
    before = change_counter.count()
    with pytest.raises(ApiError):
        tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    assert tuple(after - former for after, former in zip(change_counter.count(), before)) == counted


def test_unexpected_status_is_read_twice(world, tool):
    world.faults.task("qmstart")
    with pytest.raises(ApiError, match="unexpected status"):
        tool.run("POST", "/nodes/pve2/qemu/101/status/start")
    polls = [entry for entry in world.journal.requests if entry.path.endswith("/status")]
    assert len(polls) == 2


def test_finish_without_a_task_does_nothing(tool):
    tool.finish(None)


def test_booleans_are_sent_as_numbers(world, tool):
    tool.put(f"{VM}/config", onboot=True, kvm=False, tags=None)
    assert world.journal.requests[-1].params == {"onboot": "1", "kvm": "0"}


def test_overwrite_with_a_pool_is_never_sent(world, tool):
    """The server would ask for no right on the VM that has the number (recorded: restore_rights)."""
    with permits.also(things=[("state", "100")]), pytest.raises(Refused, match="POST /nodes/pve1/qemu"):
        tool.post("/nodes/pve1/qemu", vmid=100, archive="x", force=1, pool="prod")
    assert world.journal.writes() == []
