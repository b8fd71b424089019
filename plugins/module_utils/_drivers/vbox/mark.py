# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: our mark, stored in a VM's extra data, and how an unfinished VM differs from a finished one.

VirtualBox registers a VM before data can be stored in it. So the UUID of a VM created by this collection starts with a
fixed prefix: such a VM without a mark of its own is unfinished as long as it has no disks, and the same task completes
it. With disks, it may be one of which a user has removed the mark, to keep it.
"""

from __future__ import annotations

import os
import uuid as uuids

from ..._core.record import mark as marks
from ..._core.record.mark import is_mark_of, making_mark, making_of, printed
from ..._ports import files

KEY = "polyvirt/mark"
_UUID_PREFIX = "706f6c79-7669-"


def new_id():
    return _UUID_PREFIX + str(uuids.uuid4())[len(_UUID_PREFIX) :]


def is_created_here(uuid):
    return uuid.startswith(_UUID_PREFIX)


def write_mark(driver, uuid, mark):
    driver.run(uuid, "setextradata", uuid, KEY, printed({marks.HOST: files.host_name(), **mark}))


def resolved_mark(mark, media):
    """The mark in which new images that are attached by now are listed as disks of the VM.

    The mark has the paths of new images under "making", before they are created.
    """
    recorded = making_of(mark)
    attached = [medium for medium in media if medium.users]
    created = [medium.uuid for medium in attached if medium.location in recorded]
    missing = [path for path in recorded if path not in {medium.location for medium in attached}]
    disks = list(dict.fromkeys([*mark.get("disks", ()), *created]))
    return making_mark({**mark, "disks": disks}, missing)


def is_unfinished(uuid, mark, has_disks, log_folder):
    """Whether the creation of a VM by this collection is incomplete."""
    if marks.DAMAGED in (mark or {}):
        return False
    is_begun = marks.is_unfinished(mark) if is_mark_of(mark, uuid) else not has_disks
    if not (is_created_here(uuid) and is_begun):
        return False
    # A VM that was started is complete: its mark may have been removed manually.
    return not files.exists(os.path.join(log_folder, "VBox.log"))
