# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: VMs of the provider libvirt, read and changed with virsh by their ids; one process reads all of them."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from contextlib import suppress
from typing import NamedTuple

from ..._core.errors import CommandFailed
from ..._core.frozen import replace
from ..._core.model import PAUSED, RUNNING, STOPPED, SUSPENDED, Address, Snapshot
from ..._core.units import KIB
from ..._ports import change_counter, files, permits
from ..._tools import virsh as tool
from ..._tools import virsh_output as output
from ..._tools.virsh_output import log_paths, state
from .provider_vm import Drive, ProviderVm

#: The kind of a snapshot of which libvirt stores the disk, or the memory, in files of their own.
EXTERNAL = "external"
#: The names of vagrant-libvirt's aliases of disks that it creates: those of the box, and those of the Vagrantfile.
_OWN_ALIASES = ("ua-box-volume-", "ua-disk-volume-")
_POWERS = {"running": RUNNING, "paused": PAUSED}
#: Bytes that an image without data takes at most: its header and tables. The first write adds two clusters of 64 KiB.
_EMPTY_IMAGE = 256 << 10
#: Timeout in seconds of snapshots, which may include memory.
_LONG = 3600


class InLibvirt:
    """The domains of one connection."""

    def __init__(self, virsh):
        self._virsh, self._names, self._users, self._all, self._with_checkpoints = virsh, None, None, [], None

    def observe(self, ids, facets, begun=()):
        """{id: ProviderVm} of those that exist; ``begun`` are ids of VMs that may never have been started."""
        commands = {("saved",): ("list", "--all", "--uuid", "--with-managed-save")}
        if "files" in facets:
            commands["all",] = ("list", "--all", "--uuid")
        for one in ids:
            commands.update({(one, key): words for key, words in _read_commands(one, facets, one in begun).items()})
        answers = dict(zip(commands, self._virsh.batch(list(commands.values()))))
        saved = answers.pop(("saved",)).stdout.split()
        self._all = answers.pop(("all",)).stdout.split() if "files" in facets else []
        of_vm = {one: {key: answer for (other, key), answer in answers.items() if other == one} for one in ids}
        existing = [one for one in ids if not tool.is_not_found(of_vm[one]["power"].error)]
        texts = self._snapshots({one: of_vm[one] for one in existing}) if "snapshots" in facets else {}
        found = {one: _provider_vm(of_vm[one], one in saved, texts.get(one, ())) for one in existing}
        return self._with_users(found) if "users" in facets else found

    def _snapshots(self, of_vm):
        """{id: [element of a snapshot]}; another process reads all of them."""
        listed = []
        for one, answers in of_vm.items():
            if answers["snapshots"].error:
                raise CommandFailed(("virsh", "snapshot-list", one), 1, answers["snapshots"].error)
            listed += [(one, name) for name in output.snapshots(answers["snapshots"].stdout)]
        commands = [("snapshot-dumpxml", one, "--snapshotname", name) for one, name in listed]
        snapshots = {}
        for (one, _name), answer in zip(listed, self._virsh.batch(commands) if commands else ()):
            if not answer.error:
                snapshots.setdefault(one, []).append(ET.fromstring(answer.stdout))
        return snapshots

    def _with_users(self, found):
        return {
            key: replace(one, drives=tuple(replace(drive, used_by=self.users(key, drive)) for drive in one.drives))
            for key, one in found.items()
        }

    def users(self, identifier, drive):
        """Names of the other VMs that use a drive, or may use it: a definition that cannot be read may name any file.

        One process reads the definitions of all VMs, once.
        """
        return tuple(sorted(name for one, name in self._users_of(drive.path).items() if one != identifier))

    def _users_of(self, path):
        if self._users is None:
            found = self._all or self._virsh.run("list", "--all", "--uuid").split()
            # Of a running VM, both definitions: they may name different files.
            ids = [one for one in found for _definition in range(2)]
            words = [("dumpxml", one, *(["--inactive"] if place % 2 else [])) for place, one in enumerate(ids)]
            self._users = {None: {}}
            for one, answer in zip(ids, self._virsh.batch(words) if words else ()):
                if answer.error and not tool.is_not_found(answer.error):
                    self._users[None][one] = f"{one}, whose definition cannot be read"
                domain = None if answer.error else ET.fromstring(answer.stdout)
                for source in () if domain is None else _source_paths(domain):
                    self._users.setdefault(source, {})[one] = domain.findtext("name")
        return {**self._users[None], **self._users.get(path, {})}

    def console(self, identifier):
        """The ConsoleLog of a VM."""
        from ..._core.results.console import console_log  # Only info modules need it.

        definition = ET.fromstring(self._virsh.run("dumpxml", identifier))
        return console_log(log_paths(definition), files, "" if tool.is_local(self._virsh.uri) else self._virsh.uri)

    def find_vm(self, name, is_begun=False):
        """What has this name already: a VM, or the volume that Vagrant would create for its disk; else None.

        ``is_begun``: an interrupted first start may have left the volume, which Vagrant then deletes. So it counts only
        if something uses it, which is read each time.
        """
        if is_begun:
            self._names, self._users, self._all = None, None, []
        if self._names is None:
            self._names = self._read_names()
        domains, volumes = self._names
        if name in domains:
            return f"VM '{name}'"
        path = volumes.get(f"{name}.img")
        return None if path is None or (is_begun and not self._is_used(path)) else f"volume '{path}'"

    def left_of(self, name):
        """Paths of the volumes with the names that Vagrant gives the disks of a VM, which does not exist any more."""
        self._names = self._names or self._read_names()
        return [path for volume, path in sorted(self._names[1].items()) if _is_own_name(name, volume, r"\w+")]

    def has_checkpoints(self, identifier):
        """Whether a VM has checkpoints; not before libvirt 5.6. One process reads them, once for all VMs."""
        if self._with_checkpoints is None:
            self._with_checkpoints = ""
            with suppress(CommandFailed):  # This virsh does not know the option.
                self._with_checkpoints = self._virsh.run("list", "--all", "--uuid", "--with-checkpoint")
        return identifier in self._with_checkpoints.split()

    def _is_used(self, path):
        # Only an interrupted first start needs it.
        from ..._ports import locks

        return locks.is_open_elsewhere(path) or bool(self._users_of(path))

    def _read_names(self):
        """Two processes read the names of all domains, and {name: path} of all volumes in active pools."""
        domains, pools = self._virsh.batch([("list", "--all", "--name"), ("pool-list", "--name")])
        lists = [("vol-list", "--pool", pool) for pool in output.names(pools.stdout)]
        answers = self._virsh.batch(lists) if lists else []
        lines = [line for one in answers for line in output.names(one.stdout)]
        volumes = (line.strip().partition("  ") for line in lines)
        return set(output.names(domains.stdout)), {name.strip(): path.strip() for name, _space, path in volumes}

    # Changing -------------------------------------------------------------------------------------------------------

    def drives(self, identifier):
        """[Drive] of a VM now, and what puts detached ones back: its definition."""
        definition = self._virsh.run("dumpxml", identifier, "--inactive", "--security-info")
        return _drives(ET.fromstring(definition)), definition

    def is_spared(self, drive, to_delete):
        """Whether to detach a drive before ``vagrant destroy``: all that Vagrant did not create, for what happens to
        these depends on the Vagrantfile, and the deletion fails half-way at a file in no pool.
        """
        return not drive.ours

    def detach(self, identifier, drives):
        """Detach drives from a VM that is off. Raises CommandFailed if one of them is still attached."""
        words = [("detach-disk", identifier, one.slot, "--config") for one in drives]
        answers = self._virsh.batch([*words, ("dumpxml", identifier, "--inactive")])
        change_counter.note()
        tool.raise_for_errors([*words, ("dumpxml", identifier)], answers)
        left = {one.path for one in _drives(ET.fromstring(answers[-1].stdout))}
        still = [one for one in drives if one.path in left]
        if still:
            raise CommandFailed(("virsh", "detach-disk"), 1, f"{still[0].path} is still attached")

    def attach_again(self, identifier, drives, definition):
        """Undo ``detach``."""
        self._virsh.run("define", "/dev/stdin", stdin=definition)

    def delete_files(self, paths):
        """Delete files that no VM uses any more. Returns those that are left."""
        for path in paths:
            files.check_loss(path)
            with permits.also(things=[("volume", path)]), suppress(CommandFailed):  # It may be in no pool.
                self._virsh.run("vol-delete", path)
            files.remove(path)
        return [path for path in paths if files.exists(path)]

    def shut_down(self, name, identifier):
        self._turn_off("shutdown", identifier)

    def power_off(self, name, identifier, power):
        """Power off without the guest."""
        self._turn_off("managedsave-remove" if power == SUSPENDED else "destroy", identifier)

    def _turn_off(self, command, identifier):
        """An error is ignored if the VM is off: the guest may shut down first, or the step was sent twice."""
        try:
            self._virsh.run(command, identifier)
        except CommandFailed:
            if self._virsh.run("domstate", identifier).strip() != "shut off":
                raise

    def take_snapshot(self, name, identifier, arguments):
        snapshot = ET.Element("domainsnapshot")
        ET.SubElement(snapshot, "name").text = arguments["name"]
        ET.SubElement(snapshot, "description").text = arguments["description"]
        text = ET.tostring(snapshot, encoding="unicode")
        try:
            self._virsh.run("snapshot-create", identifier, "/dev/stdin", stdin=text, timeout=_LONG)
        except CommandFailed as error:
            # The step may have been sent before, or another task created the snapshot at the same time.
            if "already exists" not in error.stderr:
                raise

    def delete_snapshots(self, name, identifier, arguments):
        for snapshot in arguments["names"]:
            try:
                self._virsh.run("snapshot-delete", identifier, "--snapshotname", snapshot, timeout=_LONG)
            except CommandFailed as error:
                if not tool.is_not_found(error.stderr, "snapshot"):
                    raise

    def restore_snapshot(self, name, identifier, arguments):
        self._virsh.run("snapshot-revert", identifier, "--snapshotname", arguments["name"], timeout=_LONG)


