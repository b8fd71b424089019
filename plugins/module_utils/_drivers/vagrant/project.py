# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project on disk: the Vagrantfile beside the user's own, and what is known of the machines that were made of it.

Everything is read without starting Ruby. A machine is defined when the managed file describes it; it is made once
Vagrant has noted an id for it. In the folder of a made machine there is a note of ours, which Vagrant removes with it:
which Vagrantfile is its own, what it last ran with, how it is reached, and what it was when its snapshots were taken.
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

_USUAL = "Vagrantfile"
_NOTE, _NOTE_VERSION = "polyvirt.json", 1
#: Both may hold what provisioners are given.
_PRIVATE = 0o600
_OWNS_FOLDER = "owns_folder"


class Busy(CommandFailed):
    """Another task writes the project's file at this moment."""


@dataclass(frozen=True)
class Known:
    """One machine: its description (None: the user's own file has it), what Vagrant made of it, our note of that."""

    name: str
    machine: Optional[Mapping] = None
    made: Any = None
    note: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a project holds. ``foreign`` are machines that were made of another Vagrantfile in the same folder.

    ``lost`` are machines that the managed file describes no more; what it said of them is in our notes. ``copied`` are
    VMs of another folder, of which this one is a copy, as {name: that folder}; they are foreign, too.
    """

    known: Mapping = field(default_factory=dict)
    foreign: frozenset = frozenset()
    environment: Mapping = field(default_factory=dict)
    owns_folder: bool = False
    lost: frozenset = frozenset()
    copied: Mapping = field(default_factory=dict)

    def machines(self):
        return [one.machine for one in self.known.values() if one.machine is not None]


class _Lazy:
    """Vagrant's list of all VMs, read when it is needed, and once."""

    def __init__(self, read):
        self._read, self._entries = read, None

    @property
    def entries(self):
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def folder_of(self, number):
        return self.entries[number].folder if number in self.entries else None


