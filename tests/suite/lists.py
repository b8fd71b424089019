# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with two to five VMs that share sources, files, MAC addresses, ports, names and ids.

Entries are options of a module, so they are the same on every platform. What is right follows from the state that the
backend reports, never from the plans. Each Bench has a ``Vocabulary``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ansible_collections.polyvirt.core.plugins.module_utils._media import disk_header

from suite import belts

ON = ("running", "paused", "suspended")
#: How the names of hard links begin.
HARD_LINK = "hard-"


@dataclass(frozen=True)
class Vocabulary:
    """What entries can name. ``image`` and each of ``files`` are the spellings of one file; ``sizes`` of a disk.

    ``slots`` are the first disk of a VM and others. ``nic`` has type and source (or None) of a network that VMs share;
    it is after ``first_nics``. Without ``macs`` none are set, without ``ports`` none are forwarded; the same holds for
    ``addresses`` of NICs and ``ids`` of new VMs. ``host_addresses``, which overlap, are those of ports. ``links`` are
    those of image and clone that can be a base of linked disks: images, and VMs that are off; with ``templates``,
    rarely other VMs than these. ``given`` are names of VMs that exist from the beginning. Without ``image``, VMs are
    created with ``source``, and not cloned. ``ignores_case``: names are also written in capital letters.
    ``delete_disks`` are its values; without any, it is not set. ``more(choose, is_new)`` returns options that only this
    platform has; ``choose`` is a Random.
    """

    image: tuple = ()
    files: tuple = ()
    slots: tuple = ()
    sizes: tuple = ("1G", "2G")
    nic: tuple = ("network", "lan")
    first_nics: tuple = ()
    macs: tuple = tuple(f"52:54:00:00:00:0{number}" for number in range(4))
    addresses: tuple = ()
    ports: tuple = (2201, 2202, 2203)
    host_addresses: tuple = ("",)
    names: tuple = ("a", "b", "c", "d", "e")
    given: tuple = ()
    ids: tuple = ()
    links: tuple = ("image", "clone")
    templates: tuple = ()
    source: tuple = ()
    ignores_case: bool = False
    delete_disks: tuple = ("owned", "owned", "all", "none")
    more: Callable = lambda _choose, _is_new: {}


@dataclass(frozen=True)
class Seen:
    """A VM as the backend reports it: files that its disks write to, (network, MAC), and host ports.

    ``addresses`` are those of its NICs, and host ports if another VM cannot have them even while this one is off.
    """

    power: str
    writes: tuple = ()
    macs: tuple = ()
    ports: tuple = ()
    addresses: tuple = ()


@dataclass(frozen=True)
class Found:
    """All VMs by name, and all files with the file below each, or None; files have one spelling."""

    vms: dict
    files: dict

    def below(self, file):
        """All files below a file."""
        below = self.files.get(file)
        return () if below is None else (below, *self.below(below))

    def faults(self, compared=None):
        """What must not be: {text}. ``compared`` are the VMs whose MACs are compared, None: all."""
        names = [name for name in self.vms if compared is None or name in compared]
        return {*self._missing(), *self._two_writers(), *self._written_bases(), *self._twice("macs", names),
                *self._twice("addresses", self.vms),
                *self._twice("ports", [name for name, vm in self.vms.items() if vm.power == "running"])}  # fmt: skip

    def _missing(self):
        used = {(name, file) for name, vm in self.vms.items() for file in vm.writes}
        used |= {(file, below) for file, below in self.files.items() if below is not None}
        return [f"{user} needs {file}, which is missing" for user, file in used if file not in self.files]

    def _two_writers(self):
        for file in self.files:
            users = [name for name, vm in self.vms.items() if vm.power in ON for one in vm.writes if one == file]
            if len(users) > 1:
                yield f"{' and '.join(users)} write to {file}"

    def _written_bases(self):
        bases = {below for file in self.files for below in self.below(file)}
        for name, vm in self.vms.items():
            yield from (f"{name} runs on the base {file}" for file in vm.writes if vm.power in ON and file in bases)

    def _twice(self, what, names):
        every = [(one, name) for name in names for one in getattr(self.vms[name], what)]
        for one in {one for one, _name in every}:
            users = [name for other, name in every if other == one]
            if len(users) > 1:
                yield f"{' and '.join(users)} have {one}"


