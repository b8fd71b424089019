# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project on disk: its Vagrantfile, the VMs that Vagrant has created from it, and the records of them.

Everything is read without starting Ruby. A VM is described by the managed Vagrantfile; it is created once Vagrant has
stored an id for it. This collection keeps a record in the folder of a created VM, which Vagrant deletes with it: its
Vagrantfile, the settings of its last start, its SSH connection, and its settings when its snapshots were taken.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._lifecycle.errors import CommandFailed, NotFound, PolyvirtError, Refused
from ..._ports import files
from ..._tools import vagrant_folder, vagrant_index, vagrantfile

_DEFAULT_FILE = "Vagrantfile"
_RECORD, _RECORD_VERSION = "polyvirt.json", 1
#: The mode of both files: the environment of provisioners may hold secrets.
_PRIVATE = 0o600
_OWNS_FOLDER = "owns_folder"


class Busy(CommandFailed):
    """Another task is writing the project's Vagrantfile."""


@dataclass(frozen=True)
class Known:
    """One VM: its description (None: it is in the user's own file), what Vagrant has created, and its record."""

    name: str
    described: Optional[Mapping] = None
    created: Any = None
    record: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a project has. ``foreign`` are VMs that were created from another Vagrantfile in the same folder.

    ``lost`` are VMs that the managed file does not describe any more; our records have their descriptions. ``copied``
    are VMs of another folder, of which this one is a copy, as {name: that folder}; they are foreign, too.
    """

    known: Mapping = field(default_factory=dict)
    foreign: frozenset = frozenset()
    environment: Mapping = field(default_factory=dict)
    owns_folder: bool = False
    lost: frozenset = frozenset()
    copied: Mapping = field(default_factory=dict)

    def descriptions(self):
        return [one.described for one in self.known.values() if one.described is not None]


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
        self.home = os.path.expanduser(home or vagrant_index.HOME)
        self._dotfile_name = os.path.expanduser(dotfile or vagrant_folder.DEFAULT)
        self.dotfile = os.path.join(folder, self._dotfile_name)
        #: Names in the user's own Vagrantfile, once Vagrant has reported them.
        self.described = None

    @property
    def path(self):
        return os.path.join(self.folder, self.file)

    def describes(self, name):
        """Whether a VM is described; what Vagrant has not reported yet counts as described."""
        return self.managed or self.described is None or name in self.described

    def exists(self):
        return files.is_file(self.path)

    def read(self):
        created = vagrant_folder.created_vms(files, self.dotfile)
        records = {name: _record_of(one) for name, one in created.items()}
        index = _LazyIndex(lambda: vagrant_index.read(files, self.home))
        copied = self._copied(created, records, index)
        foreign = self._foreign(created, records, index).union(copied)
        if not self.managed:
            own = [name for name in created if name not in foreign]
            known = {name: Known(name, None, created[name], records[name]) for name in own}
            return Contents(known, foreign, copied=copied)
        project = self._described()
        described = {one["name"]: one for one in project.get("machines", ())}
        # If the file is lost, its VMs are still there, and the records have the settings of their last start.
        lost = {name: one["ran"] for name, one in records.items() if one.get("ran") and name not in foreign}
        lost_names = frozenset(lost) - set(described)
        described = {**lost, **described}
        foreign = foreign.union(set(created) - set(described))
        ours = {name: one for name, one in created.items() if name not in foreign}
        known = {name: Known(name, one, ours.get(name), records.get(name, {})) for name, one in described.items()}
        environment, owns_folder = project.get("environment", {}), bool(project.get(_OWNS_FOLDER))
        return Contents(known, foreign, environment, owns_folder, lost_names, copied)

    def _copied(self, created, records, index):
        """{name: folder} of the VMs of another folder, which still has them: ``cp -r`` copies ids as well.

        The folder of a VM is in our record, else in Vagrant's own list, else in Vagrant's file beside the id.
        """
        found = {}
        for name, one in created.items():
            folder = records[name].get("folder") or index.folder_of(one.index_id) or one.project
            if folder and os.path.realpath(folder) != os.path.realpath(self.folder) and self._has(folder, one):
                found[name] = folder
        return found

    def _has(self, folder, one):
        """Whether a project still has a VM; after ``mv`` the old folder is gone, or another project's."""
        if not files.is_folder(folder):
            return False
        try:
            there = vagrant_folder.created_vms(files, os.path.join(folder, self._dotfile_name)).get(one.name)
        except PolyvirtError:
            return True  # It cannot be read, so it stays that project's.
        return there is not None and there.id == one.id

    def _foreign(self, created, records, index):
        """Names of VMs of another Vagrantfile, by our record, else by Vagrant's own list of all VMs."""
        owners = {name: record["file"] for name, record in records.items() if "file" in record}
        unknown = {name: one.index_id for name, one in created.items() if one.index_id and name not in owners}
        entries = index.entries if unknown else {}
        owners.update({name: entries[one].file or _DEFAULT_FILE for name, one in unknown.items() if one in entries})
        return frozenset(name for name, file in owners.items() if file != self.file)

    def vm_mistaken_for(self, name):
        """The VM that Vagrant would change instead of the one of this name, or None."""
        created = vagrant_folder.created_vms(files, self.dotfile).get(name)
        own_id = created.index_id if created else None
        return vagrant_index.vm_mistaken_for(vagrant_index.read(files, self.home), name, own_id)

    def _described(self):
        try:
            text = files.read(self.path).decode("utf-8", "replace")
        except NotFound:
            return {}
        described = vagrantfile.description(text)
        if described is None:
            raise Refused(
                f"{self.path} was not written by this collection, or was changed since.",
                "Move its changes to a Vagrantfile of your own and remove this one, set another in vagrantfile, or"
                " manage its VMs as they are with managed: false.",
            )
        return described

    def text(self, descriptions, environment, owns_folder=False):
        """The managed file; raises if a provider does not support a setting."""
        project = {"machines": list(descriptions), "environment": dict(environment)}
        return vagrantfile.render({**project, **({_OWNS_FOLDER: True} if owns_folder else {})})

    @contextmanager
    def edited(self):
        """The contents, locked for changes by one task."""
        with files.held(self.folder) as is_free:
            if not is_free:
                raise Busy(["vagrant"], 1, "held", f"{self.folder}: another task is writing {self.file}.")
            yield self.read()

    def define(self, described, environment=None):
        """Describe a VM, new or not; ``environment`` is the whole project's, None keeps it."""
        self._describe({described["name"]: described}, environment)

    def restore_lost(self):
        """Describe VMs again that the managed file has lost: Vagrant knows no others."""
        if self.managed and self.read().lost:
            self._describe({})

    def _describe(self, descriptions, environment=None):
        owns_folder = not files.is_folder(self.folder)
        files.make_folder(self.folder)
        with self.edited() as contents:
            known = {one["name"]: one for one in contents.descriptions()}
            variables = contents.environment if environment is None else environment
            text = self.text({**known, **descriptions}.values(), variables, owns_folder or contents.owns_folder)
            self._write(text)

    def restore_lost_into(self, folder):
        """The same in a copy that is only read. Returns whether anything was lost."""
        contents = self.read()
        if not (self.managed and contents.lost):
            return False
        text = self.text(contents.descriptions(), contents.environment)
        files.write_atomically(os.path.join(folder, self.file), text.encode("ascii"), mode=_PRIVATE)
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
            # The file says who created the folder, so it is removed last.
            if contents.owns_folder and not contents.foreign and self._has_own_dotfile():
                files.remove_whole(self.dotfile)
            files.remove(self.path)
            if contents.owns_folder:
                files.remove_empty_folder(self.folder)

    def _has_own_dotfile(self):
        """A folder that the task's environment names may be that of other projects, too."""
        return self.dotfile == os.path.join(self.folder, vagrant_folder.DEFAULT)

    def _write(self, text):
        files.write_atomically(self.path, text.encode("ascii"), mode=_PRIVATE)

    # Records --------------------------------------------------------------------------------------------------------

    def record(self, name, **more):
        """Add to the record of a created VM; without effect if it was deleted meanwhile."""
        created = vagrant_folder.created_vms(files, self.dotfile).get(name)
        if created is None:
            return
        own = {"id": created.id, "file": self.file, "folder": self.folder}
        record = {"v": _RECORD_VERSION, **_record_of(created), **own, **more}
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        files.write_atomically(os.path.join(created.folder, _RECORD), text.encode("ascii"), mode=_PRIVATE)


def _record_of(created):
    """Our record of a VM; empty if there is none, or if it is that of a former VM."""
    try:
        record = json.loads(files.read(os.path.join(created.folder, _RECORD)))
    except (NotFound, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("id") == created.id else {}


def ssh_record(config):
    """What is recorded of an SSH connection. The provider reports a forwarded port; any other is the guest's own."""
    port = {} if config.host.startswith("127.") else {"port": config.port}
    return {"user": config.user, "key_file": config.key_file, **port}
