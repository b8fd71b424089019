# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: observing VMs: vm.conf defines them, and vmctl status lists those that vmd knows.

vmd renumbers its VMs whenever it starts, so the id of a VM is its name, which is unique.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache

from ..._core.errors import PolyvirtError
from ..._core.frozen import Frozen, replace
from ..._core.model import RUNNING, STOPPED, Address, Counters, File, Observation, Vm
from ..._core.record import mark as marks
from ..._core.record.leases import CREATED
from ..._core.record.mark import BIRTH, UNFINISHED, VERSION, is_mark_of, is_unfinished, making_of
from ..._core.units import MIB
from ..._media import disk_header
from ..._ports import files, permits
from ..._ports.clock import Clock, call_timeout, epoch
from ..._ports.command import Commands
from ..._tools import vm_conf, vmctl
from ..._tools.marked_block import Parts, split
from ..._tools.vm_conf import Configuration
from ..._tools.vm_conf_registration import rejected
from ..._tools.vmctl import Vmctl
from .definition import LOCAL, definition_of
from .settings.table import config_of, not_modelled
from .traits import vmm_traits

#: Seconds after which vmd certainly has started the VMs of a file that it has accepted, without staggered starts.
_STARTED_AFTER = 15
LEASES = "/var/db/dhcpd.leases"


class Found(Frozen):
    """One observation: vm.conf with its ``parts``, and ``rows`` {name: Row} of vmctl status.

    ``starting`` are the names of VMs that this task has started, and that vmctl has not listed since. ``unread`` are
    those that vmd will not start although it says so, because it has rejected vm.conf when it read the file last.
    """

    configuration: Configuration
    parts: Parts
    rows: Mapping
    starting: frozenset = frozenset()
    unread: frozenset = frozenset()

    def names(self, with_unfinished=False):
        """Return the names of all VMs: those in vm.conf, and those that were started on the command line."""
        named = dict.fromkeys((*self.configuration.blocks, *self.rows))
        unfinished = [name for name in self.parts.entries if name and self.is_unfinished(name)]
        if with_unfinished:
            return list(dict.fromkeys((*named, *unfinished)))
        return [name for name in named if name not in unfinished]

    def mark(self, name):
        entry = self.parts.entries.get(name)
        return entry.mark if entry else None

    def record(self, name):
        """Return the mark of a VM to add to, or None. In a vm.conf of another host, it names files of that one."""
        mark = self.stored_record(name)
        is_valid = mark and mark.get("id") == name
        return marks.mark_on(files.host_name(), mark, lambda path: path in self.attached(name)) if is_valid else mark

    def attached(self, name):
        """Return the paths of the disks and the ISO image of a VM in vm.conf."""
        definition = self.definition(name)
        return {*(path for path, _format in definition.disks), definition.cdrom} if definition else ()

    def stored_record(self, name):
        """Return the mark with the settings of a VM, or None. That of a created VM stands directly before its block.

        If the block is somewhere else, an administrator has defined another VM with the name of one that is gone.
        """
        mark = self.mark(name)
        if not mark or self.is_ours(name) or name not in self.configuration.blocks:
            return mark
        # The version before did not record who has created a VM; it recorded settings of foreign VMs in the same way.
        return None if CREATED in mark or is_unfinished(mark) else {**mark, "v": VERSION}

    def birth(self, name):
        """Return what identifies a VM: what its creation has recorded, else its block and its first disk."""
        mark = self.record(name) or {}
        if mark.get(BIRTH) and (self.is_ours(name) or name not in self.configuration.blocks):
            return mark[BIRTH]
        definition = self.definition(name)
        return birth_of(self.block_text(name), definition.disks) if definition else None

    def own(self, name):
        """Return the mark of a VM if it is of this very VM, else None."""
        mark = self.record(name)
        return mark if is_mark_of(mark, name, self.birth(name)) else None

    def block_text(self, name):
        block = self.configuration.blocks.get(name)
        return self.configuration.texts[block.file][block.start : block.end] if block else None

    def is_unfinished(self, name):
        """Return whether a task was interrupted while it created or deleted the VM."""
        mark = self.stored_record(name) or {}
        # Earlier versions stored only the files of such a VM, without the flag.
        return mark.get("unfinished", bool(making_of(mark))) and name not in self.rows

    def is_ours(self, name):
        """Return whether the VM is defined between the marked lines."""
        entry = self.parts.entries.get(name)
        return bool(entry and entry.has_block(name))

    def definition(self, name):
        block = self.configuration.blocks.get(name)
        return definition_of(block, self.configuration.blocks) if block else None

    def stored_and_running(self, name):
        """Return (Definition in vm.conf, Definition in use by vmd); they differ if a change waits for a cold start."""
        stored, text = self.definition(name), (self.own(name) or {}).get("in_force")
        if stored is None or not text:
            return stored, stored
        block = vm_conf.read("", {"": text}.get).blocks.get(name)
        return stored, definition_of(block, self.configuration.blocks) if block else stored

    def others_started(self, names):
        """Return the VMs that a reload of vmd starts: enabled, stopped, not managed here, and not in ``names``."""
        blocks = self.configuration.blocks
        stopped = [name for name, block in blocks.items() if block.is_enabled and self.power(name) == STOPPED]
        return [name for name in stopped if not self.is_ours(name) and name not in names]

    def running(self):
        """Return the names of the VMs that are on: vmd ignores their blocks when it reads vm.conf."""
        return frozenset(name for name in self.rows if self.power(name) != STOPPED)

    def is_removed(self, name):
        """Return whether the block of a VM was removed from vm.conf, and vmd has not read the file since.

        A VM without a block that was started on the command line is gone when it stops, and has no record.
        """
        row = self.rows.get(name)
        is_known = row is not None and (row.power == STOPPED or self.mark(name) is not None)
        return is_known and name not in self.configuration.blocks

    def power(self, name):
        if name in self.rows:
            return self.rows[name].power
        return RUNNING if name in self.starting else STOPPED


