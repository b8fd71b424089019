# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the slots of images, and of appliances."""

from __future__ import annotations

from mutations.mutation import Mutation

_CONTENTS, _CREATE = "_core/planner/contents.py", "_core/planner/plan_create.py"
_SLOT = ["tests/unit/module_utils/_core/planner/test_image_slot.py"]

MUTATIONS = (
    Mutation("slot-of-an-image-has-no-effect", _CONTENTS, '{image.get("slot") or first: image} if image else {}',
             "{first: image} if image else {}", _SLOT),
    Mutation("entry-without-a-slot-is-a-second-disk", _CONTENTS,
             "{slot if key == FIRST else key: entry for key, entry in disks.items()}", "dict(disks)", _SLOT),
    Mutation("slot-of-an-image-is-the-users-text", _CONTENTS,
             '{**image, "slot": traits.slot_meant(image["slot"])}', "image", _SLOT),
    Mutation("disk-of-an-image-is-purged", _CREATE, "traits.slot_meant(slot) if slot else None", "None", _SLOT),
)
