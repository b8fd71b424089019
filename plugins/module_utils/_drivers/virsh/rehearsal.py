# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the definition that a step would store: the step's changes, made to a copy of the observed definition.

``native`` can name files and devices that no setting names, so what it claims is read from that definition. What
creates, clones and changes VMs is imported when it is needed: most plans need none of it here.
"""

from __future__ import annotations

from functools import partial
from typing import Optional
from uuid import UUID

from ..._core.planner.contents import contents_of
from ..._core.record.answer_media import ANSWER_MEDIA
from ..._tools.domain_xml import Definition
from .settings.cdroms import remove_seed_drives
from .settings.disks import disk_element, slot_name
from .settings.firmware import nvram_of

#: Steps that store the definition of a backup.
OF_BACKUP = ("create_from_backup", "restore_backup")
#: Settings whose form depends on what the host has; they claim nothing.
_OF_HOST = ("shared_folders", "nested_virtualization")


def definitions(driver, plan, step) -> Optional[tuple]:
    """Return (definition without what only ``native`` or a snapshot sets, definition that the step stores), or None.

    None: the settings name all that it claims.
    """
    if step.verb == "restore":
        return _restored(driver, plan, step)
    if step.verb in OF_BACKUP:
        before = observed(driver, plan.before.id) if plan.before.id else Definition("<domain><devices/></domain>")
        return before, driver.adapted[plan.after.name, step.arguments["id"]]
    if step.verb == "create" and step.arguments["config"].get("native"):
        config, create = step.arguments["config"], partial(_created, driver, plan.after.name, step)
        return create({**config, "native": {}}), create(config)
    if step.verb == "configure" and any(change.field == "native" for change in step.changes):
        change = partial(_changed, driver, plan)
        return change([one for one in step.changes if one.field != "native"]), change(step.changes)
    return None


def final_definition(driver, plan):
    """The definition that a plan has stored at its end, or None: libvirt itself builds it, or it is not known yet."""
    definition = None
    for step in plan.steps:
        if step.verb == "restore":
            return None
        if step.verb == "create":
            definition = _created(driver, plan.after.name, step, step.arguments["config"])
        elif step.verb == "clone":
            if step.arguments["source"].id not in driver.seen.definitions:
                return None  # This task creates the source.
            definition = definition_before(driver, plan)
        elif step.verb == "configure":
            definition = definition or observed(driver, plan.before.id)
            remove_seed_drives(definition, step.arguments.get(ANSWER_MEDIA, ()))
            _rehearse(driver, plan, definition, step.changes)
    return definition


def observed(driver, uuid):
    """The stored definition of a VM as it was observed."""
    text = driver.seen.definitions.get(uuid)
    return driver.definition(uuid) if text is None else Definition(text)


def old_nvram(definition, mark):
    """The NVRAM that a restored VM no longer has, if it was created by this collection."""
    path = nvram_of(definition)
    return [path] if path in mark.get("nvram", ()) else []


def _restored(driver, plan, step):
    from .snapshots import SnapshotXml

    text = driver.seen.snapshots.get((plan.before.id, step.arguments["name"]))
    restored = SnapshotXml.parse(text).definition if text else None
    return restored and (observed(driver, plan.before.id), restored)


def _created(driver, name, step, config):
    from .create import in_boot_order, new_definition, write_settings

    config = {setting: value for setting, value in config.items() if setting not in _OF_HOST}
    definition = new_definition(driver, name, str(UUID(int=0)), config)
    contents = contents_of(step.arguments["creation"], slot_name(0))
    disks = [
        (slot, *_planned_file(driver, name, slot, entry or {}), True)
        for slot, entry in in_boot_order(config.get("disks") or {}, contents)
    ]
    has_seed = step.arguments["creation"].get("cloud_init") is not None
    filled = {slot: entry or {} for slot, entry in (config.get("disks") or {}).items()}
    seeds = [driver.storage.seed_path(name)] if has_seed else []
    write_settings(None, definition, {**config, "disks": filled}, disks, seeds, step.arguments["creation"])
    return definition


def _changed(driver, plan, changes):
    return _rehearse(driver, plan, definition_before(driver, plan), changes)


def _rehearse(driver, plan, definition, changes):
    from .configure import rehearse

    known = [change for change in changes if change.field not in _OF_HOST]
    rehearse(plan.before, definition, known, partial(_new_disk, driver, plan.after.name))
    return definition


def definition_before(driver, plan):
    """Return the definition that the plan changes; a clone begins with that of its source."""
    clone = next((step for step in plan.steps if step.verb == "clone"), None)
    if clone is None:
        return observed(driver, plan.before.id)
    from .clone import rehearsed
    from .snapshots import SnapshotXml

    source, requested = clone.arguments["source"], clone.arguments["creation"]["clone"]
    snapshot = driver.seen.snapshots.get((source.id, requested.get("snapshot")))
    definition = SnapshotXml.parse(snapshot).definition if snapshot else observed(driver, source.id)
    return rehearsed(driver, plan.after.name, definition, requested.get("linked"))


def _planned_file(driver, name, slot, entry):
    image_format = entry.get("format") or "qcow2"
    return entry.get("source") or driver.storage.disk_path(name, slot, entry), image_format


def _new_disk(driver, name, slot, entry):
    return disk_element(slot, *_planned_file(driver, name, slot, entry), entry)
