# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: check whether a host can run VMs: its system (only OpenBSD), its CPU and kernel, the firmware, and vmd."""

from __future__ import annotations

import re

from ..._core.errors import PolyvirtError
from ..._ports import files
from ..._ports.command import is_installed

#: The kernel messages of this boot. They mention vmm0 only if the CPU has VMX with EPT, or SVM with RVI.
_DMESG, _DEVICE, _FIRMWARE = "/var/run/dmesg.boot", "/dev/vmm", "/etc/firmware/vmm-bios"
_ATTACHED = re.compile(r"^vmm0 at ", re.MULTILINE)
#: A line early in the messages of each boot; it is missing if later messages have overwritten the early ones.
_FIRST_LINE = "mainbus0 at root"
_SYSTEM = "OpenBSD"


def host_facts(commands, tool, config_file):
    """Return further keys of ``host`` for the info module; values that cannot be determined are None."""
    system = _output(commands, "uname", "-sr").split()
    if system[:1] != [_SYSTEM]:
        return {
            **dict.fromkeys(("enabled", "running", "initialized", "cpu_supported", "kernel_supported"), False),
            "available": False,
            "version": None,
            "message": f"vmd is part of OpenBSD, and this host runs {system[0] if system else 'another system'}.",
        }
    attached = _is_attached(commands)
    facts = {
        "version": system[1],
        "available": is_installed(commands, "vmctl") and is_installed(commands, "vmd"),
        "cpu_supported": attached,
        "kernel_supported": attached,
        "enabled": _succeeds(commands, "rcctl", "get", "vmd", "status"),
        "running": _succeeds(commands, "rcctl", "check", "vmd"),
        "initialized": _vmd_responds(tool) and files.exists(_FIRMWARE),
    }
    return {
        **facts,
        "message": _missing(facts) or _invalid(tool, config_file) or f"vmd of OpenBSD {system[1]} answers.",
    }


def _invalid(tool, config_file):
    """Return a text about an invalid vm.conf; vmd may know other VMs than this file has."""
    errors = tool.validate(config_file) if files.exists(config_file) else ""
    return f"vmd answers, but would reject {config_file}: {errors}" if errors else ""


def _missing(facts):
    """Return a text about the first thing that is missing, and its remedy; empty if nothing is."""
    for key, text in (
        ("available", "vmctl or vmd is missing; both are part of OpenBSD on amd64."),
        (
            "cpu_supported",
            f"The kernel has not attached vmm0: enable VMX or SVM in the firmware of the host, or nested virtualization"
            f" if it is a VM itself, and reboot. {_DEVICE} alone does not show that VMs can run.",
        ),
        ("enabled", "vmd is not enabled: rcctl enable vmd, or the role polyvirt.core.vmm_host."),
        ("running", "vmd does not run: rcctl start vmd."),
        ("initialized", f"vmd does not answer, or {_FIRMWARE} is missing: fw_update vmm."),
    ):
        if facts[key] is False:
            return text
    return ""


def _is_attached(commands):
    """Return whether the kernel supports virtualization on this CPU; None if its messages of this boot are gone."""
    try:
        messages = files.read(_DMESG).decode("latin-1")
    except PolyvirtError:
        messages = _output(commands, "dmesg")
    if _ATTACHED.search(messages):
        return True
    return False if _FIRST_LINE in messages else None


def _vmd_responds(tool):
    try:
        tool.status()
    except PolyvirtError:
        return False
    return True


def _succeeds(commands, *words):
    try:
        return commands.run([commands.find(words[0]), *words[1:]]).rc == 0
    except PolyvirtError:
        return None


def _output(commands, *words):
    try:
        return commands.run([commands.find(words[0]), *words[1:]]).stdout
    except PolyvirtError:
        return ""
