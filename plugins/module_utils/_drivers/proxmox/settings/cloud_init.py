# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the option cloud_init as the server reports it. Values that it never accepts are rejected before."""

from __future__ import annotations

import re

from ...._core.errors import ApiError
from ...._core.model import LIVE
from ...._core.options.ip_config import normalized
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values
from .architecture import drive_slots
from .disks import drives_of, free_slot

#: Documents for cloud-init, which Proxmox VE itself can only take from a file on the node.
DOCUMENTS = ("user_data", "meta_data", "network_config", "answer_file", "answer_files", "answer_drivers")
#: Shown in plans and results instead of the password and the documents; only the driver has their values.
_HIDDEN = "set"
#: Slots for the cloud-init drive, the usual one first.
_SEED_SLOTS = ("ide0", "ide1", "ide2", "ide3", "sata4")
#: Fields that the guest reads from the cloud-init drive.
SEEDED = ("cloud_init",)
#: Options of Proxmox VE that are stored in the cloud-init drive, without their numbers; cicustom is set by native.
CLOUD_INIT_KEYS = frozenset({"ciuser", "sshkeys", "ipconfig", "nameserver", "searchdomain", "cicustom"})


def _normalized(vm, requested, known):
    """The requested values as the server will report them. Raises Refused for invalid ones."""
    return {
        option: _NORMALIZERS[option](f"{vm.name}: cloud_init: {option}", value) if option in _NORMALIZERS else value
        for option, value in requested.items()
    }


def _split_entries(option, entries):
    return tuple(word for entry in entries for word in entry.split())


def _hide(option, value):
    return _HIDDEN


def seed_slot(options):
    """The slot of the cloud-init drive, or None."""
    return next((slot for slot, drive in drives_of(options).items() if values.is_seed(drive)), None)


def own_seed_slots(options):
    """The slots of seed ISOs that this collection has created."""
    return [slot for slot, drive in drives_of(options).items() if values.is_seed_iso(drive.get("file", ""))]


def has_documents(cloud_init):
    """Whether an option cloud_init has documents, which become a seed ISO. They are creation input."""
    return any(cloud_init.get(name) is not None for name in DOCUMENTS)


def _is_compared(change):
    """Whether a field is stored by Proxmox VE: with documents, it is in the seed ISO, which cannot be read."""
    return not has_documents(change.beside)


def _read(options):
    return {
        "user": options.get("ciuser", ""),
        "ssh_authorized_keys": values.keys_of(options.get("sshkeys")),
        "ip_config": tuple(options.get(key, "") for key in _ip_keys(options)),
        "nameservers": tuple(options.get("nameserver", "").split()),
        "search_domains": tuple(options.get("searchdomain", "").split()),
    }


def _ip_keys(options):
    positions = [int(key.removeprefix("ipconfig")) for key in options if re.fullmatch(r"ipconfig\d+", key)]
    return [f"ipconfig{position}" for position in range(max(positions, default=-1) + 1)]


def free_seed_slot(used, drives=()):
    """The slot for a new cloud-init drive of a VM with the options ``used``; ``drives`` are slots that others get."""
    used = {**dict.fromkeys(drives), **used}
    return free_slot(used, drive_slots(used, _SEED_SLOTS), "cloud-init")


def _write_ip_config(update, change):
    for position in range(max(len(change.old or ()), len(change.new))):
        update.set(f"ipconfig{position}", change.new[position] if position < len(change.new) else None)


def _is_same_ip_config(found, requested):
    pairs = zip(found or (), requested)
    return len(found or ()) == len(requested) and all(values.same("ipconfig0", one, two) for one, two in pairs)


def is_for_guest(change):
    """Whether a change must be written to the cloud-init drive."""
    return change.field in SEEDED or (change.field == "native" and values.stem(change.key) in CLOUD_INIT_KEYS)


def regenerate_seed(driver, vm_options):
    """Create the cloud-init drive of a running VM again. For others, the server does so at the next start."""
    try:
        driver.tool.put(f"{vm_options.path}/cloudinit")
    except ApiError as error:
        # 501: old versions do not have this call; they create the drive only when the VM starts.
        if error.status != 501:
            raise


def password_option(driver):
    """The option with the password, if the task sets one. It cannot be read back, so only new VMs get it."""
    return {"cipassword": driver.password} if driver.password and not driver.has_documents else {}


#: {suboption: function that returns its value as the server reports it}.
_NORMALIZERS = {
    "user": lambda option, value: value.strip(),
    **dict.fromkeys(("password", *DOCUMENTS), _hide),
    "search_domains": _split_entries,
    "nameservers": _split_entries,
    "ip_config": normalized,
}


def _row(option, text):
    """The row of a suboption that is stored in one option; ``text`` prints its value."""
    return Setting(
        cost=LIVE,
        readable=_is_compared,
        write=lambda update, change: update.set(option, text(change.new)),
        native=(option,),
    )


CLOUD_INIT = {
    "cloud_init": Setting(read=_read, normalize=_normalized),
    "cloud_init.user": _row("ciuser", str),
    "cloud_init.password": Setting(readable=False, native=("cipassword",)),
    "cloud_init.ssh_authorized_keys": _row("sshkeys", values.keys_text),
    "cloud_init.ip_config": Setting(
        cost=LIVE, readable=_is_compared, same=_is_same_ip_config, write=_write_ip_config, native=("ipconfig",)
    ),
    "cloud_init.nameservers": _row("nameserver", " ".join),
    "cloud_init.search_domains": _row("searchdomain", " ".join),
    **{f"cloud_init.{name}": Setting(readable=False) for name in DOCUMENTS},
}
