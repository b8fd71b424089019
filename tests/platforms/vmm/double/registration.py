# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs and switches that vmd registers for the blocks of vm.conf."""

from __future__ import annotations

import re

from .vmconf import LONGEST_NAME

_DEFAULT_MEMORY = 512 << 20
_ENOENT_PARENT, _NO_DEVICES = "Unknown error: 1007", "Unknown error: 1002"
_EXISTS, _BUSY, _NOT_PERMITTED = "Too many processes", "Device busy", "Operation not permitted"
INVALID = "Invalid argument"


class Refused(Exception):
    """A block is not registered: a message with the reason (may be empty), and the system's error text."""

    def __init__(self, reason, text):
        super().__init__(reason, text)
        self.reason, self.text = reason, text


class Registry:
    """The VMs (in order) and switches of vmd. ``new_id(name, uid)`` and ``new_address(index)`` return new values."""

    def __init__(self, vms, switches, settings, new_id, new_address):
        self.vms, self.switches, self.globals = vms, switches, settings
        self._new_id, self._new_address = new_id, new_address
        #: The names of all blocks that were read, including those of VMs that were registered before.
        self.names = set()

    def add_switch(self, values):
        self.switches.append(dict(values))

    def find(self, name):
        return next((vm for vm in self.vms if vm["name"] == name), None)

    def add_vm(self, block, kernel, remark, is_diskless=False):
        """Register a block. If that fails, pass the reason to ``remark`` and return the system's error text."""
        try:
            values = self._inherited(block) if block.parent else _values(block)
            known = self.find(block.name)
            if known is not None:
                self.names.add(block.name)
                # A second block with the same name is ignored, except its kernel.
                _set(known, "boot", kernel)
                return None
            _check(block, values, is_diskless)
        except Refused as refused:
            if refused.reason:
                remark(refused.reason)
            return refused.text
        self._register(values, kernel)
        return None

    def _register(self, values, kernel):
        vm = {"name": values.pop("name"), "id": self._new_id(values["name_of"], values["owner"][0]), **values}
        del vm["name_of"]
        vm["memory"] = vm["memory"] or _DEFAULT_MEMORY
        _set(vm, "boot", kernel)
        for index, nic in enumerate(vm["interfaces"]):
            switch = next((one for one in self.switches if one["name"] == nic.get("switch")), {})
            nic["locked"] = nic["locked"] or switch.get("locked", False)
            if "rdomain" in switch:
                # The switch's rdomain is used when the VM starts.
                nic.setdefault("rdomain", 0)
            nic["lladdr"] = nic["lladdr"] or self._new_address(index)
        self.vms.append(vm)
        self.names.add(vm["name"])

    # Instances --------------------------------------------------------------------------------------------------------

    def _inherited(self, block):
        """The values of an instance; values that it does not set are its parent's."""
        parent = self.find(block.parent)
        if parent is None:
            raise Refused("", _ENOENT_PARENT)
        if self.find(block.name):
            raise Refused("", _EXISTS)
        values = _values(block)
        values["memory"] = values["memory"] or parent["memory"]
        values["instance_of"] = block.parent
        for path, _format in block.disks:
            if path in [disk for disk, _format in parent["disks"]]:
                raise Refused(f'vm "{block.name}" disk {path} cannot be reused', _BUSY)
        nics = [dict(nic) for nic in parent["interfaces"]]
        values["interfaces"] += nics[len(values["interfaces"]) :]
        self._check_addresses(block, nics)
        _set(values, "cdrom", block.cdrom or parent.get("cdrom"))
        values["owner"] = _owner_of_instance(block, parent)
        if block.allowed:
            raise Refused(f'vm "{block.name}" cannot change instance permissions', _NOT_PERMITTED)
        if "instance" in parent.get("allow_instance", ()):
            values.update({key: parent[key] for key in ("allow_instance", "allow_owner") if key in parent})
        return values

    def _check_addresses(self, block, nics):
        for nic in block.nics:
            for other in nics:
                if nic["lladdr"] and nic["lladdr"] != other["lladdr"]:
                    raise Refused(f'vm "{block.name}" lladdr cannot be reused', _BUSY)
                if nic.get("tap") and nic.get("tap") == other.get("tap"):
                    raise Refused(f'vm "{nic["tap"]}" {block.name} cannot be reused', _BUSY)


def _owner_of_instance(block, parent):
    uid, gid = block.owner
    if uid == 0:
        uid = parent["owner"][0]
    elif uid != parent["owner"][0]:
        raise Refused(f'vm "{block.name}" user mismatch', _NOT_PERMITTED)
    if gid == 0:
        gid = parent["owner"][1]
    elif gid != parent["owner"][1]:
        raise Refused(f'vm "{block.name}" group mismatch', _NOT_PERMITTED)
    return [uid, gid]


def _values(block):
    """The values of a block in the form in which vmd keeps them."""
    values = {
        "name": block.name,
        "name_of": block.name,
        "state": "disabled" if block.is_disabled else "waiting",
        "memory": block.memory,
        "owner": list(block.owner),
        "disks": [list(disk) for disk in block.disks],
        "interfaces": [dict(nic) for nic in block.nics],
    }
    _set(values, "cdrom", block.cdrom)
    _set(values, "boot_device", block.boot_device)
    _set(values, "allow_instance", list(block.allowed))
    if block.allowed_owner != (0, 0):
        values["allow_owner"] = list(block.allowed_owner)
    if block.sev:
        values["sev"] = True
    return values


def _set(values, key, value):
    if value:
        values[key] = value
    else:
        values.pop(key, None)


def _check(block, values, is_diskless):
    if not block.has_devices:
        raise Refused("invalid configuration, no devices", _NO_DEVICES)
    # Only vmctl's command line can define a VM that has nothing but a kernel.
    if not (values["disks"] or values.get("cdrom") or is_diskless):
        raise Refused("no kernel or disk/cdrom specified", INVALID)
    if not is_valid_name(block.name):
        raise Refused("invalid VM name", INVALID)


def is_valid_name(name):
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)) and len(name) <= LONGEST_NAME
