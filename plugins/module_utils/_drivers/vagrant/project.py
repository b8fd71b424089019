# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: a project on disk: its Vagrantfile, the VMs that were created from it, and our records of them.

Everything is read without starting Ruby. A VM is described in the managed Vagrantfile; it is created when Vagrant has
stored an id for it. This collection writes a record into the folder of a created VM, which Vagrant deletes with the VM:
its Vagrantfile, the settings of its last start, its SSH connection, and its settings when its snapshots were created.
Before the first start of a VM, a file above that folder, which Vagrant empties, says that it has begun, until it is
recorded: a VM with this file may be half-made, because the task was killed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any, Optional

from ..._core.errors import CommandFailed, CreatedMeanwhile, NotFound, PolyvirtError, Refused, Stale
from ..._core.frozen import Frozen, field
from ..._core.pattern import Pattern
from ..._core.record import reader
from ..._core.record.mark import DAMAGED
from ..._ports import files, permits
from ..._tools import vagrant_folder, vagrant_states, vagrantfile

#: The names of the file that Vagrant reads if none is set; the first one that exists.
_DEFAULT_FILES = ("Vagrantfile", "vagrantfile")
_RECORD, _RECORD_VERSION = "polyvirt.json", 1
_BEGUN = "polyvirt-first-start.json"
#: The key of a record with the expiries of snapshots by their name.
EXPIRIES = "snapshots_expire"
_SNAPSHOT = frozenset({"created", "power", "machine", "ran"})
_OWNS_FOLDER = "owns_folder"


def default_file(folder):
    """The name of the Vagrantfile that Vagrant reads in ``folder`` if none is set."""
    existing = (name for name in _DEFAULT_FILES if files.is_file(os.path.join(folder, name)))
    return next(existing, _DEFAULT_FILES[0])


class Busy(CommandFailed):
    """Another task is writing the project's Vagrantfile."""


class ProjectVm(Frozen):
    """One VM of a project: its description (None if it is in the user's own file), its CreatedVm, and its record.

    ``begun``: a task has begun its first start, and has not recorded it. ``place`` is the connection, user and host of
    its last start (`VagrantObserver.place_of`); None if no task has recorded it.
    """

    name: str
    described: Optional[Mapping] = None
    created: Any = None
    record: Mapping = field(default_factory=dict)
    begun: bool = False
    place: Optional[str] = None


class Contents(Frozen):
    """The content of a project. ``vms`` is {name: ProjectVm}.

    ``foreign`` are names of VMs that were created from another Vagrantfile in the same folder. ``lost`` are names of
    VMs that are not in the managed file any more; their descriptions are in our records. ``copied`` is {name: folder}
    of VMs that belong to another folder, if this folder is a copy of it; they are in ``foreign``, too.
    """

    vms: Mapping = field(default_factory=dict)
    foreign: frozenset = frozenset()
    environment: Mapping = field(default_factory=dict)
    owns_folder: bool = False
    lost: frozenset = frozenset()
    copied: Mapping = field(default_factory=dict)

    def descriptions(self):
        return [one.described for one in self.vms.values() if one.described is not None]


class _LazyIndex:
    """Vagrant's index of all VMs, read once, when it is first needed."""

    def __init__(self, read):
        self._read, self._entries = read, None

    @property
    def entries(self):
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def folder_of(self, index_id):
        return self.entries[index_id].folder if index_id in self.entries else None


