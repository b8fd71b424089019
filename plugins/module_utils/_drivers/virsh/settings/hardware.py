# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the clock, the TPM and the watchdog, and checks of hardware with which QEMU would not start the VM."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ...._core.errors import Refused, Unsupported
from ...._kit.settings import Setting
from ...._tools import virsh_output as output
from .architecture import ARM64, row_in, row_of
from .display import MODELS_WITHOUT_MEMORY
from .memory_cpus import check_nested


def read_tpm(definition):
    return definition.root.find("devices/tpm") is not None


def write_tpm(definition, change):
    for tpm in definition.root.findall("devices/tpm"):
        definition.devices.remove(tpm)
    if change.new:
        model = row_in(definition).tpm
        tpm = ET.SubElement(definition.devices, "tpm", {"model": model} if model else {})
        ET.SubElement(tpm, "backend", {"type": "emulator", "version": "2.0"})


#: This model is part of the machine type q35. Since libvirt 9.1 each such VM has it, beside another one if that is set.
_BUILT_IN = "itco"
_NEW_WATCHDOG = {"model": "i6300esb", "action": "reset"}


def read_watchdog(definition):
    """Model and action; empty without a watchdog. Another model counts before the one that is built in."""
    watchdogs = sorted(definition.devices.findall("watchdog"), key=lambda one: one.get("model") == _BUILT_IN)
    return {name: watchdogs[0].get(name, default) for name, default in _NEW_WATCHDOG.items()} if watchdogs else {}


def write_watchdog(definition, change):
    devices = definition.devices
    requested = {**_NEW_WATCHDOG, **read_watchdog(definition), change.attribute: change.new}
    for watchdog in devices.findall("watchdog"):
        if watchdog.get("model") not in (requested["model"], _BUILT_IN):
            devices.remove(watchdog)
    if devices.find(f"watchdog[@model='{requested['model']}']") is None:
        ET.SubElement(devices, "watchdog", {"model": requested["model"]})
    for watchdog in devices.findall("watchdog"):
        watchdog.set("action", requested["action"])  # libvirt allows only one action for all of them.


def read_rtc(definition):
    return definition.native("clock@offset") or "utc"


def write_rtc(definition, change):
    clock = definition.find_or_add("clock")
    clock.attrib.clear()  # With an adjustment, libvirt would store the offset as variable.
    clock.set("offset", change.new)


HARDWARE = {
    "rtc": Setting(read=read_rtc, write=write_rtc, native=(r"clock@",), unset="utc"),
    "tpm": Setting(read=read_tpm, write=write_tpm, native=(r"devices/tpm$",)),
    "watchdog": Setting(
        read=read_watchdog,
        normalize=lambda vm, watchdog: watchdog if vm.config.get("watchdog") else {**_NEW_WATCHDOG, **watchdog},
        write=write_watchdog,
        native=(r"devices/watchdog(?![\w-])",),
    ),
    "watchdog.model": Setting(),
    "watchdog.action": Setting(),
}


# Checking -----------------------------------------------------------------------------------------------------------

#: First libvirt version that can reset the NVRAM.
_RESET_SINCE = (8, 1)
_NESTED, _VIDEO_MEMORY = "nested_virtualization", "display.video_memory"
_GIC, _COUNTS = "features/gic@version", ("cpus", "max_cpus")
#: With more, QEMU does not start a VM that has this version of the interrupt controller.
_CPUS_OF_GIC = {"2": 8}
#: Changes that these checks are about.
CHECKED = (_NESTED, _VIDEO_MEMORY, "native", *_COUNTS)


def check_hardware(driver, plan, one):
    """Raise Refused for hardware that libvirt would store, and with which QEMU does not start the VM.

    What libvirt rejects itself, such as a TPM on a host without an emulator, is left to judge.py.
    """
    wanted = {change.key if change.field == "native" else change.kind: change.new for change in one.changes}
    wanted = {kind: value for kind, value in wanted.items() if value is not None}
    name, row = plan.after.name, row_of(plan.after.config)
    count = max(plan.after.config.get(option) or 1 for option in _COUNTS)
    has_many = count > min(_CPUS_OF_GIC.values()) and not wanted.keys().isdisjoint((_GIC, *_COUNTS))
    is_about_gic = row is ARM64 and (has_many or wanted.get(_GIC) == "host")
    if not is_about_gic and wanted.keys().isdisjoint((_NESTED, _VIDEO_MEMORY)):
        return
    is_new = one.vm.id is None
    virt_type, video, gic = (driver.virt_type_for_new_vm(row), row.video, None) if is_new else _hardware_of(driver, one)
    if _NESTED in wanted:
        check_nested(name, virt_type, wanted[_NESTED])
    if _VIDEO_MEMORY in wanted:
        _check_video_memory(name, row, video)
    if is_about_gic:
        _check_gic(name, virt_type, wanted.get(_GIC) or gic, count)


def _hardware_of(driver, one):
    """(type, video device, interrupt controller) of an existing VM, which a clone of it will have too."""
    definition = driver.definition(one.vm.id)
    return definition.root.get("type"), definition.native("devices/video[1]/model@type"), definition.native(_GIC)


def _check_video_memory(name, row, video):
    if video in MODELS_WITHOUT_MEMORY:
        raise Refused(
            f"{name}: display.video_memory is not supported by the video model '{video}'.",
            "Omit it." if row is ARM64 else "Set the model to vga first (native: devices/video/model@type).",
        )


def _check_gic(name, virt_type, gic, count):
    if gic == "host" and virt_type == "qemu":
        raise Refused(f"{name}: native: '{_GIC}': host requires KVM, and the VM is emulated.", "Set 3.")
    limit = _CPUS_OF_GIC.get(gic)
    if limit and count > limit:
        raise Refused(
            f"{name}: cpus: the interrupt controller GIC {gic} has at most {limit} CPUs, and {count} are requested.",
            f"Set native: '{_GIC}' to 3, or request at most {limit} (cpus, max_cpus).",
        )


def check_reset(driver, plan, one):
    """Raise if the NVRAM cannot be reset."""
    if not one.step.arguments.get("reset_nvram"):
        return
    name = plan.before.name
    if output.version_numbers(driver.library) < _RESET_SINCE:
        raise Unsupported(
            f"{name}: reset_nvram requires libvirt {'.'.join(map(str, _RESET_SINCE))} or later, and this is"
            f" {driver.library}.",
            "Update libvirt, or omit reset_nvram.",
        )
    if plan.after.config.get("firmware") != "uefi":
        raise Refused(
            f"{name}: reset_nvram: the VM has no NVRAM, because its firmware is not UEFI.", "Omit reset_nvram."
        )
