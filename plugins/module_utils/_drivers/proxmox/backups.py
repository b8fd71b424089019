# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: backups: reading, creating, protecting and deleting them.

The first line of the notes of a backup has its record, because the list of a storage has no more of them. The number in
the name of a backup identifies no VM, and notes can be edited. So the configuration in the backup must have the birth
that the record names.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from ..._core.backup import manifest
from ..._core.backup.backup import CRASH, FILESYSTEM, OFF, Backup, strength
from ..._core.errors import ApiError, Refused, Stale, Unsupported
from ..._core.frozen import Frozen, replace
from ..._core.pattern import Pattern
from ..._core.record.reader import Damaged, is_text, list_of, read
from ..._tools import proxmox_values as values
from ..._tools.proxmox import NODE_ERRORS, Busy, ConnectionLost
from ..._tools.proxmox_errors import grant_remedy
from . import mark
from .settings.disks import STATE_VOLUMES, disks_of

_VERSION = 1
_RECORD = Pattern(r"polyvirt (\{.*\})")
_OPTION = Pattern(r"([a-z][a-z0-9_-]*):\s*(.+?)\s*")
#: Lines that vzdump adds, which are no notes of the VM.
_ADDED = ("#qmdump#", "#vzdump#")
NO_AGENT = "the VM has no guest agent (native: {agent: 1})"
_FREEZE, _THAW = "issuing guest-agent 'fs-freeze' command", "issuing guest-agent 'fs-thaw' command"
_SKIPPED, _GOOD, _NOT_SHOWN = "skipping guest-agent 'fs-freeze'", "INFO:", "the log of vzdump does not show it"
_SCHEMA = {**manifest.OF_BACKUP, "id": manifest.is_plain, "excluded": list_of(is_text)}


class Stored(Frozen):
    """A backup on the storage of the task, which ``node`` can read."""

    backup: Backup
    volume: str
    node: str


def notes_of(backup, host):
    """The notes of a backup: one line, that people can read too."""
    recorded = {name: getattr(backup, name) for name in _SCHEMA}
    recorded.update(v=_VERSION, host=host, start=int(backup.start), excluded=list(backup.excluded))
    return f"{backup.vm} polyvirt {json.dumps(recorded, sort_keys=True, separators=(',', ':'))}"


def _record_in(notes):
    """The record in the first line of notes, or None. Raises Damaged."""
    found = _RECORD.search((notes or "").partition("\n")[0])
    record = read(found[1], _SCHEMA, [_VERSION]) if found else None
    return record and {name: record[name] for name in _SCHEMA}


def storage_of(driver):
    return driver.options["storage"]


def nodes_with(driver, label):
    """The nodes that can read the storage of the task; one is enough if it is shared."""
    resources, storage = driver.resources, storage_of(driver)
    nodes = sorted(node.name for node in resources.nodes.values() if node.online)
    nodes = [node for node in nodes if storage in resources.storages(node, "backup")]
    if not nodes:
        raise Refused(
            f"{label}: storage: no node that is online has the storage '{storage}' for backups.",
            "Set storage to one with the content Backup (pvesm status --content backup). The account needs"
            " Datastore.AllocateSpace on it.",
        )
    return nodes


def stored(driver, label):
    """{id: Stored} of the backups with a record."""
    return read_list(driver, label)[0]


def read_list(driver, label):
    """({id: Stored} of the backups with a record, names of the nodes that may have others and do not answer)."""
    nodes, storage, found = nodes_with(driver, label), storage_of(driver), {}
    is_shared = driver.resources.is_shared(storage)
    silent = set() if is_shared else driver.resources.nodes_with(storage) - set(nodes)
    for node in nodes:
        try:
            entries = driver.tool.get(f"/nodes/{node}/storage/{storage}/content", content="backup")
        except ApiError as error:
            if error.status not in NODE_ERRORS:
                raise
            silent.add(node)
            continue
        for one in filter(None, (_stored(driver, label, entry, node) for entry in entries)):
            found.setdefault(one.backup.id, one)
        if is_shared:
            return found, ()
    return found, tuple(sorted(silent))


def warn_of_silent(driver, label, silent):
    """Add a warning if there may be backups on nodes that do not answer."""
    if silent:
        driver.tool.warn(f"{label}: {silence(driver, silent)}, so there may be others.")


def warn_of_hidden(driver, label):
    """Add a warning if the account may not see all backups: the server leaves them out without an error."""
    has, path = driver.permissions.has, f"/storage/{storage_of(driver)}"
    lacking = None if driver.permissions.holds_for_all_vms("VM.Backup") else ("VM.Backup", "/vms")
    lacking = lacking if has(path, "Datastore.AllocateSpace") else ("Datastore.AllocateSpace", path)
    if lacking and not has(path, "Datastore.Allocate"):
        driver.tool.warn(
            f"{label}: {driver.tool.api.who} does not see the backups of all VMs, so there may be others. It lacks"
            f" {lacking[0]} on {lacking[1]}. {grant_remedy(lacking[1])}"
        )


