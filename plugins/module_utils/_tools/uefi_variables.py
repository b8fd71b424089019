# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the variables of UEFI firmware in a file of EDK II (OVMF, VirtualBox). Pure: bytes in, values out.

Source: the Platform Initialization Specification (firmware volume), and VariableFormat.h of EDK II.
"""

from __future__ import annotations

import struct

_VOLUME, _VOLUME_AT = b"_FVH", 40
#: gEfiAuthenticatedVariableGuid.
_STORE = bytes.fromhex("782cf3aa7b949a43a1802e144ec37792")
_STORE_HEADER, _VARIABLE = 28, struct.Struct("<HBBIQ16sIII16s")
_BEGIN, _VALID = 0x55AA, (0x3F, 0x3E)


def variables_in(content):
    """Return {name: value in bytes} of the valid variables, or None if it is no such file."""
    if content[_VOLUME_AT : _VOLUME_AT + 4] != _VOLUME:
        return None
    place = int.from_bytes(content[48:50], "little")
    if content[place : place + 16] != _STORE:
        return None
    place, found = place + _STORE_HEADER, {}
    while place + _VARIABLE.size <= len(content):
        begin, state, *_other, name_size, data_size, _owner = _VARIABLE.unpack_from(content, place)
        if begin != _BEGIN:
            break
        name_at = place + _VARIABLE.size
        data_at = name_at + name_size
        if state in _VALID:
            name = content[name_at:data_at].decode("utf-16-le", "replace").rstrip("\0")
            found[name] = content[data_at : data_at + data_size]
        place = (data_at + data_size + 3) & ~3
    return found


def secure_boot_in(content):
    """Return whether the firmware checks signatures; None if that is not known.

    It does if it has a platform key (PK), unless it was switched off in its menu or by VirtualBox.
    """
    found = variables_in(content)
    if found is None:
        return None
    return bool(found.get("PK")) and found.get("SecureBootEnable", b"\1") == b"\1"
