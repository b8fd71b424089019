# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory of a run lacks: sources and files that could not be read, and hosts that it does not have."""

from __future__ import annotations

import os

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern

from .sources import files_of

#: Variables of the group all, with names of sources: all that could not be read, and those of them that had to be.
UNREAD, MISSING = "polyvirt_unread_sources", "polyvirt_missing_sources"
#: {path: names of MISSING} of the files that this process has read: Ansible ignores those that it cannot read.
READ = {}


#: Options of ansible-playbook with which no task is run.
_NO_RUN = ("syntax", "listhosts", "listtasks", "listtags")


def missing(loader, variables, option, pattern):
    """Return texts about what is missing of the hosts ``pattern``, which the variable ``option`` has.

    ``variables`` are those of the task or play. An inventory of AWX has no files, but the variable MISSING.
    """
    manager = _manager(loader, variables)
    names = dict.fromkeys([*variables.get(MISSING, ()), *(one for some in READ.values() for one in some)])
    given = context.CLIARGS.get("inventory") or ()
    files = {one for one in given if "," not in one and not os.path.exists(one)} | {*files_of(given)} - {*READ}
    return [
        *(f"The inventory source {one} could not be read, so its VMs are missing." for one in names),
        *(f"The inventory file {one} could not be read, so its VMs are missing." for one in sorted(files)),
        *(
            f"{name}: {part} matches no host and no group of the inventory."
            for name, parts in ((option, pattern), ("--limit", variables.get("ansible_limit") or ""))
            for part in split_host_pattern(parts)
            if part[:1] not in "!@" and part.lstrip("&") not in manager.groups and not manager.get_hosts(part)
        ),
    ]


def check_hosts(loader, variables, option, pattern):
    """Raise AnsibleError, with what is missing, if a play has no host; the arguments are those of ``missing``."""
    manager, limit = _manager(loader, variables), variables.get("ansible_limit")
    manager.subset(limit)
    if not (any(map(context.CLIARGS.get, _NO_RUN)) or manager.get_hosts(pattern)):
        problem = f"{option} ({pattern}) matches no host of {f'--limit {limit}' if limit else 'the inventory'}."
        # Ansible's own localhost, which no inventory lists, is in no limit. ansible-rulebook always sets one.
        problem += " Add localhost to the inventory, with ansible_connection: local." if pattern == "localhost" else ""
        raise AnsibleError("\n".join([*missing(loader, variables, option, pattern), problem]))


def _manager(loader, variables):
    """Return an InventoryManager with the hosts and groups of the run."""
    manager = InventoryManager(loader, parse=False)
    for group, hosts in variables["groups"].items():
        manager.add_group(group)
        for host in hosts:
            manager.add_host(host, group=group)
    return manager
