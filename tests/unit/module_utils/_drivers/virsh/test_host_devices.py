# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host in definitions: which VM uses them, and what cannot be done with such a VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.host_devices import check_memory
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.devices import passed_through
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.claimed import check_claims, run_guard
from unit.module_utils._drivers.virsh.answers import FakeVirsh, driver_of, of_vms

_ADDRESS = "<address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>"
PCI = f"<hostdev mode='subsystem' type='pci' managed='yes'><source>{_ADDRESS}</source></hostdev>"
_OF_VF = "<address type='pci' domain='0' bus='3' slot='16' function='0'/>"
VF = f"<interface type='hostdev'><source>{_OF_VF}</source></interface>"
_OF_MDEV = "<address uuid='30820a6f-b1a5-4503-91ca-0c10ba58692a'/>"
MDEV = f"<hostdev type='mdev' model='vfio-pci'><source>{_OF_MDEV}</source></hostdev>"
_BY_ID = "<vendor id='0x046d'/><product id='0xc52b'/>"
USB = f"<hostdev mode='subsystem' type='usb'><source>{_BY_ID}</source></hostdev>"
RUNNING_USB = f"<hostdev mode='subsystem' type='usb'><source>{_BY_ID}<address bus='1' device='4'/></source></hostdev>"
PLUGGED_USB = "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source></hostdev>"
SCSI = "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/></source></hostdev>"


def domain(name, *devices, is_running=False):
    of_running = " id='1'" if is_running else ""
    return f"<domain{of_running}><name>{name}</name><uuid>u-{name}</uuid><devices>{''.join(devices)}</devices></domain>"


@pytest.mark.parametrize(
    ("device", "found"),
    [
        (PCI, [("pci", "0000:01:00.1")]),
        (VF, [("pci", "0000:03:10.0")]),
        (MDEV, [("mdev", "30820a6f-b1a5-4503-91ca-0c10ba58692a")]),
        (USB, [("usb", "046d:c52b")]),
        (RUNNING_USB, [("usb", "046d:c52b")]),
        (PLUGGED_USB, [("usb", "bus 1 device 4")]),
        (SCSI, []),
        ("<interface type='network'><source network='default'/></interface>", []),
    ],
)
def test_devices_of_a_definition(device, found):
    assert passed_through(Definition(domain("web", device))) == found


def started(*others):
    """Check the start of a VM with a PCI device; ``others`` are definitions of other VMs."""
    vm = Vm("web", id="u-web", power="stopped", config={"disks": {"vda": {}}})
    driver = driver_of(FakeVirsh(of_vms(domain("web", PCI), *others)), "/nonexistent")
    check_claims(driver, Plan(vm, vm.having(power="running"), segments=((Step("start"),),)))


def test_device_of_a_running_vm_is_used():
    started(domain("db0", PCI), domain("db1", MDEV, is_running=True))
    with pytest.raises(Refused, match=r"web: devices\.pci 0000:01:00\.1: the device is used by db1"):
        started(domain("db0", USB, is_running=True), domain("db1", PCI, is_running=True))


def step_of(verb, device, power="running", **arguments):
    """(driver, VM, step) with a running VM that has the device."""
    vm = Vm("web", id="u-web", power=power, config={})
    driver = driver_of(FakeVirsh({("dumpxml", "u-web"): domain("web", device, is_running=True)}), "/nonexistent")
    given = {"name": "s", "kind": "internal", "include_memory": None, **arguments}
    return driver, vm, Step(verb, arguments=given if verb == "snapshot" else {})


@pytest.mark.parametrize(
    ("verb", "more", "remedy"),
    [
        ("suspend", {}, "pause it"),
        ("snapshot", {}, "Stop the VM first"),
        ("snapshot", {"power": "paused"}, "Stop the VM first"),
        ("snapshot", {"kind": "external", "include_memory": True}, "include_memory: false"),
    ],
)
@pytest.mark.parametrize("device", [PCI, VF, MDEV, SCSI], ids=["pci", "function", "mdev", "scsi"])
def test_memory_of_a_vm_with_a_device_is_not_saved(verb, more, remedy, device):
    with pytest.raises(Refused, match="web: its memory cannot be saved, because it has a device of the host") as error:
        driver, vm, step = step_of(verb, device, **more)
        driver.preflight(Plan(vm, vm, segments=((step,),)))
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("snapshot", {"power": "stopped"}),
        ("snapshot", {"kind": "external"}),
        ("snapshot", {"kind": "external", "include_memory": False}),
        ("pause", {}),
        ("stop", {}),
    ],
)
def test_what_saves_no_memory_is_possible(verb, more):
    run_guard(check_memory, *step_of(verb, PCI, **more))


@pytest.mark.parametrize("verb", ["suspend", "snapshot"])
def test_memory_of_a_vm_with_usb_devices_is_saved(verb):
    run_guard(check_memory, *step_of(verb, RUNNING_USB))
