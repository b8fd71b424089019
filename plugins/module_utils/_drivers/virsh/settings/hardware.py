# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock, the TPM and the watchdog, and checks whether the host supports the requested hardware."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cached_property, partial

from ...._core.errors import CommandFailed, Refused, Unsupported
from ...._core.planner.planned_steps import planned
from ...._kit.settings import Setting
from ...._tools import virsh as tool
from ...._tools import virsh_output as output
from .architecture import AMD64, ARM64, machine_type, row_in, row_of
from .display import MODELS_WITHOUT_MEMORY
from .memory_cpus import check_nested
from .native import same_native
from .nvram import find_firmware


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
_BUILT_IN, _BUILT_IN_SINCE = "itco", (9, 1)
_NEW_WATCHDOG = {"model": "i6300esb", "action": "reset"}


def read_watchdog(definition):
    """Model and action; empty without a watchdog. Another model counts before the one that is built in."""
    watchdogs = sorted(definition.devices.findall("watchdog"), key=lambda one: one.get("model") == _BUILT_IN)
    return {name: watchdogs[0].get(name, default) for name, default in _NEW_WATCHDOG.items()} if watchdogs else {}


def normalize_watchdog(vm, watchdog):
    return watchdog if vm.config.get("watchdog") else {**_NEW_WATCHDOG, **watchdog}


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
        normalize=normalize_watchdog,
        write=write_watchdog,
        native=(r"devices/watchdog(?![\w-])",),
    ),
    "watchdog.model": Setting(),
    "watchdog.action": Setting(),
}


# Checking -----------------------------------------------------------------------------------------------------------

#: First libvirt version that can reset the NVRAM.
_RESET_SINCE = (8, 1)


class _Hardware:
    """A VM as far as it determines which hardware is available, and what its host supports."""

    def __init__(self, driver, name, virt_type, row, arch, model, video, gic=None):
        self._driver, self.name, self.virt_type, self.row, self._arch = driver, name, virt_type, row, arch
        self.model, self.video, self.gic = model, video, gic
        self.library = output.version_numbers(driver.library)

    @cached_property
    def host(self):
        """What QEMU supports for such a VM according to libvirt; None if the connection cannot report it."""
        options = ("--virttype", self.virt_type, "--arch", self._arch, "--machine", self.model)
        try:
            text = self._driver.host.answer(options, lambda: self._driver.virsh.run("domcapabilities", *options))
            return output.domain_capabilities(text)
        except CommandFailed as error:
            if tool.is_unsupported(error.stderr):
                return None
            if "is not supported by emulator" not in error.stderr:
                raise
            raise Unsupported(
                f"{self.name}: the machine type {self.model} does not exist for {self.row.name} on this hypervisor.",
                f"Use {self.row.machine} (native: os/type@machine), or omit it.",
            ) from None

    def lacks(self, is_supported):
        """Whether the host is known not to support something; ``is_supported(host)`` returns what it reports."""
        return self.host is not None and not is_supported(self.host)


def check_hardware(driver, plan):
    """Raise Refused or Unsupported if the host does not support hardware that the plan adds."""
    for one in planned(plan):
        if one.step.verb == "create":
            config = one.step.arguments["config"]
            read_hardware = partial(_new_hardware, driver, plan.after.name, config)
            _check_requested(one.changes, read_hardware)
            _check_native(config.get("native") or {}, read_hardware)
            _check_cpus(config, (config.get("native") or {}).get(_GIC), read_hardware)
        elif one.step.verb == "configure":
            read_hardware = partial(_existing_hardware, driver, one.vm, plan.after.name)
            _check_requested(one.changes, read_hardware)
            native = {change.key: change.new for change in one.changes if change.field == "native"}
            _check_native(native, read_hardware)
            if _GIC in native or not _COUNTS.isdisjoint(change.field for change in one.changes):
                _check_cpus(plan.after.config, native.get(_GIC), read_hardware)
        elif one.step.arguments.get("reset_nvram"):
            _check_reset(driver, plan)


def _new_hardware(driver, name, config):
    row = row_of(config)
    return _Hardware(driver, name, driver.virt_type_for_new_vm(row), row, row.arch, machine_type(config), row.video)


def _existing_hardware(driver, vm, name):
    """The hardware of ``vm``, which a clone of it will have too; ``name`` is for errors."""
    definition = driver.definition(vm.id)
    return _Hardware(
        driver,
        name,
        virt_type=definition.root.get("type"),
        row=row_in(definition),
        arch=definition.native("os/type@arch"),
        model=definition.native("os/type@machine"),
        video=definition.native("devices/video[1]/model@type"),
        gic=definition.native(_GIC),
    )


def _check_requested(changes, read_hardware):
    """Check changes of hardware. ``read_hardware()`` returns a _Hardware; it is called only if it is needed."""
    requested = {change.kind: change.new for change in changes}
    needed = [kind for kind in _CHECKS if requested.get(kind) not in _EVERYWHERE.get(kind, (None,))]
    machine = read_hardware() if needed else None
    for kind in needed:
        _CHECKS[kind](machine, requested[kind])


_CPU, _GIC, _COUNTS = "cpu/model", "features/gic@version", {"cpus", "max_cpus"}
#: With more, QEMU does not start a VM that has this version of the interrupt controller.
_CPUS_OF_GIC = {"2": 8}