def _read_commands(one, facets, is_begun):
    """{key of the answer: words of the virsh command} for the VM with the id ``one``."""
    commands = {"power": ("domstate", one, "--reason"), "info": ("dominfo", one)}
    commands.update(output.questions(one, thoroughly="addresses" in facets))
    commands["nics"] = ("domiflist", one)
    if "files" in facets or is_begun:
        commands["definition"] = ("dumpxml", one, "--inactive")
    if is_begun:
        commands["sizes"] = ("domblkinfo", one, "--all")
    if "snapshots" in facets:
        commands["snapshots"] = ("snapshot-list", one, "--name")
        commands["current"] = ("snapshot-current", one, "--name")
    return commands


def _provider_vm(answers, saved, snapshots):
    power, busy, reason = state(answers["power"], saved)
    addresses = tuple(Address(*row) for row in output.reported(answers)) if power == RUNNING else ()
    definition, nics = answers.get("definition"), answers["nics"]
    current = answers["current"].stdout.partition("\n")[0] if "current" in answers else None
    drives = () if definition is None or definition.error else _drives(ET.fromstring(definition.stdout))
    held = {path: one.findtext("name") for one in snapshots for path in _paths_in(one)}
    return ProviderVm(
        power,
        busy,
        reason,
        addresses,
        snapshots=tuple(_snapshot(one, one.findtext("name") == current) for one in snapshots),
        running=_running(answers["info"]),
        drives=tuple(replace(one, held_by=held.get(one.path, "")) for one in drives),
        nics=None if nics.error else len(output.names(nics.stdout)),
        is_unwritten=_is_unwritten(drives, answers["sizes"]) if "sizes" in answers else None,
    )


