# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a plan on QEMU and its host: queried only if needed, and checked before the first step."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import check_hardware

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


def question(machine="pc-q35-7.2", virt_type="qemu"):
    return ("domcapabilities", "--virttype", virt_type, "--arch", "x86_64", "--machine", machine)


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
    (Change("firmware", "bios", "uefi"), NO_FIRMWARE, "firmware: the hypervisor has no UEFI firmware .* Install ovmf"),
    (Change("tpm", False, True), NO_EMULATOR, "tpm: the hypervisor has no TPM emulator. Install swtpm and swtpm-tools"),
    (
        Change("display", "none", "spice", attribute="type"),
        NO_SPICE,
        "display.type: .* does not support spice. Supported: vnc",
    ),
]


@pytest.mark.parametrize(("change", "missing", "words"), UNSUPPORTED)
def test_hardware_that_host_does_not_support_is_rejected(tmp_path, change, missing, words):
    assert check(tmp_path, changing(change), host()) == [question()]
    with pytest.raises(Unsupported, match=f"web: {words}"):
        check(tmp_path, changing(change), host(missing))


@pytest.mark.parametrize(
    ("config", "missing", "words"),
    [
        ({"firmware": "uefi", "secure_boot": False}, NO_FIRMWARE, "Install ovmf"),
        ({"tpm": True}, NO_EMULATOR, "Install swtpm"),
        ({"display": {"type": "spice"}}, NO_SPICE, "Supported: vnc"),
    ],
)
def test_hardware_of_new_vm_is_checked(tmp_path, config, missing, words):
    with pytest.raises(Unsupported, match=words):
        check(tmp_path, creating(**config), host(missing, machine="q35"))


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
    change = Change("nested_virtualization", None, True)
    with pytest.raises(Refused, match=r"web: nested_virtualization .* is emulated"):
        check(tmp_path, changing(change))
    with pytest.raises(Refused, match=r"web: nested_virtualization .* is emulated"):
        check(tmp_path, creating(nested_virtualization=False))
