# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of disks' places: what stands for a bus, and what the next one is called."""

from __future__ import annotations

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide"}


def bus_of(slot):
    """The bus that a slot's name implies: vda is virtio, sda scsi, hda ide."""
    return _BUSES.get(slot[:2], "virtio")


def slot_name(place):
    """The disk at a place on the default bus: vda, vdb ... vdz, vdaa (libvirt's virDiskNameToIndex counts so)."""
    letters, number = "", place + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"vd{letters}"
