# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node and pool of a VM, and whether it is a template: they are changed by calls of their own."""

from __future__ import annotations

from ...._core.model import LIVE, NEVER, POWER_OFF, STOPPED
from ...._kit.settings import Setting

#: The default of node: the driver chooses one when a VM is created.
AUTO = "auto"
STAYS_OFF = "Set state: stopped, because a template cannot be started."


def _cost_of_template(vm, change):
    if not change.new:
        return NEVER
    return LIVE if vm.power == STOPPED else POWER_OFF


PLACE = {
    "template": Setting(
        cost=_cost_of_template,
        instead="A template cannot become a VM again; clone it.",
        while_on=STAYS_OFF,
        read=lambda options: options.get("template") == "1",
        native=("template",),
    ),
    "pool": Setting(cost=LIVE, native=("pool",)),
    "node": Setting(cost=LIVE, default=AUTO, native=("node",)),
}
