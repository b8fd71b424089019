# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs, memory, display and other settings that are one option each."""

from __future__ import annotations

import re

from ...._lifecycle.errors import Refused
from ...._lifecycle.model import LIVE, NEVER, NEXT_BOOT, POWER_OFF, STOPPED, Field
from ...._lifecycle.units import MIB, human_size
from ...._tools import proxmox_values as values
from .. import mark
from .base import plain, switch, unless_suspended

#: The processor of a VM that is to have none of the host's; what a new one gets by default.
_PLAIN_CPU = "kvm64"
_SCREEN = {"none": "none", "vnc": "std", "spice": "qxl"}
#: Processors that let guests run VMs of their own.
_HOST_CPU = "host"
_NESTED_FLAG = "+nested-virt"
#: A console that is no screen: the option has no word for it, so it is asked for by native alone.
_SERIAL = "serial"
STAYS_OFF = "Set state: stopped, for a template is not started."
_SIZES_OF_MEMORY = ("memory", "native.balloon")
#: Short names of systems, and the kind that Proxmox VE knows.
OS_TYPES = {
    **dict.fromkeys(
        (
            "alma", "arch", "archlinux", "centos", "debian", "fedora", "gentoo", "linux", "opensuse", "redhat",
            "rhel", "rocky", "ubuntu",
        ),
        "l26",
    ),
    **dict.fromkeys(("windows", "windows11", "windows2022", "windows2025"), "win11"),
    **dict.fromkeys(("windows10", "windows2016", "windows2019"), "win10"),
    **dict.fromkeys(("freebsd", "netbsd", "openbsd", "other"), "other"),
}  # fmt: skip
KNOWN_OS_TYPES = (
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris",
)  # fmt: skip
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*")


