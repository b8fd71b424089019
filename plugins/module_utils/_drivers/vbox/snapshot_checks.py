# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a plan of power and snapshot steps, before the first step."""

from __future__ import annotations

import shlex

from ..._core.errors import Refused
from ..._core.model import STOPPED
from ..._core.simulate import simulate
from .settings.disk_checks import check_media
from .settings.port_forwards import check_ports
from .snapshots import check_snapshots


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound or Refused for steps that would fail after others were executed."""
    listing = driver.listing()
    check_snapshots(listing, plan)
    check_media(listing, plan)
    check_ports(driver, plan, released)
    check_teleporter(listing, plan)


def _is_booted(plan):
    """Return whether a step of the plan starts the VM without saved memory."""
    vm = plan.before
    for step in plan.steps:
        if step.verb == "start" and vm.power == STOPPED:
            return True
        vm = simulate(vm, [step])
    return False


def check_teleporter(listing, plan):
    """Reject the start of a VM that is set up to receive the state of a running VM from another host.

    VBoxManage would not return until a host has sent it. Saved memory is restored nevertheless.
    """
    if not _is_booted(plan):
        return
    # A clone gets this setting from its source.
    sources = [step.arguments["source"] for step in plan.steps if step.verb == "clone"]
    uuid = (sources or [plan.before])[0].id
    found = next((one for one in listing.machines if one.uuid == uuid and one.machine), None)
    if found is not None and found.machine.values.get("teleporterenabled") == "on":
        raise Refused(
            f"{plan.after.name}: its teleporter is enabled, so a start would wait until another host sends it the state"
            " of a running VM.",
            f"Turn the teleporter off: VBoxManage modifyvm {shlex.quote(found.name)} --teleporter off.",
        )