def _check_cpus(config, gic, read_hardware):
    """Reject more CPUs than the interrupt controller has: the requested one, or that of the VM."""
    count = max(config.get(name) or 1 for name in _COUNTS)
    if row_of(config) is not ARM64 or count <= min(_CPUS_OF_GIC.values()):
        return
    machine = read_hardware()
    limit = _CPUS_OF_GIC.get(gic or machine.gic)
    if limit and count > limit:
        raise Refused(
            f"{machine.name}: cpus: the interrupt controller GIC {gic or machine.gic} has at most {limit} CPUs, and"
            f" {count} are requested.",
            f"Set native: '{_GIC}' to 3, or request at most {limit} (cpus, max_cpus).",
        )


def _check_native(native, read_hardware):
    """Reject a CPU or interrupt controller that only another emulator has: libvirt does so when the VM is started."""
    if not native.keys() & {_CPU, _GIC}:
        return
    machine, model = read_hardware(), native.get(_CPU)
    if machine.row is not ARM64:
        return
    if native.get(_GIC) == "host" and machine.virt_type == "qemu":
        raise Refused(f"{machine.name}: native: '{_GIC}': host requires KVM, and the VM is emulated.", "Set 3.")
    if model and machine.lacks(lambda host: not host.cpu_models or model in host.cpu_models):
        raise Unsupported(
            f"{machine.name}: native: '{_CPU}': the emulator of {machine.row.name} has no CPU {model}.",
            f"Use one of these: {', '.join(sorted(machine.host.cpu_models))}.",
        )


def _check_nested(machine, requested):
    check_nested(machine.name, machine.virt_type, requested)


def _check_video_memory(machine, requested):
    if machine.video in MODELS_WITHOUT_MEMORY:
        raise Refused(
            f"{machine.name}: display.video_memory is not supported by the video model '{machine.video}'.",
            "Omit it." if machine.row is ARM64 else "Set the model to vga first (native: devices/video/model@type).",
        )


def _check_firmware(machine, requested):
    if machine.lacks(lambda host: "efi" in host.firmwares):
        raise Unsupported(
            f"{machine.name}: firmware: the hypervisor has no UEFI firmware for the machine type {machine.model}.",
            f"Install {machine.row.firmwares} on the hypervisor.",
        )


def _check_secure_boot(machine, requested):
    if _lacks_secure_boot(machine):
        other = "" if machine.row is ARM64 else f"Use the machine type {AMD64.machine} (native: os/type@machine), and "
        install = f"install {machine.row.firmwares} on the hypervisor."
        raise Unsupported(
            f"{machine.name}: secure_boot: the hypervisor has no UEFI firmware with Secure Boot for the machine type"
            f" {machine.model}.",
            other + install if other else install.capitalize(),
        )


def _lacks_secure_boot(machine):
    if machine.row is ARM64:  # libvirt reports only firmware that needs SMM, which this architecture does not have.
        return find_firmware(machine.row.arch, machine.model, True) is None
    return machine.lacks(lambda host: host.secure_boot)


def _check_tpm(machine, requested):
    if machine.lacks(lambda host: "emulator" in host.tpm_backends):
        raise Unsupported(
            f"{machine.name}: tpm: the hypervisor has no TPM emulator.",
            "Install swtpm and swtpm-tools on the hypervisor.",
        )


def _check_display(machine, requested):
    if machine.lacks(lambda host: requested in host.displays):
        known = ", ".join(kind for kind in ("vnc", "spice") if kind in machine.host.displays) or "none"
        raise Unsupported(
            f"{machine.name}: display.type: QEMU on the hypervisor does not support {requested}.",
            f"Supported: {known}. A type may need a package, such as qemu-system-modules-spice of Debian 13.",
        )


def _check_watchdog(machine, requested):
    remedy = f"Use the model {_NEW_WATCHDOG['model']}."
    if machine.library < _BUILT_IN_SINCE:
        since = ".".join(map(str, _BUILT_IN_SINCE))
        raise Unsupported(f"{machine.name}: watchdog.model: {requested} requires libvirt {since} or later.", remedy)
    if not same_native(machine.model, "q35"):
        raise Refused(
            f"{machine.name}: watchdog.model: {requested} is part of the machine type q35, and the VM has"
            f" {machine.model}.",
            remedy,
        )


#: Checks of the host by kind of change: functions of (_Hardware, requested value).
_CHECKS = {
    "nested_virtualization": _check_nested,
    "display.video_memory": _check_video_memory,
    "firmware": _check_firmware,
    "secure_boot": _check_secure_boot,
    "tpm": _check_tpm,
    "display.type": _check_display,
    "watchdog.model": _check_watchdog,
}
#: Values that need no check, because every host supports them; None is not requested.
_EVERYWHERE = {
    "firmware": (None, "bios"),
    "secure_boot": (None, False),
    "tpm": (None, False),
    "display.type": (None, "none"),
    "watchdog.model": (None, _NEW_WATCHDOG["model"]),
}


#: What these checks are about.
CHECKED = ("create", "start", "reset", *_CHECKS, "native", *sorted(_COUNTS))


def _check_reset(driver, plan):
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