def observed_vm(found, name, native_keys=()):
    """Return one Vm. A VM that vm.conf does not define exists only while it runs."""
    row, mark, birth = found.rows.get(name), found.record(name), found.birth(name)
    stored, running = found.stored_and_running(name)
    is_on = found.power(name) != STOPPED
    vm = Vm(
        name=name,
        id=name,
        power=found.power(name),
        reason=_reason(found, name, row),
        busy=_busy(found, name, row, is_on),
        persistent=stored is not None or found.is_removed(name),
        mark=mark,
        birth=birth,
        files=files_of(found, name, stored),
        # vmctl prints a dash for a VM that does not run.
        counters=Counters(memory_used=vmctl.size(row.used_memory) if row is not None else None),
    )
    if stored is None:
        return vm.having(config=_config_of_row(row) if row else {})
    config = config_of(stored, mark, image_of, native_keys, birth)
    # autostart is effective at once, because it matters only when vmd itself starts.
    active = {**config_of(running, mark, image_of, native_keys, birth), "autostart": config["autostart"]}
    vm = vm.having(not_modelled=lambda: not_modelled(stored))
    # A change of a VM that is off is not complete until vmd has read it; so the settings that vmd uses are reported.
    return vm.having(config=config, active=active) if is_on else vm.having(config=active)


def _busy(found, name, row, is_on):
    if name in found.unread:
        return None
    return row.busy if row else "starting" if is_on else None


def _reason(found, name, row):
    if found.is_unfinished(name):
        return UNFINISHED
    if found.is_removed(name):
        return "its block was removed from vm.conf, and vmd has not read the file since"
    if name in found.unread:
        return "vmd has rejected vm.conf when it read the file last"
    return f"vmd reports '{row.state}'" if row and (row.busy or row.power == "unknown") else ""