def _is_unwritten(drives, sizes):
    """Whether nothing was ever written to the disks that Vagrant created, so that no guest has run on them."""
    allocated, own = output.allocated_sizes(sizes.stdout), [one for one in drives if one.ours]
    return bool(own) and all(allocated.get(one.slot, _EMPTY_IMAGE + 1) <= _EMPTY_IMAGE for one in own)


class _Listed(NamedTuple):
    """A drive as a definition has it: ``source`` is the path of a file; for a volume, a device or a network image (not
    ``is_file``), its name.
    """

    target: str
    source: str
    is_file: bool
    is_disk: bool
    alias: str


def _listed(domain):
    """[_Listed] of all drives of a domain (an element) that are not empty."""
    found = [_as_listed(one) for one in domain.iterfind("devices/disk")]
    return [one for one in found if one.source]


def _as_listed(disk):
    source, target, alias = (disk.find(name) for name in ("source", "target", "alias"))
    path = "" if source is None else source.get("file") or ""
    return _Listed(
        "" if target is None else target.get("dev") or "",
        path or ("" if source is None else _name(source)),
        bool(path),
        disk.get("device", "disk") in ("disk", "lun"),
        "" if alias is None else alias.get("name") or "",
    )


def _name(source):
    if source.get("volume"):
        return f"{source.get('pool')}/{source.get('volume')}"
    if source.get("protocol"):
        return f"{source.get('protocol')}:{source.get('name') or ''}"
    return source.get("dev") or source.get("dir") or ""


