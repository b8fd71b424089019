# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the server converts single options before it stores them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from urllib.parse import unquote

from . import drives, propertystring, schema
from .errors import ApiError, ParameterError

_CRYPTED = re.compile(r"\$(?:1|2a?|5|6|y)\$.+")
_WINDOWS = re.compile(r"w\w+")


def cdrom_as_drive(options):
    """``cdrom`` is another name for the drive ide2."""
    if "cdrom" not in options:
        return options
    options = dict(options)
    if "ide2" in options:
        raise ParameterError(cdrom="option 'cdrom' conflicts with option 'ide2'")
    options["ide2"] = options.pop("cdrom") + ",media=cdrom"
    return options


def check_ssh_keys(options):
    for line in unquote(options.get("sshkeys", "")).split("\n"):
        if line.strip() and not line.startswith("#") and not _is_ssh_key(line):
            raise ApiError("SSH public key validation error")


def _is_ssh_key(line):
    words = line.split()
    for kind, blob in zip(words, words[1:]):
        try:
            raw = base64.b64decode(blob, validate=True)
        except (binascii.Error, ValueError):
            continue
        # A key's data begins with its type, and ends with its last part (certificates are not simulated).
        parts = _parts_of_key(raw)
        if len(parts) > 1 and parts[0] == kind.encode():
            return True
    return False


def _parts_of_key(raw):
    """The parts of a key's data, each after its length; none if the last one is cut: ``ssh-keygen -l`` rejects it."""
    parts, at = [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
        if end > len(raw):
            return []
        parts.append(raw[at + 4 : end])
        at = end
    return parts


def crypted(password, options):
    """A password as PUT stores it: hashed, unless it is a hash already, or the guest is Windows."""
    if _CRYPTED.fullmatch(password) or _WINDOWS.fullmatch(options.get("ostype", "")):
        return password
    return f"$5$simulated${hashlib.sha256(password.encode()).hexdigest()[:43]}"


def normalised(world, key, value):
    """The value to store for an option that is not a drive."""
    if key == "tags":
        return ";".join(_tags(world.cluster.tag_style, schema.split_list(value)))
    if key == "description":
        return value.rstrip()
    if key == "cpuunits":
        return str(min(max(int(value), 1), 10000))
    if key == "vmgenid" and value == "1":
        return world.new_uuid()
    return _network(world, key, value) if key.startswith("net") and key[3:].isdigit() else value


def _tags(style, tags):
    kept = [tag if style.get("case-sensitive") else tag.lower() for tag in tags]
    unique = list(dict.fromkeys(kept))
    return unique if style.get("ordering") == "config" else sorted(unique)


def _network(world, key, value):
    rules = world.schema.properties_of(key)
    card = propertystring.parse(value, rules)
    card.setdefault("macaddr", world.new_mac())
    return propertystring.printed(card, rules)


def check_types(schema_, options):
    """Numbers with a sign pass the check of parameters, but a configuration with them cannot be written."""
    for key, value in sorted(options.items()):
        kind = (schema_.option(key) or {}).get("type")
        if kind in ("integer", "number") and value.startswith(("+", "-")):
            raise ApiError(f"unable to parse value of '{key}' - type check ('{kind}') failed - got '{value}'")


def machine_of_windows(world, options):
    """The machine version to which a Windows guest is pinned, or None."""
    machine = options.get("machine", "pc")
    if not options.get("ostype", "").startswith("win") or machine not in ("pc", "q35"):
        return None
    kind = "pc-q35" if machine == "q35" else "pc-i440fx"
    return f"{kind}-{world.emulator[1]}"


def check_machine(options):
    """Intel's IOMMU needs q35. That a change is rejected at once is ASSUMED; a creation fails in its task (READ)."""
    words = options.get("machine", "").split(",")
    if "viommu=intel" in words and not any("q35" in word for word in words):
        raise ApiError("to use Intel vIOMMU please set the machine type to q35")


def default_boot(schema_, options):
    """The default boot order of a new VM: first disk, first optical drive, first NIC."""
    found = drives.of(schema_, options)
    disks = [key for key, drive in found if not drives.is_cdrom(drive) and not key.startswith(("efi", "tpm"))]
    media = [key for key, drive in found if drives.is_cdrom(drive) and not drives.is_cloudinit(drive)]
    cards = [key for key in (f"net{number}" for number in range(32)) if key in options]
    return order_text([*disks[:1], *media[:1], *cards[:1]])


def order_text(devices):
    return "order=" + ";".join(devices) if devices else ""


def boot_order(options):
    """The devices of ``boot: order=…``; an order in the old form has none."""
    text = options.get("boot", "")
    return [name for name in text[len("order=") :].split(";") if name] if text.startswith("order=") else []


def boot_devices(options):
    """The devices from which a VM boots; in the old form of the order, that is one disk (get_bootdisks in Drive.pm)."""
    text = options.get("boot", "")
    return boot_order(options) if text.startswith("order=") else [options["bootdisk"]] if "bootdisk" in options else []


def check_boot(value, options):
    for device in boot_order({"boot": value}):
        if device not in options:
            raise ApiError(f"invalid bootorder: device '{device}' does not exist'")
