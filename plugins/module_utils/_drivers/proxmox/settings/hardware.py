# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: CPUs, memory, display, node and pool, and other settings of one option each."""

from __future__ import annotations

from functools import partial

from ...._core.errors import Refused
from ...._core.model import LIVE, NEVER, NEXT_BOOT, POWER_OFF, STOPPED
from ...._core.units import GIB, MIB
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values
from .architecture import usual_display

#: The default of node: the driver chooses one when a VM is created.
AUTO = "auto"
STAYS_OFF = "Set state: stopped, because a template cannot be started."
#: The CPU type without nested virtualization, which is the default of a new VM.
_PLAIN_CPU = "kvm64"
#: {display.type: type in the option vga}; vnc has the usual one.
_VGA_TYPES = {"none": "none", "spice": "qxl"}
#: The CPU type with which guests can run VMs.
_HOST_CPU = "host"
_NESTED_FLAG = "+nested-virt"
#: Reported as display.type for a serial console, which only native can set.
SERIAL = "serial"
#: {value of os_type in lower case: ostype of Proxmox VE}.
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
_KNOWN_OS_TYPES = (
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris",
)  # fmt: skip


def cost_by_hotplug(feature, vm, change=None):
    """The cost of a change that is made at once if the option hotplug of the running VM contains ``feature``."""
    stored = vm.config.get("hotplug", ())
    return LIVE if feature in (vm.active or {}).get("hotplug", stored) else NEXT_BOOT


def _switch(option):
    """The row of an option that is 0 or 1."""
    return Setting(
        cost=LIVE,
        read=lambda options: options.get(option) == "1",
        write=lambda update, change: update.set(option, "1" if change.new else "0"),
        native=(option,),
    )


def cpus_of(options):
    """The number of CPUs of a VM."""
    return int(options.get("sockets", 1)) * int(options.get("cores", options.get("smp", 1)))


def _write_cpus(update, change):
    sockets = int(update.current.get("sockets", 1))
    if change.new % sockets:
        raise Refused(
            f"cpus: the VM has {sockets} sockets, and {change.new} CPUs cannot be divided among them.",
            f"Set a multiple of {sockets}.",
        )
    update.set("cores", change.new // sockets)


def memory_of(options):
    """The memory of a VM in bytes; with ballooning the maximum."""
    return int(values.parse("memory", options.get("memory", "512"))["current"]) * MIB


def _is_nested(options):
    cpu = values.parse("cpu", options.get("cpu", ""))
    return cpu.get("cputype") == _HOST_CPU or _NESTED_FLAG in cpu.get("flags", "").split(";")


def _write_nested(update, change):
    current = values.parse("cpu", update.value("cpu") or "")
    flags = [flag for flag in current.get("flags", "").split(";") if flag and flag != _NESTED_FLAG]
    if change.new:
        update.merge("cpu", {"cputype": _HOST_CPU})
    elif current:
        kind = _PLAIN_CPU if current.get("cputype") == _HOST_CPU else current.get("cputype", _PLAIN_CPU)
        update.merge("cpu", {"cputype": kind, "flags": ";".join(flags) or None})


def _read_display(options):
    adapter = values.parse("vga", options.get("vga", ""))
    vga_type = adapter.get("type", "std")
    types = {"qxl": "spice", "none": "none", "serial": SERIAL}
    display = {"type": next((name for prefix, name in types.items() if vga_type.startswith(prefix)), "vnc")}
    return {**display, **({"video_memory": int(adapter["memory"]) * MIB} if "memory" in adapter else {})}


def _write_display_type(update, change):
    update.merge("vga", {"type": _VGA_TYPES.get(change.new) or usual_display(update)})


def _write_video_memory(update, change):
    current = values.parse("vga", update.value("vga") or "")
    update.merge("vga", {"type": current.get("type") or usual_display(update), "memory": change.new // MIB})


def _checked_display(vm, requested, known):
    current = (vm.config.get("display") or {}).get("type")
    if requested.get("video_memory") and current == SERIAL and not requested.get("type"):
        raise Refused(
            f"{vm.name}: display.video_memory: its display is a serial console, which has no such memory.",
            "Set display.type as well.",
        )
    return requested


def _cost_of_template(vm, change):
    if not change.new:
        return NEVER
    return LIVE if vm.power == STOPPED else POWER_OFF


#: They are changed by separate calls.
PLACE = {
    "template": Setting(
        cost=_cost_of_template,
        instead="A template cannot become a VM again; clone it.",
        while_on=STAYS_OFF,
        read=lambda options: options.get("template") == "1",
        native=("template",),
    ),
    "pool": Setting(cost=LIVE, native=("pool",)),
    "node": Setting(cost=LIVE, default=AUTO, native=("node",)),
}


HARDWARE = {
    "cpus": Setting(default=2, read=cpus_of, write=_write_cpus, native=("cores", "sockets", "smp")),
    "memory": Setting(
        cost=partial(cost_by_hotplug, "memory"),
        minimum=16 * MIB,
        whole=MIB,
        default=2 * GIB,
        read=memory_of,
        write=lambda update, change: update.set("memory", change.new // MIB),
        native=("memory",),
    ),
    "nested_virtualization": Setting(read=_is_nested, write=_write_nested),
    "os_type": Setting(
        choices=_KNOWN_OS_TYPES,
        default="l26",
        read=lambda options: options.get("ostype", "other"),
        normalize=lambda vm, text, known: OS_TYPES.get(text.lower(), text),
        write=lambda update, change: update.set("ostype", change.new),
        native=("ostype",),
    ),
    "autostart": _switch("onboot"),
    "protection": _switch("protection"),
    "display": Setting(read=_read_display, normalize=_checked_display),
    "display.type": Setting(write=_write_display_type, unset="vnc"),
    "display.video_memory": Setting(minimum=4 * MIB, maximum=512 * MIB, whole=MIB, write=_write_video_memory),
}