class Project:
    """``file`` is the Vagrantfile's name in ``folder``; if it is not ``managed``, it is the user's own."""

    def __init__(self, folder, file, managed, dotfile=None, home=None):
        self.folder, self.file, self.managed = folder, file, managed
        self.home = os.path.expanduser(home or vagrant_states.HOME)
        self._dotfile_name = os.path.expanduser(dotfile or vagrant_folder.DEFAULT)
        self.dotfile = os.path.join(folder, self._dotfile_name)
        #: Names in the user's own Vagrantfile, once Vagrant has reported them.
        self.described = None

    @property
    def path(self):
        return os.path.join(self.folder, self.file)

    def describes(self, name):
        """Whether the Vagrantfile has this VM; also true if Vagrant has not reported its VMs yet."""
        return self.managed or self.described is None or name in self.described

    def exists(self):
        return files.is_file(self.path)

    def read(self):
        created = vagrant_folder.created_vms(files, self.dotfile)
        records = {name: _record_of(one) for name, one in created.items()}
        index = _LazyIndex(lambda: vagrant_states.read_index(files, self.home))
        copied = self._copied(created, records, index)
        foreign = self._foreign(created, records, index).union(copied)
        if not self.managed:
            own = [name for name in created if name not in foreign]
            vms = {name: ProjectVm(name, None, created[name], records[name]) for name in own}
            return Contents(vms, foreign, copied=copied)
        project = self._described()
        described = {one["name"]: one for one in project.get("machines", ())}
        # If the file is lost, its VMs still exist, and the records have the settings of their last start.
        lost = {name: one["ran"] for name, one in records.items() if one.get("ran") and name not in foreign}
        lost_names = frozenset(lost) - set(described)
        described = {**lost, **described}
        foreign = foreign.union(set(created) - set(described))
        ours = {name: one for name, one in created.items() if name not in foreign}
        vms = {name: self._described_vm(one, ours.get(name), records.get(name, {})) for name, one in described.items()}
        environment, owns_folder = project.get("environment", {}), bool(project.get(_OWNS_FOLDER))
        return Contents(vms, foreign, environment, owns_folder, lost_names, copied)

    def _described_vm(self, described, created, record):
        begun = {} if record.get("ran") else self._begun(described["name"])
        return ProjectVm(described["name"], described, created, record, bool(begun), {**begun, **record}.get("place"))

    def _copied(self, created, records, index):
        """{name: folder} of VMs that belong to another folder, because ``cp -r`` copied their ids.

        The folder of a VM is in our record, else in Vagrant's index, else in Vagrant's file beside the id.
        One folder can have several paths, by bind mounts as well as by links.
        """
        found, here = {}, files.identity(self.folder)
        for name, one in created.items():
            folder = records[name].get("folder") or index.folder_of(one.index_id) or one.project
            if folder and files.identity(folder) != here and self._has(folder, one):
                found[name] = folder
        return found

    def _has(self, folder, one):
        """Whether the project in ``folder`` still has a VM; after ``mv``, that folder is missing or another project."""
        if not files.is_folder(folder):
            return False
        try:
            there = vagrant_folder.created_vms(files, os.path.join(folder, self._dotfile_name)).get(one.name)
        except PolyvirtError:
            return True  # It cannot be read, so the VM is treated as that project's.
        return there is not None and there.id == one.id

    def _foreign(self, created, records, index):
        """Names of VMs of another Vagrantfile, by our record, else by Vagrant's index of all VMs."""
        owners = {name: record["file"] for name, record in records.items() if "file" in record}
        unknown = {name: one.index_id for name, one in created.items() if one.index_id and name not in owners}
        entries = index.entries if unknown else {}
        default = default_file(self.folder)
        owners.update({name: entries[one].file or default for name, one in unknown.items() if one in entries})
        return frozenset(name for name, file in owners.items() if file != self.file)

    def vm_mistaken_for(self, name):
        """The VM that Vagrant would change instead of the one of this name, or None."""
        created = vagrant_folder.created_vms(files, self.dotfile).get(name)
        own_id = created.index_id if created else None
        return vagrant_states.vm_mistaken_for(vagrant_states.read_index(files, self.home), name, own_id)

    def _described(self):
        try:
            text = files.read(self.path).decode("utf-8", "replace")
        except NotFound:
            return {}
        described = vagrantfile.description(text)
        if described is None:
            raise Refused(
                f"{self.path} was not written by this collection, or was changed since.",
                "Move its changes to your own Vagrantfile and remove this one, set another in vagrantfile, or"
                " set managed: false to use its VMs without changing the file.",
            )
        return described

    def text(self, descriptions, environment, owns_folder=False):
        """The text of the managed file. Raises Unsupported or InvalidInput for settings that cannot be written."""
        project = {"machines": list(descriptions), "environment": dict(environment)}
        return vagrantfile.render({**project, **({_OWNS_FOLDER: True} if owns_folder else {})})

    @contextmanager
    def edited(self):
        """The Contents, while this task holds the project's lock. Raises Busy if another task holds it."""
        with files.held(self.folder) as is_free:
            if not is_free:
                raise Busy(["vagrant"], 1, "held", f"{self.folder}: another task is writing {self.file}.")
            yield self.read()

    def define(self, described, environment=None, is_new=False, before=None):
        """Write the description of a VM. ``environment`` is that of the project; None keeps it.

        Raises CreatedMeanwhile if the VM ``is_new``, and has another description already. Raises Stale if it no longer
        has the description ``before``, from which the new one was made: another task has changed it since.
        """
        self._describe({described["name"]: described}, environment, is_new, before)

    def restore_lost(self):
        """Write VMs that the managed file has lost into it again, because Vagrant knows only VMs in the file."""
        if self.managed and self.read().lost:
            self._describe({})

    def _describe(self, descriptions, environment=None, is_new=False, before=None):
        owns_folder = not files.is_folder(self.folder)
        files.make_folder(self.folder)
        with self.edited() as contents:
            known = {one["name"]: one for one in contents.descriptions()}
            for name in [name for name, one in descriptions.items() if is_new and known.get(name, one) != one]:
                raise CreatedMeanwhile(name)
            for name in [name for name in descriptions if before is not None and known.get(name) != before]:
                raise Stale(f"{name}: another task changed it while this task ran.", "Run the task again.")
            variables = contents.environment if environment is None else environment
            text = self.text({**known, **descriptions}.values(), variables, owns_folder or contents.owns_folder)
            self._write(text)

    def restore_lost_into(self, folder):
        """Write the file with lost VMs into ``folder``, for reading. Returns whether there were any."""
        contents = self.read()
        if not (self.managed and contents.lost):
            return False
        text = self.text(contents.descriptions(), contents.environment)
        files.write_atomically(os.path.join(folder, self.file), text.encode("ascii"))
        return True

    def remove(self, name):
        """Remove a VM's description; with the last one also the file, and the folder if it was created for it."""
        if not files.is_folder(self.folder):
            return
        with self.edited() as contents:
            left = [one for one in contents.descriptions() if one["name"] != name]
            if left:
                self._write(self.text(left, contents.environment, contents.owns_folder))
                return
            # The file says who created the folder, so it is removed after the dotfile folder.
            with permits.also([self.dotfile, self.path]):
                if contents.owns_folder and not contents.foreign and self._has_own_dotfile():
                    files.remove_whole(self.dotfile)
                files.remove(self.path)
            if contents.owns_folder:
                from ..._ports import folders  # Few tasks need it.

                folders.remove_empty_folder(self.folder)

    def _has_own_dotfile(self):
        """Whether the dotfile folder is the default one; another one may be shared with other projects."""
        return self.dotfile == os.path.join(self.folder, vagrant_folder.DEFAULT)

    def _write(self, text):
        files.replace_content(self.path, text.encode("ascii"))

    # Records --------------------------------------------------------------------------------------------------------

    def _begun_file(self, name):
        return os.path.join(vagrant_folder.machine_folder(self.dotfile, name), _BEGUN)

    def _begun(self, name):
        """The content of the file, if it is about this project: a copy of the folder has it, too; else empty."""
        try:
            one = json.loads(files.read(self._begun_file(name)))
            is_own = one["file"] == self.file and files.identity(one["folder"]) == files.identity(self.folder)
            return one if is_own else {}
        except (NotFound, ValueError, KeyError, TypeError):
            return {}

    def begin_first_start(self, name, place):
        """Record that a task is about to have Vagrant create a VM."""
        path = self._begun_file(name)
        files.make_folder(os.path.dirname(path))
        text = json.dumps({"file": self.file, "folder": self.folder, "place": place}, sort_keys=True)
        files.replace_content(path, text.encode("ascii"))

    def end_first_start(self, name):
        """The first start is recorded, Vagrant has created nothing, or the VM is deleted."""
        with permits.also([self._begun_file(name)]):
            files.remove(self._begun_file(name))

    def record(self, name, **more):
        """Add values to the record of a created VM; does nothing if that is damaged, or if the VM was deleted."""
        created = vagrant_folder.created_vms(files, self.dotfile).get(name)
        found = _record_of(created) if created else [DAMAGED]
        if DAMAGED in found:
            return
        own = {"id": created.id, "file": self.file, "folder": self.folder}
        record = {"v": _RECORD_VERSION, **found, **own, **more}
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        files.replace_content(os.path.join(created.folder, _RECORD), text.encode("ascii"))


