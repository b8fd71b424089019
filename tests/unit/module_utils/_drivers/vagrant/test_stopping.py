# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping with the provider's tool or with Vagrant, guests that do not react, and processes of port forwards."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._drivers.vagrant.in_process import World


@pytest.mark.parametrize(("provider", "seconds"), [("virtualbox", 2), ("hyperv", 60)])
def test_hanging_vm_is_powered_off_by_the_tool_or_reported(tmp_path, provider, seconds):
    """Vagrant gets less time if the provider has a tool."""
    world = World(tmp_path, provider)
    identifier = world.create(state="started").vm["id"]
    world.vagrant.change(guests={"web": "hangs even when forced"})
    answer = world.run(state="stopped", stop_mode="force")
    assert seconds <= world.clock.now() < seconds + 1
    if provider == "hyperv":
        assert f"own program; its id there is {identifier}" in answer.error
    else:
        assert answer.vm["state"] == "stopped"
        assert ["VBoxManage", "controlvm", identifier, "poweroff"] in answer.calls


@pytest.mark.parametrize(("provider", "is_error"), [("virtualbox", False), ("hyperv", True)])
def test_failed_halt_is_an_error_if_the_provider_has_no_tool(tmp_path, provider, is_error):
    world = World(tmp_path, provider)
    assert world.create(state="started").vm
    world.vagrant.fails("halt", "VagrantError")
    answer = world.run(state="stopped", stop_mode="force")
    assert (answer.failed, answer.vms[0]["state"]) == (is_error, "running" if is_error else "stopped")


def test_virtualbox_vm_gets_acpi_shutdown_and_loses_its_saved_state(virtualbox_world):
    identifier = virtualbox_world.create(state="started").vm["id"]
    answer = virtualbox_world.run(state="stopped", stop_timeout=1)
    assert "after stop it is still running" in answer.error
    assert ["VBoxManage", "controlvm", identifier, "acpipowerbutton"] in answer.calls
    assert "vagrant" not in [call[0] for call in answer.calls]
    assert virtualbox_world.run(state="suspended").vm["state"] == "suspended"
    assert ["VBoxManage", "discardstate", identifier] in virtualbox_world.run(state="stopped", stop_mode="force").calls


@pytest.mark.parametrize(("options", "seconds"), [({"stop_timeout": 7}, 7), ({}, 120)])
@pytest.mark.parametrize("guest", ["deaf", "hangs"])
def test_vagrant_waits_for_the_guest_until_stop_timeout(world, guest, options, seconds):
    """Vagrant's own limit is one minute, or the time in the Vagrantfile."""
    assert world.create(state="started", native={"vm.graceful_halt_timeout": 300}).vm
    world.vagrant.change(guests={"web": guest})
    began = world.clock.now()
    assert world.run(state="stopped", stop_mode="graceful_then_force", **options).vm["state"] == "stopped"
    assert seconds <= world.clock.now() - began < seconds + 1
    assert world.states() == {"web": "off"}


@pytest.mark.parametrize("native", [{}, {"host": "kvm2", "connect_via_ssh": True}], ids=["no virsh", "other host"])
def test_libvirt_without_virsh_supports_only_what_vagrant_can_do(tmp_path, native):
    world = World(tmp_path, "libvirt")
    assert world.create(state="started", native=native).vm
    if native:
        world.port.programs["virsh"] = lambda argv, environment: pytest.fail("virsh of this host was called")
    world.vagrant.change(guests={"web": "deaf"})
    world.rejected("graceful_then_force", state="stopped", stop_mode="graceful")
    assert "description" in world.run(about="snapshot", snapshot="one", description="precious").error
    assert world.run(about="snapshot", snapshot="one").vm
    assert world.run(about="snapshot", snapshot="one", state="restored").vm["state"] == "running"
    assert world.states() == {"web": "running"}


@pytest.mark.parametrize(
    ("before", "state"),
    [("started", "stopped"), ("started", "restarted"), ("stopped", "started"), ("paused", "started")],
)
@pytest.mark.parametrize("provider", ["libvirt", "hyperv"])
def test_port_forwards_of_libvirt_are_ended_before_power_changes(tmp_path, before, state, provider):
    world = World(tmp_path, provider)
    assert world.create(state="started").vm
    assert world.run(state=before, stop_mode="force").vm
    pids = world.project / ".vagrant" / "machines" / "web" / provider / "pids"
    pids.mkdir()
    (pids / "ssh_18080.pid").write_text("4711")
    world.port.processes[4711] = ["ssh", "-L", "*:18080:192.0.2.1:80"]
    # graceful_then_force runs vagrant halt, force runs vagrant halt --force.
    mode = "force" if state == "restarted" else "graceful_then_force"
    assert world.run(state=state, stop_mode=mode).vm["changed"]
    expected = {"libvirt": ([], []), "hyperv": ([4711], ["ssh_18080.pid"])}[provider]
    assert (list(world.port.processes), [one.name for one in pids.iterdir()]) == expected


def test_vm_is_running_again_if_its_vagrantfile_cannot_be_written(world, monkeypatch):
    """The change of a stopped VM needs no call of a program."""
    world.create(state="started", cpus=1)
    write, errors = files.write_atomically, [PolyvirtError("No space left on device.")]

    def write_later(path, data, mode=0o644):
        if errors and any("halt" in call for call in world.port.calls):
            raise errors.pop()
        write(path, data, mode)

    monkeypatch.setattr(files, "write_atomically", write_later)
    change = {"cpus": 2, "allow_restart": True, "stop_mode": "force"}
    failed = world.run(**change)
    assert (failed.error, errors) == ("web: No space left on device.", [])
    assert (failed.vms[0]["state"], failed.vms[0]["changed"], failed.vms[0]["cpus"]) == ("running", True, 1)
    again = world.run(**change).vm
    assert (again["state"], again["cpus"]) == ("running", 2)
