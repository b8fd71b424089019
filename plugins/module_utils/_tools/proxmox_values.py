# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a Proxmox VE configuration: property strings, sizes, and comparisons of values that mean the same."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from .._core.pattern import Pattern

#: Stem of an option -> the sub-key that may be written without its name.
_DEFAULT_KEYS = {
    "agent": "enabled", "cpu": "cputype", "efidisk": "file", "hostpci": "host", "ide": "file", "machine": "type",
    "memory": "current", "net": "model", "rng": "source", "sata": "file", "scsi": "file", "startup": "order",
    "tpmstate": "file", "unused": "file", "usb": "host", "vga": "type", "virtio": "file", "virtiofs": "dirid",
    "watchdog": "model", "amd-sev": "type", "boot": "legacy",
}  # fmt: skip
#: Other options with property strings as values; all their sub-keys need their names.
_PLAIN_STRINGS = frozenset({"ipconfig", "smbios", "numa", "audio", "spice_enhancements", "cicustom", "ivshmem"})
#: An option with a number.
_NUMBERED = Pattern(r"([a-z][a-z-]*?)\d+")
#: Defaults of options, and of sub-keys.
_DEFAULTS = {
    "acpi": "1", "allow-ksm": "1", "autostart": "0", "bios": "seabios", "ciupgrade": "1", "cores": "1",
    "cpulimit": "0", "freeze": "0", "hotplug": "network,disk,usb", "keephugepages": "0", "kvm": "1", "memory": "512",
    "migrate_downtime": "0.1", "migrate_speed": "0", "numa": "0", "onboot": "0", "ostype": "other", "protection": "0",
    "reboot": "1", "scsihw": "lsi", "shares": "1000", "sockets": "1", "startdate": "now", "tablet": "1", "tdf": "0",
    "template": "0", "vcpus": "0",
}  # fmt: skip
_SUB_DEFAULTS = {
    "agent": {"enabled": "0", "freeze-fs": "1", "fstrim_cloned_disks": "0", "type": "virtio"},
    "cpu": {"cputype": "kvm64", "hidden": "0"},
    "drive": {
        "backup": "1", "cache": "none", "discard": "ignore", "iothread": "0", "media": "disk", "replicate": "1",
        "ro": "0", "shared": "0", "snapshot": "0", "ssd": "0",
    },
    "efidisk": {"efitype": "2m", "ms-cert": "2011", "pre-enrolled-keys": "0"},
    "hostpci": {"driver": "vfio", "legacy-igd": "0", "pcie": "0", "rombar": "1", "x-vga": "0"},
    "machine": {"type": "pc"},
    "net": {"firewall": "0", "link_down": "0", "queues": "0"},
    "rng": {"max_bytes": "1024", "period": "1000"},
    "spice_enhancements": {"foldersharing": "0", "videostreaming": "off"},
    "tpmstate": {"version": "v1.2"},
    "usb": {"usb3": "0"},
    "vga": {"type": "std"},
    "virtiofs": {"cache": "auto", "direct-io": "0", "expose-acl": "0", "expose-xattr": "0"},
}  # fmt: skip
#: Other options that are booleans, or begin with one.
_OTHER_SWITCHES = frozenset({"agent", "localtime"})
_WORDS = {"yes": "1", "on": "1", "true": "1", "no": "0", "off": "0", "false": "0"}
#: Sub-keys for which on and off do not mean 1 and 0.
_OWN_WORDS = frozenset({"discard", "videostreaming", "aio", "cache"})
#: Sub-keys with other names, by stem.
_ALIASES = {"volume": "file", "freeze-fs-on-backup": "freeze-fs", "guest-fsfreeze": "freeze-fs"}
#: Sub-keys with several words, in any order.
_SETS = frozenset({"flags", "trunks"})
#: Machine types that match each of their versions, unless the task sets a version.
_UNPINNED = ("pc", "q35")
NICS = (
    "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "i82551",
    "i82557b", "i82559er", "ne2k_isa", "ne2k_pci", "pcnet",
)  # fmt: skip
#: The most ``cpuunits`` on nodes with cgroup v2, which store a larger number as this one; with v1 it is kept.
_MOST_UNITS = "10000"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DISK = Pattern(r"(ide|sata|scsi|virtio)(\d+)")
#: How many slots each bus has.
BUSES = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16}


