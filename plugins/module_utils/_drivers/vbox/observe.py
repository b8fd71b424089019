# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: observes VMs: one list of all VMs, the settings file of each one, and the addresses of running ones."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..._core.errors import CommandFailed, PolyvirtError
from ..._core.frozen import Frozen, field, replace
from ..._core.model import (
    LIST,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Address,
    Counters,
    Observation,
    Snapshot,
    Target,
    Vm,
)
from ..._core.record.leases import in_text
from ..._core.record.mark import UNFINISHED
from ..._kit.driver import KnownSettings, is_power_only
from ..._ports import files
from ..._ports.clock import call_timeout
from ..._ports.command import Commands
from ..._tools import vboxmanage_dhcp
from ..._tools import vboxmanage_long as long
from ..._tools import vboxmanage_output as output
from ..._tools.vboxmanage import VBoxManage
from ..._tools.vboxmanage_file import descriptions_in, settings_in
from .mark import is_created_here
from .settings.cdroms import reserved_slots
from .settings.port_forwards import ssh_of
from .settings.table import config_of
from .traits import Known, vbox_traits
from .vbox_vm import VBoxVm, colon_mac, guest_additions, is_of_this_boot, vbox_vm_of, with_run_level

#: How often the list is read again if a settings file is missing.
_READS_AGAIN = 2
_ALL = ("list", "--multiple", "--long", "systemproperties", "hdds", "dhcpservers", "vms")


class Listing(Frozen):
    """The output of one process: properties of the installation, images by UUID, all VMs."""

    properties: Mapping
    media: Mapping
    machines: tuple
    #: {network: DhcpServer}.
    dhcp_servers: Mapping = field(default_factory=dict)
    #: Each file is read once, so that all data of a VM is from the same time.
    _vbox_vms: dict = field(default_factory=dict)

    @classmethod
    def read(cls, tool):
        """The listing; read again if the settings file of one of our VMs is missing: it may be moved or deleted now."""
        found = cls._read(tool)
        for _again in range(_READS_AGAIN):
            if all(found.vbox_vm(one).file for one in found.machines if one.machine and is_created_here(one.uuid)):
                break
            found = cls._read(tool)
        return found

    @classmethod
    def _read(cls, tool):
        other_lists, list_of_vms = long.split_before_vms(tool.read(*_ALL))
        media = {medium.uuid: medium for medium in output.media(other_lists)}
        servers = vboxmanage_dhcp.servers(other_lists)
        return cls(output.system_properties(other_lists), media, tuple(listed_in(list_of_vms)), servers)

    def vbox_vm(self, listed):
        """One VM, with what its settings file adds."""
        if listed.uuid not in self._vbox_vms:
            file = settings_in(listed.file)
            found = VBoxVm(listed.uuid, listed.machine, file, self.media, reserved=self._reserved(listed.uuid))
            self._vbox_vms[listed.uuid] = replace(found, mark=found.mark_here)
        return self._vbox_vms[listed.uuid]

    def vbox_vm_of(self, uuid):
        """The same by its UUID; None if there is no such VM, or if VirtualBox cannot read it."""
        listed = next((one for one in self.machines if one.uuid == uuid and one.machine is not None), None)
        return None if listed is None else self.vbox_vm(listed)

    @property
    def names(self):
        """{UUID: name of the VM, or the UUID of one that VirtualBox cannot read}."""
        return {one.uuid: one.name or one.uuid for one in self.machines}

    def _reserved(self, uuid):
        return {
            (network, holder[1]): address
            for network, server in self.dhcp_servers.items()
            for holder, address in server.fixed.items()
            if holder[0] == uuid
        }

    def is_finished(self, listed):
        """Whether the creation of a VM is complete."""
        if listed.machine is None or not is_created_here(listed.uuid):
            return True
        vbox_vm = self.vbox_vm(listed)
        return _is_unreadable(listed, vbox_vm) or not vbox_vm.is_unfinished

    def selected(self, targets, unfinished=False):
        """The VMs of ``targets`` (None: all); with ``unfinished``, including those that are not completely created."""
        keys = {target.key for target in targets or ()}
        matches = [one for one in self.machines if targets is None or _keys(one) & keys]
        return [one for one in matches if unfinished or self.is_finished(one)]

    def known(self):
        return tuple(name_of(one) for one in self.machines if self.is_finished(one))


