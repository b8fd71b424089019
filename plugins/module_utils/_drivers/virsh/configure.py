# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: changing a VM: first the running VM, then its stored definition.

If a change of the running VM fails, nothing is stored, so the next run finds the same differences and tries again.
"""

from __future__ import annotations

from ..._core.model import LIVE, Plan
from ..._core.planner.simulate import simulate
from ..._core.record.answer_media import ANSWER_MEDIA, without_media
from ..._core.record.mark import IN_MARK, INTERRUPTED, making_mark, making_of, with_settings
from ..._core.sharing.claims import NEW
from ..._kit.addresses import RESERVATIONS, recorded
from ..._ports import files
from .mark import mark_to_add_to, new_log, recorded_first
from .own_files import log_files
from .settings.addresses import Following, to_record, update, with_reservations
from .settings.cdroms import add_drive, remove_drive, remove_seed_drives, set_drive
from .settings.disk_limits import LIMITS, set_limit
from .settings.disks import add_disk, check_attached, grow_disk, insert_disk, remove_disk, set_serial
from .settings.firmware import FIRMWARE, nvram_of
from .settings.networks import add_nic, read_nic, remove_nic, set_nic
from .settings.nvram import NVRAM, QCOW2, place_new_nvram, read_format
from .settings.table import SETTINGS, write_setting

#: Kinds of changes that do not change the XML.
_NOT_IN_XML = ("autostart", "disks.size")
#: Kinds of changes that may create or copy a file.
_OF_FILES = ("disks.add", "disks.remove", "disks.size", *FIRMWARE, *NVRAM)


def configure(driver, vm, step):
    """Apply the changes to one VM; changes of cost LIVE are also applied to the running VM."""
    changes = step.changes
    definition, running = driver.definitions_to_change(vm)
    reserved = recorded(definition.mark, vm.id)
    new = _new_files(driver, vm, step)
    making = _created_here(vm, new, changes, nvram_of(definition))
    is_stored = driver.is_already_stored(vm, changes, definition)
    # Only the last write of this step has removed the new files from those that are being created.
    if not is_stored or set(making).intersection(making_of(definition.mark)):
        driver.check_as_planned(vm, definition)
        check_attached(driver, vm, running, changes, mark_to_add_to(vm, definition.mark))
        with recorded_first(driver, vm, definition, making):
            known = (*log_files(definition), *mark_to_add_to(vm, definition.mark)["files"])
            log = new_log(driver, vm.id, new.get("serial_log"), known)
            _delete_answer_media(definition, step.arguments.get(ANSWER_MEDIA, ()))
            _store(driver, vm, changes, (definition, running), reserved, log)
    _reserve(driver, recorded(vm.mark, vm.id) | reserved, recorded(definition.mark, vm.id))


def _delete_answer_media(definition, media):
    """Delete the files before the definition that names them is replaced: the next run completes an interrupted one."""
    if media:
        for path in media:
            files.remove(path)
        remove_seed_drives(definition, media)
        definition.set_mark(without_media(definition.mark, media))


def _reserve(driver, before, after):
    """Also if nothing is to be stored: an earlier attempt may have ended between the definition and the networks."""
    if before or after:
        update(driver, before, after)


def _new_files(driver, vm, step):
    """{option: path} of the files that do not exist before this step."""
    files_of_step = driver.claims.step_files(Plan(vm, simulate(vm, [step])), step)
    return {option: path for mode, option, path in files_of_step if mode == NEW}


def _created_here(vm, new, changes, nvram):
    """Those of the new files that this collection itself creates; libvirt creates the others at the next start."""
    formats = {change.kind: change.new for change in changes}
    has_qcow2 = formats.get("nvram_format", vm.config.get("nvram_format")) == QCOW2
    kinds = ("disks", "firmware") if has_qcow2 else ("disks",)
    known = {nvram, *(vm.mark.get("nvram", ()) if vm.owned else ())}
    return [path for option, path in new.items() if option.split(".")[0] in kinds and path not in known]


def _store(driver, vm, changes, definitions, reserved, log):
    """Make the changes to the running VM (its definition; None: it is off) and the definition, and store the latter."""
    definition, running = definitions
    before = definition.content
    created, nvram = [], (nvram_of(definition), read_format(definition))
    addresses = Following(definition, reserved, read_nic)
    for change in sorted(changes, key=_last_nics_first):
        live = running is not None and change.cost == LIVE
        _CHANGES.get(change.kind, _set_field)(driver, vm, definition, running if live else None, change, created)
        addresses.follow(change)
    if any(change.field in {*FIRMWARE, *NVRAM} for change in changes):
        # The mark keeps the NVRAM file of the previous firmware too, so that it is deleted with a VM created here.
        nvram = [nvram[0] if vm.created else None, place_new_nvram(driver, vm, definition, changes, nvram)]
    else:
        nvram = []
    wanted, former = addresses.reservations(), _former_log(vm, definition.mark, changes)
    if created or nvram or log or former or wanted != reserved or any(change.kind in IN_MARK for change in changes):
        lists = {"disks": created, "nvram": filter(None, nvram), "files": [log] if log else []}
        mark = _updated_mark(vm, definition.mark, changes, {key: [*paths] for key, paths in lists.items()})
        mark = {**mark, "files": [path for path in mark["files"] if path != former]} if former else mark
        texts = to_record(driver, wanted, reserved) if wanted != reserved else mark.get(RESERVATIONS, ())
        definition.set_mark(with_reservations(mark, texts))
    if any(change.kind not in _NOT_IN_XML for change in changes):
        if any(_takes_time(change, running) for change in changes):
            driver.check_still(vm, before)
        driver.define(definition, is_record={change.kind for change in changes} == {INTERRUPTED})


def _former_log(vm, mark, changes):
    """The recorded log that the VM gives up: somebody else may use its path now, unless a snapshot still has it."""
    former = next((change.old for change in changes if change.kind == "serial_log"), None)
    return former if former in (mark or {}).get("files", ()) and not vm.snapshots else None


def _takes_time(change, running):
    """Return whether a change may have taken time since the definition was read, so that it is read again."""
    is_live = running is not None and change.cost == LIVE
    setting = SETTINGS.get(change.field)
    return change.kind in _OF_FILES or (is_live and (change.kind in _CHANGES or setting.write_live is not None))


def rehearse(vm, definition, changes, new_disk):
    """Make the changes to ``definition`` in the order of a run, without any effect on the VM or its host.

    ``new_disk(slot, entry)`` is the element of a disk that may not exist yet.
    """
    for change in sorted(changes, key=_last_nics_first):
        if change.kind == "disks.add":
            insert_disk(definition, new_disk(change.key, change.new))
        elif change.kind not in _NOT_IN_XML:
            _CHANGES.get(change.kind, _set_field)(None, vm, definition, None, change, [])


def _last_nics_first(change):
    """Sort key: NICs are removed last, from the highest position down, because a removal shifts those behind it."""
    return (1, -int(change.key)) if change.kind == "networks.remove" else (0, 0)


def _set_field(driver, vm, definition, running, change, created):
    setting = SETTINGS[change.field]
    if running is not None and setting.write_live is not None:
        setting.write_live(driver, vm, running, change)
    if setting.write is not None:
        write_setting(driver, definition, change)


def _set_autostart(driver, vm, definition, running, change, created):
    driver.virsh.run("autostart", vm.id, *([] if change.new else ["--disable"]))


def _skip(driver, vm, definition, running, change, created):
    """The address is not in the definition; see settings/addresses.py."""


#: Functions for kinds of changes; the others are made by _set_field. ``running`` is the definition of the running VM if
#: it must be changed too, else None. Paths of new files are added to ``created``.
_CHANGES = {
    "autostart": _set_autostart,
    "cdroms.add": add_drive,
    "cdroms.remove": remove_drive,
    "cdroms.source": set_drive,
    "cdroms.skip_boot_prompt": set_drive,
    "disks.add": add_disk,
    "disks.remove": remove_disk,
    "disks.size": grow_disk,
    "disks.serial": set_serial,
    **dict.fromkeys((f"disks.{option}" for option in LIMITS), set_limit),
    "networks.add": add_nic,
    "networks.remove": remove_nic,
    "networks.type": set_nic,
    "networks.source": set_nic,
    "networks.mac": set_nic,
    "networks.model": set_nic,
    "networks.address": _skip,
}


def _updated_mark(vm, mark, changes, created):
    """The VM's mark with the new files, {key of the mark: paths}, and settings."""
    own = mark_to_add_to(vm, mark)
    done = {path for paths in created.values() for path in paths}
    own = making_mark(own, [path for path in making_of(own) if path not in done])
    attached = {*done, *(one.new.get("source") for one in changes if one.kind == "disks.add")}
    if own.get("left"):
        own["left"] = [path for path in own["left"] if path not in attached]
    own.update({key: list(dict.fromkeys([*own.get(key, ()), *paths])) for key, paths in created.items() if paths})
    return with_settings(own, {change.kind: change.new for change in changes})
