# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's index of all VMs of a user, in its home folder: {an id of Vagrant's own: the VM and its Vagrantfile}.

Vagrant interprets a name on its command line first as the beginning of such an id, and only then as the name of a VM in
the project: ``vagrant destroy db`` may delete a VM of another project.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from .._core import errors

HOME = "~/.vagrant.d"
_FILE = os.path.join("data", "machine-index", "index")


class Entry(NamedTuple):
    """``file`` is the name of the Vagrantfile in ``folder``; None if it has the default name."""

    name: str
    folder: str
    file: str | None


def read(files, home):
    """{Vagrant's id: Entry} of all VMs; empty if the index does not exist or cannot be read."""
    try:
        machines = json.loads(files.read(os.path.join(home, _FILE)))["machines"]
        return {index_id: _entry(machine) for index_id, machine in machines.items()}
    except (errors.PolyvirtError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(machine):
    names = machine.get("vagrantfile_name")
    file = (names[0] if names else None) if isinstance(names, list) else names
    return Entry(str(machine.get("name")), str(machine.get("vagrantfile_path")), file)


def vm_mistaken_for(index, name, own_id):
    """The Entry of another VM, if its id begins with ``name``, so that Vagrant would act on it; None if there is none.

    ``own_id`` is the id of the meant VM, None if it has none.
    """
    return next((entry for index_id, entry in index.items() if index_id.startswith(name) and index_id != own_id), None)
