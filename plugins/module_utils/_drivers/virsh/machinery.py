# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firmware, TPM, display and nested machines need from QEMU and its host, asked only where a plan has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Optional

from ..._lifecycle.differences import additions
from ..._lifecycle.errors import CommandFailed, Refused, Unsupported
from ..._tools import virsh as tool
from ..._tools import virsh_output as output
from .nested import check_nested
from .new import ARCHITECTURE, machine_type
from .screen import MODELS_WITHOUT_MEMORY

_RESET_SINCE = (8, 1)
_OVMF = "ovmf (Debian, Ubuntu), edk2-ovmf (Fedora, RHEL) or qemu-ovmf-x86_64 (SUSE)"


@dataclass(frozen=True)
class _Machine:
    """What decides which machinery a machine can have: how it is run, and as what."""

    name: str
    virt_type: str
    architecture: str
    model: str
    video: Optional[str] = None


def check_machinery(driver, plan):
    """Raise Refused or Unsupported for what this host cannot give, before anything is done."""
    vm = plan.before
    for step in plan.steps:
        if step.verb == "clone":
            vm = step.arguments["source"]
        elif step.verb == "create":
            config = {name: value for name, value in step.arguments["config"].items() if value is not None}
            _check_wishes(driver, additions(config), partial(_new_machine, driver, plan.after.name, config))
        elif step.verb == "configure":
            _check_wishes(driver, step.changes, partial(_existing_machine, driver, vm, plan.after.name))
        elif step.arguments.get("reset_nvram"):
            _check_reset(driver, plan)


def _new_machine(driver, name, config):
    return _Machine(name, driver.virt_type_of_new(), ARCHITECTURE, machine_type(config))


def _existing_machine(driver, vm, name):
    """How a machine is run, or will be as a clone of ``vm``."""
    definition = driver.definition(vm.id)
    return _Machine(
        name=name,
        virt_type=definition.root.get("type"),
        architecture=definition.native("os/type@arch"),
        model=definition.native("os/type@machine"),
        video=definition.native("devices/video[1]/model@type"),
    )


def _check_wishes(driver, changes, make_machine):
    wishes = {change.kind: change.new for change in changes}
    needs = {kind: check for kind, check in _CHECKS.items() if wishes.get(kind) not in _ANYWHERE}
    nested = wishes.get("nested_virtualization")
    if not needs and nested is None and "display.video_memory" not in wishes:
        return
    machine = make_machine()
    if nested is not None:
        check_nested(machine.name, machine.virt_type, nested)
    if "display.video_memory" in wishes and machine.video in MODELS_WITHOUT_MEMORY:
        raise Refused(
            f"{machine.name}: display.video_memory has no meaning for its video card '{machine.video}'.",
            "Set the card's model to vga first (native: devices/video/model@type).",
        )
    host = _capabilities(driver, machine) if needs else None
    if host is None:
        return
    for kind, check in needs.items():
        check(machine, host, wishes[kind])


def _capabilities(driver, machine):
    """What libvirt says QEMU can do for such a machine; None where it cannot be asked."""
    words = ("--virttype", machine.virt_type, "--arch", machine.architecture, "--machine", machine.model)
    try:
        return output.domain_capabilities(driver.virsh.run("domcapabilities", *words))
    except CommandFailed as error:
        if tool.is_unsupported(error.stderr):
            return None
        raise


def _check_firmware(machine, host, wanted):
    if "efi" not in host.firmwares:
        raise Unsupported(
            f"{machine.name}: firmware: this host has no UEFI firmware for machines of type {machine.model}.",
            f"Install {_OVMF} on the hypervisor.",
        )


def _check_secure_boot(machine, host, wanted):
    if not host.secure_boot:
        raise Unsupported(
            f"{machine.name}: secure_boot: this host has no UEFI firmware with it for machines of type"
            f" {machine.model}.",
            f"Use the machine type q35 (native: os/type@machine), with {_OVMF} on the hypervisor.",
        )


def _check_tpm(machine, host, wanted):
    if "emulator" not in host.tpm_backends:
        raise Unsupported(
            f"{machine.name}: tpm: this host has no emulator of a TPM.",
            "Install swtpm and swtpm-tools on the hypervisor.",
        )


def _check_display(machine, host, wanted):
    if wanted not in host.displays:
        known = ", ".join(word for word in ("vnc", "spice") if word in host.displays) or "none"
        raise Unsupported(
            f"{machine.name}: display.type: this host's QEMU has no {wanted}.", f"It has {known}; ask for that."
        )


#: What every host has.
_ANYWHERE = (None, False, "bios", "none")
#: By kind of change: what is asked of the host for it.
_CHECKS = {
    "firmware": _check_firmware,
    "secure_boot": _check_secure_boot,
    "tpm": _check_tpm,
    "display.type": _check_display,
}


def _check_reset(driver, plan):
    name = plan.before.name
    if output.version_numbers(driver.library) < _RESET_SINCE:
        raise Unsupported(
            f"{name}: reset_nvram takes libvirt {'.'.join(map(str, _RESET_SINCE))} or later; this is {driver.library}.",
            "Update libvirt, or leave reset_nvram out.",
        )
    if plan.after.config.get("firmware") != "uefi":
        raise Refused(f"{name}: reset_nvram: it has no UEFI firmware, so it has no NVRAM.", "Leave reset_nvram out.")
