# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs vmctl(8), ifconfig, arp and vmd on OpenBSD, and parses their output.

Every message of vmctl goes to standard error, also those of success; only ``status`` writes to standard output.
"""

from __future__ import annotations

import calendar
import os
import re
from fractions import Fraction
from typing import Optional

from .._core.errors import CommandFailed, Timeout, Unavailable, remedy_for
from .._core.frozen import Frozen
from .._core.pattern import Pattern
from .._ports import permits
from . import openbsd_network

#: Commands that change something and destroy no file: ``create`` never overwrites one.
_CHANGES = frozenset({"create", "pause", "reload", "start", "stop", "unpause"})
_COLUMNS = 9
_HEADER = "ID"
_INSTALL = "vmctl is part of OpenBSD. Install OpenBSD on the host, or correct the option executable."
_START_VMD = "Enable and start vmd: rcctl enable vmd; rcctl start vmd. The role polyvirt.core.vmm_host does so."
_WAIT = "vmd rejects a third start of a VM within seconds. Run the task again in 6 seconds."
_ENDING = "The VM has not ended yet. Raise timeout, or end it: vmctl stop -f NAME."
#: Rows (texts of the error, remedy), see remedy_for; docs/errors.md lists them.
REMEDIES = (
    (("Operation not permitted", "Permission denied"), "Run the task as root (become: true)."),
    (
        ("could not open disk image(s)",),
        "A disk is missing, or another VM uses it: restore the file, or stop that VM; see /var/log/daemon.",
    ),
    (("could not find specified iso image",), "Restore the ISO image, or set iso: ''."),
    (
        ("start vm command failed: No such file or directory",),
        "Add tap devices (cd /dev && sh MAKEDEV tap4); see /var/log/daemon.",
    ),
    (
        ("Operation not supported",),
        "Enable virtualization in the firmware of the host (for a VM: nested virtualization), and restart it.",
    ),
    (
        ("bios firmware file not found",),
        "Install the firmware: fw_update vmm. The role polyvirt.core.vmm_host does so.",
    ),
    (
        ("Cannot allocate memory",),
        "Set less memory, or raise datasize of the class vmd in /etc/login.conf, and restart vmd when no VM runs.",
    ),
    (("compressed clusters unsupported",), "Convert the image on another host: qemu-img convert -O raw."),
    (("pipe closed",), "vmd has ended, with all VMs: see /var/log/daemon, start vmd, and run the task again."),
)
#: The state in vmctl status of a VM that vmd will start.
WAITING = "waiting"
#: State in vmctl status -> (power state, what the VM is busy with).
_STATES = {
    "running": ("running", None),
    "paused": ("paused", None),
    "stopping": ("running", "stopping"),
    WAITING: ("stopped", "waiting for its staggered start"),
    "stopped": ("stopped", None),
}
#: The error of a start within seconds after others.
_REFUSED_START = "start vm command failed: Operation not permitted"
_IN_PROGRESS = "Operation already in progress"
_PAUSE_ANSWER = 10
_UNITS = "BKMGTPE"
_SIZE = Pattern(rf"(\d+(?:\.\d+)?)([{_UNITS}]?)", re.IGNORECASE | re.ASCII)
_TAP = Pattern(r"vm(\d+)-if(\d+)-")
#: A VM number and an interface number have a byte each in the addresses of local interfaces; see vmd's priv.c.
_ID_BITS = 8


class NotNow(CommandFailed):
    """vmd rejects this start, and may accept the next: the third within seconds, or of a VM that runs or still ends."""


class Busy(CommandFailed):
    """Another task is changing vm.conf."""


class Row(Frozen):
    """One line of ``vmctl status``, without process and owner of the VM. ``terminal``: the device of its console."""

    id: int
    max_memory: str
    state: str
    name: str
    used_memory: str = ""
    terminal: Optional[str] = None

    @property
    def power(self):
        return _STATES.get(self.state, ("unknown", None))[0]

    @property
    def busy(self):
        return _STATES.get(self.state, ("unknown", None))[1]


class Tap(Frozen):
    """The tap device on the host of NIC number ``nic`` of VM number ``vm``; ``addresses`` are those of the host."""

    vm: int
    nic: int
    addresses: tuple


def rows(stdout):
    """{name: Row} of the output of ``vmctl status``. Columns may be wider than their heading, so only words count."""
    found = {}
    for line in stdout.splitlines():
        words = line.split(None, _COLUMNS - 1)
        if len(words) == _COLUMNS and words[0] != _HEADER and words[0].isdigit():
            number, _pid, _cpus, most, used, tty, _owner, state, name = words
            found[name] = Row(int(number), most, state, name, used, None if tty == "-" else f"/dev/{tty}")
    return found


def size(text):
    """The bytes of a size such as ``1.3G``; None if the text is not a size. vmctl rounds sizes to one decimal."""
    match = _SIZE.fullmatch(text)
    return int(Fraction(match[1]) * 1024 ** _UNITS.index((match[2] or "B").upper())) if match else None


def taps(stdout):
    """[Tap] from the output of ``ifconfig tap``; vmd writes the numbers of VM and NIC into a device's description."""
    found = []
    for block in re.split(r"^(?=\S)", stdout, flags=re.MULTILINE):
        described = re.search(r"^\tdescription: (.*)$", block, re.MULTILINE)
        number = described and _TAP.match(described[1])
        if number:
            addresses = tuple(re.findall(r"^\tinet (\S+)", block, re.MULTILINE))
            found.append(Tap(int(number[1]), int(number[2]), addresses))
    return found


