# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that is sent twice has the same result as one that is sent once, also if the first was interrupted."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, Change, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.networks import read_networks
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._drivers.virsh.answers import (
    MAC,
    UUID,
    FakeVirsh,
    StoringVirsh,
    driver_of,
    failed,
    machine_xml,
    with_devices,
)

MIB = 1 << 20
#: NICs at the positions 1 and 2, behind that of m1.
NICS = [f"<interface type='user'><mac address='52:54:00:00:00:0{position}'/></interface>" for position in (1, 2)]
XML = machine_xml(with_devices(*NICS, "<input type='tablet'/><input type='mouse'/>"))


def nic(old=None, new=None, key="3", cost=NEXT_BOOT, **more):
    return Change("networks", old, new, key=key, cost=cost, **more)


def observed(power, virsh):
    config = {"networks": read_networks(virsh.stored)}
    active = {"networks": read_networks(virsh.running)} if virsh.running else None
    return Vm("m1", id=UUID, power=power, config=config, active=active)


def last_bytes_of_macs(definition):
    return [
        one.find("mac").get("address")[-2:] if one.find("mac") is not None else "" for one in definition.interfaces()
    ]


CHANGES = {
    "add a NIC": [nic(None, {"type": "user"})],
    "remove the NIC in the middle": [nic({}, None, key="1")],
    "add one and remove two": [nic(None, {"type": "user"}), *(nic({}, None, key=key) for key in "01")],
    "swap MACs": [
        nic(MAC, "52:54:00:00:00:01", key="0", attribute="mac"),
        nic("52:54:00:00:00:01", MAC, key="1", attribute="mac"),
    ],
    "add a disk": [Change("disks", None, {"size": MIB}, key="vdb", cost=NEXT_BOOT)],
    "remove a disk": [Change("disks", {}, None, key="vda", cost=NEXT_BOOT)],
    "remove an element by its position": [Change("native", "", None, key="devices/input[1]")],
    "firmware": [Change("firmware", "bios", "uefi"), Change("secure_boot", False, True)],
    "memory and CPUs": [Change("memory", 1, 64 * MIB), Change("max_memory", None, 96 * MIB), Change("cpus", 1, 4)],
    "description and tags": [Change("description", "", "x"), Change("tags", (), ("a",))],
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_configure(tmp_path, changes):
    virsh = StoringVirsh(UUID, XML)
    driver, vm, step = driver_of(virsh, tmp_path), observed("stopped", virsh), Step("configure", changes=changes)
    driver.apply([(vm, [step], permits.ANYTHING)])
    once = virsh.stored.text()
    assert once != XML
    driver.apply([(vm, [step], permits.ANYTHING)])
    assert virsh.stored.text() == once


def test_repeated_removal_of_nic_removes_no_other_nic(tmp_path):
    virsh = StoringVirsh(UUID, XML, running=XML, fails_once=["define"])
    driver, vm = driver_of(virsh, tmp_path), observed("running", virsh)
    changes = [nic(None, {"type": "user"}, cost=LIVE), nic({}, None, key="1", cost=LIVE)]
    with pytest.raises(CommandFailed, match="state change lock"):
        driver.apply([(vm, [Step("configure", changes=changes)], permits.ANYTHING)])
    driver.apply([(vm, [Step("configure", changes=changes)], permits.ANYTHING)])
    assert last_bytes_of_macs(virsh.running) == last_bytes_of_macs(virsh.stored)
    assert last_bytes_of_macs(virsh.stored)[:2] == [MAC[-2:], "02"]
    assert len(virsh.stored.interfaces()) == 3


NOT_RUNNING = "Requested operation is not valid: domain is not running"


@pytest.mark.parametrize(
    ("verb", "power", "command", "error", "state"),
    [
        ("start", "stopped", ("start", UUID), "Domain is already active", "running"),
        ("stop", "running", ("shutdown", UUID), NOT_RUNNING, "shut off"),
        ("kill", "running", ("destroy", UUID), NOT_RUNNING, "shut off"),
        ("pause", "running", ("suspend", UUID), "domain is not running", "paused"),
        ("resume", "paused", ("resume", UUID), "domain is already running", "running"),
    ],
)
def test_power(tmp_path, verb, power, command, error, state):
    virsh = FakeVirsh({command: failed(error), ("domstate", UUID): f"{state}\n"})
    driver, vm = driver_of(virsh, tmp_path), Vm("m1", id=UUID, power=power)
    driver.apply([(vm, [Step(verb)], permits.ANYTHING)])
    virsh.answers["domstate", UUID] = "crashed\n"
    with pytest.raises(CommandFailed):
        driver.apply([(vm, [Step(verb)], permits.ANYTHING)])


@pytest.mark.parametrize(("saved", "is_done"), [(UUID, True), ("", False)])
def test_suspend(tmp_path, saved, is_done):
    answers = {
        ("managedsave", UUID, "--running"): failed(NOT_RUNNING),
        ("list", "--all", "--uuid", "--with-managed-save"): f"{saved}\n",
    }
    apply = driver_of(FakeVirsh(answers), tmp_path).apply
    if is_done:
        apply([(Vm("m1", id=UUID, power="running"), [Step("suspend")], permits.ANYTHING)])
    else:
        with pytest.raises(CommandFailed):
            apply([(Vm("m1", id=UUID, power="running"), [Step("suspend")], permits.ANYTHING)])


def test_kill_of_transient_vm_that_is_gone(tmp_path):
    virsh = FakeVirsh({("destroy", UUID): failed(f"failed to get domain '{UUID}'")})
    driver_of(virsh, tmp_path).apply(
        [(Vm("m1", id=UUID, power="running", persistent=False), [Step("kill")], permits.ANYTHING)]
    )


def test_create(tmp_path):
    virsh = FakeVirsh({("capabilities",): "<capabilities/>", ("list", "--all", "--uuid"): ""})
    driver = driver_of(virsh, tmp_path)
    driver.hypervisor = "QEMU"
    config = {"cpus": 1, "memory": MIB, "disks": {"vda": {"size": MIB}}, "networks": {}, "autostart": True}
    step = Step("create", arguments={"config": config, "creation": {}})
    driver.apply([(Vm.absent("web"), [step], permits.ANYTHING)])
    machine_id = virsh.defined(times=2).uuid
    virsh.answers["dumpxml", machine_id, "--inactive", "--security-info"] = virsh.sent[-1]
    driver.apply([(Vm.absent("web"), [step], permits.ANYTHING)])
    assert virsh.defined(times=2).uuid == machine_id
    assert [words for words in virsh.done if words[0] == "autostart"] == [("autostart", machine_id)] * 2
