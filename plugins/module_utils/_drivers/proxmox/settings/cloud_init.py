# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option cloud_init as the server reports it. What it would reject for any VM is rejected before."""

from __future__ import annotations

import base64
import re

from ...._lifecycle.errors import ApiError, Refused
from ...._lifecycle.ip_config import normalized
from ...._lifecycle.model import LIVE, Field
from ...._tools import proxmox_values as values
from .base import free_slot, plain, unless_suspended
from .disks import drives_of

#: What stands for a password where plans and results are shown: the value itself is known to the driver alone.
_SET = "set"
#: Slots for the drive that cloud-init reads, the usual one first.
_SEED_SLOTS = ("ide0", "ide1", "ide2", "ide3", "sata4")
#: Fields that cloud-init reads from a drive of their own.
SEEDED = ("cloud_init",)
#: The same as options, by the key without its number; the last is set by the option native.
CLOUD_INIT_KEYS = frozenset({"ciuser", "sshkeys", "ipconfig", "nameserver", "searchdomain", "cicustom"})


def adjusted(vm, asked):
    """What is requested, as the server will report it. Raises Refused."""
    return {
        option: _ADJUSTED[option](f"{vm.name}: cloud_init: {option}", value) if option in _ADJUSTED else value
        for option, value in asked.items()
    }


def _check_keys(option, entries):
    """Refuse what is no public key. A private one may have been given by mistake, so none is shown."""
    for number, entry in enumerate(entries, 1):
        if not all(map(_is_key, _lines(entry))):
            raise Refused(
                f"{option}: entry {number} is no public key.",
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
    """Options and a comment may stand around it; comments alone are left to the server."""
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


def read(options):
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


def _write_ssh_keys(writing, change):
    writing.set("sshkeys", values.keys_text(change.new))


def _write_ip_config(writing, change):
    for place in range(max(len(change.old or ()), len(change.new))):
        writing.set(f"ipconfig{place}", change.new[place] if place < len(change.new) else None)


def _same_ip_config(found, asked):
    pairs = zip(found or (), asked)
    return len(found or ()) == len(asked) and all(values.same("ipconfig0", one, two) for one, two in pairs)


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


#: Documents are missing here: the platform takes none.
_ADJUSTED = {
    "user": _trimmed,
    "password": _secret,
    "search_domains": _words,
    "nameservers": _words,
    "ssh_authorized_keys": _keys,
    "ip_config": normalized,
}


FIELDS = {
    "cloud_init.user": Field(cost=unless_suspended(LIVE)),
    "cloud_init.password": Field(readable=False),
    "cloud_init.ssh_authorized_keys": Field(cost=unless_suspended(LIVE)),
    "cloud_init.ip_config": Field(cost=unless_suspended(LIVE), same=_same_ip_config),
    "cloud_init.nameservers": Field(cost=unless_suspended(LIVE)),
    "cloud_init.search_domains": Field(cost=unless_suspended(LIVE)),
}
WRITES = {
    "cloud_init.user": plain("ciuser"),
    "cloud_init.ssh_authorized_keys": _write_ssh_keys,
    "cloud_init.ip_config": _write_ip_config,
    "cloud_init.nameservers": plain("nameserver", " ".join),
    "cloud_init.search_domains": plain("searchdomain", " ".join),
}
