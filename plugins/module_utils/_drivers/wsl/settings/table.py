# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: the table of all settings of a distribution, and the settings of an observed one."""

from __future__ import annotations

from ...._core.model import LIVE, NEVER
from ...._core.record.mark import IN_MARK, marked_settings, printed, with_settings
from ...._kit.settings import Setting, read_all
from ...._tools.wsl import MARK, set_value
from .guest_files import GUEST
from .storage import STORAGE

SETTINGS = {
    **STORAGE,
    **GUEST,
    "description": Setting(LIVE, read=lambda distro: distro.mark.get("description", "")),
    **dict.fromkeys(IN_MARK, Setting(LIVE)),
    "default": Setting(
        cost=lambda vm, change: LIVE if change.new else NEVER,
        instead="Set default: true for another distribution.",
        read=lambda distro: distro.host.root.get("DefaultDistribution", "").lower() == distro.id.lower(),
    ),
    "keep_running": Setting(LIVE, unset="false", read=lambda distro: distro.host.keep_running(distro.raw)),
}


def config_of(distro):
    """Return the settings of a distribution as {option: value}, those that were read."""
    rows = SETTINGS if distro.guest else {kind: row for kind, row in SETTINGS.items() if kind not in GUEST}
    return {
        **{
            option: value for option, value in read_all(rows, distro).items() if value is not None or option == "export"
        },
        **marked_settings(distro.mark, distro.id),
    }


def mark_call(vm_id, mark, values):
    """Return the call that stores the mark of a distribution, with those of ``values`` ({option: value}) in it."""
    mark = with_settings({"description": "", **mark}, values)
    description = {} if values.get("description") is None else {"description": values["description"]}
    return set_value(vm_id, MARK, printed({**mark, **description}))
