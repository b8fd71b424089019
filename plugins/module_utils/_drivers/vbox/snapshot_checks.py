# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a plan of power and snapshot steps, before the first step."""

from __future__ import annotations

import shlex

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import SUSPENDED
from .settings.disk_checks import check_media
from .settings.port_forwards import check_ports
from .snapshots import check_dropping


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound or Refused for steps that would fail after others were executed."""
    listing = driver.listing()
    check_dropping(listing, plan)
    check_media(listing, plan)
    check_ports(driver, plan, released)
    check_teleporter(listing, plan)


def check_teleporter(listing, plan):
    """Reject the start of a VM that is set up to receive the state of a running VM from another host.

    VBoxManage would not return until a host has sent it. Saved memory is restored nevertheless.
    """
    verbs = {step.verb: step for step in plan.steps}
    is_restored = "restore" in verbs or (plan.before.power == SUSPENDED and "kill" not in verbs)
    if "start" not in verbs or is_restored:
        return
    # A clone gets this setting from its source.
    uuid = verbs["clone"].arguments["source"].id if "clone" in verbs else plan.before.id
    found = next((one for one in listing.machines if one.uuid == uuid and one.machine), None)
    if found is not None and found.machine.values.get("teleporterenabled") == "on":
        raise Refused(
            f"{plan.after.name}: its teleporter is enabled, so a start would wait until another host sends it the state"
            " of a running VM.",
            f"Turn the teleporter off: VBoxManage modifyvm {shlex.quote(found.name)} --teleporter off.",
        )
