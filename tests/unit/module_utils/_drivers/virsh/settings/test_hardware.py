# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware with which QEMU does not start a VM: rejected before the first step. libvirt itself rejects the rest."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.planned_steps import planned
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import (
    check_hardware,
    check_reset,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, machine_xml, recorded, with_devices

MIB = 1 << 20


def check(folder, step, more=(), config=None, library="9.0.0"):
    """Return the commands."""
    virsh = FakeVirsh({("dumpxml", UUID, "--inactive", "--security-info"): machine_xml(*more)})
    driver = driver_of(virsh, folder, virt_type="qemu")
    driver.hypervisor, driver.library = "QEMU", library
    vm = Vm("web", id=UUID, config=config or {})
    check_all(driver, Plan(vm, vm, segments=((step,),)))
    return virsh.done


def check_all(driver, plan):
    for one in planned(plan):
        check_hardware(driver, plan, one)
        check_reset(driver, plan, one)


def changing(*changes):
    return Step("configure", changes=changes)


def creating(**config):
    return Step("create", arguments={"config": config, "creation": {}})


@pytest.mark.parametrize(
    "step",
    [
        creating(cpus=9, firmware="uefi", tpm=True, display={"type": "spice"}, watchdog={"model": "itco"}),
        creating(nested_virtualization=None),
        changing(Change("firmware", "bios", "uefi"), Change("cpus", 1, 9)),
        changing(Change("native", None, "host", key="features/gic@version")),
        Step("start"),
    ],
)
def test_definition_is_read_only_if_needed(tmp_path, step):
    assert check(tmp_path, step) == []


def video(model):
    return with_devices(f"<video><model type='{model}' vram='16384'/></video>")


def test_video_memory_is_rejected_for_models_without_it(tmp_path):
    change = Change("display", 16 * MIB, 32 * MIB, attribute="video_memory")
    check(tmp_path, changing(change), more=[video("vga")])
    with pytest.raises(Refused, match=r"web: display\.video_memory is not supported by the video model 'virtio'"):
        check(tmp_path, changing(change), more=[video("virtio")])


RESET = Step("start", arguments={"reset_nvram": True})


def test_reset_nvram_needs_libvirt_8_1(tmp_path):
    check(tmp_path, RESET, config={"firmware": "uefi"}, library="8.1.0")
    with pytest.raises(Unsupported, match=r"requires libvirt 8\.1 or later, and this is 8\.0\.0"):
        check(tmp_path, RESET, config={"firmware": "uefi"}, library="8.0.0")


def test_nested_virtualization_is_rejected_for_emulated_vm(tmp_path):
    for step in (changing(Change("nested_virtualization", None, True)), creating(nested_virtualization=False)):
        with pytest.raises(Refused, match=r"web: nested_virtualization .* is emulated"):
            check(tmp_path, step)


# VMs of arm64, on a host of amd64 with its emulator -----------------------------------------------------------------


def arm64_driver(folder):
    one = driver_of(FakeVirsh({("capabilities",): recorded("capabilities-with-arm64.xml")}), folder)
    one.hypervisor, one.library = "QEMU", "9.0.0"
    return one


def check_new(folder, config):
    new = Plan(Vm.absent("web"), Vm("web", config=config), segments=((creating(**config),),))
    check_all(arm64_driver(folder), new)


@pytest.mark.parametrize(("version", "is_possible"), [("host", False), ("2", True)])
def test_interrupt_controller_of_the_host_needs_kvm(tmp_path, version, is_possible):
    error = "web: native: 'features/gic@version': host requires KVM"
    with nullcontext() if is_possible else pytest.raises(Refused, match=error):
        check_new(tmp_path, {"architecture": "arm64", "native": {"features/gic@version": version}})


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
    error = r"web: cpus: .* GIC 2 has at most 8 CPUs, and 9 are requested\. Set native"
    with nullcontext() if is_possible else pytest.raises(Refused, match=error):
        check_new(tmp_path, {"architecture": name, **config})


@pytest.mark.parametrize(("version", "changes"), [("2", [("cpus", 1, 9)]), ("3", [("native", "3", "2")])])
def test_cpus_of_an_existing_vm_and_its_interrupt_controller(monkeypatch, tmp_path, version, changes):
    text = recorded("arm64-vm.xml")
    stored = Definition(re.sub(r"<gic version='\d'/>", f"<gic version='{version}'/>", text))
    one = arm64_driver(tmp_path)
    monkeypatch.setattr(one, "definition", lambda vm_id: stored)
    keys = {"native": {"key": "features/gic@version"}}
    wanted = [Change(field, old, new, **keys.get(field, {})) for field, old, new in changes]
    before = Vm("web", id=UUID, config={"architecture": "arm64", "cpus": 9 if version == "3" else 1})
    after = Vm("web", id=UUID, config={"architecture": "arm64", "cpus": 9})
    with pytest.raises(Refused, match="web: cpus: the interrupt controller GIC 2 has at most 8 CPUs"):
        check_all(one, Plan(before, after, segments=((changing(*wanted),),)))
