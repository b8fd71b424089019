# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs: starting and stopping them, and the events of their guests as time passes."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re

from . import installer
from .host import text_of

#: The seconds in which a guest must acknowledge a request to stop, and those that it has to stop.
_ACKNOWLEDGE, _GRACE = 3, 120
_FAST, _FAST_STARTS = 6, 3
_DESCRIBED = 0.3
_DESCRIPTION = 63
_LEASE = """lease {address} {{
\tstarts {starts};
\tends {ends};
\thardware ethernet {lladdr};
\tuid 01:{lladdr};
\tclient-hostname "{name}";
}}
"""
_STARTS, _ENDS = "5 2026/11/20 06:00:00 UTC", "5 2099/11/20 18:00:00 UTC"
LEASES = "/var/db/dhcpd.leases"
GUEST = {"vmmci": True, "shutdown": 2, "hangs": False, "boot": 5, "dhcp": True, "ssh": True, "ends": None}
#: For a guest that starts an installer: the seconds of writing to the disk, whether its last script fails, and an
#: additional question.
GUEST.update(install=5, site_fails=False, asks="")
_RESTARTS = 2
_EVENTS = ("ends_at", "starts_at", "described_at", "booted_at", "installed_at")


class Refused(Exception):
    """vmd rejects a request; the argument is the name of the error."""


