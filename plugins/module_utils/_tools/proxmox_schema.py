# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that Proxmox VE up to version 9 accepts for its options. Options that are not listed are not checked."""

from __future__ import annotations

import re

from . import proxmox_values as values

#: The newest version with known values; a later one may accept more.
NEWEST = 9
_SWITCH = ("0", "1")
_SWITCHES = frozenset((
    "acpi", "allow-ksm", "autostart", "ciupgrade", "freeze", "keephugepages", "kvm", "localtime", "numa", "reboot",
    "tablet", "tdf",
))  # fmt: skip
#: (least, most) of whole numbers.
_NUMBERS = {
    "balloon": (0, None), "cpuunits": (1, 262144), "migrate_speed": (0, None), "shares": (0, 50000), "vcpus": (1, None),
}  # fmt: skip
_WORDS = {
    "arch": ("x86_64", "aarch64"),
    "citype": ("configdrive2", "nocloud", "opennebula"),
    "hugepages": ("any", "2", "1024"),
    "keyboard": (
        "de", "de-ch", "da", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu", "is", "it", "ja",
        "lt", "mk", "nl", "no", "pl", "pt", "pt-br", "sv", "sl", "tr",
    ),
    "scsihw": ("lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"),
}  # fmt: skip
_PATTERNS = {
    "cpulimit": (r"\d+(\.\d+)?", "a number from 0 to 128"),
    "migrate_downtime": (r"\d+(\.\d+)?", "a number of seconds"),
    "parallel": (r"/dev/parport\d+|/dev/usb/lp\d+", "a device such as /dev/parport0"),
    "serial": (r"/dev/.+|socket", "socket, or a device of the node"),
    "startdate": (
        r"now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?",
        "now, or a date such as 2026-11-30T12:00:00",
    ),
    "vmgenid": (r"[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01]", "a UUID, or 0"),
}
_DRIVE = {
    **dict.fromkeys(
        ("backup", "detect_zeroes", "iothread", "replicate", "ro", "scsiblock", "shared", "snapshot", "ssd"), _SWITCH
    ),
    "aio": ("native", "threads", "io_uring"),
    "cache": ("none", "writethrough", "writeback", "unsafe", "directsync"),
    "discard": ("ignore", "on"),
    "rerror": ("ignore", "report", "stop"),
    "werror": ("enospc", "ignore", "report", "stop"),
}
#: {stem: {part: values}} of options that have parts.
_PARTS = {
    **dict.fromkeys(values.BUSES, _DRIVE),
    "agent": {"type": ("virtio", "isa"), **dict.fromkeys(("enabled", "freeze-fs", "fstrim_cloned_disks"), _SWITCH)},
    "audio": {"device": ("ich9-intel-hda", "intel-hda", "AC97"), "driver": ("spice", "none")},
    "cpu": {"hidden": _SWITCH},
    "smbios": {"base64": _SWITCH},
    "hostpci": dict.fromkeys(("legacy-igd", "pcie", "rombar", "x-vga"), _SWITCH),
    "machine": {"viommu": ("intel", "virtio"), "enable-s3": _SWITCH, "enable-s4": _SWITCH},
    "net": dict.fromkeys(("firewall", "link_down"), _SWITCH),
    "numa": {"policy": ("preferred", "bind", "interleave")},
    "rng": {"source": ("/dev/urandom", "/dev/random", "/dev/hwrng")},
    "spice_enhancements": {"foldersharing": _SWITCH, "videostreaming": ("off", "all", "filter")},
    "usb": {"usb3": _SWITCH},
    "vga": {"type": (
        "cirrus", "qxl", "qxl2", "qxl3", "qxl4", "none", "serial0", "serial1", "serial2", "serial3", "std", "virtio",
        "virtio-gl", "vmware",
    )},
    "virtiofs": {
        "cache": ("auto", "always", "metadata", "never"),
        **dict.fromkeys(("direct-io", "expose-acl", "expose-xattr"), _SWITCH),
    },
    "watchdog": {
        "action": ("reset", "shutdown", "poweroff", "pause", "debug", "none"),
        "model": ("i6300esb", "ib700"),
    },
}  # fmt: skip
_SMBIOS_TEXT = (r"[A-Za-z0-9+/]+={0,2}", "a word, or base64 with base64=1")
#: CPU flags that a VM can have; others need a custom model. Versions before 9 have one less (nested-virt).
_CPU_FLAGS = (
    "aes", "amd-no-ssb", "amd-ssbd", "hv-evmcs", "hv-tlbflush", "ibpb", "md-clear", "nested-virt", "pcid", "pdpe1gb",
    "spec-ctrl", "ssbd", "virt-ssbd",
)  # fmt: skip
_CPU_FLAG = f"[+-]({'|'.join(_CPU_FLAGS)})"
#: {stem: {part: (pattern, what is allowed)}}.
_PART_PATTERNS = {
    "cpu": {
        "flags": (f"{_CPU_FLAG}(;{_CPU_FLAG})*", f"+FLAG or -FLAG, separated by ;, of {', '.join(_CPU_FLAGS)}"),
        "guest-phys-bits": (r"3[2-9]|[45]\d|6[0-4]", "32 to 64"),
        "hv-vendor-id": (r"[a-zA-Z0-9]{1,12}", "at most 12 letters and digits"),
        "level": (r"\d+", "a number"),
        "phys-bits": (r"[89]|[1-5]\d|6[0-4]|host", "8 to 64, or host"),
    },
    "machine": {
        "aw-bits": (r"3[2-9]|[45]\d|6[0-4]", "32 to 64"),
        "type": (
            r"pc|q35|(pc(-i440fx|-q35)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?)|virt(-\d+(\.\d+)+)?(\+pve\d+)?",
            "pc, q35, virt, or a version such as pc-q35-9.0",
        ),
    },
    "smbios": {
        "uuid": (r"[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}", "a UUID"),
        **dict.fromkeys(("family", "manufacturer", "product", "serial", "sku", "version"), _SMBIOS_TEXT),
    },
}
#: {stem: the other parts} of options with no further parts.
_OTHER_PARTS = {"cpu": ("cputype", "reported-model"), "machine": (), "smbios": ()}
#: Parts that a bus does not have.
_LACKS = {"virtio": ("ssd", "scsiblock"), "ide": ("iothread",), "sata": ("iothread",)}
_FEATURES = ("network", "disk", "usb", "memory", "cpu", "cloudinit")


