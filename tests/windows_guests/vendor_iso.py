# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the installation ISO image of Windows: files in UDF only, and a boot catalogue for BIOS and UEFI.

Written from ECMA-119, ECMA-167 and El Torito 1.0, not from the product's reader; 7-Zip lists these images. The UEFI
entry starts efisys.bin; the medium also has efisys_noprompt.bin. Neither has a program of Microsoft.
"""

from __future__ import annotations

import struct

SECTOR = 2048
_SEQUENCE, _ANCHOR, _PARTITION = 32, 256, 257
#: Bytes of one extent: the most that UDF has is just below 1 GiB. Small, so that files have several.
EXTENT = 6 * SECTOR

# Name, title behind the version, edition, and kind of installation.
_DESKTOP = "(Desktop Experience)"
SERVER = (
    ("Windows Server 2025 SERVERSTANDARDCORE", "Standard Evaluation", "ServerStandardEval", "Server Core"),
    ("Windows Server 2025 SERVERSTANDARD", "Standard Evaluation " + _DESKTOP, "ServerStandardEval", "Server"),
    ("Windows Server 2025 SERVERDATACENTERCORE", "Datacenter Evaluation", "ServerDatacenterEval", "Server Core"),
    ("Windows Server 2025 SERVERDATACENTER", "Datacenter Evaluation " + _DESKTOP, "ServerDatacenterEval", "Server"),
)  # fmt: skip
SERVER_2022 = tuple((name.replace("2025", "2022"), *rest) for name, *rest in SERVER)
CLIENT = (("Windows 11 Enterprise Evaluation", "Windows 11 Enterprise Evaluation", "EnterpriseEval", "Client"),)
LTSC = (
    ("Windows 11 Enterprise LTSC Evaluation", "Windows 11 Enterprise LTSC Evaluation", "EnterpriseSEval", "Client"),
    ("Windows 11 Enterprise N LTSC Evaluation", "Windows 11 Enterprise N LTSC", "EnterpriseSNEval", "Client"),
)  # fmt: skip
BUILDS = {"2022": "20348", "2025": "26100", "11": "26100"}


def windows_files(images=SERVER, languages=("en-US",), build="26100", **others):
    """The files of a medium, by path. Others are added or, with None, left out."""
    listed = "".join(f"{name} = 3\r\n" for name in languages)
    files = {
        "boot/etfsboot.com": b"\xeb\xfe" + bytes(SECTOR - 2),
        "efi/microsoft/boot/efisys.bin": b"asks for a key".ljust(4 * SECTOR, b"\1"),
        "efi/microsoft/boot/efisys_noprompt.bin": b"asks for nothing".ljust(4 * SECTOR, b"\2"),
        "setup.exe": b"MZ",
        "sources/lang.ini": f"[Available UI Languages]\r\n{listed}\r\n[Fallback Languages]\r\nfr-FR = 1\r\n".encode(),
        "sources/install.wim": wim(images, build, languages[0] if languages else "en-US"),
    }
    return {path: data for path, data in {**files, **others}.items() if data is not None}


def wim(images, build="26100", language="en-US", architecture="9"):
    """A file with the description of images, behind their data."""
    parts = [
        f'<IMAGE INDEX="{number}"><NAME>{name}</NAME><DISPLAYNAME>{title}</DISPLAYNAME><WINDOWS>'
        f"<ARCH>{architecture}</ARCH><EDITIONID>{edition}</EDITIONID><INSTALLATIONTYPE>{kind}</INSTALLATIONTYPE>"
        f"<LANGUAGES><LANGUAGE>{language}</LANGUAGE><DEFAULT>{language}</DEFAULT></LANGUAGES>"
        f"<VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR><BUILD>{build}</BUILD></VERSION></WINDOWS></IMAGE>"
        for number, (name, title, edition, kind) in enumerate(images, 1)
    ]
    text = b"\xff\xfe" + f"<WIM>{''.join(parts)}</WIM>".encode("utf-16-le")
    data = bytes(3 * EXTENT + 100)
    header = bytearray(208)
    header[:8] = b"MSWIM\0\0\0"
    header[72:80] = len(text).to_bytes(7, "little") + b"\2"
    header[80:96] = struct.pack("<QQ", 208 + len(data), len(text))
    return bytes(header) + data + text


def write_iso(path, files, label="SSS_X64FREE_EN-US_DV9", boot=("boot/etfsboot.com", "efi/microsoft/boot/efisys.bin")):
    """Write an ISO image with these files; ``boot`` are the programs for BIOS and UEFI."""
    with open(path, "wb") as file:
        file.write(iso(files, label, boot))
    return str(path)


def iso(files, label="SSS_X64FREE_EN-US_DV9", boot=("boot/etfsboot.com", "efi/microsoft/boot/efisys.bin")):
    volume = _Udf(files)
    image = bytearray(_PARTITION * SECTOR) + volume.blocks
    total = len(image) // SECTOR

    def put(number, data):
        image[number * SECTOR : number * SECTOR + len(data)] = data

    put(16, _volume(label, total))
    put(17, b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", 22))
    put(18, b"\xffCD001\1")
    for number, name in enumerate((b"BEA01", b"NSR02", b"TEA01"), 19):
        put(number, b"\0" + name + b"\1")
    put(22, _catalogue([volume.sectors.get(name) for name in boot]))
    put(23, _record(b"\0", 23) + _record(b"\1", 23))
    put(24, b"\1\0" + struct.pack("<I", 23) + b"\1\0\0\0")
    put(25, b"\1\0" + struct.pack(">I", 23) + b"\0\1\0\0")
    for number, data in enumerate(_sequence(label, total - _PARTITION)):
        put(_SEQUENCE + number, _tagged(data[0], data[1], _SEQUENCE + number))
    extent = struct.pack("<IIII", 16 * SECTOR, _SEQUENCE, 16 * SECTOR, _SEQUENCE)
    put(_ANCHOR, _tagged(2, extent.ljust(SECTOR - 16, b"\0"), _ANCHOR))
    return bytes(image)


class _Udf:
    """The partition: descriptors first, then the contents; ``sectors``: where files begin in the image."""

    def __init__(self, files):
        self.blocks, self.sectors = bytearray(), {}
        self._put(2, b"")  # The file set and its end, written last.
        tree = {}
        for path, data in files.items():
            *folders, name = path.split("/")
            place = tree
            for folder in folders:
                place = place.setdefault(folder, {})
            place[name] = data
        root = self._folder(tree, None, "")
        file_set = bytearray(512 - 16)
        file_set[400 - 16 : 412 - 16] = struct.pack("<IIH", SECTOR, root, 0) + b"\0\0"
        self._set(0, _tagged(256, bytes(file_set), 0))
        self._set(1, _tagged(8, bytes(512 - 16), 1))

    def _put(self, count, data):
        place = len(self.blocks) // SECTOR
        self.blocks += data.ljust(count * SECTOR, b"\0")
        return place

    def _set(self, block, data):
        self.blocks[block * SECTOR : block * SECTOR + len(data)] = data

    def _folder(self, tree, above, path):
        entry = self._put(1, b"")
        names = self._name(b"", entry if above is None else above, 10)
        for name, what in tree.items():
            inside = f"{path}/{name}".strip("/")
            is_folder = isinstance(what, dict)
            place = self._folder(what, entry, inside) if is_folder else self._file(what, inside)
            text = b"\x08" + name.encode("latin-1") if name.isascii() else b"\x10" + name.encode("utf-16-be")
            names += self._name(text, place, 2 if is_folder else 0)
        self._entry(entry, names, 4)
        return entry

    def _file(self, data, path):
        entry = self._put(1, b"")
        first = self._entry(entry, data, 5)
        self.sectors[path] = _PARTITION + first
        return entry

    def _entry(self, entry, data, kind):
        first = self._put(-(-len(data) // SECTOR), data)
        extents = b"".join(
            struct.pack("<II", min(EXTENT, len(data) - at), first + at // SECTOR) for at in range(0, len(data), EXTENT)
        )
        body = bytearray(160)
        body[0:20] = struct.pack("<IHHHBBIHH", 0, 4, 0, 1, 0, kind, 0, 0, 0)
        body[32:34], body[40:48] = struct.pack("<H", 1), struct.pack("<Q", len(data))
        body[48:56] = struct.pack("<Q", -(-len(data) // SECTOR))
        body[152:160] = struct.pack("<II", 0, len(extents))
        self._set(entry, _tagged(261, bytes(body) + extents, entry))
        return first

    @staticmethod
    def _name(text, place, flags):
        body = struct.pack("<HBBIIHHIH", 1, flags, len(text), SECTOR, place, 0, 0, 0, 0) + text
        return _tagged(257, body.ljust(-(-(16 + len(body)) // 4) * 4 - 16, b"\0"), 0)


def _sequence(label, blocks):
    name = (b"\x08" + label.encode()).ljust(31, b"\0") + bytes([len(label) + 1])
    spec = b"\0CS0\0OSTA Compressed Unicode".ljust(64, b"\0")
    domain = (b"\0*OSTA UDF Compliant" + bytes(4) + b"\2\1").ljust(32, b"\0")
    primary = struct.pack("<II", 1, 0) + name + struct.pack("<HHHHII", 1, 1, 2, 2, 1, 1) + bytes(128) + spec * 2
    partition = struct.pack("<IHH", 2, 1, 0) + b"\0+NSR02".ljust(32, b"\0") + bytes(128)
    partition += struct.pack("<III", 1, _PARTITION, blocks)
    volume = struct.pack("<I", 3) + spec + (b"\x08" + label.encode()).ljust(127, b"\0") + bytes([len(label) + 1])
    volume += struct.pack("<I", SECTOR) + domain + struct.pack("<IIH", 4096, 0, 0).ljust(16, b"\0")
    volume += struct.pack("<II", 6, 1) + bytes(32 + 128 + 8) + struct.pack("<BBHH", 1, 6, 1, 0)
    return [(1, primary.ljust(496, b"\0")), (5, partition.ljust(496, b"\0")), (6, volume), (8, bytes(496))]


def _tagged(kind, body, location):
    head = bytearray(struct.pack("<HHBBHHHI", kind, 2, 0, 0, 1, _crc(body), len(body), location))
    head[4] = sum(head) & 0xFF
    return bytes(head) + body


def _crc(data):
    found = 0
    for byte in data:
        found ^= byte << 8
        for _bit in range(8):
            found = (found << 1 ^ 0x1021 if found & 0x8000 else found << 1) & 0xFFFF
    return found


def _catalogue(sectors):
    bios, uefi = sectors
    found = bytearray(b"\1\0\0\0" + b"Stand-in".ljust(24, b"\0") + b"\0\0\x55\xaa")
    found[28:30] = struct.pack("<H", -sum(struct.unpack("<16H", bytes(found))) & 0xFFFF)
    found += (b"\x88\0\0\0\0\0" + struct.pack("<HI", 4, bios or 0)).ljust(32, b"\0")
    if uefi:
        found += b"\x91\xef" + struct.pack("<H", 1).ljust(30, b"\0")
        found += (b"\x88\0\0\0\0\0" + struct.pack("<HI", 1, uefi)).ljust(32, b"\0")
    return bytes(found)


def _volume(label, total):
    def both(form, value):
        return struct.pack(f"<{form}", value) + struct.pack(f">{form}", value)

    head = b"\1CD001\1\0" + b" " * 32 + label.encode().ljust(32) + bytes(8) + both("I", total) + bytes(32)
    head += both("H", 1) + both("H", 1) + both("H", SECTOR) + both("I", 10)
    head += struct.pack("<II", 24, 0) + struct.pack(">II", 25, 0) + _record(b"\0", 23)
    return head + b" " * 128 + b"MICROSOFT CORPORATION".ljust(128) + b" " * 256 + b" " * 111 + bytes(68) + b"\1"


def _record(name, sector):
    head = b"\0" + struct.pack("<I", sector) + struct.pack(">I", sector) + struct.pack("<I", SECTOR)
    head += struct.pack(">I", SECTOR) + bytes(7) + b"\2\0\0\1\0\0\1\1" + name
    return bytes([len(head) + 1]) + head


def boot_program(serial, then_off=True):
    """A program for the BIOS that writes a text to the first serial port, and switches QEMU's machine off or waits.

    16-bit code that is loaded at 0x7C00: it polls the port's line status, waits for 182 ticks of the timer (ten
    seconds, in which the task that starts the VM sees it run), and writes S5 to the ACPI register of QEMU.
    """
    write = "31c08ed8be2f7cac84c0741288c4bafd03eca82074fb88e0baf803eeebe9"
    wait = "b9b600fbf4e2fd"
    off = "ba0406b80020ef" if then_off else "90" * 7
    return (bytes.fromhex(f"{write}{wait}{off}f4ebfd") + serial.encode() + b"\0").ljust(SECTOR, b"\0")
