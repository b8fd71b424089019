# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option cloud_init as the server reports it. What it would reject for any VM is rejected before."""

from __future__ import annotations

import base64
import re

from ...._lifecycle.errors import ApiError, Refused
from ...._lifecycle.ip_config import normalized
from ...._tools import proxmox_values as values
from .disks import drives_of, free_slot

#: Shown instead of a password in plans and results; only the driver knows the value.
_SET = "set"
#: Slots for the drive that cloud-init reads, the usual one first.
_SEED_SLOTS = ("ide0", "ide1", "ide2", "ide3", "sata4")
#: Fields that cloud-init reads from a drive of their own.
SEEDED = ("cloud_init",)
#: The same as options, by the key without its number; the last is set by the option native.
CLOUD_INIT_KEYS = frozenset({"ciuser", "sshkeys", "ipconfig", "nameserver", "searchdomain", "cicustom"})


def adjusted(vm, requested):
    """What is requested, as the server will report it. Raises Refused."""
    return {
        option: _ADJUSTED[option](f"{vm.name}: cloud_init: {option}", value) if option in _ADJUSTED else value
        for option, value in requested.items()
    }


def _check_keys(option, entries):
    """Reject anything but public keys. It may be a private key by mistake, so the message does not show it."""
    for number, entry in enumerate(entries, 1):
        if not all(map(_is_key, _lines(entry))):
            raise Refused(
                f"{option}: entry {number} is not a public key.",
                "Give the whole line of a .pub file, such as: ssh-ed25519 AAAAC3Nz... me@host.",
            )


def _trimmed(option, value):
    return value.strip()


def _words(option, entries):
    return tuple(word for entry in entries for word in entry.split())


def _keys(option, entries):
    _check_keys(option, entries)
    return tuple(line for entry in entries for line in _lines(entry))


def _lines(text):
    return [line.strip() for line in text.split("\n") if line.strip()]


def _is_key(line):
    """A key may have options and a comment; lines of comments are left to the server."""
    words = line.split()
    return line.startswith("#") or any(map(_is_data_of, words, words[1:]))


def _is_data_of(kind, text):
    """Whether it begins with the name of its kind, so that no other text passes for a key."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return data.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def _secret(option, value):
    return _SET


def seed_slot(options):
    """The slot of the drive that cloud-init reads, or None."""
    return next((slot for slot, drive in drives_of(options).items() if values.is_seed(drive)), None)


def read_cloud_init(options):
    return {
        "user": options.get("ciuser", ""),
        "ssh_authorized_keys": values.keys_of(options.get("sshkeys")),
        "ip_config": tuple(options.get(key, "") for key in _ip_keys(options)),
        "nameservers": tuple(options.get("nameserver", "").split()),
        "search_domains": tuple(options.get("searchdomain", "").split()),
    }


def _ip_keys(options):
    places = [int(key.removeprefix("ipconfig")) for key in options if re.fullmatch(r"ipconfig\d+", key)]
    return [f"ipconfig{place}" for place in range(max(places, default=-1) + 1)]


def free_seed_slot(taken):
    """The slot for a new drive that cloud-init reads."""
    return free_slot(taken, _SEED_SLOTS, "cloud-init")


def write_cloud_init(writing, change):
    if change.attribute == "ip_config":
        _write_ip_config(writing, change)
    elif change.attribute in _OPTIONS:
        option, text = _OPTIONS[change.attribute]
        writing.set(option, text(change.new))


def _write_ip_config(writing, change):
    for place in range(max(len(change.old or ()), len(change.new))):
        writing.set(f"ipconfig{place}", change.new[place] if place < len(change.new) else None)


def same_ip_config(found, requested):
    pairs = zip(found or (), requested)
    return len(found or ()) == len(requested) and all(values.same("ipconfig0", one, two) for one, two in pairs)


def is_for_guest(change):
    return change.field in SEEDED or (change.field == "native" and values.stem(change.key) in CLOUD_INIT_KEYS)


def renew_seed(driver, vm_options):
    """For what runs; a start creates the drive again."""
    try:
        driver.tool.put(f"{vm_options.path}/cloudinit")
    except ApiError as error:
        # The first versions have no other way than a start.
        if error.status != 501:
            raise


def password_option(driver):
    """Options of cloud-init that cannot be read back, so they are given only when a VM is created."""
    return {"cipassword": driver.password} if driver.password else {}


#: The option of each suboption that has one of its own, and how its value is written. A password is not compared.
_OPTIONS = {
    "user": ("ciuser", str),
    "ssh_authorized_keys": ("sshkeys", values.keys_text),
    "nameservers": ("nameserver", " ".join),
    "search_domains": ("searchdomain", " ".join),
}
#: Without documents: the platform does not support them.
_ADJUSTED = {
    "user": _trimmed,
    "password": _secret,
    "search_domains": _words,
    "nameservers": _words,
    "ssh_authorized_keys": _keys,
    "ip_config": normalized,
}
