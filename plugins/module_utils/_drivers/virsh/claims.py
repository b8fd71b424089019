# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what the VMs of a host hold: their files with all backing and data files, MACs, host ports and devices."""

from __future__ import annotations

import os
import re
from functools import partial
from shlex import join, quote

from ..._core.errors import PolyvirtError, Refused
from ..._core.frozen import replace
from ..._core.model import RUNNING, STOPPED, SUSPENDED
from ..._core.options.devices import key_of
from ..._core.record.answer_media import ANSWER_MEDIA
from ..._core.sharing.claims import (
    ADDRESS,
    BACKUPS,
    BASE,
    DEVICE,
    FILE,
    MERGE,
    NEW,
    OWN,
    READ,
    RESTORE,
    SHARED,
    SNAPSHOT,
    SNAPSHOTS,
    UNREADABLE,
    WRITE,
    Claim,
    Held,
    HoldsClaims,
)
from ..._core.sharing.losses import lost_files, sources_not_read
from ..._media import disk_header
from ..._media.stray_images import held_by_strays
from ..._ports import files, locks
from ..._tools.domain_xml import backing_files, target_of
from ..._tools.virsh import is_not_found, raise_for_errors
from .own_files import (
    ARGUMENT,
    LOG,
    NATIVE,
    is_missing,
    is_new_file,
    is_raw,
    lost_state,
    named_files,
    reported_chains,
    written_images,
)
from .rehearsal import OF_BACKUP, definitions, observed, old_nvram
from .settings.addresses import named_networks, with_reserved_address
from .settings.cdroms import option_of
from .settings.devices import passed_through
from .settings.firmware import nvram_of
from .settings.networks import read_networks
from .settings.port_forwards import read_forwards
from .snapshots import SnapshotXml
from .storage import IN_FOLDERS, folders_in
from .traits import EXTERNAL, INTERNAL

_HOST_ID = re.compile(r"<host>\s*<uuid>([^<]+)<")
#: The connection of each user to a libvirt of their own; for root, it leads to that of the system.
_SESSION = re.compile(r"/session(\?|\Z)")
#: Kinds of what ``snapshot-dumpxml`` and ``checkpoint-dumpxml`` do not find.
_OF_SNAPSHOTS = ("domain", "snapshot", "checkpoint")
#: The remedy for what only the saved memory of a VM holds.
_END_SAVED = "Start {0} and stop it again, or discard its saved memory: virsh managedsave-remove {0}."


