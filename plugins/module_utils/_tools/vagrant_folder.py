# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files that Vagrant keeps about its VMs in the ``.vagrant`` folder of a project, without starting Ruby.

A VM's files are in ``machines/NAME/PROVIDER``. A VM exists once there is a file ``id``, with its id at the provider.
States in Vagrant's own files, and the index in its home folder, may be out of date.
"""

from __future__ import annotations

import json
import os
import re

from .._core import errors
from .._core.frozen import Frozen, replace

DEFAULT = ".vagrant"
_MACHINES = "machines"
# With the first, Vagrant would find the VM in the index of its home folder and write there; the second is a secret.
_NOT_COPIED = ("index_uuid", "private_key")


class CreatedVm(Frozen):
    """``box`` is (name, version); ``creator`` is the UID of the only user who may use the VM.

    ``key_file`` is the SSH key that Vagrant installed in the guest; None if the guest has the key of the box.
    ``index_id`` is the VM's id in Vagrant's index (vagrant_states), ``project`` the folder of its Vagrantfile,
    ``box_folder`` that of its box in Vagrant's home folder, ``other`` that of an id at another provider.
    """

    name: str
    provider: str
    id: str
    folder: str
    box: tuple | None
    creator: int | None
    key_file: str | None
    is_provisioned: bool
    index_id: str | None = None
    project: str | None = None
    box_folder: str | None = None
    other: str | None = None


class BoxDisks(Frozen):
    """What Vagrant's own files say about the disks of a VM of VirtualBox.

    ``names`` are the files that the box contains; an import keeps their names. ``master`` is the id of the VM from
    which linked clones of the box are created, ``recorded`` are the UUIDs of disks of the Vagrantfile.
    """

    names: frozenset
    master: str | None
    recorded: frozenset


def created_vms(files, dotfile):
    """{name: CreatedVm} of all VMs that Vagrant has created.

    A folder without an id is a remainder of a deleted VM, or of one that could not be created.
    """
    found = {}
    for name in files.entries(os.path.join(dotfile, _MACHINES)):
        folder = os.path.join(dotfile, _MACHINES, name)
        vms = [_created_vm(files, name, one, os.path.join(folder, one)) for one in _folders(files, folder)]
        for one in filter(None, vms):
            found[name] = replace(one, other=found[name].folder) if name in found else one
    return found


def machine_folder(dotfile, name):
    """The folder of a VM: Vagrant keeps its files in a folder of the provider below, which it empties."""
    return os.path.join(dotfile, _MACHINES, name)


def disks_of_box(files, home, created):
    """The BoxDisks of a created VM. A box that was removed, or is not of VirtualBox, contains nothing."""
    folder = os.path.join(home, created.box_folder) if created.box_folder else ""
    names = re.findall(r'<File\b[^>]*\b(?:ovf:)?href="([^"]+)"', _read(files, folder, "box.ovf")) if folder else ()
    master = _read(files, folder, "master_id") if folder else ""
    recorded = _json(_read(files, created.folder, "disk_meta")).get("disk") or ()
    return BoxDisks(frozenset(names), master or None, frozenset(one.get("uuid") for one in recorded))


def copy(files, dotfile, target):
    """Copy the files that Vagrant needs to report states: its read commands write to the folder, so they use a copy."""
    for name in files.entries(os.path.join(dotfile, _MACHINES)):
        for provider in _folders(files, os.path.join(dotfile, _MACHINES, name)):
            relative = os.path.join(_MACHINES, name, provider)
            files.make_folder(os.path.join(target, relative))
            for file in files.entries(os.path.join(dotfile, relative)):
                source = os.path.join(dotfile, relative, file)
                if file not in _NOT_COPIED and files.is_file(source):
                    files.write_atomically(os.path.join(target, relative, file), files.read(source))


def _folders(files, folder):
    return [name for name in files.entries(folder) if files.is_folder(os.path.join(folder, name))]


def _created_vm(files, name, provider, folder):
    identifier = _read(files, folder, "id")
    if not identifier:
        return None
    key_file = os.path.join(folder, "private_key")
    creator = _read(files, folder, "creator_uid")
    provisioned = _read(files, folder, "action_provision")
    box = _json(_read(files, folder, "box_meta"))
    return CreatedVm(
        name=name,
        provider=provider,
        id=identifier,
        folder=folder,
        box=(box["name"], box["version"]) if {"name", "version"} <= set(box) else None,
        creator=int(creator) if creator.isdigit() else None,
        key_file=key_file if files.is_file(key_file) else None,
        # Vagrant does not delete this file with its VM; the id after the colon says which VM it is about.
        is_provisioned=provisioned.partition(":")[2] == identifier,
        index_id=_read(files, folder, "index_uuid") or None,
        project=_read(files, folder, "vagrant_cwd") or None,
        box_folder=box.get("directory"),
    )


def _json(text):
    """The dictionary in a file of Vagrant; empty if it has none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read(files, folder, name):
    """The text of a file; empty if it does not exist, which can also be while Vagrant replaces it."""
    try:
        return files.read(os.path.join(folder, name)).decode("utf-8", "replace").strip()
    except errors.NotFound:
        return ""
