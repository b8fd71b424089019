# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the output of the script in a guest. Pure. Values that the guest did not report as expected are None."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from operator import sub

from .guest_script import END, MARK
from .guest_sockets import services

_KIB = 1024
_MIB = 1024 * _KIB
#: Devices in the output of df that are not storage.
_NO_STORAGE = ("tmpfs", "devtmpfs", "udev", "devfs", "procfs", "fdescfs", "overlay", "squashfs", "none", "shm", "run")
#: Exit codes of a shell for a program that cannot be run.
_NO_PROGRAM = (126, 127)
_LOCAL = ("127.", "::1", "fe80:", "169.254.")


class Incomplete(Exception):
    """The output is truncated, or is not that of the script."""


def status(output):
    """Return the status of a guest. Raises Incomplete."""
    parts = _sections(output)
    if END not in parts:
        raise Incomplete("The output of the guest breaks off." if parts else "The guest has not run the script.")
    return {name: _read(read, parts) for name, read in _FIELDS.items()}


def _read(read, parts):
    """Return a field. A guest can print anything, such as numbers of any length: that costs this field only."""
    try:
        return read(parts)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def _sections(output):
    """Return {section: text}; text that a login shell prints before the first section is ignored."""
    parts = re.split(rf"^{MARK}(\S+)$", output.replace("\r", ""), flags=re.MULTILINE)
    return {name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2])}


def _integer(text):
    return int(text) if text and text.strip().isdigit() else None


def _numbers(text):
    found = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", text or "")]
    if not all(map(math.isfinite, found)):
        raise ValueError(text)
    return found


def _os(parts):
    kernel = parts.get("uname", "").splitlines() + [None] * 4
    release = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", parts.get("os-release", ""), re.MULTILINE))
    system, version, architecture, hostname = (one or None for one in kernel[:4])
    return {
        "id": release.get("ID") or (system or "").lower() or None,
        "name": release.get("NAME") or system,
        "version": release.get("VERSION_ID") or (None if system == "Linux" else version),
        "kernel": version,
        "architecture": architecture,
        "hostname": hostname,
    }


def _uptime(parts):
    if parts.get("uptime"):
        return int(_numbers(parts["uptime"])[0]) if _numbers(parts["uptime"]) else None
    now, booted = _integer(parts.get("date")), _booted(parts.get("kern.boottime", ""))
    return None if None in (now, booted) else max(0, now - booted)


def _booted(text):
    """Return the boot time in seconds since 1970 from a number, FreeBSD's structure, or old OpenBSD's date in UTC."""
    found = re.match(r"\s*(?:\{ sec = )?(\d+)\b(?!:)", text)
    if found:
        return int(found[1])
    try:
        return int(datetime.strptime(text.strip(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        return None


def _cpus(parts):
    if "cpu_after" in parts and "loadavg" in parts:
        return len(re.findall(r"^cpu\d+ ", parts["cpu_after"], re.MULTILINE)) or None
    return _integer(parts.get("hw.ncpuonline")) or _integer(parts.get("hw.ncpu"))


def _cpu_percent(parts):
    """Return the CPU usage between the two samples, in percent."""
    before, after = (_ticks(parts.get(name, "")) for name in ("cpu_before", "cpu_after"))
    if before is None or after is None:
        return None
    total, idle = (new - old for new, old in zip(after, before))
    return round(min(100.0, max(0.0, 100 * (1 - idle / total))), 1) if total > 0 else None


def _ticks(text):
    """Return (total, idle) ticks of a line with counters."""
    first = text.partition("\n")[0]
    numbers = _numbers(first.removeprefix("cpu "))
    if len(numbers) < 5:
        return None
    if first.startswith("cpu "):
        # user nice system idle iowait irq softirq steal; the time of guests is contained in user.
        return sum(numbers[:8]), numbers[3] + numbers[4]
    return sum(numbers), numbers[-1]


def _load(parts):
    found = _numbers(parts.get("loadavg") or parts.get("vm.loadavg"))[:3]
    return found if len(found) == 3 else None


def _memory(parts):
    """Return (total, available) in MiB; available is an estimate of what can be used without swapping."""
    if parts.get("meminfo"):
        kib = {name: int(one) for name, one in re.findall(r"^(\w+):\s+(\d+)", parts["meminfo"], re.MULTILINE)}
        older = [kib[name] for name in ("MemFree", "Buffers", "Cached") if name in kib]
        available = kib.get("MemAvailable", sum(older) if older else None)
        return _in_mib(kib.get("MemTotal"), _KIB), _in_mib(available, _KIB)
    pages = {name: int(one) for one, name in re.findall(r"^\s*(\d+) (.+)$", parts.get("vmstat", ""), re.MULTILINE)}
    page = pages.get("bytes per page") or _integer(parts.get("hw.pagesize"))
    free = pages.get("pages free", _integer(parts.get("vm.stats.vm.v_free_count")))
    inactive = pages.get("pages inactive", _integer(parts.get("vm.stats.vm.v_inactive_count")))
    available = None if None in (page, free, inactive) else _in_mib(free + inactive, page)
    return _in_mib(_integer(parts.get("hw.physmem")), 1), available


def _in_mib(count, size):
    return None if count is None else count * size // _MIB


def _disks(parts):
    found = []
    for line in parts.get("df", "").splitlines():
        fields = re.fullmatch(r"(\S.*?)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+(/.*)", line)
        if fields and _is_storage(fields[1], fields[5]):
            found.append({"mount": fields[5], "device": fields[1], "size": int(fields[2]) * _KIB,
                          "used": int(fields[3]) * _KIB})  # fmt: skip
    return found or None


def _is_storage(device, mount):
    # A container has an overlay as its root.
    return mount == "/" or (device not in _NO_STORAGE and ("/" in device or mount == f"/{device}"))


def _named_services(text):
    """Return whether each of the named services runs; None without a program that knows."""
    if text is None:
        return None
    rows = re.findall(r"^(\d+) (\S+)$", text, re.MULTILINE)
    return [{"name": name, "running": None if int(code) in _NO_PROGRAM else code == "0"} for code, name in rows]


def _addresses(parts):
    text = parts.get("addresses", "")
    found = _by_ip(text) if re.match(r"\d+: ", text) else _by_ifconfig(text)
    usable = [{"interface": nic, "address": one} for nic, one in found if not one.startswith(_LOCAL)]
    return usable if text else None


def _by_ip(text):
    return re.findall(r"^\d+:\s+([^\s@]+)\S*\s+inet6?\s+([0-9a-f.:]+)", text, re.MULTILINE)


def _by_ifconfig(text):
    nic = None
    for line in text.splitlines():
        if line[:1].strip():
            nic = re.match(r"[^\s:]+", line)[0]
        address = re.match(r"\s+inet6?\s+(?:addr: ?)?([0-9a-f.:]+)", line)
        if nic and address:
            yield nic, address[1]


_FIELDS = {
    "os": _os,
    "uptime": _uptime,
    "cpus": _cpus,
    "cpu_percent": _cpu_percent,
    "load": _load,
    "memory_mib": lambda parts: _memory(parts)[0],
    "memory_used_mib": lambda parts: max(0, sub(*_memory(parts))),
    "disks": _disks,
    "addresses": _addresses,
    "services": lambda parts: services(parts.get("sockets", "")),
    "named_services": lambda parts: _named_services(parts.get("services")),
}
