# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the boot programs of Windows: real UEFI firmware starts it from a FAT image on a medium or disk.

It prints a text on the console and powers the VM off. One that asks first waits five seconds for a key, and returns
EFI_TIMEOUT without one, as cdboot.efi does. Written from the UEFI specification 2.10 and the PE format; unsigned.
"""

from __future__ import annotations

import struct

PROMPT, NO_KEY = "STANDIN press any key", "STANDIN no key"
SETUP, SETUP_BY_KEY, INSTALLED = "STANDIN setup starts by itself", "STANDIN setup starts by key", "STANDIN from disk"

# Offsets in the system table, and of functions in its tables.
_CON_IN, _CON_OUT, _RUNTIME, _BOOT = 0x30, 0x40, 0x58, 0x60
_OUTPUT, _READ_KEY, _STALL, _RESET = 8, 8, 0xF8, 0x68
_TEXT_AT, _SECTOR = 0x1000, 512


def program(text, asks=False):
    """A UEFI application for x86-64."""
    code, texts = bytearray(), {}

    def say(words):
        code.extend(b"\x48\x8b\x4b" + bytes([_CON_OUT]) + b"\x48\x8d\x15")  # rcx = ConOut, rdx = the text
        texts.setdefault(words, []).append(len(code))
        code.extend(bytes(4) + b"\xff\x51" + bytes([_OUTPUT]))

    code += b"\x53\x56\x48\x83\xec\x28\x48\x89\xd3"  # save rbx and rsi; rbx = the system table
    if asks:
        say(PROMPT)
        wait = b"\x48\x8b\x43" + bytes([_BOOT]) + b"\xb9" + struct.pack("<I", 100_000)  # ecx = 0.1 s
        wait += b"\xff\x90" + struct.pack("<I", _STALL) + b"\xff\xce"
        read = b"\x48\x8b\x4b" + bytes([_CON_IN]) + b"\x48\x8d\x54\x24\x20\xff\x51" + bytes([_READ_KEY])
        read += b"\x48\x85\xc0\x74"
        code += b"\xbe" + struct.pack("<I", 50)  # 50 times
        loop = read + b"\0" + wait + b"\x75"
        loop += struct.pack("b", -(len(loop) + 1))
        key_at = len(code) + len(read)
        code += loop
        say(NO_KEY)
        code += b"\x48\xb8" + struct.pack("<Q", 0x8000000000000012) + b"\x48\x83\xc4\x28\x5e\x5b\xc3"
        code[key_at] = len(code) - key_at - 1
    say(text)
    code += b"\x48\x8b\x43" + bytes([_RUNTIME]) + b"\xb9\2\0\0\0\x31\xd2\x45\x31\xc0\x45\x31\xc9\xff\x50"
    code += bytes([_RESET]) + b"\xeb\xfe"
    for words, places in texts.items():
        for place in places:
            code[place : place + 4] = struct.pack("<i", len(code) - place - 4)
        code += f"\r\n{words}\r\n\0".encode("utf-16-le")
    return _portable_executable(bytes(code))


def _portable_executable(code):
    size = -(-len(code) // _SECTOR) * _SECTOR
    image = _TEXT_AT + -(-size // _TEXT_AT) * _TEXT_AT
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    head += struct.pack("<HBBIIIII", 0x20B, 1, 0, size, 0, 0, _TEXT_AT, _TEXT_AT)
    head += struct.pack("<QII6HIIIIHH", 0, _TEXT_AT, _SECTOR, 0, 0, 0, 0, 0, 0, 0, image, _SECTOR, 0, 10, 0)
    head += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(128)
    head += b".text\0\0\0" + struct.pack("<IIIIIIHHI", len(code), _TEXT_AT, size, _SECTOR, 0, 0, 0, 0, 0xE0000020)
    return head.ljust(_SECTOR, b"\0") + code.ljust(size, b"\0")


def fat(application, sectors=2880):
    """A FAT12 volume that a firmware starts ``application`` from."""
    count = -(-len(application) // _SECTOR)
    boot = b"\xeb\x3c\x90STANDIN " + struct.pack("<HBHBHHBHHHII", _SECTOR, 1, 1, 2, 224, sectors, 0xF0, 9, 18, 2, 0, 0)
    boot = (boot + b"\0\0\x29" + b"\1\2\3\4STANDIN    FAT12   ").ljust(510, b"\0") + b"\x55\xaa"
    entries = [0xFF0, 0xFFF, 0xFFF, 0xFFF, *range(5, 4 + count), 0xFFF]
    table = bytearray()
    for low, high in zip(entries[::2], [*entries[1::2], 0]):
        table += bytes([low & 0xFF, low >> 8 | (high & 15) << 4, high >> 4])
    table = bytes(table).ljust(9 * _SECTOR, b"\0")
    root = _name("EFI", 2).ljust(14 * _SECTOR, b"\0")
    efi = (_name(".", 2) + _name("..", 0) + _name("BOOT", 3)).ljust(_SECTOR, b"\0")
    folder = _name(".", 3) + _name("..", 2) + _name("BOOTX64 EFI", 4, len(application))
    return (boot + table * 2 + root + efi + folder.ljust(_SECTOR, b"\0") + application).ljust(sectors * _SECTOR, b"\0")


def _name(name, cluster, size=0):
    return name.ljust(11).encode() + bytes([0x20 if size else 0x10]) + bytes(14) + struct.pack("<HI", cluster, size)


def boot_files():
    """The two boot programs of a medium, as files of ``vendor_iso.windows_files``."""
    place = "efi/microsoft/boot/"
    return {
        f"{place}efisys.bin": fat(program(SETUP_BY_KEY, asks=True)),
        f"{place}efisys_noprompt.bin": fat(program(SETUP)),
    }