def wrong_value(key, text):
    """(wrong value or part, text of the allowed values) if the value of an option is wrong, else None."""
    if not text:
        return None
    found = _wrong_plain_value(key, text) or (_wrong_part(key, text) if values.is_property_string(key) else None)
    return found or (_wrong_feature(text) if key == "hotplug" else None)


def _wrong_plain_value(key, text):
    if key in _SWITCHES:
        return None if text in _SWITCH else (text, "a boolean")
    if key in _NUMBERS:
        least, most = _NUMBERS[key]
        allowed = f"a whole number of at least {least}" + (f" and at most {most}" if most else "")
        return None if text.isdecimal() and least <= int(text) <= (most or int(text)) else (text, allowed)
    if key in _WORDS:
        return None if text in _WORDS[key] else (text, ", ".join(_WORDS[key]))
    pattern, allowed = _PATTERNS.get(values.stem(key), (None, None))
    return (text, allowed) if pattern and not re.fullmatch(pattern, text) else None


def _wrong_part(key, text):
    stem = values.stem(key)
    for name, value in values.parse(key, text).items():
        if name in _LACKS.get(stem, ()):
            return name, f"no part of a disk on {stem}"
        allowed = _PARTS.get(stem, {}).get(name)
        if allowed and value not in allowed:
            return f"{name}={value}", "0 or 1" if allowed == _SWITCH else ", ".join(allowed)
        pattern, text_of_allowed = _PART_PATTERNS.get(stem, {}).get(name, (None, None))
        if pattern and not re.fullmatch(pattern, value):
            return f"{name}={value}", text_of_allowed
        known = (*_PART_PATTERNS.get(stem, ()), *_PARTS.get(stem, ()), *_OTHER_PARTS.get(stem, ()))
        if stem in _OTHER_PARTS and name not in known:
            return name or value, ", ".join(sorted(known))
    return None


def _wrong_feature(text):
    wrong = [one for one in re.split(r"[,; ]+", text) if one not in (*_FEATURES, "0", "1")]
    return (wrong[0], ", ".join(_FEATURES)) if wrong else None