def _keys(listed):
    """The keys of the targets that select a listed VM."""
    return {Target(id=listed.uuid).key, Target(name=name_of(listed)).key}


def name_of(listed):
    """The name of a VM; if it is inaccessible, that of its settings file, which is usually the same."""
    return os.path.splitext(os.path.basename(listed.file))[0] if listed.name is None else listed.name


def listed_in(text):
    """[ListedVm] of ``list --long vms``, parsed correctly whatever their descriptions contain."""
    return long.vms(text, descriptions_in)


def vm_of(listing, listed, native_keys):
    """One VM as the core's Vm."""
    if listed.machine is None:
        return _unreadable(listed)
    vbox_vm = listing.vbox_vm(listed)
    power, busy, reason = vbox_vm.state
    # VirtualBox detects a missing settings file only when its daemon is restarted.
    if power in (STOPPED, SUSPENDED) and not busy and _is_unreadable(listed, vbox_vm):
        return _unreadable(listed)
    config, is_finished = config_of(vbox_vm, native_keys), not vbox_vm.is_unfinished
    return Vm(
        name=listed.name,
        id=listed.uuid,
        power=power,
        reason=reason if is_finished else UNFINISHED,
        busy=busy,
        config=config,
        # modifyvm cannot change a running VM, so the stored settings are the active ones.
        active=None if power == STOPPED else config,
        snapshots=_snapshots(vbox_vm),
        ssh=ssh_of(vbox_vm) if power == RUNNING else None,
        mark=vbox_vm.mark if is_finished else vbox_vm.unfinished_mark,
        own_disks=vbox_vm.created_images if is_finished else frozenset(),
        reserved=reserved_slots(vbox_vm),
        not_modelled=lambda: _not_modelled(vbox_vm),
    )


def _not_modelled(vbox_vm):
    from .settings.described import not_modelled  # Most tasks do not need it.

    return not_modelled(vbox_vm)


def _is_unreadable(listed, vbox_vm):
    """Whether nothing is known about a VM because of its settings file; VirtualBox may be replacing a missing one."""
    if vbox_vm.file is not None:
        return False
    return is_lost(listed) or (is_created_here(listed.uuid) and files.exists(listed.file))


def _unreadable(listed):
    lost = is_lost(listed)
    what = f"{os.path.dirname(listed.file)} contains no files any more" if lost else f"{listed.file} is not readable"
    reason = f"inaccessible: {{{listed.uuid}}} {what}"
    return Vm(name=name_of(listed), id=listed.uuid, power=UNKNOWN, reason=reason, lost=lost)


def is_lost(listed):
    """Whether the directory of a VM contains no files."""
    return not files.holds_files(os.path.dirname(listed.file))


def _with_counters(listing, vm):
    """The VM with the space of the images that it writes to: of a disk with snapshots, those are newer ones."""
    vbox_vm = listing.vbox_vm_of(vm.id)
    images = [slot.medium for slot in vbox_vm.disks if files.is_file(slot.medium)] if vbox_vm else ()
    return vm.having(counters=Counters(disk_used=sum(map(files.allocated, images)))) if images else vm


def observe_power(tool, targets, settings):
    """Light observation while waiting: power states, and SSH through NAT. ``settings`` are KnownSettings."""
    found = []
    uuids = {target.id for target in targets}
    for listed in listed_in(tool.read("list", "--long", "vms")):
        if listed.uuid in uuids and listed.machine is not None:
            vbox_vm = VBoxVm(listed.uuid, listed.machine)
            power, busy, reason = vbox_vm.state
            # The forwarded port is a free one at each start, and a guest behind NAT has no other address.
            ssh = ssh_of(vbox_vm) if power == RUNNING else None
            found.append(Vm(listed.name, listed.uuid, power, reason, busy, config=settings.of(listed.uuid), ssh=ssh))
        elif listed.uuid in uuids:
            found.append(vm_of(None, listed, ()))
    return Observation(vms=found)


