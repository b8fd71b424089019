# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the option cloud_init as the server reports it. Values that it never accepts are rejected before."""

from __future__ import annotations

import re
from operator import eq

from ...._core.errors import ApiError, Refused
from ...._core.frozen import replace
from ...._core.model import LIVE
from ...._core.options.ip_config import normalized, servers
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values
from .architecture import drive_slots
from .disks import cost_of_disk, drives_of, free_slot

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
    if requested.get("state") == "absent" and (has_documents(requested) or requested.get("password")):
        raise Refused(
            f"{vm.name}: cloud_init: state: absent removes the drive that the password and the documents are on.",
            "Set only one of them.",
        )
    result = {
        option: _NORMALIZERS[option](f"{vm.name}: cloud_init: {option}", value) if option in _NORMALIZERS else value
        for option, value in requested.items()
    }
    # Values that change are written to the drive, which is added if it is missing.
    found = vm.config.get("cloud_init") or {}
    adds_drive = not has_documents(requested) and any(_differs(found.get(one), one, result[one]) for one in result)
    return {**result, "state": result.get("state", "present")} if adds_drive else result


def _differs(found, option, value):
    is_same = _is_same_ip_config if option == "ip_config" else eq
    return option not in ("state", "password") and bool(found or value) and not is_same(found, value)


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
    seeds = [seed_slot(options), *own_seed_slots(options)]
    return {
        # Not if it is missing: a VM that is created again gets a drive for its values.
        **({"state": "present"} if any(seeds) else {}),
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


def removes_seed(change):
    """Whether a change removes the cloud-init drive. The server then deletes its volume."""
    return (change.path, change.new) == ("cloud_init.state", "absent")


def _cost_of_state(vm, change):
    """That of an optical drive in the same slot."""
    return cost_of_disk(vm, replace(change, key=min(vm.reserved, default=_SEED_SLOTS[0])))


def is_for_guest(change):
    """Whether a change must be written to the cloud-init drive."""
    is_in_native = change.field == "native" and values.stem(change.key) in CLOUD_INIT_KEYS
    return is_in_native or (change.field in SEEDED and not removes_seed(change))


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
    "nameservers": lambda option, value: tuple(servers(option, value)),
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
    "cloud_init.state": Setting(
        cost=_cost_of_state,
        readable=_is_compared,
        same=lambda found, requested: (found or "absent") == requested,
        # A missing drive is added with what is written to it (configure.py, create.py).
        write=lambda update, change: removes_seed(change) and update.set(seed_slot(update.current), None),
    ),
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