class VirshClaims(HoldsClaims):
    """The claims of all VMs of one connection. Images are read once per object, by their headers."""

    unread = sources_not_read()

    def __init__(self, driver, definitions=None):
        self._driver, self._definitions = driver, definitions
        #: External snapshots: {(VM id, name): SnapshotXml}, read once. All definitions, those in snapshots too.
        self._chains, self._volumes, self._external_ones, self._every = {}, None, {}, ()
        self._reads_images, self._reads_volumes, self._networks = True, False, {}
        #: What ``held_now`` has read last.
        self._now = None

    def read_place(self):
        host = _HOST_ID.search(self._driver.capabilities())
        uri = self._driver.virsh.uri
        is_own = _SESSION.search(uri) is not None and not (self._driver.is_local and os.geteuid() == 0)
        kind = re.split(r"[+:]", uri)[0]
        return (host[1] if host else uri, (kind, uri if is_own or kind == "test" else "system"))

    def file_identity(self, path):
        return files.identity(path) if self._driver.is_local else os.path.normpath(path)

    # Images -----------------------------------------------------------------------------------------------------------

    def chain(self, path):
        """The backing and data files of an image; the last one may not exist. Refused if an image cannot be read."""
        if path not in self._chains:
            read = partial(self._below, path)
            self._chains[path] = disk_header.files_below(path, read) if self._driver.is_local else []
        return self._chains[path]

    def _below(self, top, image):
        """[(real path, format or None)] of what ``image`` names; ``top`` is the image above all."""
        if is_missing(image) or disk_header.has_nothing_below(image):
            return []
        try:
            # Only the image itself is read: its backing file may be missing or damaged.
            found = disk_header.files_in(image)
        except PolyvirtError as error:
            if is_missing(image):  # Another task has removed it in the meantime.
                return []
            raise Refused(
                f"cannot find out whether {top} uses one of its files as a backing file: {error.message.rstrip('.')}.",
                error.remedy or "Repair that image, move it to another directory, or set delete_disks: none.",
            ) from error
        return [(os.path.realpath(one), kind) for one, kind in found]

    # What VMs hold ----------------------------------------------------------------------------------------------------

    def held_now(self, wanted):
        # What this object and its driver have read is also used for other VMs of the task at the same time.
        self._now = VirshClaims(self._driver, self._driver.read_definitions())
        self._now.place = self.place
        return self._now.held(wanted)

    def takes_now(self, plan, step):
        return self._now.takes(plan, step)

    def held(self, wanted):
        # A new file is part of no image.
        self._reads_images = any(not claim.is_new for claim in wanted if claim.kind in (FILE, OWN))
        lost = lost_files(wanted)
        # The volumes of the pools are read only if a file of another VM matters, because that needs a process.
        self._reads_volumes = any(claim.kind == FILE and not claim.is_new for claim in wanted)
        self._networks = self._read_networks(wanted)
        definitions_of_all = self._definitions or self._driver.all_definitions()
        kept = self._read_snapshots() if lost else ()
        self._every = [*definitions_of_all, *(one for *_name, found in kept if found for one in found.definitions())]
        for definition in definitions_of_all:
            self._chains.update(reported_chains(definition))
        found = [self._held_by(definition) for definition in definitions_of_all]
        if not lost:
            return found
        found += self._held_by_programs(wanted, found)
        found += self._held_by_snapshots(kept, lost, {claim.mode for claim in wanted}, found)
        if self._driver.is_local:
            folders = [self._driver.default_folder, self._driver.storage.folder, *folders_in(self._driver.needs.pools)]
            folders.append(self._driver.options.get("image_directory"))
            found += held_by_strays(self, wanted, list(found), disk_header.LAYERED, folders)
        return found

    def _held_by_programs(self, wanted, found):
        """The files of backups that another program has open, such as those of one that is being restored."""
        known = {claim.identity for held in found for claim in held.claims}
        asked = [one for one in wanted if one.option == BACKUPS and one.identity not in known and self._driver.is_local]
        for claim in {one.identity: one for one in asked if locks.is_open_elsewhere(one.text)}.values():
            yield Held(f"open {claim.text}", "another program", claims=(replace(claim, mode=READ),))

    def _read_snapshots(self):
        """[(UUID, name, SnapshotXml)] of the snapshots and checkpoints of all VMs; None: libvirt does not know it."""
        commands = self._driver.needs.snapshots
        answers = self._driver.virsh.batch(commands) if commands else ()
        raise_for_errors(commands, answers, lambda error: any(is_not_found(error, kind) for kind in _OF_SNAPSHOTS))
        named = [(command[1], command[-1], answer) for command, answer in zip(commands, answers)]
        return [(uuid, name, None if one.error else SnapshotXml.parse(one.stdout)) for uuid, name, one in named]

    def _held_by_snapshots(self, kept, lost, modes, found):
        """What snapshots need of the files ``lost``. VMs that are started or changed have nothing to do with them."""
        owners = {one.owner_id: one for one in found}
        for uuid, name, one in kept:
            owner = owners.get(self.owner_id(uuid)) or Held(self.owner_id(uuid), uuid)
            claims = self._of_snapshot(one, owner.name) if one else self._unknown_snapshot(owner.name, name, modes)
            yield replace(owner, claims=tuple(claim for claim in claims if claim.identity in (*lost, UNREADABLE)))

    def _of_snapshot(self, snapshot, vm):
        """A snapshot needs its files as they are: a restored VM reads them again."""
        ended = f"If nobody needs snapshot '{snapshot.root.findtext('name')}' of '{vm}', delete it."
        claims = [claim for one in snapshot.definitions() for claim in self._of_definition(one) if claim.kind == FILE]
        named = [path for path in (*snapshot.overlays, snapshot.memory_file) if path]
        claims += [Claim(FILE, self.identity(path), READ, "", path) for path in named]
        modes = {WRITE: BASE, SHARED: BASE}
        return [
            replace(one, mode=modes.get(one.mode, one.mode), option=SNAPSHOTS, remedy=one.remedy and ended)
            for one in claims
        ]

    def _unknown_snapshot(self, vm, name, modes):
        """virsh lists names by lines, so that it tears a name with a line break."""
        text = f"{vm} has a snapshot whose name is not listed in full: '{name}'. So it is not known what it needs"
        if not modes & {MERGE, RESTORE, SNAPSHOT}:
            self.warn(f"{text}.")
            return []
        remedy = f"If nobody needs that snapshot, delete it by its whole name: virsh snapshot-delete {quote(vm)} NAME."
        return [Claim(FILE, UNREADABLE, UNREADABLE, SNAPSHOTS, text, remedy=remedy)]

    def _read_networks(self, wanted):
        """The networks in which plans reserve addresses."""
        asked = {claim.where[1][1] for claim in wanted if claim.kind == ADDRESS}
        return named_networks(self._driver.virsh, asked) if asked else {}

    def _held_by(self, definition):
        """A running or suspended VM has two definitions, which may contain different files."""
        off = SUSPENDED if definition.uuid in self._driver.saved else STOPPED
        power, claims = RUNNING if definition.root.get("id") else off, self._of_definition(definition)
        if definition.is_saved:
            remedy = _END_SAVED.format(definition.name)
            claims = [replace(claim, remedy=claim.remedy or remedy) for claim in claims]
        return Held(self.owner_id(definition.uuid), definition.name, power, tuple(claims))

    def _of_definition(self, definition):
        """The claims of one definition."""
        claims = [claim for drive in definition.drives("disk", "lun") for claim in self._of_drive(definition, drive)]
        for drive in definition.drives("cdrom", "floppy"):
            claims += self._of_drive(definition, drive)
        if nvram_of(definition):
            claims += self._of_file(nvram_of(definition), WRITE, "nvram")
        for mode, option, path in named_files(definition):
            claims += self._of_file(path, mode, option, is_raw=option != ARGUMENT)
        for key, nic in read_networks(definition).items():
            claims += self.nic(with_reserved_address(nic, self._networks), f"networks.{key}")
        for key, forward in read_forwards(definition).items():
            claims += self.forward(forward, f"port_forwards.{key}")
        for kind, identity in dict.fromkeys(passed_through(definition)):
            claims += self.device({"type": kind, "id": identity}, f"devices.{key_of(kind, identity)}")
        mark = definition.mark or {}
        if mark.get("id") == definition.uuid:
            bases = mark.get("inputs", {}).get("bases", ())
            claims += [Claim(FILE, self.identity(path), BASE, "bases", path) for path in bases]
        return claims

    def device(self, device, option):
        identity = (self.place and self.place[0], (device["type"], device["id"]))
        return [Claim(DEVICE, identity, "", option, "the device")]

    def _of_drive(self, definition, drive):
        is_disk = drive.get("device", "disk") in ("disk", "lun", "floppy")
        mode = SHARED if drive.find("shareable") is not None else WRITE
        if not is_disk or drive.find("readonly") is not None:
            mode = READ
        option = f"disks.{target_of(drive)}" if is_disk else option_of(definition, drive)
        own, *others = [*drive.findall("source")[:1], *drive.findall("mirror/source")] or [None]
        path, claims = None if own is None else self._path_of(definition, drive, own), []
        if isinstance(path, Claim):
            claims = [path]
        elif path is not None:
            claims = self._of_file(path, mode, option, is_raw=is_raw(drive))
        for other in others:  # The target of a block copy.
            claims += self._of_file(other.get("file") or "", WRITE, option)
        return [*claims, *(Claim(FILE, self.identity(one), BASE, option, one) for one in backing_files(drive))]

    def _of_file(self, path, mode, option, is_raw=True):
        if not path:
            return []
        return self.file(path, mode, option, is_raw=is_raw or not self._reads_images)

    def _path_of(self, definition, drive, source):
        """The path of a disk; for a network image, what identifies it; for an unknown volume a Claim on any file."""
        if source.get("volume"):
            return self._volume_path(definition, drive, source.get("pool"), source.get("volume"))
        if source.get("protocol"):
            hosts = ",".join(
                host.get("socket") or f"{host.get('name')}:{host.get('port') or ''}" for host in source.findall("host")
            )
            return f"{source.get('protocol')}://{hosts}/{source.get('name') or ''}"
        return source.get("file") or source.get("dev")

    def _volume_path(self, definition, drive, pool, volume):
        """A volume of an inactive pool is where the pool has it; a raw one that is not there needs nothing."""
        if not self._reads_volumes:
            return None
        if self._volumes is None:
            self._volumes = self._read_volume_paths()
        answer, known = self._volumes[pool, volume], self._driver.needs.pools.get(pool)
        if not answer.error:
            return answer.stdout.strip()
        path = None
        if known is not None and known.get("type") in IN_FOLDERS:
            path = os.path.join(known.findtext("target/path"), volume)
        if path and not is_missing(path):
            return path
        is_reported = definition.root.get("id") and drive.find("backingStore") is not None
        if known is not None and (is_raw(drive) or is_reported):
            return None
        message = (
            f"{definition.name} uses the volume {volume} of the pool {pool}. Its path cannot be read, so it may need"
            f" any file: {answer.error}."
        )
        how = "--live" if definition.root.get("id") else "--config"
        detach = f"detach that disk: {join(['virsh', 'detach-disk', definition.name, target_of(drive), how])}"
        remedy = f"Start the pool (virsh pool-start {quote(pool)}), or {detach}" if known is not None else detach
        return Claim(FILE, UNREADABLE, UNREADABLE, "volume", message, remedy=f"{remedy[0].upper()}{remedy[1:]}.")

    def _read_volume_paths(self):
        """{(pool, volume): Answer of vol-path} for all volumes in the definitions."""
        sources = [source for one in self._every for source in one.root.iterfind("devices/disk//source")]
        volumes = sorted({(source.get("pool"), source.get("volume")) for source in sources if source.get("volume")})
        return dict(
            zip(
                volumes, self._driver.virsh.batch([("vol-path", "--pool", pool, "--vol", one) for pool, one in volumes])
            )
        )

    # What steps do ----------------------------------------------------------------------------------------------------

    def new_disk(self, plan, step, slot, disk):
        return self._driver.storage.disk_path(plan.after.name, slot, disk)

    def new_seed(self, plan, step):
        return self._driver.storage.seed_path(plan.after.name)

    def step_files(self, plan, step):
        if step.verb in ("create", "clone", "configure"):
            return [*super().step_files(plan, step), *self._other_files(plan, step)]
        if step.verb in OF_BACKUP:  # libvirt empties the log at the next start.
            return [(NEW, LOG, claim.text) for claim in self._added(plan, step) if claim.option == LOG]
        if step.verb == "snapshot" and step.arguments["kind"] == INTERNAL:
            return written_images(plan.before)
        if step.verb == "drop_snapshot":
            dropped = [one for one in plan.before.snapshots if one.name in step.arguments["names"]]
            images = written_images(plan.before) if any(one.kind == INTERNAL for one in dropped) else ()
            return [*self._merged_files(plan.before, step), *images]
        return ()

    def takes(self, plan, step):
        vm, found = plan.before, [*step.arguments.get(ANSWER_MEDIA, ())]
        if step.verb == "delete" and vm.id in self._driver.seen.definitions:
            found += lost_state(self._stored(vm), step.arguments, self._driver.is_local)
        elif step.verb == "finish_restore" and vm.owned:
            found += old_nvram(observed(self._driver, vm.id), vm.mark)
        elif step.verb == "drop_snapshot":
            from .snapshots import own_memory

            for _name, snapshot in self._external(vm, step):
                # libvirt deletes the overlays that it has merged.
                found += [*snapshot.overlays, *own_memory(vm, snapshot)]
        return [path for path in found if path and path not in step.arguments.get("files", ())]

    def _stored(self, vm):
        """The stored definition of a VM: as it was observed, or as ``held_now`` has read it."""
        now = [one for one in self._definitions or () if one.uuid == vm.id and not one.is_saved]
        return now[-1] if now else observed(self._driver, vm.id)

    def stored(self, plan, step):
        added = self._added(plan, step)
        if step.verb == "restore" or step.verb in OF_BACKUP:  # The settings of the snapshot or backup claim all else.
            return [claim for claim in added if claim.option in (ARGUMENT, LOG, NATIVE)]
        return [claim for claim in added if not is_new_file(claim)]

    def _added(self, plan, step):
        """The claims of the definition that a step would store, without those of its settings."""
        without, stored = definitions(self._driver, plan, step) or (None, None)
        if stored is None:
            return []
        known = {claim.key for claim in self._of_definition(without)}
        return [claim for claim in self._of_definition(stored) if claim.key not in known]

    def _new_native_files(self, plan, step):
        """The files that ``native`` has the VM write, and that the present definition does not name."""
        added = [claim for claim in self._added(plan, step) if is_new_file(claim)]
        present = observed(self._driver, plan.before.id) if added and plan.before.id else None
        own = {claim.identity for claim in self._of_definition(present)} if present else ()
        return [(NEW if claim.identity not in own else WRITE, NATIVE, claim.text) for claim in added]

    def _other_files(self, plan, step):
        yield from self._new_native_files(plan, step)
        changed = step.arguments.get("config") or {change.kind: change.new for change in step.changes}
        after = step.arguments.get("config") or plan.after.config
        if {"firmware", "secure_boot", "nvram_format"} & changed.keys() and after.get("firmware") == "uefi":
            chosen = after.get("secure_boot"), after.get("nvram_format") or "raw"
            yield NEW, "firmware", self._driver.storage.nvram_path(plan.after.name, *chosen)
        if changed.get("serial_log"):
            yield NEW, "serial_log", changed["serial_log"]

    def _merged_files(self, vm, step):
        """The frozen files of external snapshots, to which libvirt writes what came after them."""
        for name, snapshot in self._external(vm, step):
            yield from ((MERGE, f"{SNAPSHOTS}.{name}", path) for path in snapshot.disk_files.values())

    def _external(self, vm, step):
        """(name, SnapshotXml) of the external snapshots that a step deletes."""
        from .snapshots import read_snapshot

        names = step.arguments["names"] if self._driver.is_local else ()
        for name in (one.name for one in vm.snapshots if one.kind == EXTERNAL and one.name in names):
            if (vm.id, name) not in self._external_ones:
                self._external_ones[vm.id, name] = read_snapshot(self._driver.virsh, vm.id, name)
            yield name, self._external_ones[vm.id, name]
