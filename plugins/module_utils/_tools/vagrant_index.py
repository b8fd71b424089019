# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's list of all VMs of a user, in its home folder: by ids of its own, each with its Vagrantfile.

Vagrant takes a name on a command line first for the beginning of such an id, and only then for the name of a VM in the
project: ``vagrant destroy db`` may delete a VM of another project.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from .._lifecycle import errors

HOME = "~/.vagrant.d"
_FILE = os.path.join("data", "machine-index", "index")


class Entry(NamedTuple):
    """``file`` is the name of the Vagrantfile in ``folder``; None if it has the default name."""

    name: str
    folder: str
    file: str | None


def read(files, home):
    """{Vagrant's id: Entry} of all VMs; empty if the list does not exist or cannot be read."""
    try:
        known = json.loads(files.read(os.path.join(home, _FILE)))["machines"]
        return {number: _entry(listed) for number, listed in known.items()}
    except (errors.PolyvirtError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(listed):
    named = listed.get("vagrantfile_name")
    file = (named[0] if named else None) if isinstance(named, list) else named
    return Entry(str(listed.get("name")), str(listed.get("vagrantfile_path")), file)


def vm_mistaken_for(index, name, own_number):
    """The VM that Vagrant takes ``name`` for, unless it is the one whose id in the list is ``own_number``."""
    return next((entry for number, entry in index.items() if number.startswith(name) and number != own_number), None)