# What is generated ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """``before``: entries of earlier tasks, one each; ``shared``: pairs of VMs for ``share``; ``entries`` of the task.

    ``by_id``: places of entries that select their VM by its ID, if it exists then.
    """

    before: tuple
    shared: tuple
    entries: tuple
    by_id: frozenset


class Generator:
    """Generates one Task from a seed. Most entries alone would be accepted: what matters is that they meet."""

    def __init__(self, words, seed):
        self._words, self._random = words, Random(seed)

    def task(self):
        """A task with two to five VMs, some of which exist."""
        choose = self._random
        existing = choose.sample(self._words.names, choose.randint(1, 3))
        given = list(self._words.given)
        before = [self._entry(name, [*existing[:place], *given], is_new=True) for place, name in enumerate(existing)]
        listed = choose.sample([*self._words.names, *self._words.given], choose.randint(2, 5))
        existing += given
        known = [*existing, *listed]
        entries = [self._entry(name, known, is_new=name not in existing) for name in listed]
        by_id = {place for place in range(len(entries)) if self._one_in(6)}
        if self._one_in(25):  # One VM is listed by its name and by its ID, or by its name in two spellings.
            entries.append(self._entry(choose.choice(existing), known, is_new=False))
            by_id |= set() if self._words.ignores_case and self._one_in(2) else {len(entries) - 1}
        shared = [tuple(existing[:2])] if len(existing) > 1 and self._one_in(8) else []
        return Task(tuple(before), tuple(shared), tuple(entries), frozenset(by_id))

    def _one_in(self, number):
        return self._random.randrange(number) == 0

    def _entry(self, name, known, is_new):
        """The entry for one VM. ``known`` are names of VMs that may exist then; ``is_new``: this one probably not."""
        states = ["present"] * 3 + ["started"] if is_new else ["present", "present", "started", "stopped", "absent"]
        if name in self._words.templates:
            states.remove("started")
        entry = {"name": self._written(name), "state": self._random.choice(states)}
        if entry["state"] == "absent" and self._words.delete_disks:
            entry["delete_disks"] = self._random.choice(self._words.delete_disks)
        if entry["state"] == "absent":
            return entry
        if is_new and self._words.ids and self._one_in(6):
            entry["id"] = self._random.choice(self._words.ids)
        if is_new or self._one_in(3):
            entry.update(self._source([other for other in known if other != name]))
        return {**entry, **self._settings(is_new)}

    def _written(self, name):
        return name.upper() if self._words.ignores_case and self._one_in(4) else name

    def _source(self, others):
        if not self._words.image:
            return dict(self._words.source)
        kind = "clone" if others and self._one_in(3) else "image"
        source = self._random.choice(others) if kind == "clone" else self._random.choice(self._words.image)
        is_rare = kind == "clone" and self._words.templates and source not in self._words.templates
        linked = self._one_in(8 if is_rare else 2) and kind in self._words.links
        return {kind: {"source": self._written(source) if kind == "clone" else source, "linked": linked}}

    def _settings(self, is_new):
        """Settings that VMs can have in common."""
        options = {}
        if self._words.slots and self._one_in(3):
            options["disks"] = self._disks(is_new)
        nic = {
            key: self._random.choice(values)
            for key, values in {"mac": self._words.macs, "address": self._words.addresses}.items()
            if values and self._one_in(6)
        }
        if nic:
            shared = {key: value for key, value in zip(("type", "source"), self._words.nic) if value is not None}
            options["networks"] = [*map(dict, self._words.first_nics), {**shared, **nic}]
        if self._words.ports and self._one_in(6):
            port, address = self._random.choice(self._words.ports), self._random.choice(self._words.host_addresses)
            forward = {"name": "ssh", "guest_port": 22, "host_port": port}
            options["port_forwards"] = [{**forward, "host_address": address} if address else forward]
        return {**options, **self._words.more(self._random, is_new)}

    def _disks(self, is_new):
        first, *others = self._words.slots
        slots = self._random.sample(others, self._random.randint(1, len(others))) if others else []
        disks = [self._disk(slot, is_new) for slot in slots]
        grown = {"slot": first, "size": self._random.choice(self._words.sizes)}
        return [*disks, grown] if self._one_in(4) or not others else disks

    def _disk(self, slot, is_new):
        """An existing file by one of its names, a disk that is removed, or a new one."""
        if self._one_in(2):
            return {"slot": slot, "source": self._random.choice(self._random.choice(self._words.files))}
        if not is_new and self._one_in(2):
            return {"slot": slot, "state": "absent"}
        return {"slot": slot, "size": self._words.sizes[0]}


def sometimes(*options):
    """``Vocabulary.more`` for (option, values); the value None: it is not set."""

    def more(choose, _is_new):
        chosen = {option: choose.choice(values) for option, values in options if choose.randrange(6) == 0}
        return {option: value for option, value in chosen.items() if value is not None}

    return more


def spellings(path):
    """The names of a file for ``Vocabulary.files``: its own one, a symbolic and a hard link, and one with ``..``."""
    path = Path(path)
    (path.parent / "sub").mkdir(exist_ok=True)
    link, other = path.with_name(f"link-{path.name}"), path.with_name(f"{HARD_LINK}{path.name}")
    link.symlink_to(path)
    other.hardlink_to(path)
    return str(path), str(link), str(other), f"{path.parent}/sub/../{path.name}"


def one_name(path):
    """The same name for all ``spellings`` of a file."""
    folder, _slash, name = os.path.realpath(path).rpartition("/")
    return f"{folder}/{name.removeprefix(HARD_LINK)}"


def qcow2_files(folder):
    """``Found.files`` of the qcow2 images in a directory."""
    images = [path for path in folder.glob("*.qcow2") if path.exists()]
    below = {one_name(path): [*dict(disk_header.files_in(str(path)))] for path in images}
    return {path: one_name(one[0]) if one else None for path, one in below.items()}


# What must hold -------------------------------------------------------------------------------------------------------

#: (least number of tasks, one in how many must be accepted and change something). Among few, a share is by chance.
_SHARES = ((200, 3), (30, 5))
_ADVICE = re.compile(r"List (\S+) before (\S+)\.")
_MISSING = re.compile(r"there is no VM '(\S+)'.* Existing VMs: (.*)\.$", re.M)


def assert_all_true(number, opened):
    """Carry out ``number`` generated tasks; returns {result of ``assert_true``: number}.

    ``opened(place)`` is a context with an empty Bench for one of them. A third of many tasks must be accepted and
    change something: lists that are all rejected would show nothing.
    """
    counts = Counter()
    for place in range(number):
        with opened(place) as platform:
            seed = f"{belts.seed()}-{place}"
            task = Generator(platform.words, seed).task()
            try:
                counts[assert_true(platform, task)] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}: {task}: {error}") from error
    print(f"generated lists: {dict(counts)}")
    share = next((share for least, share in _SHARES if number >= least), None)
    assert share is None or counts["changed"] * share >= number
    return counts


def assert_true(platform, task):
    """Carry out a task and assert everything that must hold; returns "rejected", "changed" or "unchanged"."""
    for entry in task.before:
        platform.run([{**platform.common, **entry}])
    for pair in task.shared:
        platform.share(*pair)
    entries = [_selected(platform, entry, place in task.by_id) for place, entry in enumerate(task.entries)]
    compared = platform.compared(entries)
    before, faults = platform.state(), platform.found().faults(compared)
    check = platform.run(entries, check=True)
    assert platform.state() == before, "check mode has written"
    real = platform.run(entries)
    assert (check.failed, check.msg) == (real.failed, real.msg), f"{check.msg!r}, then {real.msg!r}"
    assert (check.changed, check.diff) == (real.changed, real.diff)
    assert _plans(check) == _plans(real), "the digests of the plans"
    new_faults = platform.found().faults(compared) - faults
    assert not new_faults, f"the task has made {new_faults}"
    end = platform.state()
    if real.failed:
        assert end == before, "a rejected task has written"
        _assert_advice(platform, entries, real.msg)
        if platform.words.ignores_case:
            assert not [name for name, names in _MISSING.findall(real.msg) if name.lower() in names.lower().split(", ")]
        return "rejected"
    assert real.changed == (end != before)
    again = platform.run(entries)
    assert (again.failed, again.changed, again.diff) == (False, False, []), again.msg
    assert platform.state() == end, "a run that has nothing to do has written"
    return "changed" if real.changed else "unchanged"


def _plans(outcome):
    """Return the digest of the plan of each VM; None if the task was rejected."""
    return [vm["plan"] for vm in outcome.vms]


def _selected(platform, entry, by_id):
    """An entry that selects its VM by name, or by ID if the VM exists, and has the options that all have."""
    entry = {**platform.common, **entry}
    vm_id = platform.id_of(entry["name"]) if by_id else None
    return entry if vm_id is None else {"id": vm_id, **{key: entry[key] for key in entry if key != "name"}}


def _assert_advice(platform, entries, message):
    """Assert that a task with one rejected VM is accepted in the order that its message proposes."""
    advice = _ADVICE.findall(message)
    if len(advice) != 1 or len(message.splitlines()) > 1:
        return
    labels = [platform.label(entry).lower() for entry in entries]
    first, second = (labels.index(label.lower()) for label in advice[0])
    others = [entry for place, entry in enumerate(entries) if place != first]
    others.insert(others.index(entries[second]), entries[first])
    check = platform.run(others, check=True)
    assert not check.failed, f"{message} But then: {check.msg}"
