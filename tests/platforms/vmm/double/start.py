# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmctl start``: a VM of vm.conf, or one with the options ``-m`` and ``-d``; and the request for vmd."""

from __future__ import annotations

from . import images, sizes
from .host import text_of
from .options import Failure
from .registration import is_valid_name
from .vmconf import DEFAULT_LARGEST_MEMORY, LARGEST_MEMORY, MAX_DISKS

_DEFAULT_MEMORY = 512 << 20
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
        self.call, self.memory, self.disks = call, None, []
        for letter, value in found:
            if letter == "d":
                self._disk(value)
            elif self.memory is None:
                self._memory(value)
            else:
                raise Failure("vmctl: memory specified multiple times\n")

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

    def _disk(self, text):
        kind, path = images.kind_and_path(self.call.host, text)
        try:
            self.disks.append([kind, self.call.host.resolve(path)])
        except OSError as reason:
            shown = f": {path}" if self.call.release >= "7.8" else ""
            raise Failure(f"vmctl: invalid disk path{shown}: {reason.strerror}\n") from None

    def message(self, wanted):
        """The request, after the checks that vmctl makes once it is connected."""
        flags = [name for name, value in (("MEMORY", self.memory), ("DISK", self.disks)) if value]
        if flags:
            self._check()
        if wanted.name and not is_valid_name(wanted.name):
            raise Failure("vmctl: invalid VM name\n")
        return {
            "type": "IMSG_VMDOP_START_VM_REQUEST",
            "vmc_flags": flags,
            "id": wanted.id,
            "name": wanted.name,
            "ncpus": 1,
            "memory": (self.memory or _DEFAULT_MEMORY) if flags else 0,
            "bootdevice": "auto",
            "disks": self.disks,
            "cdrom": "",
            "nics": [],
            "nnics": 0,
            "instance": "",
            "kernel_fd_passed": False,
        }

    def _check(self):
        if len(self.disks) > MAX_DISKS:
            raise Failure("vmctl: too many disks\n")
        if not self.disks:
            self.call.warn("starting without disks")
            raise Failure("vmctl: no kernel or disk/cdrom specified\n")
        self.call.warn("starting without network interfaces")

    def complete(self, answer):
        """The exit code for vmd's answer."""
        error = answer.get("vmr_result") or {}
        if error.get("number"):
            name = error.get("name", "")
            text = text_of(name) if name and name not in _FAILURES else f"Unknown error: {error['number']}"
            self.call.warn(_FAILURES.get(name, f"start vm command failed: {text}"))
            return 1
        number = (answer.get("vmr_id", 0) + 2**31) % 2**32 - 2**31
        self.call.warn(f"started vm {number} successfully, tty {answer.get('vmr_ttyname', '')[:15]}")
        return 0