def _record_of(created):
    """Our record of a VM; empty if there is none, or that of an earlier VM; only DAMAGED if it cannot be used."""
    try:
        text = files.read(os.path.join(created.folder, _RECORD)).decode("utf-8", "replace")
        record = reader.read(text, _SCHEMA, [_RECORD_VERSION])
    except NotFound:
        return {}
    except reader.Damaged as error:
        return {DAMAGED: str(error)}
    return record if record["id"] == created.id else {}


_SCHEMA = {
    "id": reader.is_text,
    **dict.fromkeys(("ran", "ssh", EXPIRIES), reader.optional(reader.is_mapping)),
    "snapshots": reader.optional(lambda value: all(map(_SNAPSHOT.issubset, value.values()))),
}


def ssh_record(config):
    """The record of an SSH connection, without a forwarded port, which the provider reports."""
    port = {} if config.host.startswith("127.") else {"port": config.port}
    return {"user": config.user, "key_file": config.key_file, **port}


_NOT_IN_DOMAINS = Pattern(r"[^-a-z0-9_.]", re.IGNORECASE)
_KEYS = {"virtualbox": "name", "hyperv": "vmname"}


def provider_name(project, name, provider, native):
    """The name of a VM at its provider, as far as it follows from its description; None if Vagrant invents it."""
    if provider == "libvirt":
        prefix = native.get("default_prefix")
        prefix = f"{os.path.basename(project.folder.rstrip('/'))}_" if prefix is None else str(prefix)
        return None if native.get("random_hostname") else _NOT_IN_DOMAINS.sub("", f"{prefix}{name}")
    return native.get(_KEYS[provider]) if provider in _KEYS else None