def _write_cpus(writing, change):
    sockets = int(writing.now.get("sockets", 1))
    if change.new % sockets:
        raise Refused(
            f"cpus: the VM has {sockets} sockets, over which {change.new} CPUs cannot be spread.",
            f"Give a multiple of {sockets}.",
        )
    writing.set("cores", change.new // sockets)


def _write_memory(writing, change):
    writing.set("memory", change.new // MIB)


def _write_nested(writing, change):
    present = values.parse("cpu", writing.value("cpu") or "")
    flags = [flag for flag in present.get("flags", "").split(";") if flag and flag != _NESTED_FLAG]
    if change.new:
        writing.merge("cpu", {"cputype": _HOST_CPU})
    elif present:
        kind = _PLAIN_CPU if present.get("cputype") == _HOST_CPU else present.get("cputype", _PLAIN_CPU)
        writing.merge("cpu", {"cputype": kind, "flags": ";".join(flags) or None})


def _write_description(writing, change):
    writing.set("description", mark.notes_of(change.new, mark.split(writing.now.get("description"))[1]))


def _write_tags(writing, change):
    writing.set("tags", ";".join(change.new))


def _write_display_type(writing, change):
    writing.merge("vga", {"type": _SCREEN[change.new]})


def _write_display_memory(writing, change):
    present = values.parse("vga", writing.value("vga") or "")
    writing.merge("vga", {"type": present.get("type", "std"), "memory": change.new // MIB})


def memory_of(options):
    """Bytes that a VM has at most."""
    return int(values.parse("memory", options.get("memory", "512"))["current"]) * MIB


def _is_nested(options):
    processor = values.parse("cpu", options.get("cpu", ""))
    return processor.get("cputype") == _HOST_CPU or _NESTED_FLAG in processor.get("flags", "").split(";")


def _display(text):
    nic = values.parse("vga", text or "")
    kind = nic.get("type", "std")
    words = {"qxl": "spice", "none": "none", "serial": _SERIAL}
    reported = {"type": next((word for name, word in words.items() if kind.startswith(name)), "vnc")}
    return {**reported, **({"video_memory": int(nic["memory"]) * MIB} if "memory" in nic else {})}


def _cost_of_template(vm, change):
    if not change.new:
        return NEVER
    return LIVE if vm.power == STOPPED else POWER_OFF


def check_sizes(vm, config):
    video = (config.get("display") or {}).get("video_memory")
    for option, size in {"memory": config.get("memory"), "display.video_memory": video}.items():
        if size and size % MIB:
            raise Refused(f"{vm.name}: {option} is {human_size(size)}.", "Proxmox VE counts in whole MiB.")
    for slot, disk in (config.get("disks") or {}).items():
        size = (disk or {}).get("size")
        if size and size % 1024:
            raise Refused(f"{vm.name}: disks: size of {slot} is {human_size(size)}.", "Give whole KiB.")


def stored_tags(vm, tags, keeps_capitals):
    """As they are stored; their order is the cluster's."""
    wrong = [tag for tag in tags if not is_tag(tag)]
    if wrong:
        raise Refused(
            f"{vm.name}: tags: '{wrong[0]}' is no tag here.",
            "Use letters, figures, _, -, + and dots, none of - + . in front.",
        )
    return tuple(sorted({tag if keeps_capitals else tag.lower() for tag in tags}))


def check_display(vm, asked):
    present = (vm.config.get("display") or {}).get("type")
    if asked.get("video_memory") and present == _SERIAL and not asked.get("type"):
        raise Refused(
            f"{vm.name}: display.video_memory: its display is a serial console, which has no such memory.",
            "Give display.type as well.",
        )


def check_memory(label, changes, vm_options):
    """The server compares what it is sent with what is stored, also where that is taken away by the same call."""
    asked = {change.key or change.field: change.new for change in changes if change.path in _SIZES_OF_MEMORY}
    if not asked:
        return
    memory = asked.get("memory") or memory_of(vm_options.stored)
    balloon = asked.get("balloon")
    if balloon in (None, ""):
        # A zero that waits for the next start does not hide what is in force.
        balloon = int(vm_options.stored.get("balloon", "0")) or vm_options.running.get("balloon", "0")
    least = int(balloon) * MIB
    if least > memory:
        raise Refused(
            f"{label}: memory would be {human_size(memory)}, and what the guest is left at least (native: balloon)"
            f" {human_size(least)}.",
            "Give native: {balloon: MIB} as well, at most the memory; 0 ends it.",
        )


def is_tag(text):
    return _TAG.fullmatch(text) is not None


def read(options):
    return {
        "cpus": int(options.get("sockets", 1)) * int(options.get("cores", options.get("smp", 1))),
        "memory": memory_of(options),
        "nested_virtualization": _is_nested(options),
        "os_type": options.get("ostype", "other"),
        "description": mark.split(options.get("description"))[0],
        "tags": tuple(sorted(tag for tag in re.split(r"[;, ]+", options.get("tags", "")) if tag)),
        "autostart": options.get("onboot") == "1",
        "display": _display(options.get("vga")),
        "hotplug": tuple(sorted(values.hotplugged(options.get("hotplug")))),
        "protection": options.get("protection") == "1",
        "template": options.get("template") == "1",
    }


FIELDS = {
    "cpus": Field(cost=unless_suspended(NEXT_BOOT)),
    "memory": Field(cost=unless_suspended(NEXT_BOOT), minimum=16 * MIB),
    "nested_virtualization": Field(cost=unless_suspended(NEXT_BOOT)),
    "os_type": Field(cost=unless_suspended(NEXT_BOOT), choices=KNOWN_OS_TYPES),
    "description": Field(cost=unless_suspended(LIVE)),
    "tags": Field(cost=unless_suspended(LIVE)),
    "autostart": Field(cost=unless_suspended(LIVE)),
    "protection": Field(cost=unless_suspended(LIVE)),
    "template": Field(cost=_cost_of_template, instead="A template stays one: clone it.", while_on=STAYS_OFF),
    "display.type": Field(cost=unless_suspended(NEXT_BOOT)),
    "display.video_memory": Field(cost=unless_suspended(NEXT_BOOT), minimum=4 * MIB, maximum=512 * MIB),
}
WRITES = {
    "cpus": _write_cpus,
    "memory": _write_memory,
    "nested_virtualization": _write_nested,
    "os_type": plain("ostype"),
    "description": _write_description,
    "tags": _write_tags,
    "autostart": switch("onboot"),
    "protection": switch("protection"),
    "display.type": _write_display_type,
    "display.video_memory": _write_display_memory,
}
