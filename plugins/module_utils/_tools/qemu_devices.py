# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices on a command line of QEMU, and those that a QEMU has. Its models are in no answer of libvirt."""

from __future__ import annotations

import json
import re
import shlex

from .._core.pattern import Pattern

#: {model of a NIC in the descriptor of an appliance: QEMU's}
NIC_MODELS = {"pcnet32": "pcnet", **{name: name for name in ("rtl8139", "e1000", "e1000e", "vmxnet3", "virtio")}}
#: Devices that QEMU has had on x86 since before libvirt 6, in all distributions.
_USUAL = frozenset({
    "VGA", "e1000e", "hda-duplex", "i6300esb", "ich9-intel-hda", "ide-cd", "ide-hd", "intel-hda", "isa-serial", "lsi",
    "pci-bridge", "pcie-pci-bridge", "pcie-root-port", "piix3-usb-uhci", "qemu-xhci", "rtl8139", "scsi-block",
    "scsi-cd", "scsi-hd", "tpm-crb", "tpm-tis", "usb-kbd", "usb-tablet", "vfio-pci", "virtconsole", "virtio-9p-pci",
    "virtio-balloon-pci", "virtio-blk-pci", "virtio-net-pci", "virtio-rng-pci", "virtio-scsi-pci", "virtio-serial-pci",
    "virtserialport",
})  # fmt: skip
_NAME = Pattern(r'^name "([^"]+)"(?:.*\balias "([^"]+)")?', re.MULTILINE)
_NICS, _OTHERS = ("Network",), ("Controller/Bridge/Hub", "USB", "Storage")


def unusual_devices(command_line):
    """Return (emulator, {device: whether it is a NIC}) of what an old or small QEMU may lack."""
    words = shlex.split(command_line)
    emulator = next((word for word in words if word.startswith("/")), None)
    values = [_parsed(value) for option, value in zip(words, words[1:]) if option == "-device"]
    return emulator, {name: is_nic for name, is_nic in values if name and name not in _USUAL}


def _parsed(value):
    if value.startswith("{"):
        found = json.loads(value)
        return found["driver"], "netdev" in found
    first, *others = value.split(",")
    keys = dict(one.partition("=")[::2] for one in (first, *others))
    return keys.get("driver") or ("" if "=" in first else first), "netdev" in keys


def lacking(text, devices):
    """Return (device, devices of its kind) for the first that QEMU lacks, or None; ``text``: ``-device help``."""
    if not text:
        return None
    known = {name for names in _NAME.findall(text) for name in names}
    name = next((one for one in devices if one not in known), None)
    kinds = _NICS if devices.get(name) else _OTHERS
    return name and (name, [one for kind in kinds for one in _of_kind(text, kind)])


def _of_kind(text, kind):
    section = text.partition(f"{kind} devices:\n")[2].partition("\n\n")[0]
    return [name for name, _alias in _NAME.findall(section)]
