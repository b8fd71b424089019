# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project's ``.vagrant`` folder tells without starting Ruby: which machines were made, and who they are.

A machine's files lie in ``machines/NAME/PROVIDER``. It is made when there is ``id``, by which the provider knows it;
Vagrant's own state words and the index in its home folder are only what it saw last.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from .._lifecycle import errors

DEFAULT = ".vagrant"
_MACHINES = "machines"
# By the first, Vagrant finds the machine in the index of its home folder and writes there; the second is a secret.
_NOT_COPIED = ("index_uuid", "private_key")
#: What the provider has not finished making.
PREPARING = "preparing"


@dataclass(frozen=True)
class Made:
    """A machine that was made. ``box`` is (name, version); ``creator`` is a user's number, and others may not use it.

    ``key_file`` is the key that Vagrant put into the guest; None where it is still the one of the box. ``number``
    is the machine's in Vagrant's own list (vagrant_index), ``project`` the folder of its Vagrantfile.
    """

    name: str
    provider: str
    id: str
    folder: str
    box: tuple | None
    creator: int | None
    key_file: str | None
    is_provisioned: bool
    number: str | None = None
    project: str | None = None


def machines(files, dotfile):
    """All machines that were made, as {name: Made}.

    A folder without an id is what is left of a machine, or of one that could not be made.
    """
    found = {}
    for name in files.entries(os.path.join(dotfile, _MACHINES)):
        folder = os.path.join(dotfile, _MACHINES, name)
        made = [_made(files, name, provider, os.path.join(folder, provider)) for provider in _folders(files, folder)]
        found.update({one.name: one for one in made if one})
    return found


def copy(files, dotfile, target):
    """Copy what Vagrant needs to tell states, so that it can be asked there: it writes about what it finds."""
    for name in files.entries(os.path.join(dotfile, _MACHINES)):
        for provider in _folders(files, os.path.join(dotfile, _MACHINES, name)):
            below = os.path.join(_MACHINES, name, provider)
            files.make_folder(os.path.join(target, below))
            for file in files.entries(os.path.join(dotfile, below)):
                source = os.path.join(dotfile, below, file)
                if file not in _NOT_COPIED and files.is_file(source):
                    files.write_atomically(os.path.join(target, below, file), files.read(source), mode=0o600)


def _folders(files, folder):
    return [name for name in files.entries(folder) if files.is_folder(os.path.join(folder, name))]


def _made(files, name, provider, folder):
    identifier = _read(files, folder, "id")
    if not identifier:
        return None
    key_file = os.path.join(folder, "private_key")
    creator = _read(files, folder, "creator_uid")
    provisioned = _read(files, folder, "action_provision")
    return Made(
        name=name,
        provider=provider,
        id=identifier,
        folder=folder,
        box=_box(_read(files, folder, "box_meta")),
        creator=int(creator) if creator.isdigit() else None,
        key_file=key_file if files.is_file(key_file) else None,
        # The file outlives its machine; what stands behind the colon says which it is about.
        is_provisioned=provisioned.partition(":")[2] == identifier,
        number=_read(files, folder, "index_uuid") or None,
        project=_read(files, folder, "vagrant_cwd") or None,
    )


def _box(text):
    try:
        said = json.loads(text)
        return (said["name"], said["version"])
    except (ValueError, KeyError, TypeError):
        return None


def _read(files, folder, name):
    """A file's text; empty where there is none, as of one that Vagrant is just replacing."""
    try:
        return files.read(os.path.join(folder, name)).decode("utf-8", "replace").strip()
    except errors.NotFound:
        return ""
