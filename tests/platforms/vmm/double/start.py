# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmctl start``: its options, and the request for vmd."""

from __future__ import annotations

from . import images, sizes
from .host import text_of
from .options import Failure
from .registration import is_valid_name
from .vmconf import DEFAULT_LARGEST_MEMORY, LARGEST_MEMORY, LONGEST_NAME, MAX_DISKS, MAX_NICS

_DEFAULT_MEMORY = 512 << 20
_LARGEST_COUNT = 2**31 - 1
_DEVICES = ("disk", "cdrom", "net")
_ONCE = {"b": "boot image", "B": "boot device", "r": "iso image", "m": "memory", "i": "interfaces"}
_FAILURES = {
    "VMD_BIOS_MISSING": "vmm bios firmware file not found.",
    "VMD_DISK_MISSING": "could not open disk image(s)",
    "VMD_CDROM_MISSING": "could not find specified iso image",
    "VMD_CDROM_INVALID": "specified iso image is not a regular file",
    "VMD_PARENT_INVALID": "invalid template",
}


class Start:
    """The options; each is checked when it is read."""

    def __init__(self, call, found):
        self.call, self.with_console = call, False
        self.memory = self.count = self.kernel = self.device = self.cdrom = None
        self.disks, self.nics, self.template = [], [], None
        seen = set()
        for letter, value in found:
            if letter in _ONCE and letter in seen:
                raise Failure(f"vmctl: {_ONCE[letter]} specified multiple times\n")
            seen.add(letter)
            self._read(letter, value)

    def _read(self, letter, value):
        if letter == "c":
            self.with_console = True
        elif letter == "L":
            self.nics.append({"flags": ["UP", "LOCAL"], "switch": ""})
        elif letter == "n":
            self._add_switch(value)
        elif letter == "t":
            if len(value) > LONGEST_NAME:
                self.call.warn("instance vm name too long")
                raise Failure(f"vmctl: invalid name: {value}\n")
            self.template = value
        else:
            readers = {"m": self._memory, "i": self._count, "d": self._disk, "r": self._cdrom, "b": self._kernel}
            readers.get(letter, self._device)(value)

    def _add_switch(self, name):
        # vmctl itself uses the name "." for a local interface.
        is_local = name == "."
        self.nics.append({"flags": ["UP", "LOCAL"] if is_local else ["UP"], "switch": "" if is_local else name})

    def _memory(self, text):
        try:
            number = sizes.read(text)
        except sizes.BadSize as reason:
            raise Failure(f"vmctl: invalid memory size: {text}: {reason}\n") from None
        if number < sizes.MEGABYTE:
            raise Failure("vmctl: memory size must be at least 1MB\n")
        limit = LARGEST_MEMORY.get(self.call.release, DEFAULT_LARGEST_MEMORY)
        if number > limit:
            raise Failure(f"vmctl: memory size too large (limit is {sizes.write(limit)})\n")
        self.memory = number // sizes.MEGABYTE * sizes.MEGABYTE
        if self.memory != number:
            self.call.warn(f"memory size rounded to {sizes.write(self.memory)}")

    def _count(self, text):
        problem = ""
        try:
            number = int(text) if text.strip(" \t\n\v\f\r+-").isdecimal() and text.isascii() else None
        except ValueError:
            number = None
        if number is None or text != text.rstrip():
            problem = "invalid"
        elif number < 1:
            problem = "too small"
        elif number > _LARGEST_COUNT:
            problem = "too large"
        if problem:
            self.call.warn(f"count is {problem}: {text}")
            raise Failure(f"vmctl: invalid interface count: {text}\n")
        self.count = number

    def _disk(self, text):
        kind, path = images.kind_and_path(self.call.host, text)
        self.disks.append([kind, self._resolved(path, "disk")])

    def _cdrom(self, path):
        self.cdrom = self._resolved(path, "iso image")

    def _resolved(self, path, what):
        """The file of a path; the error about one that does not exist names it since OpenBSD 7.8."""
        try:
            return self.call.host.resolve(path)
        except OSError as reason:
            shown = f": {path}" if self.call.release >= "7.8" else ""
            raise Failure(f"vmctl: invalid {what} path{shown}: {reason.strerror}\n") from None

    def _kernel(self, path):
        try:
            self.kernel = self.call.host.resolve(path)
        except OSError as reason:
            raise Failure(f"vmctl: invalid boot image path: {reason.strerror}\n") from None

    def _device(self, word):
        if word not in _DEVICES:
            raise Failure(f"vmctl: unknown boot device {word}\n")
        self.device = word

    # The request ------------------------------------------------------------------------------------------------------

    def message(self, wanted):
        """The request, after the checks that vmctl makes once it is connected."""
        nics = [*self.nics, *({"flags": ["UP"], "switch": ""} for _more in range((self.count or 0) - len(self.nics)))]
        flags = [
            name
            for name, is_set in (
                ("KERNEL", self.kernel),
                ("MEMORY", self.memory),
                ("NETWORK", nics),
                ("DISK", self.disks),
                ("CDROM", self.cdrom),
                ("INSTANCE", self.template is not None),
            )
            if is_set
        ]
        memory = self.memory or 0
        if flags and self.template is None:
            self._check(nics)
            memory = self.memory or _DEFAULT_MEMORY
        if any(len(nic["switch"]) > LONGEST_NAME for nic in nics):
            raise Failure("vmctl: interface name too long\n")
        if wanted.name and not is_valid_name(wanted.name):
            raise Failure("vmctl: invalid VM name\n")
        if self.kernel:
            self._open_kernel()
        return {
            "type": "IMSG_VMDOP_START_VM_REQUEST",
            "vmc_flags": flags,
            "id": wanted.id,
            "name": wanted.name,
            "ncpus": 1,
            "memory": memory,
            "bootdevice": self.device or "auto",
            "disks": self.disks,
            "cdrom": self.cdrom or "",
            "nics": nics,
            "nnics": len(nics),
            "instance": self.template or "",
            "kernel_fd_passed": bool(self.kernel),
        }

    def _check(self, nics):
        if len(self.disks) > MAX_DISKS:
            raise Failure("vmctl: too many disks\n")
        if not self.disks and not self.kernel:
            self.call.warn("starting without disks")
        if not (self.kernel or self.disks or self.cdrom):
            raise Failure("vmctl: no kernel or disk/cdrom specified\n")
        if len(nics) > MAX_NICS:
            raise Failure("vmctl: too many network interfaces\n")
        if not nics and not self.kernel:
            self.call.warn("starting without network interfaces")

    def _open_kernel(self):
        try:
            self.call.host.open(self.kernel).close()
        except IsADirectoryError:
            raise Failure("vmctl: kernel must be a regular file\n") from None
        except OSError as reason:
            raise Failure(f"vmctl: cannot open kernel '{self.kernel}': {reason.strerror}\n") from None

    def complete(self, answer):
        """The exit code for vmd's answer."""
        error = answer.get("vmr_result") or {}
        if error.get("number"):
            name = error.get("name", "")
            text = text_of(name) if name and name not in _FAILURES else f"Unknown error: {error['number']}"
            self.call.warn(_FAILURES.get(name, f"start vm command failed: {text}"))
            return 1
        tty = answer.get("vmr_ttyname", "")[:15]
        if self.with_console:
            return self.call.console(tty)
        number = (answer.get("vmr_id", 0) + 2**31) % 2**32 - 2**31
        self.call.warn(f"started vm {number} successfully, tty {tty}")
        return 0
