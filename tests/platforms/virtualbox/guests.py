# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of one sector, because an interpreted VM is too slow for an operating system."""

from __future__ import annotations

import re

_SECTOR = 512
_SIGNATURE = bytes.fromhex("55aa")
_DISK_SIZE = 1024 * 1024

# Ports of VirtualBox's ACPI: 442eh accepts commands, 4000h contains the events, 4002h their mask, 4004h powers off.
# The guest halts until the next timer tick before it reads the events again; all other interrupts are masked.
_OBEYS = """
fa              cli
b0 fe           mov   al, feh           ; of the first eight, the clock alone
e6 21           out   21h, al
b0 ff           mov   al, ffh           ; of the others none
e6 a1           out   a1h, al
ba 2e 44        mov   dx, 442eh
b0 a1           mov   al, a1h           ; ACPI on
ee              out   dx, al
ba 02 40        mov   dx, 4002h
b8 00 01        mov   ax, 100h          ; tell of the power button
ef              out   dx, ax
ba 00 40        mov   dx, 4000h
fb              sti
f4              hlt                     ; look again
ed              in    ax, dx
f6 c4 01        test  ah, 1             ; pressed?
74 f9           jz    look again
b8 00 01        mov   ax, 100h
ef              out   dx, ax            ; heard
ba 04 40        mov   dx, 4004h
b8 00 34        mov   ax, 3400h         ; go to S5
ef              out   dx, ax
f4              hlt
eb fd           jmp   back to hlt
"""
_IGNORES = """
fa              cli
f4              hlt
eb fd           jmp   back to hlt
"""
# The interrupt table is loaded from six zero bytes, so neither the fault nor the fault that follows has a handler.
_CRASHES = """
fa              cli
31 c0           xor   ax, ax
8e d8           mov   ds, ax
0f 01 1e 30 7c  lidt  [7c30h]
cc              int3
f4              hlt
"""

GUESTS = {"obeys": _OBEYS, "ignores": _IGNORES, "crashes": _CRASHES}
#: The address to which the BIOS loads the sector.
_LOADED_AT = 0x7C00
_HALT = b"\xf4"


def _code(kind):
    return bytes.fromhex("".join(line[:16] for line in GUESTS[kind].splitlines()))


#: Instruction pointers of booted guests: behind the halt instruction.
_RESTS_AT = {_LOADED_AT + _code(kind).index(_HALT) + 1 for kind in ("obeys", "ignores")}


def has_booted(registers):
    """Whether the guest waits at its halt, according to the registers ``cs`` and ``eip``."""
    values = dict(re.findall(r"(\w+) = (0x[0-9a-f]+)", registers))
    return int(values.get("cs", "1"), 16) == 0 and int(values.get("eip", "0"), 16) in _RESTS_AT


def disk_image(kind):
    """The raw image of a disk that boots this guest."""
    code = _code(kind)
    sector = code.ljust(_SECTOR - len(_SIGNATURE), b"\0") + _SIGNATURE
    return sector.ljust(_DISK_SIZE, b"\0")