class Project:
    """``file`` is the Vagrantfile's name in ``folder``; where it is not ``managed``, it is the user's own."""

    def __init__(self, folder, file, managed, dotfile=None, home=None):
        self.folder, self.file, self.managed = folder, file, managed
        self.home = os.path.expanduser(home or vagrant_index.HOME)
        self._dotfile_name = os.path.expanduser(dotfile or vagrant_folder.DEFAULT)
        self.dotfile = os.path.join(folder, self._dotfile_name)
        #: Names in a Vagrantfile of the user's own, once Vagrant was asked.
        self.described = None

    @property
    def path(self):
        return os.path.join(self.folder, self.file)

    def describes(self, name):
        """Whether a VM is described; what was not asked of Vagrant counts as described."""
        return self.managed or self.described is None or name in self.described

    def exists(self):
        return files.is_file(self.path)

    def read(self):
        made = vagrant_folder.machines(files, self.dotfile)
        notes = {name: _note(one) for name, one in made.items()}
        index = _Lazy(lambda: vagrant_index.read(files, self.home))
        copied = self._copied(made, notes, index)
        foreign = self._foreign(made, notes, index).union(copied)
        if not self.managed:
            known = {name: Known(name, None, one, notes[name]) for name, one in made.items() if name not in foreign}
            return Contents(known, foreign, copied=copied)
        described = self._described()
        machines = {machine["name"]: machine for machine in described.get("machines", ())}
        # Whoever lost the file still has what was made of it: our note tells what that was.
        lost = {name: note["ran"] for name, note in notes.items() if note.get("ran") and name not in foreign}
        lost_names = frozenset(lost) - set(machines)
        machines = {**lost, **machines}
        foreign = foreign.union(set(made) - set(machines))
        ours = {name: one for name, one in made.items() if name not in foreign}
        known = {name: Known(name, one, ours.get(name), notes.get(name, {})) for name, one in machines.items()}
        environment, owns_folder = described.get("environment", {}), bool(described.get(_OWNS_FOLDER))
        return Contents(known, foreign, environment, owns_folder, lost_names, copied)

    def _copied(self, made, notes, index):
        """{name: folder} of the VMs that are another folder's, which still has them: ``cp -r`` copies ids as well.

        The first of these says which folder a VM is of: our note, Vagrant's own list, Vagrant's file beside the id.
        """
        found = {}
        for name, one in made.items():
            folder = notes[name].get("folder") or index.folder_of(one.number) or one.project
            if folder and os.path.realpath(folder) != os.path.realpath(self.folder) and self._has(folder, one):
                found[name] = folder
        return found

    def _has(self, folder, one):
        """Whether a project still has a VM; after ``mv`` the old folder is gone, or another project's."""
        if not files.is_folder(folder):
            return False
        try:
            there = vagrant_folder.machines(files, os.path.join(folder, self._dotfile_name)).get(one.name)
        except PolyvirtError:
            return True  # Nobody can tell, so it stays theirs.
        return there is not None and there.id == one.id

    def _foreign(self, made, notes, index):
        """Names of machines of another Vagrantfile: our note tells it, else Vagrant's own list of all machines."""
        owners = {name: note["file"] for name, note in notes.items() if "file" in note}
        unknown = {name: one.number for name, one in made.items() if one.number and name not in owners}
        listed = index.entries if unknown else {}
        owners.update({name: listed[number].file or _USUAL for name, number in unknown.items() if number in listed})
        return frozenset(name for name, file in owners.items() if file != self.file)

    def other_called(self, name):
        """The machine that Vagrant would work with instead of the one of this name, or None."""
        made = vagrant_folder.machines(files, self.dotfile).get(name)
        return vagrant_index.taken_for(vagrant_index.read(files, self.home), name, made.number if made else None)

    def _described(self):
        try:
            text = files.read(self.path).decode("utf-8", "replace")
        except NotFound:
            return {}
        described = vagrantfile.description(text)
        if described is None:
            raise Refused(
                f"{self.path} was not written by this collection, or was changed since.",
                "Put its changes into a Vagrantfile of your own and remove this one, name another in vagrantfile, or"
                " drive it as it is with managed: false.",
            )
        return described

    def text(self, machines, environment, owns_folder=False):
        """The managed file; raises what a provider has no word for."""
        project = {"machines": list(machines), "environment": dict(environment)}
        return vagrantfile.render({**project, **({_OWNS_FOLDER: True} if owns_folder else {})})

    @contextmanager
    def edited(self):
        """The contents, to be changed by the one task that has them now."""
        with files.held(self.folder) as is_free:
            if not is_free:
                raise Busy(["vagrant"], 1, "held", f"{self.folder}: another task writes {self.file} at this moment.")
            yield self.read()

    def define(self, machine, environment=None):
        """Describe a machine, new or not; ``environment`` is the whole project's, None leaves it."""
        self._describe({machine["name"]: machine}, environment)

    def restore(self):
        """Write down again what the managed file has lost: Vagrant works with nothing else."""
        if self.managed and self.read().lost:
            self._describe({})

    def _describe(self, machines, environment=None):
        owns_folder = not files.is_folder(self.folder)
        files.make_folder(self.folder)
        with self.edited() as contents:
            known = {one["name"]: one for one in contents.machines()}
            variables = contents.environment if environment is None else environment
            text = self.text({**known, **machines}.values(), variables, owns_folder or contents.owns_folder)
            self._write(text)

    def restore_into(self, folder):
        """The same in a copy that is only to be looked at. Returns whether there was anything lost."""
        contents = self.read()
        if not (self.managed and contents.lost):
            return False
        text = self.text(contents.machines(), contents.environment)
        files.write_atomically(os.path.join(folder, self.file), text.encode("ascii"), mode=_PRIVATE)
        return True

    def forget(self, name):
        """Describe a machine no more. With the last one goes what is ours: the file, and a folder made for it."""
        if not files.is_folder(self.folder):
            return
        with self.edited() as contents:
            left = [one for one in contents.machines() if one["name"] != name]
            if left:
                self._write(self.text(left, contents.environment, contents.owns_folder))
                return
            # While the file is there it is known whose the folder is: so it goes last.
            if contents.owns_folder and not contents.foreign and self._has_own_dotfile():
                files.remove_whole(self.dotfile)
            files.remove(self.path)
            if contents.owns_folder:
                files.remove_empty_folder(self.folder)

    def _has_own_dotfile(self):
        """One that the task's environment names may be other projects', too."""
        return self.dotfile == os.path.join(self.folder, vagrant_folder.DEFAULT)

    def _write(self, text):
        files.write_atomically(self.path, text.encode("ascii"), mode=_PRIVATE)

    # Notes ----------------------------------------------------------------------------------------------------------

    def note(self, name, **more):
        """Add to what is kept about a machine that was made, or leave it where that has gone meanwhile."""
        made = vagrant_folder.machines(files, self.dotfile).get(name)
        if made is None:
            return
        own = {"id": made.id, "file": self.file, "folder": self.folder}
        note = {"v": _NOTE_VERSION, **_note(made), **own, **more}
        text = json.dumps(note, sort_keys=True, separators=(",", ":"))
        files.write_atomically(os.path.join(made.folder, _NOTE), text.encode("ascii"), mode=_PRIVATE)


def _note(made):
    """Our note about a machine; empty where there is none, or it is about one that was there before."""
    try:
        note = json.loads(files.read(os.path.join(made.folder, _NOTE)))
    except (NotFound, ValueError):
        return {}
    return note if isinstance(note, dict) and note.get("id") == made.id else {}