def _source_paths(domain):
    """All files and devices that the drives of a domain name, those below their disks too."""
    sources = domain.iterfind("devices/disk//source")
    return {path for source in sources for path in (source.get("file"), source.get("dev")) if path}


def _drives(domain):
    """[Drive] of a definition. Vagrant marks its own disks by aliases since vagrant-libvirt 0.8; before, it had names
    alone.
    """
    name, found = domain.findtext("name"), _listed(domain)
    has_aliases = any(one.alias.startswith(_OWN_ALIASES) for one in found)
    return [_drive(one, name, has_aliases) for one in found]


def _drive(drive, domain, has_aliases):
    role = "no file" if not drive.is_file else "disk" if drive.is_disk else "medium"
    created = drive.alias.startswith(_OWN_ALIASES) if has_aliases else True
    volume, target = os.path.basename(drive.source), re.escape(drive.target)
    is_own = role == "disk" and created and _is_own_name(domain, volume, target)
    return Drive(drive.target, drive.source, role, is_own, named=created and has_aliases)


def _is_own_name(domain, volume, target):
    """Whether Vagrant gives this name to a disk of the domain at ``target``, a pattern."""
    return re.fullmatch(rf"{re.escape(domain)}(_\d+\.img|\.img|-{target}\.\w+)", volume) is not None


def _paths_in(snapshot):
    domain = snapshot.find("domain")
    return {one.source for one in _listed(domain) if one.is_disk} if domain is not None else ()


def _running(answer):
    info = output.key_values(answer.stdout)
    kib = info.get("Max memory", "").partition(" ")[0]
    return {"cpus": int(info["CPU(s)"]), "memory": int(kib) * KIB} if kib.isdigit() and "CPU(s)" in info else {}


def _snapshot(root, is_current):
    files_of_its_own = root.iterfind("disks/disk[@snapshot='external']"), root.iterfind("memory[@snapshot='external']")
    return Snapshot(
        name=root.findtext("name"),
        parent=root.findtext("parent/name"),
        power=_POWERS.get(root.findtext("state"), STOPPED),
        description=root.findtext("description") or "",
        kind=EXTERNAL if any(one is not None for found in files_of_its_own for one in found) else "",
        created=int(root.findtext("creationTime") or 0) or None,
        current=is_current,
    )
