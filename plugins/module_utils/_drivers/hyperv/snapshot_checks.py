# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What power and snapshot steps need from the host, checked before the first step."""

from __future__ import annotations

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import STOPPED
from ..._tools.hyperv import disks_chain, read_disks
from ..._tools.windows_files import key_of
from .observe import Found, users_of_files
from .reader import cannot_be_read


def check_plan(driver, plan):
    """Raise Refused for what would fail, or damage disks, after something was done already."""
    check_cluster(driver, plan)
    slots = plan.before.config.get("disks") or {}
    if starts(plan) and slots:
        found = all_disks(driver.send([disks_chain()])[0])
        check_bases(plan, slots, lambda path: users_of(found, plan.before, path))


def starts(plan):
    """Whether the plan starts a VM that is off."""
    return plan.before.power == STOPPED and any(step.verb == "start" for step in plan.steps)


def check_cluster(driver, plan):
    raw = driver.found.raw(plan.before.id)
    if raw and raw.get("IsClustered"):
        raise Refused(
            f"{plan.before.name}: the VM is managed by a failover cluster, which would undo the change.",
            "Use the tools of the cluster, or remove the VM from it first.",
        )


def check_bases(plan, slots, users):
    """A disk on which others are based must not change: all of them would be damaged.

    ``slots`` are those of the disks that will change; ``users(path)`` are the names of the other VMs that need a file.
    """
    for slot in slots:
        disk = plan.before.config["disks"][slot]
        others = users(disk["source"]) if disk.get("source") else None
        if others:
            what = "started" if starts(plan) else "enlarged"
            raise Refused(
                f"{plan.before.name}: disks.{slot}: {disk['source']} is used by {', '.join(sorted(others))}; their"
                f" disks would be damaged if it were {what}.",
                f"Delete {', '.join(sorted(others))} first.",
            )


def all_disks(result):
    """The disks of all VMs, from the answers to ``disks_chain``."""
    if result.answers[0].error is not None:
        raise cannot_be_read(result.answers[0].error)
    vms, disks = read_disks(result.answers)
    found = Found()
    found.add([(raw["Id"], raw["Name"]) for raw in vms], vms, (), disks)
    return found


def users_of(found, vm, path):
    """Names of the VMs other than ``vm`` that need a file; None if there are none."""
    return users_of_files(found, but=(vm.id or "").lower()).get(key_of(path))
