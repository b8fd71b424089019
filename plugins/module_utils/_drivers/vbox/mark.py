# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our mark on a VM, in its extra data, and how an unfinished VM differs from a finished one.

VirtualBox registers a VM before data can be stored in it. So the UUID of a VM created here starts with a fixed
prefix: as long as the VM has no final mark of its own, it is incomplete, and the same task completes it.
"""

from __future__ import annotations

import os
import uuid as uuids

from ..._lifecycle.mark import printed
from ..._ports import files

KEY = "polyvirt/mark"
_BEGIN = "706f6c79-7669-"


def new_id():
    return _BEGIN + str(uuids.uuid4())[len(_BEGIN) :]


def is_created_here(uuid):
    return uuid.startswith(_BEGIN)


def write_mark(driver, uuid, mark):
    driver.run(uuid, "setextradata", uuid, KEY, printed(mark))


def resolved_mark(mark, media):
    """The mark with the images recorded in it resolved: those that exist and are attached belong to the VM."""
    announced = mark.get("making", ())
    created = [medium.uuid for medium in media if medium.location in announced and medium.users]
    left = [path for path in announced if path not in {medium.location for medium in media if medium.users}]
    kept = {key: value for key, value in mark.items() if key != "making"}
    disks = list(dict.fromkeys([*mark.get("disks", ()), *created]))
    return {**kept, "disks": disks, **({"making": left} if left else {})}


def is_unfinished(uuid, mark, log_folder):
    if not is_created_here(uuid) or (mark and mark.get("id") == uuid and not mark.get("unfinished")):
        return False
    # A VM that was started is complete: its mark may have been removed manually.
    return not files.exists(os.path.join(log_folder, "VBox.log"))