class Guests:
    """All VMs of a state at the time ``state["now"]``."""

    def __init__(self, state, host):
        self.state, self.host = state, host

    @property
    def now(self):
        return self.state["now"]

    def guest(self, vm):
        """The behaviour of this VM's guest."""
        return {**GUEST, **self.state["guests"].get(vm["name"], {})}

    def running(self):
        return [vm for vm in self.state["vms"] if vm.get("running")]

    def log(self, text):
        self.state["vmd"]["log"].append(text)

    # Time -------------------------------------------------------------------------------------------------------------

    def advance(self, now):
        """Advance the time to ``now``, and run all events that are due until then, in order."""
        while (due := self.next_event()) is not None and due <= now:
            self.state["now"] = max(due, self.now)
            self._happen()
        self.state["now"] = max(now, self.now)

    def next_event(self):
        return min((when for vm in self.state["vms"] for when in self._events(vm)), default=None)

    def _events(self, vm):
        return [vm[key] for key in _EVENTS if vm.get(key) is not None]

    def _happen(self):
        for vm in list(self.state["vms"]):
            for key, react in (
                ("described_at", self._describe),
                ("booted_at", self._boot),
                ("installed_at", self._complete_installation),
                ("ends_at", self._finish),
                ("starts_at", self._start_waiting),
            ):
                if vm.get(key) is not None and vm[key] <= self.now:
                    vm[key] = None
                    react(vm)

    def _finish(self, vm):
        """The guest ends on its own, or its time to stop is over."""
        if not vm.pop("is_installed", False) or vm.get("stopping") or vm.get("boot_device"):
            self.end(vm)
            return
        vm["booted_at"] = self.now + self.guest(vm)["boot"]

    def _start_waiting(self, vm):
        if vm["state"] != "waiting":
            return
        try:
            self.start(vm)
        except Refused as reason:
            vm["state"] = ""
            self.log(f"failed to start vm {vm['name']}: {text_of(str(reason))}")

    # Starting ---------------------------------------------------------------------------------------------------------

    def start(self, vm, kernel=""):
        """Start a VM. If this raises Refused, the VM does not run."""
        self._check_rate(vm)
        if not (kernel or vm.get("boot")) and not self.host.exists("/etc/firmware/vmm-bios"):
            raise Refused("VMD_BIOS_MISSING")
        if vm.get("cdrom") and not self.host.exists(vm["cdrom"]):
            raise Refused("VMD_CDROM_MISSING")
        if vm.get("cdrom") and not os.path.isfile(self.host.place(vm["cdrom"])):
            raise Refused("VMD_CDROM_INVALID")
        self._check_disks(vm)
        taps = self._free_taps(len(vm["interfaces"]))
        self._run(vm, taps)

    def _check_rate(self, vm):
        """Raise Refused if three starts follow each other, each within 6 seconds of the one before."""
        last = vm.get("started_at")
        vm["fast_starts"] = vm.get("fast_starts", 0) + 1 if last is not None and self.now - last < _FAST else 0
        if vm["fast_starts"] >= _FAST_STARTS - 1:
            self.log(f"vm {vm['name']} restarted too quickly")
            vm["started_at"] = self.now
            raise Refused("EPERM")

    def _check_disks(self, vm):
        used = {disk[0] for other in self.running() for disk in other["disks"]}
        for path, _kind in vm["disks"]:
            if path in used or _is_locked(self.host.place(path)):
                self.log(f"can't open disk {path}: Resource temporarily unavailable")
                raise Refused("VMD_DISK_MISSING")
            if not os.path.isfile(self.host.place(path)):
                self.log(f"can't open disk {path}: No such file or directory")
                raise Refused("VMD_DISK_MISSING")

    def _free_taps(self, number):
        used = {tap for vm in self.running() for tap in vm["taps"]}
        taps = []
        for unit in range(len(used) + number + 1):
            if len(taps) < number and f"tap{unit}" not in used:
                if not self.host.exists(f"/dev/tap{unit}"):
                    self.log(f"can't open /dev/tap{unit}")
                    raise Refused("ENOENT")
                taps.append(f"tap{unit}")
        return taps

    def _run(self, vm, taps):
        used = {other["tty"] for other in self.running()}
        vmd, guest = self.state["vmd"], self.guest(vm)
        vmd["next_pid"] += 1
        vm.update(running=True, state="", stopping=False, paused=False, pid=vmd["next_pid"], taps=taps)
        vm["tty"] = next(f"/dev/ttyp{unit}" for unit in range(256) if f"/dev/ttyp{unit}" not in used)
        vm.update(started_at=self.now, described_at=self.now + _DESCRIBED)
        vm["booted_at"] = self.now + guest["boot"]
        vm["ends_at"] = None if guest["ends"] is None else self.now + guest["ends"]
        for tap, nic in zip(taps, vm["interfaces"]):
            flags = ["BROADCAST", "RUNNING", "SIMPLEX", "MULTICAST"]
            address = "fe:e1:ba" + nic["lladdr"][8:]
            self.state["interfaces"][tap] = {"flags": flags, "lladdr": address, "groups": ["tap"], "inet": []}

    def _describe(self, vm):
        """Set description, address and bridge of the taps, a moment after the start."""
        for index, (tap, nic) in enumerate(zip(vm["taps"], vm["interfaces"])):
            interface = self.state["interfaces"][tap]
            interface["description"] = f"vm{vm['id']}-if{index}-{vm['name']}"[:_DESCRIPTION]
            interface["flags"] = ["UP", *interface["flags"]] if nic["up"] else interface["flags"]
            if nic["local"]:
                self._address(vm, interface, index)
            elif nic.get("switch"):
                self._join(tap, nic["switch"])

    def _address(self, vm, interface, index):
        address = local_address(self.state, vm["id"], index)
        if address is None:
            self.log("dhcp address range exceeded")
        else:
            interface["inet"] = [[address, 31]]

    def _join(self, tap, name):
        switch = next((one for one in self.state["switches"] if one["name"] == name), None)
        bridge = self.state["interfaces"].get(switch["interface"]) if switch else None
        if bridge is None:
            self.log(f'switch "{name}" not found')
        else:
            bridge.setdefault("members", []).append(tap)

    def _boot(self, vm):
        """The guest has booted: start an installer, and request addresses from DHCP servers."""
        if vm.get("running"):
            self._start_installer(vm)
        if not self.guest(vm)["dhcp"] or not vm.get("running"):
            return
        for nic in vm["interfaces"]:
            if nic.get("switch") and not nic["local"]:
                self._lease(vm, nic)

    def _start_installer(self, vm):
        """Start the installer, if the VM boots one: it reads its files now, and completes the installation later."""
        found = installer.boot(self.host, vm, self.state, self.guest(vm)["asks"])
        if not found:
            return
        self._print(vm, found.shown)
        if found.is_answered:
            vm["installation"] = found.finished(self.guest(vm)["site_fails"])
            vm["installed_at"] = self.now + self.guest(vm)["install"]

    def _complete_installation(self, vm):
        console, installed = vm.pop("installation")
        self._print(vm, console)
        if installed:
            self.state["installed"][vm["disks"][0][0]] = installed
            vm.update(is_installed=True, ends_at=self.now + _RESTARTS)

    def _print(self, vm, text):
        """Append text to the installer's console, which is a file here."""
        vm["prints"] = True
        self.host.write(vm["tty"], self.host.text(vm["tty"]) + text)

    def _lease(self, vm, nic):
        """Give the NIC its reserved address, or the next free one with an entry in dhcpd's file of leases."""
        network = self.network_of(nic["switch"])
        if network is None:
            return
        name, (address, length) = network
        text, lladdr = self.host.text("/etc/dhcpd.conf"), nic["lladdr"]
        reserved = re.search(rf"{{[^}}]*hardware\s+ethernet\s+{lladdr}\s*;[^}}]*fixed-address\s+([0-9.]+)", text, re.I)
        given = self.state.setdefault("leases", {})
        if reserved:
            given[lladdr] = reserved.group(1)
        else:
            first = re.search(r"\brange\s+([0-9.]+)", text)
            network = ipaddress.ip_network(f"{address}/{length}", strict=False)
            first = ipaddress.IPv4Address(first.group(1)) if first else network[101]
            given.setdefault(lladdr, str(first + len(given)))
            entry = _LEASE.format(address=given[lladdr], lladdr=lladdr, name=vm["name"], starts=_STARTS, ends=_ENDS)
            self.host.write(LEASES, self.host.text(LEASES) + entry)
        self.state["arp"] = [one for one in self.state["arp"] if one[0] != given[lladdr]]
        self.state["arp"].append([given[lladdr], lladdr, name])

    def network_of(self, switch):
        """(interface of the host in a switch, its first [address, prefix length]), or None without a DHCP server."""
        found = next((one for one in self.state["switches"] if one["name"] == switch), {})
        members = self.state["interfaces"].get(found.get("interface"), {}).get("members", [])
        dhcpd = self.state["services"].get("dhcpd", {})
        for name in members:
            addresses = self.state["interfaces"].get(name, {}).get("inet")
            if addresses and dhcpd.get("running") and name in dhcpd.get("flags", "").split():
                return name, addresses[0]
        return None

    # Ending -----------------------------------------------------------------------------------------------------------

    def stop(self, vm, by_force):
        """Request that the guest stops, or end the VM by force."""
        guest = self.guest(vm)
        if by_force:
            self.end(vm)
        elif not guest["vmmci"]:
            # The guest has no vmmci driver: the VM ends at once, and unwritten data is lost.
            self.end(vm)
        elif guest["hangs"] or vm.get("paused"):
            # The guest does not acknowledge the request.
            vm.update(stopping=True, ends_at=self.now + _ACKNOWLEDGE + _GRACE)
        else:
            vm.update(stopping=True, ends_at=self.now + min(guest["shutdown"], _ACKNOWLEDGE + _GRACE))

    def end(self, vm):
        """The VM's process ends. A VM that is not in vm.conf is removed from the state."""
        for tap in vm.get("taps", []):
            interface = self.state["interfaces"][tap]
            interface["flags"] = [flag for flag in interface["flags"] if flag not in ("UP", "RUNNING")]
            for other in self.state["interfaces"].values():
                if tap in other.get("members", []):
                    other["members"].remove(tap)
        if vm.pop("prints", False):
            self.host.remove(vm["tty"])
        vm.update(running=False, stopping=False, paused=False, pid=0, tty="", taps=[], state="", ended_at=self.now)
        vm.update(dict.fromkeys(_EVENTS))
        if not vm.get("from_config"):
            self.state["vms"].remove(vm)


def _is_locked(path):
    """Whether a program on the host of the tests has locked a file, which vmd locks when it opens a disk."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def local_address(state, number, index):
    """The host's address of a local interface, or None if the prefix has no free address."""
    settings = state["vmd"]["settings"]
    prefix = int(ipaddress.IPv4Address(settings.get("local_prefix", "100.64.0.0")))
    mask = int(ipaddress.IPv4Address(settings.get("local_mask", "255.192.0.0")))
    address = prefix | number << 8 | (index + 1) * 2
    return str(ipaddress.IPv4Address(address)) if address & mask == prefix else None
