# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: network interfaces (NICs), and checks of the networks and bridges that they need.

The key of a NIC in ``networks`` is its position in the definition, the stored and the running one.
"""

from __future__ import annotations

import copy
import os
import xml.etree.ElementTree as ET
from shlex import quote

from ...._core.errors import CommandFailed, NotFound, Refused
from ...._core.model import LIVE, NEXT_BOOT, PAUSED, STOPPED, SUSPENDED
from ...._kit.settings import Setting
from ...._ports import files
from ...._tools import virsh_output as output
from ...._tools.domain_xml import find_or_add_child, source_of
from .addresses import with_address
from .disks import attach

#: The commands that list all networks, and the active ones.
NETWORK_LISTS = (("net-list", "--all", "--name"), ("net-list", "--name"))
_ALREADY_ACTIVE = "network is already active"


def is_bridge(interface):
    """Whether a network interface of this host is a bridge (according to /sys)."""
    return files.exists(f"/sys/class/net/{interface}/bridge")


def inactive_networks(answers):
    """The networks that exist and are not active, from the answers to NETWORK_LISTS."""
    existing, active = (set(output.names(answer.stdout)) for answer in answers)
    return frozenset(existing - active)


def starting_effects(inactive):
    """Part of the ``side_effects`` of the traits: texts about the networks that are started before the VM."""

    def side_effects(verb, vm, _changes):
        started = sorted(_networks_of(vm) & inactive) if verb == "start" else ()
        return tuple(f"the network '{name}' is started" for name in started)

    return side_effects


def _networks_of(vm):
    """The networks that a VM uses when it runs; a suspended VM keeps the NICs it was saved with."""
    config = vm.active if vm.power == SUSPENDED and vm.active is not None else vm.config
    nics = (config.get("networks") or {}).values()
    return {nic["source"] for nic in nics if nic.get("type") == "network" and nic.get("source")}


def check_networks(driver, plan):
    """Reject missing networks, and inactive ones that the VM needs when it is started or a NIC is attached live."""
    requested, live = _networks_of(plan.after), _networks_attached_live(plan)
    needs_active = any(starts_guest(step) for step in plan.steps)
    is_changed = any(change.field == "networks" for step in plan.steps for change in step.changes)
    if not requested or not (is_changed or needs_active or any(step.verb == "create" for step in plan.steps)):
        return
    answers = driver.host.answer(NETWORK_LISTS, lambda: driver.virsh.batch(NETWORK_LISTS))
    known = output.names(answers[0].stdout)
    for name in sorted(requested - set(known)):
        raise NotFound(
            f"{plan.after.name}: networks: libvirt has no network '{name}'.",
            f"Available networks: {', '.join(sorted(known)) or 'none'}.",
        )
    needed = live | (requested if needs_active and not driver.allow_network_start else set())
    has_start = any(step.verb == "start" for step in plan.steps)
    for name in sorted(needed & inactive_networks(answers)):
        # allow_network_start applies only to networks that are needed by the start of the VM.
        alternative = ", or set allow_network_start: true" if has_start and name not in live else ""
        raise Refused(
            f"{plan.after.name}: networks: the network '{name}' is not active.",
            f"Start it first: virsh net-start {quote(name)}{alternative}.",
        )


def starts_guest(step):
    """Whether the step starts the VM, or restores a snapshot to a running VM.

    If a network or storage pool is inactive then, libvirt stops the guest before the restore fails.
    """
    return step.verb == "start" or (step.verb == "restore" and step.arguments["power"] != STOPPED)


def _networks_attached_live(plan):
    """The networks to which NICs of the running VM are added or moved."""
    nics, networks = plan.after.config.get("networks") or {}, set()
    for step in plan.steps:
        if step.verb in ("stop", "kill") or not plan.before.on:
            break
        live = [change for change in step.changes if change.cost == LIVE]
        keys = {change.key for change in live if change.kind in ("networks.add", "networks.source")}
        networks |= {nics[key].get("source") for key in keys if nics[key].get("type") == "network"}
    return networks


def start_networks(driver, vm):
    """Start the inactive networks that the VM needs, before the VM itself."""
    # Read again, because a previous step of the plan may have changed the NICs.
    current_vm = vm.having(config={"networks": read_networks(driver.definition(vm.id))})
    for name in sorted(_networks_of(current_vm) & inactive_networks(driver.virsh.batch(NETWORK_LISTS))):
        try:
            driver.virsh.run("net-start", name)
        except CommandFailed as error:
            if _ALREADY_ACTIVE not in error.stderr:
                raise


# NICs ------------------------------------------------------------------------------------------------------

_TYPES = {"network": "network", "bridge": "bridged", "direct": "bridged", "user": "user"}


def read_networks(definition):
    """``networks`` by position; keys that a NIC does not have are omitted."""
    return {str(position): read_nic(nic) for position, nic in enumerate(definition.interfaces())}


def read_nic(nic):
    source = nic.find("source")
    model = nic.find("model")
    # In a running VM, a NIC of a network with a bridge has type bridge; its source still contains the network.
    network = source is not None and source.get("network")
    values = {
        "type": "network" if network else _TYPES.get(nic.get("type"), nic.get("type")),
        "source": network or source_of(nic) or None,
        "mac": nic.find("mac").get("address").lower() if nic.find("mac") is not None else None,
        "model": model.get("type") if model is not None else None,
    }
    return {key: value for key, value in values.items() if value is not None}


def nic_element(entry, is_bridge):
    """A new NIC. ``is_bridge`` returns whether a host interface is a bridge; otherwise the NIC is attached directly."""
    nic = ET.Element("interface")
    ET.SubElement(nic, "model", {"type": entry.get("model", "virtio")})
    set_nic_element(nic, entry, is_bridge)
    return nic


def set_nic_element(nic, entry, is_bridge):
    """Change only what ``entry`` contains; the MAC and the PCI address are kept."""
    if "type" in entry or "source" in entry:
        _set_connection(nic, entry, is_bridge)
    if entry.get("mac"):
        find_or_add_child(nic, "mac").set("address", entry["mac"])
    if entry.get("model"):
        find_or_add_child(nic, "model").set("type", entry["model"])


def _set_connection(nic, entry, is_bridge):
    kind = entry.get("type") or _TYPES.get(nic.get("type"), "network")
    old = nic.find("source")
    source = entry.get("source") or (source_of(nic) if old is not None else "")
    if old is not None:
        nic.remove(old)
    if kind != "user":
        _remove_passt(nic)
    if kind == "user":
        nic.set("type", "user")
    elif kind == "network":
        nic.set("type", "network")
        ET.SubElement(nic, "source", {"network": source})
    elif is_bridge(source):
        nic.set("type", "bridge")
        ET.SubElement(nic, "source", {"bridge": source})
    else:
        is_direct = old is not None and nic.get("type") == "direct"
        nic.set("type", "direct")
        ET.SubElement(nic, "source", {"dev": source, "mode": (is_direct and old.get("mode")) or "bridge"})


def _remove_passt(nic):
    """Only a NIC of type user can have this backend and its port forwards."""
    for element in (*nic.findall("backend[@type='passt']"), *nic.findall("portForward")):
        nic.remove(element)


#: Prefix of QEMU's range of MACs, which libvirt uses too.
_MAC_PREFIX = "52:54:00"
#: Texts in libvirt's errors if a guest does not release a NIC, which is then removed at the VM's next start.
_DETACH_DELAYED = ("rejected by the guest", "in the process of unplug")
#: Texts in libvirt's errors if a running NIC cannot be moved between two types of networks.
_UNMOVABLE = ("Operation not supported", "unsupported configuration")


# Costs --------------------------------------------------------------------------------------------------------------


def _macs(config):
    """The MACs of all NICs in the order of their positions."""
    nics = (config or {}).get("networks") or {}
    return [nics[key].get("mac") for key in sorted(nics, key=int)]


def _cost_of_adding(vm, change):
    stored, running = _macs(vm.config), _macs(vm.active)
    if vm.active is None or running[: len(stored)] != stored:
        return NEXT_BOOT
    # A NIC at this position of the running VM is ours if it has the requested values: an interrupted run attached it.
    running_nic = (vm.active.get("networks") or {}).get(change.key)
    # Its address is reserved at the end.
    wanted = {name: value for name, value in change.new.items() if name != "address"}
    return LIVE if running_nic is None or wanted.items() <= running_nic.items() else NEXT_BOOT


def _cost_of_removing(vm, change):
    """The cost of removing a NIC: the guest must release it, which a paused guest does not.

    If another NIC becomes a different one at the next start, such as this one, all NICs are kept until then: one before
    this is left out, and the guest would lose both.
    """
    nics = vm.config.get("networks") or {}
    pairs = [(nics.get(key, {}), entry or {}) for key, entry in change.beside.items()]
    moved = any(
        new.get(name, old.get(name)) != old.get(name) for old, new in pairs for name in ("mac", "model", "type")
    )
    if vm.active is None or vm.power == PAUSED or moved:
        return NEXT_BOOT
    stored, running = _macs(vm.config), _macs(vm.active)
    # The running VM may have fewer NICs, because an interrupted run has detached this one.
    return LIVE if _same_nics_up_to(min(int(change.key), len(running) - 1), stored, running) else NEXT_BOOT


def _cost_of_moving(vm, change):
    """The cost of another network: live if the type stays the same and the running NICs are those of the definition."""
    if vm.active is None or not _same_nics_up_to(int(change.key), _macs(vm.config), _macs(vm.active)):
        return NEXT_BOOT
    stored, running = (config["networks"][change.key].get("type") for config in (vm.config, vm.active))
    return LIVE if stored == running == change.beside.get("type", stored) else NEXT_BOOT


def _same_nics_up_to(position, stored, running):
    """Whether the stored and running NICs up to this position have the same MACs."""
    return stored[: position + 1] == running[: position + 1]


# Changes ------------------------------------------------------------------------------------------------------------


def add_nic(driver, vm, definition, running, change, created):
    running_nic = _running_nic(vm, running, change.key)
    if running_nic is not None:
        nic = nic_element(read_nic(running_nic), is_bridge)  # An interrupted run has attached it already.
    elif running is not None:
        # The MAC is chosen here, so that the running and the stored NIC have the same one.
        nic = nic_element({"mac": new_mac(), **change.new}, is_bridge)
        attach(driver, vm, nic)
    else:
        # A reservation needs the MAC.
        mac = {"mac": new_mac()} if change.new.get("address") else {}
        nic = nic_element({**mac, **change.new}, is_bridge)
    definition.devices.append(nic)


def _running_nic(vm, running, key):
    """The running NIC that had this position when the VM was observed, or was attached there since; or None.

    It is identified by its MAC, because its position differs now if a step that is sent again has removed a NIC before
    it.
    """
    nics = running.interfaces() if running is not None else []
    observed_macs, position = _macs(vm.active), int(key)
    if position < len(observed_macs):
        mac = observed_macs[position]
        same_mac = [nic for nic in nics if _mac(nic) == mac]
        # Two NICs may have the same MAC.
        before = observed_macs[:position].count(mac)
        return same_mac[before] if before < len(same_mac) else None
    new_nics = [nic for nic in nics if _mac(nic) not in observed_macs]
    new_position = position - len(observed_macs)
    return new_nics[new_position] if new_position < len(new_nics) else None


def _mac(nic):
    return read_nic(nic).get("mac")


def new_mac():
    return ":".join([_MAC_PREFIX, *(f"{byte:02x}" for byte in os.urandom(3))])


def remove_nic(driver, vm, definition, running, change, created):
    nic = _running_nic(vm, running, change.key)
    if nic is not None:
        _run_on_nic(driver, "detach-device", vm, nic, _DETACH_DELAYED)
    definition.devices.remove(definition.devices.findall("interface")[int(change.key)])


def set_nic(driver, vm, definition, running, change, created):
    set_nic_element(definition.interfaces()[int(change.key)], {change.attribute: change.new}, is_bridge)
    nic = _running_nic(vm, running, change.key)
    if nic is not None and change.attribute == "source":
        _move_running_nic(driver, vm, nic, change.new)


def _move_running_nic(driver, vm, nic, source):
    """Move a running NIC to another network or bridge; if that is not possible, the change waits for the next start."""
    kind = read_nic(nic)["type"]
    if kind == "bridged" and (nic.get("type") == "direct" or not is_bridge(source)):
        return
    moved = copy.deepcopy(nic)
    set_nic_element(moved, {"type": kind, "source": source}, is_bridge)
    _run_on_nic(driver, "update-device", vm, moved, _UNMOVABLE)


def _run_on_nic(driver, command, vm, nic, tolerated_errors):
    """Run a virsh command on a running NIC, selected by its full XML, because two NICs may have the same MAC."""
    try:
        driver.virsh.run(command, vm.id, "/dev/stdin", "--live", stdin=ET.tostring(nic, encoding="unicode"))
    except CommandFailed as error:
        if not any(text in error.stderr for text in tolerated_errors):
            raise


DEFAULT_NETWORK = "default"
#: libvirt stores it, and a guest with it has no working network.
_NO_MAC = "00:00:00:00:00:00"


def _normalized(vm, nics):
    return {place: nic if nic is None else _normalized_nic(vm, place, nic) for place, nic in nics.items()}


def _normalized_nic(vm, position, entry):
    """An entry of ``networks`` with the types that libvirt has (nat and internal become network) and its defaults."""
    kind = entry.get("type")
    existing = (vm.config.get("networks") or {}).get(position)
    normalized = dict(entry)
    if entry.get("mac") == _NO_MAC:
        raise Refused(
            f"{vm.name}: networks.{position}.mac: {_NO_MAC} is not an address of a NIC.",
            "Omit mac, or set one that begins with 52:54:00.",
        )
    if kind == "user" and entry.get("source"):
        raise Refused(f"{vm.name}: networks: source is not supported for a NIC of type user.", "Omit source.")
    if kind == "nat":
        normalized["source"] = entry.get("source", DEFAULT_NETWORK)
    if kind in ("nat", "internal"):
        normalized["type"] = "network"
    if kind in _NEED_SOURCE and not entry.get("source") and (existing or {}).get("type") != kind:
        raise Refused(f"{vm.name}: networks: source is required for a NIC of type {kind}.", _NEED_SOURCE[kind])
    if existing is None:
        normalized.setdefault("type", "network")
        if normalized["type"] == "network":
            normalized.setdefault("source", DEFAULT_NETWORK)
    return with_address(vm, position, normalized, existing)


#: {type that needs a source: remedy}.
_NEED_SOURCE = {
    "internal": "Set source to an isolated network (virsh net-list --all).",
    "network": "Set source to a network (virsh net-list --all), or use type nat.",
    "bridged": "Set source to a bridge or an interface of the host.",
}


NICS = {
    "networks": Setting(
        read=read_networks,
        normalize=_normalized,
        native=(
            r"devices/interface(@type)?$",
            r"devices/interface/source($|@(?!portgroup|mode))",
            r"devices/interface/(mac\b|model(@type)?$)",
        ),
    ),
    "networks.add": Setting(cost=_cost_of_adding),
    "networks.remove": Setting(cost=_cost_of_removing),
    "networks.type": Setting(
        choices=("network", "bridged", "user"), instead="Use nat, network, internal, bridged or user."
    ),
    "networks.source": Setting(cost=_cost_of_moving),
    "networks.mac": Setting(),
    "networks.model": Setting(),
}