def stem(key):
    """An option without its number: ``net`` of ``net0``."""
    found = _NUMBERED.fullmatch(key)
    return found[1] if found else key


def bus_of(key):
    """The bus of a drive's slot, such as scsi for scsi0; None if the key is not a valid slot."""
    found = _DISK.fullmatch(key)
    return found[1] if found and int(found[2]) < BUSES[found[1]] else None


def is_property_string(key):
    # numa (without a number) is a boolean.
    return key != "numa" and (stem(key) in _DEFAULT_KEYS or stem(key) in _PLAIN_STRINGS)


def parse(key, text):
    """{sub-key: value} of an option's value, with the server's own names of sub-keys."""
    return {name: value for name, value in requested_parts(key, text).items() if value}


def requested_parts(key, text):
    """{sub-key: value} of a requested value, including sub-keys with empty values, which are to be removed."""
    kind, found = stem(key), {}
    for part in str(text).split(","):
        name, equals, value = part.partition("=")
        if not equals:
            name, value = _DEFAULT_KEYS.get(kind, ""), name
        if kind == "net" and name in NICS:
            found["model"], name = name, "macaddr"
        name = _ALIASES.get(name, name)
        if equals or value:
            found[name] = value if name in _OWN_WORDS else _WORDS.get(value.lower(), value)
    return found


def printed(key, values):
    """The value of an option from its sub-keys, the one without a name first."""
    first = _DEFAULT_KEYS.get(stem(key))
    if stem(key) == "net" and values.get("macaddr"):
        values = {**values, "model": f"{values['model']}={values['macaddr']}"}
        del values["macaddr"]
    named = [f"{name}={value}" for name, value in sorted(values.items()) if name != first]
    return ",".join([*([str(values[first])] if first in values else []), *named])


def merged(key, old, new):
    """The value ``old`` with the sub-keys of ``new``; empty ones are removed."""
    both = {**parse(key, old or ""), **requested_parts(key, new)}
    return printed(key, {name: value for name, value in both.items() if value})


def same(key, found, requested):
    """Whether two values of an option (None: not set) mean the same."""
    if key == "boot":
        return (found or "").strip() == (requested or "").strip()
    if is_property_string(key):
        requested = _filled(key, requested)
        return _filled(key, found, is_pinned=requested.get("type") not in _UNPINNED) == requested
    if key == "hotplug":
        return _features(found) == _features(requested)
    if key == "cpuunits" and found == _MOST_UNITS:
        requested = min(_plain(key, requested), _MOST_UNITS, key=_number)
    return _plain(key, found) == _plain(key, requested)


def default(key):
    """The value that an option has if it is not set; empty if it has none."""
    return _DEFAULTS.get(key, "")


def holds(key, found, requested):
    """Whether ``found`` has all sub-keys of ``requested``, besides others; an empty one must have its default."""
    present = _filled(key, found or "")
    defaults = _SUB_DEFAULTS.get(_family(key), {})
    return all(
        present.get(name) == (_folded(name, value) if value else defaults.get(name))
        for name, value in requested_parts(key, requested).items()
    )


def _family(key):
    return "drive" if bus_of(key) else stem(key)


def _filled(key, text, is_pinned=True):
    values = parse(key, text) if text not in (None, "") else {}
    values = {name: _folded(name, value) for name, value in values.items()}
    if stem(key) == "machine" and values.get("type") and not is_pinned:
        values["type"] = _machine_type(values["type"])
    return {**_SUB_DEFAULTS.get(_family(key), {}), **values}


