# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware of VMs of arm64 that the host does not support, or with which QEMU does not start."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import architecture, hardware
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, recorded


def driver(folder):
    """On a host of amd64 with the emulator of arm64."""
    one = driver_of(FakeVirsh({("capabilities",): recorded("capabilities-with-arm64.xml")}), folder)
    one.hypervisor, one.library = "QEMU", "9.0.0"
    return one


def creating(config):
    return Step("create", arguments={"config": config, "creation": {}})


@pytest.mark.parametrize(
    ("native", "error"),
    [
        ({"cpu/model": "Haswell"}, r"'cpu/model': the emulator of arm64 has no CPU Haswell\. Use .*cortex-a72"),
        ({"features/gic@version": "host"}, r"'features/gic@version': host requires KVM"),
        ({"cpu/model": "cortex-a57"}, None),
        ({"features/gic@version": "2"}, None),
    ],
)
def test_hardware_that_only_another_emulator_has(tmp_path, native, error):
    config = {"architecture": "arm64", "native": native}
    plan_of_new = Plan(Vm.absent("web"), Vm("web"), segments=((creating(config),),))
    one = driver(tmp_path)
    question = ("domcapabilities", "--virttype", "qemu", "--arch", "aarch64", "--machine", "virt")
    models = "".join(f"<model>cortex-a{number}</model>" for number in (57, 72))
    one.virsh.answers[question] = f"<domain><cpu><mode name='custom'>{models}</mode></cpu></domain>"
    if error is None:
        hardware.check_hardware(one, plan_of_new)
        return
    with pytest.raises(Refused, match=f"web: native: {error}"):
        hardware.check_hardware(one, plan_of_new)


@pytest.mark.parametrize(
    ("name", "config", "is_possible"),
    [
        ("arm64", {"cpus": 9}, True),  # The default is version 3.
        ("arm64", {"cpus": 8, "native": {"features/gic@version": "2"}}, True),
        ("arm64", {"cpus": 9, "native": {"features/gic@version": "2"}}, False),
        ("arm64", {"cpus": 1, "max_cpus": 9, "native": {"features/gic@version": "2"}}, False),
        ("amd64", {"cpus": 9}, True),
    ],
)
def test_more_cpus_than_the_interrupt_controller_has(tmp_path, name, config, is_possible):
    config = {"architecture": name, **config}
    new = Plan(Vm.absent("web"), Vm("web", config=config), segments=((creating(config),),))
    if is_possible:
        hardware.check_hardware(driver(tmp_path), new)
        return
    with pytest.raises(Refused, match=r"web: cpus: .* GIC 2 has at most 8 CPUs, and 9 are requested\. Set native"):
        hardware.check_hardware(driver(tmp_path), new)


@pytest.mark.parametrize(("version", "changes"), [("2", [("cpus", 1, 9)]), ("3", [("native", "3", "2")])])
def test_cpus_of_an_existing_vm_and_its_interrupt_controller(monkeypatch, tmp_path, version, changes):
    text = recorded("arm64-vm.xml")
    stored = Definition(re.sub(r"<gic version='\d'/>", f"<gic version='{version}'/>", text))
    one = driver(tmp_path)
    monkeypatch.setattr(one, "definition", lambda vm_id: stored)
    keys = {"native": {"key": "features/gic@version"}}
    wanted = [Change(field, old, new, **keys.get(field, {})) for field, old, new in changes]
    before = Vm("web", id=UUID, config={"architecture": "arm64", "cpus": 9 if version == "3" else 1})
    after = Vm("web", id=UUID, config={"architecture": "arm64", "cpus": 9})
    step = Step("configure", changes=wanted)
    with pytest.raises(Refused, match="web: cpus: the interrupt controller GIC 2 has at most 8 CPUs"):
        hardware.check_hardware(one, Plan(before, after, segments=((step,),)))


def test_machine_type_of_another_architecture_is_named(tmp_path):
    config = {"architecture": "arm64", "firmware": "uefi", "native": {"os/type@machine": "q35"}}
    one = driver(tmp_path)
    said = "error: invalid argument: the machine 'q35' is not supported by emulator '/usr/bin/qemu-system-aarch64'"
    question = ("domcapabilities", "--virttype", "qemu", "--arch", "aarch64", "--machine", "q35")
    one.virsh.answers[question] = Answer("", said)
    new = Plan(Vm.absent("web"), Vm("web"), segments=((creating(config),),))
    with pytest.raises(Unsupported, match=r"web: the machine type q35 does not exist for arm64 .* Use virt"):
        hardware.check_hardware(one, new)


def test_secure_boot_of_arm64_is_read_from_the_descriptions_of_firmware(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(hardware, "find_firmware", lambda *words: asked.append(words))
    machine = hardware._Hardware(driver(tmp_path), "web", "qemu", architecture.ARM64, "aarch64", "virt", "virtio")
    with pytest.raises(Unsupported, match=r"secure_boot: .* machine type virt\. Install qemu-efi-aarch64"):
        hardware._check_secure_boot(machine, True)
    assert asked == [("aarch64", "virt", True)]