def _config_of_row(row):
    """Return the settings of a VM that was started on the command line, as far as vmctl reports them: rounded."""
    memory = vmctl.size(row.max_memory)
    return {"cpus": 1, "memory": memory and memory // MIB * MIB, "autostart": False}


def birth_of(text, disks):
    """Return what identifies a VM that no task has created: the text of its block, and its first disk."""
    about = [text]
    for path, _format in disks[:1]:
        about += [str(files.identity(path)), image_of(path)[0]]
    return hashlib.sha256(json.dumps(about).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def image_of(path):
    """Return the (size, format) of a disk image; both are None if it cannot be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None, None
    return _image_of(path, status.st_mtime_ns, status.st_size)


@cache
def _image_of(path, _changed, _size):
    try:
        kind = disk_header.format_of(path)
        return disk_header.capacity(path), kind
    except PolyvirtError:
        return None, None


# Files ----------------------------------------------------------------------------------------------------------------


def files_of(found, name, definition):
    """Return the files of one VM."""
    mark, attached = found.stored_record(name) if found.own(name) else {}, found.attached(name)
    roles = {path: "disk" for path, _format in definition.disks} if definition else {}
    disks = (*mark.get("disks", ()), *making_of(mark))
    recorded = {**dict.fromkeys(mark.get("files", ()), "support"), **dict.fromkeys(disks, "disk")}
    roles.update({path: role for path, role in recorded.items() if path in attached or files.exists(path)})
    ours, elsewhere = {*disks, *mark.get("files", ())}, marks.why_elsewhere(mark, files.host_name())
    vm_files = [
        File(path, role, path in ours, elsewhere="" if path in attached else elsewhere) for path, role in roles.items()
    ]
    if definition and definition.cdrom:
        vm_files.append(File(definition.cdrom, "medium"))
    return permits.with_kinds(vm_files)


def bases_of(path):
    """Return the chain of backing files below an image. vmd reads each name as a path, also one like ``json:...``."""
    chain = []
    while len(chain) < _LONGEST_CHAIN:
        try:
            name = disk_header.backing_name(path) if disk_header.is_qcow(path) else None
        except PolyvirtError:
            name = None
        name = (name or "").partition("\0")[0]
        if not name:
            break
        path = os.path.join(os.path.dirname(path), name)
        chain.append(path)
    return chain


#: vmd opens at most four files of a chain; with a fifth one, the chain is known to be too long.
_LONGEST_CHAIN = 5


# Addresses ------------------------------------------------------------------------------------------------------------


def with_addresses(reader, found, vms):
    """Return the VMs with the addresses of those that run.

    Addresses of local interfaces are computed; they are reported only if the NIC has a tap device.
    """
    running = [vm for vm in vms if vm.power == RUNNING and vm.name in found.rows]
    if not running:
        return vms
    taps = {(tap.vm, tap.nic) for tap in reader.tool.taps()}
    by_mac = _addresses_by_mac(reader, running)
    addressed = {}
    for vm in running:
        addresses = tuple(_addresses_of(vm, found, taps, by_mac))
        addressed[vm.name] = vm.having(addresses=addresses, ssh=_ssh(addresses))
    return [addressed.get(vm.name, vm) for vm in vms]


def _addresses_by_mac(reader, vms):
    """Return {source: {MAC: address}}, which is needed only for NICs that are connected to a switch."""
    nics = [nic for vm in vms for nic in ((vm.active or vm.config).get("networks") or {}).values()]
    if not any(nic["type"] != LOCAL and nic.get("mac") for nic in nics):
        return {}
    text = files.read(LEASES).decode("latin-1") if files.exists(LEASES) else ""
    return {"lease": vmctl.leases(text, epoch()), "arp": reader.tool.neighbours()}


def _addresses_of(vm, found, taps, by_mac):
    number = found.rows[vm.name].id
    for index, nic in sorted(((vm.active or vm.config).get("networks") or {}).items(), key=lambda item: int(item[0])):
        if nic["type"] == LOCAL:
            address = vmctl.local_address(found.configuration.prefix, number, int(index))
            if address and (number, int(index)) in taps:
                yield Address(address, "vmd", nic.get("mac"))
            continue
        sources = [(source, known[nic["mac"]]) for source, known in by_mac.items() if nic.get("mac") in known]
        for source, address in sources[:1]:
            yield Address(address, source, nic["mac"])


def _ssh(addresses):
    if not addresses:
        return None
    first = addresses[0]
    return {"host": first.address, "port": 22, "user": None, "scope": "host" if first.source == "vmd" else "network"}


def make_observer(params):
    """Return the observer for the parameters of an info module."""
    return connected(VmmObserver, params)


def connected(kind, params):
    """Return an observer, or the driver (``kind``), for the parameters of a module."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    return kind(Vmctl(commands, params["executable"]), commands, params)


class VmmObserver:
    """vmd on this host, for one task that only reads. ``options`` are those of the task."""

    def __init__(self, tool, commands, options):
        self.tool, self.commands, self.options = tool, commands, options
        self.config_file, self._native_keys = options["config_file"], tuple(options.get("native") or ())
        #: The Found of the last observation; plans are based on it.
        self.found = None
        #: Names of the VMs that this task has started, until vmctl lists them.
        self.starting = set()
        #: {name: when vmctl listed it first as waiting for its start}.
        self._waiting_since = {}

    def traits(self):
        return vmm_traits(self)

    def observe(self, targets, facets):
        self.found = found = self.read_found()
        names = [name for name in found.names("unfinished" in facets) if _is_wanted(name, targets)]
        native_keys = None if "native" in facets else self._native_keys
        vms = [observed_vm(found, name, native_keys) for name in names]
        if "addresses" in facets:
            vms = with_addresses(self, found, vms)
        return Observation(vms=vms, known=tuple(found.names()))

    def consoles(self, vms):
        """[ConsoleLog] of the VMs: vmd connects consoles with terminals of the host, and keeps no log."""
        # Only info modules need it.
        from ..._core.results.console import ConsoleLog

        rows = self.found.rows
        return [ConsoleLog(terminal=rows[vm.name].terminal if vm.name in rows else None) for vm in vms]

    def host_facts(self):
        from .host import host_facts

        return host_facts(self.commands, self.tool, self.config_file)

    def read_found(self):
        """Read vm.conf and vmctl status; return them as Found."""
        rows = self.tool.status()
        configuration = vm_conf.read(self.config_file, files.read_latin1)
        parts = split(configuration.texts.get(self.config_file, ""), self.config_file)
        if set(configuration.blocks) - set(rows):
            # vmctl does not list a VM for a moment while it starts or stops.
            rows = {**rows, **self.tool.status()}
        self.starting -= set(rows)
        found = Found(configuration, parts, rows, frozenset(self.starting))
        return replace(found, unread=self._unread(found))

    def _unread(self, found):
        """Return the names of VMs that wait for a start that never comes: vmd ends to read a file that it rejects."""
        waiting = {name for name, row in found.rows.items() if row.state == vmctl.WAITING}
        if not waiting or found.configuration.staggered:
            return frozenset()
        now = Clock().now()
        self._waiting_since = {name: self._waiting_since.get(name, now) for name in waiting}
        if rejected(found.configuration, found.running()):
            return frozenset(waiting)
        return frozenset(name for name, since in self._waiting_since.items() if now - since >= _STARTED_AFTER)


def _is_wanted(name, targets):
    return targets is None or any(name == (target.id or target.name) for target in targets)