def silence(driver, silent):
    return f"the backups on '{storage_of(driver)}' of {', '.join(silent)} are unknown: no answer"


def _stored(driver, label, entry, node):
    try:
        record = _record_in(entry.get("notes"))
    except Damaged as error:
        driver.tool.warn(f"{label}: the backup {entry['volid']} is not listed: in the record in its notes, {error}.")
        return None
    if record is None or record["birth"].partition(":")[0] != str(entry.get("vmid")):
        return None
    is_bad = (entry.get("verification") or {}).get("state") == "failed"
    damaged = "its verification by the Proxmox Backup Server has failed" if is_bad else ""
    damaged = damaged or ("" if entry.get("size") else "its file is empty")
    record["excluded"] = tuple(record["excluded"])
    size, content = entry.get("size") or 0, f"{entry['volid']} {entry.get('size')} {entry.get('ctime')}"
    known = {"size": size, "content": content, "files": (entry["volid"],)}
    backup = Backup(**record, **known, protected=bool(entry.get("protected")), damaged=damaged)
    return Stored(backup, entry["volid"], node)


def all_volumes(options):
    """{slot: sub-keys} of the disks of a VM, also those with the state of firmware and TPM."""
    return {**disks_of(options), **{key: values.parse(key, options[key]) for key in STATE_VOLUMES if key in options}}


def volumes_in(options):
    """Those that a backup contains."""
    return {slot: drive for slot, drive in all_volumes(options).items() if drive.get("backup") != "0"}


def volumes_not_in(options):
    """The slots of disks that the backup does not contain."""
    return {slot for slot, drive in disks_of(options).items() if drive.get("backup") == "0"}


def storages_for(driver, options):
    """{storage: bytes} that the disks of a backup need."""
    needed = {}
    for drive in volumes_in(options).values():
        storage = driver.options.get("disk_storage") or drive["file"].partition(":")[0]
        needed[storage] = needed.get(storage, 0) + (values.size_of(drive.get("size")) or 0)
    return needed


def check_verifiable(driver, label):
    """Raise Unsupported if nothing verifies the backups on the storage of the task."""
    if driver.resources.type_of(storage_of(driver)) != "pbs":
        raise Unsupported(
            f"{label}: verify: Proxmox VE verifies backups only on a Proxmox Backup Server, and"
            f" '{storage_of(driver)}' is none.",
            "Omit verify, and restore the backup as another VM from time to time, or run vma verify on the node.",
        )


def options_in(driver, one):
    """The options of the VM in a backup. Raises Stale if they are not those that its record says."""
    options = _own_options_in(driver, one)
    lacking = volumes_not_in(options) - set(one.backup.excluded)
    if lacking:
        raise Stale(f"{one.volume}: it lacks the disks {', '.join(sorted(lacking))}, which its notes do not say.")
    return options


def _own_options_in(driver, one):
    if one.volume not in driver.archived_options:
        text = driver.tool.get(f"/nodes/{one.node}/vzdump/extractconfig", volume=one.volume)
        driver.archived_options[one.volume] = _parse_config(text)
    options = driver.archived_options[one.volume]
    if mark.birth_of(one.backup.birth.partition(":")[0], options) != one.backup.birth:
        raise Stale(f"{one.volume}: its configuration is of another VM than its notes say.")
    return options


def known(driver, vm, backup_id):
    """The Stored with this id, with the right configuration. Raises Stale if it is gone."""
    one = stored(driver, vm.name).get(backup_id)
    if one is None:
        raise Stale(f"{vm.name}: backup '{backup_id}' was deleted meanwhile.", "Run the task again.")
    options_in(driver, one)
    return one


