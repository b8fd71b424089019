# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmctl status``: the list of VMs."""

from __future__ import annotations

from . import sizes

_COLUMNS = "{:>5} {:>5} {:>5} {:>7} {:>7} {:>7} {:>12} {:>8} {}\n"
_HEADER = _COLUMNS.format("ID", "PID", "VCPUS", "MAXMEM", "CURMEM", "TTY", "OWNER", "STATE", "NAME")
_OWNER = 15
#: (state bit, name of the state); the first bit that is set determines the name.
_STATES = (
    ("PAUSED", "paused"),
    ("WAITING", "waiting"),
    ("SHUTDOWN", "stopping"),
    ("RUNNING", "running"),
    ("DISABLED", "stopped"),
)


def listed(call):
    """The VMs that vmd lists, or None after an unexpected answer."""
    vms = []
    for answer in call.ask({"type": "IMSG_VMDOP_GET_INFO_VM_REQUEST"}):
        if answer["type"] == "IMSG_VMDOP_GET_INFO_VM_END_DATA":
            return vms
        if answer["type"] != "IMSG_VMDOP_GET_INFO_VM_DATA":
            return None
        vms.append(answer)
    return None


def show(call, wanted):
    """Print the list. The exit code depends on the number of VMs before those with another name are left out."""
    vms = listed(call)
    if vms is None:
        return 1
    call.out.append(_HEADER)
    for vm in vms:
        is_wanted = vm["id"] == wanted.id if wanted.id else wanted.name in ("", vm["name"])
        if is_wanted:
            call.out.append(_row(call.host, vm))
    return 0 if vms or call.is_old else 1


def _row(host, vm):
    is_running = bool(vm["creator_pid"] and vm["id"])
    tty = vm["ttyname"].rpartition("/")[2] if is_running else ""
    return _COLUMNS.format(
        vm["id"],
        vm["creator_pid"] if is_running else "-",
        vm["ncpus"],
        sizes.write(vm["memory_size"]),
        sizes.write(vm["used_size"]) if is_running else "-",
        tty or "-",
        _owner(host, vm["uid"], vm["gid"]),
        _state(vm["state"]),
        vm["name"],
    )


def _state(bits):
    if not bits:
        return "stopped"
    return next((word for bit, word in _STATES if bit in bits), "unknown")


def _owner(host, uid, gid):
    user = next((name for name, ids in host.users.items() if ids[0] == uid), None)
    text = user or str((uid + 2**31) % 2**32 - 2**31)
    if gid != -1:
        text += ":" + next((name for name, number in host.groups.items() if number == gid), str(gid))
    return text[:_OWNER]