def _snapshots(vbox_vm):
    in_file = vbox_vm.file.snapshots if vbox_vm.file else {}
    return tuple(
        Snapshot(
            name=one.name,
            id=one.uuid,
            parent=one.parent,
            power=RUNNING if one.uuid in in_file and in_file[one.uuid].online else STOPPED,
            **in_text(in_file[one.uuid].description if one.uuid in in_file else one.description, vbox_vm.uuid),
            created=in_file[one.uuid].created if one.uuid in in_file else None,
            current=one.is_current,
        )
        for one in vbox_vm.machine.snapshots
    )


_NET = "/VirtualBox/GuestInfo/Net/"
#: Types of NICs with addresses that can be reached from the host; addresses behind NAT cannot.
_REACHABLE = ("bridged", "hostonly")
#: How many VMs are queried in parallel.
_AT_ONCE = 4


def with_addresses(tool, vms, thoroughly):
    """The running VMs ``vms`` with their addresses. ``thoroughly``: also from DHCP leases and the ARP table."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda vm: _with_addresses(tool, vm, thoroughly), vms))


def _with_addresses(tool, vm, thoroughly):
    found = {}
    try:
        properties = output.properties(tool.read("guestproperty", "enumerate", vm.id))
    except PolyvirtError:
        properties = {}  # The other sources are still used.
    found.update((one.address, one) for one in _from_guest(properties))
    for source in (_from_leases, _from_arp) if thoroughly else ():
        try:
            for one in source(tool, vm):
                found.setdefault(one.address, one)
        except PolyvirtError:
            continue
    addresses = tuple(sorted(found.values(), key=lambda one: (":" in one.address, one.address)))
    tools = guest_additions(properties)
    return vm.having(addresses=addresses, ssh=vm.ssh or _ssh(vm, addresses), guest_tools=tools)


def _from_guest(properties):
    """Addresses that the guest reported since it booted: VirtualBox keeps older ones after a suspend."""
    for key, address in properties.items():
        if not (key.startswith(_NET) and key.endswith("/V4/IP")) or not is_of_this_boot(properties, address):
            continue
        nic = key[: -len("V4/IP")]
        mac = properties.get(f"{nic}MAC")
        if address.value and not address.value.startswith("127."):
            yield Address(address.value, "agent", colon_mac(mac.value) if mac else None)


def _from_leases(tool, vm):
    for nic in (vm.config.get("networks") or {}).values():
        if nic["type"] == "hostonly" and nic.get("source"):
            lease = _lease(tool, nic)
            if lease.get("IP Address") and lease.get("State") == "acked":
                yield Address(lease["IP Address"], "lease", nic["mac"])


def _lease(tool, nic):
    words = (f"--interface={nic['source']}", f"--mac-address={nic['mac']}")
    try:
        return next(iter(output.blocks(tool.read("dhcpserver", "findlease", *words))), {})
    except CommandFailed:
        return {}  # Another NIC may have a lease.


def _from_arp(tool, vm):
    macs = {nic["mac"] for nic in (vm.config.get("networks") or {}).values() if nic["type"] in _REACHABLE}
    text = files.read("/proc/net/arp").decode("ascii", "replace") if macs else ""
    for address, mac in vboxmanage_dhcp.neighbours(text):
        if mac in macs:
            yield Address(address, "arp", mac)


def _ssh(vm, addresses):
    nics = {nic["mac"]: nic["type"] for nic in (vm.config.get("networks") or {}).values()}
    for one in addresses:
        if nics.get(one.mac) in _REACHABLE:
            scope = "network" if nics[one.mac] == "bridged" else "host"
            return {"host": one.address, "port": 22, "user": None, "scope": scope}
    return None


def make_observer(params):
    """The observer for the parameters of an info module."""
    return connected(VBoxObserver, params)


def connected(kind, params):
    """An observer, or the driver (``kind``), for the parameters of a module."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    return kind(VBoxManage(commands, params["executable"]), commands, params)


