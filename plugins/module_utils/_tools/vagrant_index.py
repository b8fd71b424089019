# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's list of all machines of a user, in its home folder: by numbers of its own, each with its Vagrantfile.

What stands on a command line Vagrant takes for the beginning of such a number first, and for a machine's name in the
project only then: ``vagrant destroy db`` may remove a machine of another project.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from .._lifecycle import errors

HOME = "~/.vagrant.d"
_FILE = os.path.join("data", "machine-index", "index")


class Entry(NamedTuple):
    """``file`` is the name of the Vagrantfile in ``folder``; None where it is the usual one."""

    name: str
    folder: str
    file: str | None


def read(files, home):
    """{number: Entry} of all machines; empty where there is no list, or none that can be read."""
    try:
        known = json.loads(files.read(os.path.join(home, _FILE)))["machines"]
        return {number: _entry(said) for number, said in known.items()}
    except (errors.PolyvirtError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(said):
    named = said.get("vagrantfile_name")
    file = (named[0] if named else None) if isinstance(named, list) else named
    return Entry(str(said.get("name")), str(said.get("vagrantfile_path")), file)


def taken_for(index, word, own):
    """The machine that Vagrant works with when it is told ``word``, which is not the one whose number is ``own``."""
    return next((entry for number, entry in index.items() if number.startswith(word) and number != own), None)
