# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory of a run lacks: sources and files that could not be read, and hosts that it does not have."""

from __future__ import annotations

import os

from ansible import context
from ansible.inventory.manager import split_host_pattern

from .sources import files_of

#: Variables of the group all, with names of sources: all that could not be read, and those of them that had to be.
UNREAD, MISSING = "polyvirt_unread_sources", "polyvirt_missing_sources"
#: {path: names of MISSING} of the files that this process has read: Ansible ignores those that it cannot read.
READ = {}


def missing(manager, patterns, variables):
    """Return texts about what is missing; ``patterns``: {name of the option: pattern or None}.

    ``manager`` has the hosts of the run. An inventory of AWX has no files, but the variable.
    """
    names = dict.fromkeys([*variables.get(MISSING, ()), *(one for some in READ.values() for one in some)])
    given = context.CLIARGS.get("inventory") or ()
    files = {one for one in given if "," not in one and not os.path.exists(one)} | {*files_of(given)} - {*READ}
    return [
        *(f"The inventory source {one} could not be read, so its VMs are missing." for one in names),
        *(f"The inventory file {one} could not be read, so its VMs are missing." for one in sorted(files)),
        *(
            f"{option}: {part} matches no host and no group of the inventory."
            for option, pattern in patterns.items()
            for part in split_host_pattern(pattern or "")
            if part[:1] not in "!@" and part.lstrip("&") not in manager.groups and not manager.get_hosts(part)
        ),
    ]


def no_host(manager, given, limit):
    """Return why a play has no host, or an empty text; ``given`` is (name of the option, pattern)."""
    option, pattern = given
    if limit:
        manager.subset(limit)
    if manager.get_hosts(pattern):
        return ""
    return f"{option} ({pattern}) matches no host of {f'--limit {limit}' if limit else 'the inventory'}."