class VBoxObserver:
    """Reads one user's VirtualBox, for one task. ``options`` are the module's parameters.

    Ansible compiles a shipped module again in every run, so files that only some tasks need are imported there.
    """

    def __init__(self, tool, commands, options):
        self.tool, self.commands, self.options = tool, commands, options
        self._native_keys = tuple(options.get("native") or ())
        self._version = None
        self._settings, self.known = KnownSettings(), Known(tool)
        self._first = self._listing = None
        #: Paths of the disks that were registered with VirtualBox before the first step.
        self.disks_before = None

    def host_facts(self):
        """Without the kernel module, VirtualBox answers, but cannot start a VM."""
        if self._version is None or not self.tool.warning:
            return {}
        version = ".".join(map(str, self._version))
        return {"configured": False, "why": "no_driver", "message": f"virtualbox {version}: {self.tool.warning}"}

    # Observing ------------------------------------------------------------------------------------------------------

    def traits(self):
        if self._version is None:
            self._version = self._version_beside_first_list()
        return vbox_traits(self._version, self.known)

    def _version_beside_first_list(self):
        """The version, read in parallel with the list that every task needs next."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1) as pool:
            self._first = pool.submit(Listing.read, self.tool)
            return self.tool.version()

    def observe(self, targets, facets):
        # The first list is used for one observation only; later ones need a new list.
        first, self._first = self._first, None
        if is_power_only(targets, facets):
            observation = observe_power(self.tool, targets, self._settings)
            return self._with_addresses(observation, True) if "addresses" in facets else observation
        listing = self._listing = first.result() if first else Listing.read(self.tool)
        native_keys = None if "native" in facets else self._native_keys
        vms = [vm_of(listing, one, native_keys) for one in listing.selected(targets, "unfinished" in facets)]
        self._settings.remember(vms)
        self.known.media = {files.identity(medium.location): medium.location for medium in listing.media.values()}
        if self.disks_before is None:
            self.disks_before = set(self.known.media)
        self.known.folders.update({one.uuid: os.path.dirname(one.file) for one in listing.machines})
        readable = [one for one in listing.machines if one.machine is not None]
        self.known.controllers.update({one.uuid: listing.vbox_vm(one).controllers for one in readable})
        if "snapshot_configs" in facets:
            vms = [self._with_snapshot_configs(listing, vm) for vm in vms]
        if "counters" in facets:
            vms = [_with_counters(listing, vm) for vm in vms]
        observation = Observation(vms=vms, known=listing.known())
        # The list is one call for any number of VMs; addresses need one call for each running VM.
        if facets == LIST:
            return observation
        observation = self._with_addresses(observation, "addresses" in facets)
        if "addresses" in facets:
            observation = replace(observation, vms=[with_run_level(self.tool, vm) for vm in observation.vms])
        return observation

    def _with_addresses(self, observation, thoroughly):
        running = [vm for vm in observation.vms if vm.power == RUNNING and not vm.busy]
        if not running:
            return observation
        found = {vm.id: vm for vm in with_addresses(self.tool, running, thoroughly)}
        return replace(observation, vms=[found.get(vm.id, vm) for vm in observation.vms])

    def _with_snapshot_configs(self, listing, vm):
        from .snapshots import with_configs

        return with_configs(self, listing, vm, self._native_keys)

    def consoles(self, vms):
        """[ConsoleLog] of the VMs: VirtualBox writes the output of a serial port to a file."""
        # Only info modules need it.
        from ..._core.results.console import console_log

        listing = self.listing()
        files_by_id = {one.uuid: listing.vbox_vm(one).file for one in listing.machines}
        paths = [file.serial_files.values() if file else () for file in (files_by_id.get(vm.id) for vm in vms)]
        return [console_log([path for path in one if os.path.isabs(path)], files) for one in paths]

    def listing(self):
        """The listing of the last observation, on which the plans are based; read again after a change."""
        return self._listing or Listing.read(self.tool)

    def vbox_vms(self):
        """All VMs with readable settings as they are now, by UUID."""
        listing = Listing.read(self.tool)
        return {one.uuid: listing.vbox_vm(one) for one in listing.machines if one.machine is not None}

    def vbox_vm(self, uuid):
        """One VM as it is now. Raises NotFound if it was deleted in the meantime."""
        return vbox_vm_of(self.vbox_vms(), uuid)
