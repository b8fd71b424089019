# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the slots of images, and of appliances."""

from __future__ import annotations

from mutations.mutation import Mutation

_CONTENTS, _CREATE = "_core/planner/contents.py", "_core/planner/plan_create.py"
_SLOT = ["tests/unit/module_utils/_core/planner/test_image_slot.py"]
_MEDIA, _TESTS = "_media/appliances", "tests/unit/module_utils/_media"
_APPLIANCE = [f"{_TESTS}/test_appliances.py", f"{_TESTS}/test_descriptors.py"]
_PLANNED = ["tests/unit/module_utils/_core/planner/test_appliance.py"]
_PROXMOX, _UPLOADED = "_drivers/proxmox", ["tests/unit/module_utils/_drivers/proxmox/test_appliances.py"]

MUTATIONS = (
    Mutation(
        "upload-of-an-appliance-remains",
        f"{_PROXMOX}/appliances.py",
        "if volume in store.volumes():",
        "if False:",
        _UPLOADED,
    ),
    Mutation(
        "versions-of-an-appliance-are-mixed",
        f"{_PROXMOX}/create.py",
        'disk["digest"] for slot, disk',
        "None for slot, disk",
        _UPLOADED,
    ),
    Mutation(
        "compressed-archive-may-unpack-without-end",
        f"{_MEDIA}/packed.py",
        "if self._most < 0:",
        "if False:",
        _APPLIANCE,
    ),
    Mutation("slot-of-an-image-has-no-effect", _CONTENTS, 'image.get("slot") or first', "first", _SLOT),
    Mutation(
        "entry-without-a-slot-is-a-second-disk",
        _CONTENTS,
        'listed.get(traits.slot_meant(slot), f"{PLACE}{at}")',
        "listed.get(traits.slot_meant(slot))",
        _SLOT,
    ),
    Mutation(
        "slot-of-an-image-is-the-users-text",
        _CONTENTS,
        '{**image, "slot": traits.slot_meant(image["slot"])}',
        "image",
        _SLOT,
    ),
    Mutation("disk-of-an-image-is-purged", _CREATE, "traits.slot_meant(slot) if slot else None", "None", _SLOT),
    Mutation(
        "document-type-is-read",
        f"{_MEDIA}/envelope.py",
        '"<!DOCTYPE" in text or "<!ENTITY" in text',
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "unknown-requirement-is-ignored",
        f"{_MEDIA}/envelope.py",
        'attribute(one, "required") == "true" and kind(one) not in _KNOWN',
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "disk-of-an-appliance-may-name-files",
        f"{_MEDIA}/lookup.py",
        "foreign_image.named_in(begin, image_format, end)",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "link-of-an-appliance-leads-anywhere",
        f"{_MEDIA}/container.py",
        "os.path.commonpath([folder, path]) != folder",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "manifest-is-not-compared",
        f"{_MEDIA}/container.py",
        "part is not None and part.digest(algorithm) != digits",
        "False",
        _APPLIANCE,
    ),
    Mutation(
        "disks-are-in-the-order-of-the-descriptor",
        f"{_MEDIA}/descriptor.py",
        'order.get(one.get("Parent"), len(order)), _address(one)',
        "0, 0",
        _APPLIANCE,
    ),
    Mutation(
        "all-configurations-at-once",
        f"{_MEDIA}/descriptor.py",
        "names and self.chosen not in names",
        "False",
        _APPLIANCE,
    ),
    Mutation("compressed-disk-unpacks-to-any-size", f"{_MEDIA}/packed.py", "found > most", "False", _APPLIANCE),
    Mutation(
        "gap-between-pieces-is-ignored",
        f"{_MEDIA}/container.py",
        'is_cut or self.part(f"{file.href}.{len(found) + 1:09}")',
        "False",
        _APPLIANCE,
    ),
    Mutation("license-is-accepted", f"{_MEDIA}/defaults.py", "system.license and not is_accepted", "False", _APPLIANCE),
    Mutation(
        "unmapped-network-is-ignored",
        f"{_MEDIA}/defaults.py",
        "[name for name in names if name not in networks]",
        "[]",
        _APPLIANCE,
    ),
    Mutation(
        "appliance-is-created-again",
        _CREATE,
        '"what the appliance says would replace settings that were changed since"',
        '""',
        _PLANNED,
    ),
    Mutation(
        "approval-of-any-appliance",
        "_core/results/plan_content.py",
        '("source", "checksum", "disks")',
        '("source", "checksum")',
        _PLANNED,
    ),
)
