# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about backups return."""

from __future__ import annotations

from lib.return_values import _texts as texts
from lib.return_values import _value as value
from lib.return_values import _values as values

#: Backups; who lists them sets the description.
BACKUPS = values(
    "",
    {
        "id": value("str", "ID of the backup.", sample="20270131T020000Z-3f078c8c"),
        "vm": value("str", "Name of the VM at that time.", sample="web1"),
        "birth": value("str", "What identifies the VM, also if another one gets its name or ID."),
        "start": value("str", "When it was started, in ISO 8601 and UTC.", sample="2027-01-31T02:00:00Z"),
        "consistency": value("str", "V(crash), V(filesystem) or V(stopped).", sample="filesystem"),
        "state": value("str", "Power state of the VM at that time.", sample="running"),
        "host": value("str", "Name of the host that created it."),
        "size": value("int", "Size in bytes."),
        "excluded": texts("Slots of disks that it does not contain."),
        "protected": value("bool", "Whether it is protected from deletion."),
        "unfinished": value("str", "Why it is not complete; empty if it is."),
        "damaged": value("str", "What is wrong with its files; empty if nothing is known."),
    },
)
