# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether KVM works on this host: a guest executes its first instructions.

Neither an open /dev/kvm nor a VM that libvirt reports as running is sufficient: hypervisors that nest or filter let the
guest start, and then abort its CPU or let it hang. Therefore QEMU boots a sector of seven bytes.
"""

from __future__ import annotations

DEVICE = "/dev/kvm"
#: Names of QEMU with KVM; the last one is that of RHEL.
EMULATORS = ("qemu-system-x86_64", "qemu-kvm", "/usr/libexec/qemu-kvm")
SECONDS = 8
_BYTE = 0x2A
#: isa-debug-exit turns a byte b into the exit code 2b+1.
EXIT_CODE = 2 * _BYTE + 1
#: mov al,0x2a; out 0xf4,al; hlt; jmp to the hlt.
_CODE = bytes([0xB0, _BYTE, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD])
#: A boot sector ends with the bytes that a BIOS looks for.
SECTOR = _CODE.ljust(510, b"\0") + b"\x55\xaa"


def argv(emulator, sector):
    """Return the command line that boots the file ``sector`` with KVM and the CPU of the host."""
    return [
        emulator,
        *("-accel", "kvm", "-cpu", "host", "-machine", "pc", "-m", "16"),
        *("-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
        *("-drive", f"file={sector},format=raw,if=ide,snapshot=on"),
    ]