def _folded(name, value):
    if name in _SETS:
        return frozenset(value.split(";"))
    return value.lower() if name == "macaddr" else value


def _machine_type(machine):
    """A type without the version that the server pins to Windows guests."""
    return "q35" if "q35" in machine else "pc" if machine.startswith("pc-i440fx") else machine


def _features(text):
    text = _DEFAULTS["hotplug"] if text in (None, "", "1", 1) else str(text)
    return frozenset() if text == "0" else frozenset(re.split(r"[,; ]+", text))


def hotplugged(text):
    """The features that can be plugged into a running VM, from the option ``hotplug``."""
    return _features(text)


def _number(text):
    return int(text) if text.isdecimal() else 0


def _plain(key, value):
    if isinstance(value, bool):
        value = int(value)
    text = "" if value is None else str(value).strip()
    return switched(key, text) or _DEFAULTS.get(key, "")


def switched(key, text):
    """The text of an option as the server stores it: for booleans 0 or 1 instead of yes, on and others."""
    is_switch = _DEFAULTS.get(key) in ("0", "1") or key in _OTHER_SWITCHES
    return _WORDS.get(text.strip().lower(), text) if is_switch else text


def size_of(text):
    """A size in bytes from the server's text, such as 32G; None if it is not a size."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text or "")
    return int(float(found[1]) * _UNITS[found[2]]) if found else None


def gibibytes(size):
    """A size in bytes as the server expects it for a new disk: a number of GiB."""
    return f"{size / _UNITS['G']:.10f}".rstrip("0").rstrip(".")


def keys_text(lines):
    """SSH keys as the server expects them: URL-encoded, in addition to the encoding of the call."""
    return quote("\n".join(line.strip() for line in lines), safe="")


def keys_of(text):
    """SSH keys from the server's encoded text."""
    return tuple(line.strip() for line in unquote(text or "").split("\n") if line.strip())


def is_cdrom(drive):
    return drive.get("media") == "cdrom" or drive.get("file") == "cdrom"


def is_seed(drive):
    """Whether a drive is the cloud-init seed."""
    name = drive.get("file", "").rpartition("/")[2].rpartition(":")[2]
    return name == "cloudinit" or re.fullmatch(r"vm-\d+-cloudinit(\.\w+)?", name) is not None


def is_seed_iso(volume, vmid=r"\d+"):
    """Whether a volume is a seed ISO that this collection has created for a VM, or for any VM."""
    return re.search(rf":iso/polyvirt-seed-{vmid}-[0-9a-f]{{8}}[.]iso$", volume) is not None


def owner_of(volume):
    """The ID of the VM that a volume belongs to; None for ISO images and paths."""
    found = re.search(r"(?:^|[:/])(?:vm|base)-(\d+)-[^/]*$", volume)
    return found[1] if found else None


def is_base(volume):
    """Whether a volume is a disk of a template: linked clones can be based on it."""
    return re.search(r"(?:^|[:/])base-\d+-[^/]*$", volume) is not None


def volume_key(volume):
    """What identifies a volume: its name changes if its VM becomes a template, or if it gets a base (ZFS)."""
    storage, colon, name = volume.partition(":")
    return f"{storage}{colon}{re.sub('^base-', 'vm-', name.rpartition('/')[2])}"


def is_same_volume(one, other):
    """Whether two texts name the same volume, or are equal if one of them names none."""
    return one == other or bool(one and other and volume_key(one) == volume_key(other))


def base_of(volume):
    """The base volume in the name of a linked clone; None for one that does not need its base (LVM-thin)."""
    found = re.match(r"(.*[:/]base-\d+-disk-\d+[^/]*)/", volume)
    return found[1] if found else None


def format_of(volume):
    """The format of a volume; raw unless its name ends with that of another format."""
    return next((kind for kind in ("qcow2", "vmdk") if volume.endswith(f".{kind}")), "raw")
