# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One name, one machine. Proxmox VE itself gives a name to any number of machines.

Who makes a machine marks it as unfinished, and finishes it only if no other of its name was finished before it and none
with a lower number is there. Once it is finished it looks again, and gives way to a lower number that came in between.
So of two tasks that want the same at the same moment at least one gives way, and finds the other's machine when it
looks again; and what a task was cut off at is finished by the next one.
"""

from __future__ import annotations

from contextlib import contextmanager

from ..._lifecycle.errors import ApiError, PartlyApplied, PolyvirtError, Refused
from ..._tools.proxmox import Busy, ConnectionLost
from . import mark
from .look import CREATED_UNDER, sight_of


def claim(driver, sight, name, options=None):
    """Finish an unfinished machine, with these ``options`` beside the mark; raises Busy where it gave way."""
    listed = driver.eyes.listed_everywhere()
    _check_nameless(driver, sight, name, listed)
    others = _others(driver, sight, name, listed)
    if any(not other.is_unfinished or _is_lower(other, sight) for other in others):
        raise _gave_way(driver, sight, name)
    text, own = mark.split(sight.stored.get("description"))
    notes = mark.notes_of(text, mark.settled(own))
    driver.tool.put(f"{sight.path}/config", description=notes, **(options or {}))
    if any(_is_lower(other, sight) for other in _others(driver, sight, name, driver.eyes.listed_everywhere())):
        raise _gave_way(driver, sight, name)
    driver.created[name] = sight.vmid


def is_created(driver, name):
    """Whether this task itself has created the VM already: the step is sent again if its answer was lost."""
    vmid = driver.created.get(name)
    return vmid is not None and any(one.vmid == vmid and one.name == name for one in driver.eyes.listed_everywhere())


def _others(driver, sight, name, listed):
    """All other machines of the name, as they are now."""
    others = [one for one in listed if one.name == name and one.vmid != sight.vmid]
    sights = [sight_of(driver.tool, one) for one in others if not one.trouble]
    return [one for one in sights if one is not None]


def _check_nameless(driver, sight, name, listed):
    """Raise Busy while a VM with a lower number is being created that may get this name, perhaps by a killed task.

    Until the first disk of a clone is copied, its configuration holds neither its name nor the mark.
    """
    source = ((sight.mark or {}).get("inputs") or {}).get("clone")
    for one in listed:
        is_nameless = one.lock in CREATED_UNDER and one.name == f"VM {one.vmid}"
        if not is_nameless or not _is_lower(one, sight) or driver.numbers.get(one.vmid, name) != name:
            continue
        if _is_created_by_us(driver, one, source):
            raise Busy(f"{name}: VM {one.vmid} is being created by the same account and has no name yet.", None)


def _is_created_by_us(driver, listed, source):
    """Whether a task of this account is at work that creates this VM, or may: that of a clone names its source."""
    kind, number = ("qmclone", source) if listed.lock == "clone" else ("qmcreate", listed.vmid)
    try:
        tasks = driver.tool.get(f"/nodes/{listed.node}/tasks", source="active", typefilter=kind)
    except (ApiError, Refused):
        return False
    running = [one for one in tasks if not one.get("endtime") and str(one.get("id")) == number]
    return any(_account(one) == driver.tool.api.who for one in running)


def _account(task):
    token = task.get("tokenid")
    return f"{task['user']}!{token}" if token else task["user"]


def _is_lower(other, sight):
    return int(other.vmid) < int(sight.vmid)


def _gave_way(driver, sight, name):
    remove(driver, sight)
    return Busy(f"{name}: another task made a machine of this name at the same moment.", None)


def remove(driver, sight):
    """A machine that nobody has got yet goes, with all that was made for it."""
    lift_protection(driver, sight)
    driver.tool.run("DELETE", sight.path, purge=True)


def lift_protection(driver, sight):
    """A new machine has that from the task, or a clone from its source."""
    if sight.stored.get("protection") == "1":
        driver.tool.put(f"{sight.path}/config", protection=0)


@contextmanager
def undone_on_failure(driver, sight, name, options=None):
    """What fails is removed, or kept as far as it is made, with these ``options``, where the task wants that.

    What somebody else holds is waited for, and what is unknown looked at.
    """
    try:
        yield
    except (Busy, ConnectionLost):
        raise
    except PolyvirtError as error:
        if driver.keeps_failures:
            _keep(driver, sight, name, options)
            # An ApiError would count for nothing, for the machine is there.
            raise PartlyApplied(f"{name}: it is kept as far as it was made: {error.message}", error.remedy) from error
        _take_back(driver, sight)
        raise


def _take_back(driver, sight):
    try:
        remove(driver, sight)
    except ApiError as error:
        driver.tool.warn(f"The unfinished machine {sight.vmid} could not be removed: {error.message}")


def _keep(driver, sight, name, options):
    """What stays unfinished nobody would find."""
    try:
        claim(driver, driver.eyes.sight(sight.vmid), name, options)
    except (Busy, ConnectionLost):
        raise
    except PolyvirtError as error:
        driver.tool.warn(f"{name}: the machine {sight.vmid} is kept, but unfinished: {error.message}")
