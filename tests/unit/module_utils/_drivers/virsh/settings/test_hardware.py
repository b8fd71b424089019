# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a plan on QEMU and its host: queried only if needed, and checked before the first step."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import architecture, hardware
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import check_hardware
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import (
    UUID,
    FakeVirsh,
    driver_of,
    failed,
    machine_xml,
    recorded,
    with_devices,
)

MIB = 1 << 20
Q35 = recorded("domcapabilities-q35.xml")
NO_FIRMWARE = ("<value>efi</value>", "")
NO_SPICE = ("<value>spice</value>", "")
#: The answer of a host without swtpm.
NO_EMULATOR = ("<value>emulator</value>", "")


def question(machine="pc-q35-7.2", virt_type="qemu", arch="x86_64"):
    return ("domcapabilities", "--virttype", virt_type, "--arch", arch, "--machine", machine)


def host(*replacements, machine="pc-q35-7.2", text=Q35):
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return {question(machine): text}


def check(folder, step, answers=(), more=(), virt_type="qemu", config=None, library="9.0.0"):
    stored = machine_xml(*more)
    virsh = FakeVirsh({**dict(answers), ("dumpxml", UUID, "--inactive", "--security-info"): stored})
    driver = driver_of(virsh, folder, virt_type=virt_type)
    driver.hypervisor, driver.library = "QEMU", library
    vm = Vm("web", id=UUID, config=config or {})
    check_hardware(driver, Plan(vm, vm, segments=((step,),)))
    return [words for words in virsh.done if words[0] != "dumpxml"]


def changing(*changes):
    return Step("configure", changes=changes)


def creating(**config):
    return Step("create", arguments={"config": config, "creation": {}})


UNSUPPORTED = [
    (
        Change("firmware", "bios", "uefi"),
        {"firmware": "uefi", "secure_boot": False},
        NO_FIRMWARE,
        "firmware: the hypervisor has no UEFI firmware .* Install ovmf",
    ),
    (
        Change("tpm", False, True),
        {"tpm": True},
        NO_EMULATOR,
        "tpm: the hypervisor has no TPM emulator. Install swtpm and swtpm-tools",
    ),
    (
        Change("display", "none", "spice", attribute="type"),
        {"display": {"type": "spice"}},
        NO_SPICE,
        "display.type: .* does not support spice. Supported: vnc",
    ),
]


@pytest.mark.parametrize(("change", "config", "missing", "words"), UNSUPPORTED)
def test_hardware_that_host_does_not_support_is_rejected(tmp_path, change, config, missing, words):
    """For an existing VM, and for a new one."""
    assert check(tmp_path, changing(change), host()) == [question()]
    for step, machine in ((changing(change), "pc-q35-7.2"), (creating(**config), "q35")):
        with pytest.raises(Unsupported, match=f"web: {words}"):
            check(tmp_path, step, host(missing, machine=machine))


@pytest.mark.parametrize(
    "step",
    [
        creating(cpus=2, firmware="bios", secure_boot=False, tpm=False, display={"type": "none"}),
        creating(nested_virtualization=None),
        changing(Change("firmware", "uefi", "bios"), Change("tpm", True, False)),
        changing(Change("display", "vnc", "none", attribute="type")),
        Step("start"),
    ],
)
def test_capabilities_are_read_only_if_needed(tmp_path, step):
    assert check(tmp_path, step) == []


def test_hardware_is_accepted_if_host_reports_no_capabilities(tmp_path):
    unsupported = failed("this function is not supported by the connection driver: virConnectGetDomainCapabilities")
    check(tmp_path, changing(UNSUPPORTED[0][0]), {question(): unsupported})
    with pytest.raises(CommandFailed, match="invalid argument"):
        check(tmp_path, changing(UNSUPPORTED[0][0]), {question(): failed("invalid argument: unknown machine")})


def video(model):
    return with_devices(f"<video><model type='{model}' vram='16384'/></video>")


def test_video_memory_is_rejected_for_models_without_it(tmp_path):
    change = Change("display", 16 * MIB, 32 * MIB, attribute="video_memory")
    assert check(tmp_path, changing(change), more=[video("vga")]) == []
    with pytest.raises(Refused, match=r"web: display\.video_memory is not supported by the video model 'virtio'"):
        check(tmp_path, changing(change), more=[video("virtio")])


RESET = Step("start", arguments={"reset_nvram": True})


def test_reset_nvram_needs_libvirt_8_1(tmp_path):
    check(tmp_path, RESET, config={"firmware": "uefi"}, library="8.1.0")
    with pytest.raises(Unsupported, match=r"requires libvirt 8\.1 or later, and this is 8\.0\.0"):
        check(tmp_path, RESET, config={"firmware": "uefi"}, library="8.0.0")


def test_machine_type_without_secure_boot_is_rejected(tmp_path):
    requested = {"firmware": "uefi", "secure_boot": True}
    check(tmp_path, creating(**requested), host(machine="q35"))
    pc = host(machine="pc", text=recorded("domcapabilities-pc.xml"))
    with pytest.raises(Unsupported, match=r"web: secure_boot: .* machine type pc\. Use the machine type q35"):
        check(tmp_path, creating(**requested, native={"os/type@machine": "pc"}), pc)


def test_nested_virtualization_is_rejected_for_emulated_vm(tmp_path):
    for step in (changing(Change("nested_virtualization", None, True)), creating(nested_virtualization=False)):
        with pytest.raises(Refused, match=r"web: nested_virtualization .* is emulated"):
            check(tmp_path, step)


# VMs of arm64, on a host of amd64 with its emulator -----------------------------------------------------------------


def arm64_driver(folder, answers=()):
    virsh = FakeVirsh({("capabilities",): recorded("capabilities-with-arm64.xml"), **dict(answers)})
    one = driver_of(virsh, folder)
    one.hypervisor, one.library = "QEMU", "9.0.0"
    return one


def check_new(folder, config, answers=()):
    new = Plan(Vm.absent("web"), Vm("web", config=config), segments=((creating(**config),),))
    check_hardware(arm64_driver(folder, answers), new)


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
    models = "".join(f"<model>cortex-a{number}</model>" for number in (57, 72))
    text = f"<domain><cpu><mode name='custom'>{models}</mode></cpu></domain>"
    with pytest.raises(Refused, match=f"web: native: {error}") if error else nullcontext():
        check_new(tmp_path, {"architecture": "arm64", "native": native}, {question("virt", arch="aarch64"): text})


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
        check_hardware(one, Plan(before, after, segments=((changing(*wanted),),)))


def test_machine_type_of_another_architecture_is_named(tmp_path):
    config = {"architecture": "arm64", "firmware": "uefi", "native": {"os/type@machine": "q35"}}
    said = "error: invalid argument: the machine 'q35' is not supported by emulator '/usr/bin/qemu-system-aarch64'"
    with pytest.raises(Unsupported, match=r"web: the machine type q35 does not exist for arm64 .* Use virt"):
        check_new(tmp_path, config, {question("q35", arch="aarch64"): failed(said)})


def test_secure_boot_of_arm64_is_read_from_the_descriptions_of_firmware(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(hardware, "find_firmware", lambda *words: asked.append(words))
    one = arm64_driver(tmp_path)
    machine = hardware._Hardware(one, "web", "qemu", architecture.ARM64, "aarch64", "virt", "virtio")
    with pytest.raises(Unsupported, match=r"secure_boot: .* machine type virt\. Install qemu-efi-aarch64"):
        hardware._check_secure_boot(machine, True)
    assert asked == [("aarch64", "virt", True)]