def backup(driver, vm, step):
    """Create a backup, unless it exists already: a step may be sent twice."""
    made, node = step.arguments["made"], driver.node_of(vm.id)
    _await_jobs(driver, vm, node)
    one, lines = stored(driver, vm.name).get(made.id), None
    if one is None:
        upid = _begin(driver, vm, made, node)
        driver.tool.finish(upid)
        one, lines = stored(driver, vm.name).get(made.id), driver.tool.log(upid)
    if one is None:
        raise ApiError(f"{vm.name}: vzdump has succeeded, but '{storage_of(driver)}' does not list the backup.", None)
    if one.backup.birth != made.birth:
        raise Stale(f"{vm.name}: backup '{made.id}' is of another VM.", "Run the task again.")
    reached, problem = _reached(options_in(driver, one), lines)
    if strength(reached) > strength(one.backup.consistency):
        _write(driver, one, notes=notes_of(replace(one.backup, consistency=reached), node))
    if reached == CRASH == made.consistency and problem != NO_AGENT:
        driver.tool.warn(f"{vm.name}: the file systems of the guest were not frozen for the backup: {problem}.")
    if strength(reached) < strength(made.consistency):
        raise ApiError(
            f"{vm.name}: consistency: {made.consistency}: the backup was created, but its consistency is {reached}:"
            f" {problem}.",
            None,
            "Check the guest agent, and run the task again, or set consistency: crash.",
        )


def _begin(driver, vm, made, node):
    """Start vzdump; returns the task. The notes say the least until the log shows what was reached."""
    notes = notes_of(replace(made, consistency=CRASH), node)
    upid = driver.tool.post(
        f"/nodes/{node}/vzdump",
        vmid=vm.id,
        storage=storage_of(driver),
        mode="snapshot",
        compress="zstd",
        # Retention is a step of its own, and only of backups with a record.
        remove=0,
        protected=made.protected or None,
        **{"notes-template": notes.replace("\\", "\\\\")},
    )
    if not str(upid).startswith("UPID:"):
        # No task: the VM is on another node now.
        driver.set_node(vm.id, None)
        raise Busy(f"{vm.name}: it is no longer on the node '{node}'.", None)
    return upid


def _await_jobs(driver, vm, node):
    """Wait for a backup of the VM that runs already: this task may have started it, and lost the answer."""
    for task in driver.tool.running_tasks(node, "vzdump", vm.id):
        driver.tool.wait(task["upid"], driver.call_timeout)


def _reached(options, lines):
    """(consistency, problem) of a new backup of a VM; ``lines`` are None if its log is not known."""
    if any("status = stopped" in line for line in lines or ()):
        return OFF, ""
    has_agent = values.parse("agent", options.get("agent", "0")).get("enabled") == "1"
    problem = freeze_problem(lines, has_agent) if lines else "the log of its task is not known"
    return (CRASH, problem) if problem else (FILESYSTEM, "")


def _write(driver, one, **attributes):
    driver.tool.put(f"/nodes/{one.node}/storage/{storage_of(driver)}/content/{one.volume}", **attributes)


def edit_backup(driver, vm, step):
    _write(driver, known(driver, vm, step.arguments["id"]), protected=step.arguments["protected"])


def drop_backup(driver, vm, step):
    listed = stored(driver, vm.name)
    for one in (listed[key] for key in step.arguments["ids"] if key in listed):
        if _may_be_deleted(driver, one):
            driver.tool.run("DELETE", f"/nodes/{one.node}/storage/{storage_of(driver)}/content/{one.volume}")


def _may_be_deleted(driver, one):
    """Whether a backup is deleted; a damaged one only if the task names it. Raises Stale if it is of another VM."""
    try:
        _own_options_in(driver, one)
    except ApiError as error:
        if error.status in NODE_ERRORS or isinstance(error, (Busy, ConnectionLost)):
            raise
        if driver.options["state"] != "absent":
            # Then it does not count, and retention leaves it.
            driver.damaged_backups[one.volume] = error.message.rstrip(".")
            return False
    return True


def _parse_config(text):
    """Return {option: value} of a configuration file; its comments are the notes of the VM (``description``)."""
    options, notes = {}, []
    for line in text.splitlines():
        found = _OPTION.fullmatch(line)
        if line.startswith("["):
            break
        if line.startswith("#") and not line.startswith(_ADDED):
            notes.append(unquote(line[1:]))
        elif found:
            options[found[1]] = found[2]
    return {**options, "description": "\n".join(notes)} if notes else options


def freeze_problem(lines, has_agent):
    """Return why the log of vzdump does not show that the file systems of a running VM were frozen; empty if it does.

    vzdump goes on without a frozen guest. An error of the thaw counts, too: some guests end the freeze themselves. So
    all lines from the freeze to the one after the thaw must be plain ones.
    """
    skipped = next((line for line in lines if _SKIPPED in line), None)
    if skipped or not has_agent:
        return skipped.partition(f"{_SKIPPED}, ")[2] if skipped else NO_AGENT
    begin, end = ([number for number, line in enumerate(lines) if text in line] for text in (_FREEZE, _THAW))
    if not (begin and end):
        return _NOT_SHOWN
    bad = next((line for line in lines[begin[0] : end[-1] + 2] if not line.startswith(_GOOD)), None)
    return "" if bad is None else bad.partition(":")[2].strip() or bad