def interfaces(stdout):
    """The names of all network interfaces, from the output of ``ifconfig``."""
    return set(re.findall(r"^(\w+): flags=", stdout, re.MULTILINE))


def local_address(prefix, vm, nic):
    """The guest's address on a local interface: computed by vmd from the numbers of the VM and of the interface.

    None if the number of the VM does not fit into the prefix; such a VM gets no address. None also for an invalid
    prefix, which vmd will reject when it reads vm.conf.
    """
    network = openbsd_network.network(prefix)
    host = vm << _ID_BITS | (nic + 1) * 2
    if network is None or host + 1 >= network.num_addresses:
        return None
    return str(network.network_address + host + 1)


def leases(text, now):
    """{MAC: address} of the leases in dhcpd.leases that are valid at ``now`` (seconds since 1970).

    The file is a log: of several leases of one address, the last one counts.
    """
    by_address = {}
    for address, body in re.findall(r"^lease (\S+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        mac = re.search(r"^\s*hardware ethernet (\S+);", body, re.MULTILINE)
        by_address[address] = mac[1].lower() if mac and _is_valid(body, now) else None
    return {mac: address for address, mac in by_address.items() if mac}


def _is_valid(body, now):
    end = re.search(r"^\s*ends \d (\d+)/(\d+)/(\d+) (\d+):(\d+):(\d+)", body, re.MULTILINE)
    if re.search(r"^\s*abandoned;", body, re.MULTILINE):
        return False
    return end is None or calendar.timegm(tuple(map(int, end.groups()))) > now


def neighbours(stdout):
    """{MAC: address} from the output of ``arp -an``."""
    found = {}
    for line in stdout.splitlines():
        words = line.split()
        if len(words) > 2 and re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", words[1].lower()):
            found.setdefault(words[1].lower(), words[0])
    return found


class Vmctl:
    """vmctl, vmd, ifconfig and arp on this host."""

    def __init__(self, commands, executable="vmctl"):
        self._commands, self._executable = commands, executable

    def status(self):
        """{name: Row} of all VMs that vmd knows. Raises Unavailable if vmd does not answer.

        Without any VM, vmctl prints the heading and exits with 1.
        """
        completed = self._commands.run(self._argv("status"))
        if completed.rc != 0 and not completed.stdout.split()[:1] == [_HEADER]:
            raise _no_answer(completed)
        return rows(completed.stdout)

    def create(self, *words):
        """``vmctl create``: create an image file. It works without vmd, and copying may take long."""
        return self._run("create", *words, timeout=None)

    def start(self, name):
        """Start a VM of vm.conf. Raises NotNow: the caller looks whether it runs, which vmctl may not list yet."""
        try:
            return self._run("start", name)
        except CommandFailed as error:
            if _IN_PROGRESS in error.stderr:
                raise NotNow(error.argv, error.rc, error.stderr, remedy=_ENDING) from error
            if _REFUSED_START in error.stderr:
                remedy = error.remedy if os.geteuid() else _WAIT
                raise NotNow(error.argv, error.rc, error.stderr, remedy=remedy) from error
            raise

    def stop(self, name, *options):
        """Ask the guest to shut down, or power off with ``-f``. A VM that is stopping already is not an error."""
        try:
            return self._run("stop", *options, name)
        except CommandFailed as error:
            if _IN_PROGRESS not in error.stderr:
                raise

    def pause(self, name):
        """The answer may never come although the VM is paused, so the caller has to observe it."""
        try:
            self._run("pause", name, timeout=_PAUSE_ANSWER)
        except Timeout:
            pass

    def unpause(self, name):
        try:
            self._run("unpause", name, timeout=_PAUSE_ANSWER)
        except Timeout:
            pass

    def reload(self):
        return self._run("reload")

    def validate(self, path):
        """The messages of ``vmd -n`` about a file, or an empty text if it is valid."""
        completed = self._commands.run([self._commands.find("vmd", _INSTALL), "-n", "-f", path])
        return "" if completed.rc == 0 else completed.stderr.strip()

    def taps(self):
        """[Tap] of the interface group ``tap``, which does not exist if there is no tap device."""
        return taps(self._commands.run([self._commands.find("ifconfig"), "tap"]).stdout)

    def interfaces(self):
        return interfaces(self._commands.run([self._commands.find("ifconfig")]).stdout)

    def neighbours(self):
        return neighbours(self._commands.run([self._commands.find("arp"), "-an"]).stdout)

    def _argv(self, *words):
        return [self._commands.find(self._executable, _INSTALL), *words]

    def _run(self, *words, timeout=60):
        permits.check_command(words[0], _CHANGES)
        completed = self._commands.run(self._argv(*words), timeout=timeout, writes=True)
        if completed.rc != 0:
            raise _no_answer(completed) if ": connect: " in completed.stderr else _failed(completed)
        return completed


def _failed(completed):
    stderr = completed.stderr
    return CommandFailed(completed.argv, completed.rc, stderr, remedy=remedy_for(REMEDIES, stderr))


def _no_answer(completed):
    remedy = remedy_for(REMEDIES, completed.stderr) or _START_VMD
    error = completed.stderr.strip() or "no output"
    return Unavailable(f"vmd does not answer: {error}.", why="not_responding", remedy=remedy)
