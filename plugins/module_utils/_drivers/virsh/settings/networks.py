# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces (NICs), with the networks and bridges they need. Entry n is NIC n, stored and running alike."""

from __future__ import annotations

import copy
import os
import xml.etree.ElementTree as ET

from ...._lifecycle.errors import CommandFailed, NotFound, Refused
from ...._lifecycle.model import LIVE, NEXT_BOOT, PAUSED, STOPPED, SUSPENDED, Field
from ...._ports import files
from ...._tools import virsh_output as output
from ..definition import find_or_add_child, source_of
from .disks import attach

#: The commands that list all networks, and the active ones.
NETWORK_LISTS = (("net-list", "--all", "--name"), ("net-list", "--name"))
_ALREADY = "network is already active"


def is_bridge(interface):
    """Whether a network interface of this host is a bridge (according to /sys)."""
    return files.exists(f"/sys/class/net/{interface}/bridge")


def inactive_networks(answers):
    """From the answers to NETWORK_LISTS: the networks that exist and are not active."""
    everyone, active = (set(output.networks(answer.stdout)) for answer in answers)
    return frozenset(everyone - active)


def starting_effects(inactive):
    """A function of (verb, VM) that describes which networks a start would start."""

    def effects(verb, vm, _changes):
        started = sorted(_networks_of(vm) & inactive) if verb == "start" else ()
        return tuple(f"the network '{name}' is started" for name in started)

    return effects


def _networks_of(vm):
    """The networks that a VM uses when it runs; a suspended VM keeps the NICs it was saved with."""
    config = vm.active if vm.power == SUSPENDED and vm.active is not None else vm.config
    nics = (config.get("networks") or {}).values()
    return {nic["source"] for nic in nics if nic.get("type") == "network" and nic.get("source")}


def check_networks(driver, plan):
    """A network must exist if a NIC uses it, and be active if the NIC or the VM is started."""
    requested, plugged = _networks_of(plan.after), _plugged(plan)
    starts = any(_runs_after(step) for step in plan.steps)
    touched = any(change.field == "networks" for step in plan.steps for change in step.changes)
    if not requested or not (touched or starts or any(step.verb == "create" for step in plan.steps)):
        return
    answers = driver.virsh.batch(NETWORK_LISTS)
    known = output.networks(answers[0].stdout)
    for name in sorted(requested - set(known)):
        raise NotFound(
            f"{plan.after.name}: networks: libvirt has no network '{name}'.",
            f"Available networks: {', '.join(sorted(known)) or 'none'}.",
        )
    needed = plugged | (requested if starts and not driver.allow_network_start else set())
    has_consent = any(step.verb == "start" for step in plan.steps)
    for name in sorted(needed & inactive_networks(answers)):
        consent = ", or set allow_network_start: true" if has_consent and name not in plugged else ""
        raise Refused(
            f"{plan.after.name}: networks: the network '{name}' is not active.",
            f"Start it first: virsh net-start {name}{consent}.",
        )


def check_macs(driver, plan):
    """Reject a MAC used by two NICs of one VM, or by two VMs on one network: neither is reached reliably then."""
    nics, name = plan.after.config.get("networks") or {}, plan.after.name
    is_clone = any(step.verb == "clone" for step in plan.steps)
    changed = _with_new_mac(plan, is_clone)
    # A clone gets new MACs.
    known = {key: nic for key, nic in sorted(nics.items()) if not is_clone or key in changed}
    given = {key: nic["mac"].lower() for key, nic in known.items() if nic.get("mac")}
    touched = changed & set(given)
    for key in sorted(touched):
        twin = next((other for other, mac in given.items() if mac == given[key] and other != key), None)
        if twin is not None:
            raise Refused(
                f"{name}: networks.{key}.mac: {given[key]} is also the MAC of NIC {twin}.",
                "Set a different MAC for each NIC.",
            )
    if touched:
        _check_macs_of_others(driver, plan, {key: given[key] for key in touched})


def _with_new_mac(plan, is_clone):
    """Keys of the NICs to which the plan gives a MAC or another network."""
    if any(step.verb == "create" for step in plan.steps):
        return set(plan.after.config.get("networks") or {})
    kinds = ("networks.add", "networks.mac", *(() if is_clone else ("networks.source", "networks.type")))
    return {change.key for step in plan.steps for change in step.changes if change.kind in kinds}


def _check_macs_of_others(driver, plan, macs):
    own = plan.before.id
    for definition in driver.all_definitions():
        for nic in read_networks(definition).values() if definition.uuid != own else ():
            for key, mac in macs.items():
                if nic.get("mac") == mac and _share_a_network(nic, plan.after.config["networks"][key]):
                    raise Refused(
                        f"{plan.after.name}: networks.{key}.mac: {mac} is used by {definition.name} on the same network"
                        f" ({nic['source']}).",
                        "Set another MAC, or omit mac to have one generated.",
                    )


def _share_a_network(one, other):
    """NICs of type user have no source: each is on a network of its own."""
    return bool(one.get("source")) and (one.get("type"), one["source"]) == (other.get("type"), other.get("source"))


def _runs_after(step):
    """Restoring into a running VM needs active networks, like a start; otherwise libvirt stops the guest and fails."""
    return step.verb == "start" or (step.verb == "restore" and step.arguments["power"] != STOPPED)


def _plugged(plan):
    """The networks to which NICs of the running VM are moved or added."""
    nics, found = plan.after.config.get("networks") or {}, set()
    for step in plan.steps:
        if step.verb in ("stop", "kill") or not plan.before.on:
            break
        live = [change for change in step.changes if change.cost == LIVE]
        keys = {change.key for change in live if change.kind in ("networks.add", "networks.source")}
        found |= {nics[key].get("source") for key in keys if nics[key].get("type") == "network"}
    return found


def start_networks(driver, vm):
    """Start the inactive networks that the VM needs, before the VM itself."""
    # The step before this one may have changed the observed NICs.
    afresh = vm.having(config={"networks": read_networks(driver.definition(vm.id))})
    for name in sorted(_networks_of(afresh) & inactive_networks(driver.virsh.batch(NETWORK_LISTS))):
        try:
            driver.virsh.run("net-start", name)
        except CommandFailed as error:
            if _ALREADY not in error.stderr:
                raise


# NICs ------------------------------------------------------------------------------------------------------

_TYPES = {"network": "network", "bridge": "bridged", "direct": "bridged", "user": "user"}


def read_networks(definition):
    """``networks`` by position; keys that a NIC does not have are omitted."""
    return {str(place): read_nic(nic) for place, nic in enumerate(definition.interfaces())}


def read_nic(nic):
    source = nic.find("source")
    model = nic.find("model")
    # A running NIC of a bridge-based network has type bridge, but still names its network.
    of_network = source is not None and source.get("network")
    found = {
        "type": "network" if of_network else _TYPES.get(nic.get("type"), nic.get("type")),
        "source": of_network or source_of(nic) or None,
        "mac": nic.find("mac").get("address").lower() if nic.find("mac") is not None else None,
        "model": model.get("type") if model is not None else None,
    }
    return {key: value for key, value in found.items() if value is not None}


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
        nic.set("type", "direct")
        ET.SubElement(nic, "source", {"dev": source, "mode": "bridge"})


def _remove_passt(nic):
    """Only a NIC of type user can have this backend and its port forwards."""
    for element in (*nic.findall("backend[@type='passt']"), *nic.findall("portForward")):
        nic.remove(element)


#: QEMU's range of MACs, from which libvirt chooses as well.
_MAC_PREFIX = "52:54:00"
#: libvirt's errors if a guest does not release a NIC: it is removed at the VM's next start.
_KEPT = ("rejected by the guest", "in the process of unplug")
#: libvirt's errors for types of networks between which a running NIC cannot move.
_UNMOVABLE = ("Operation not supported", "unsupported configuration")


# Costs --------------------------------------------------------------------------------------------------------------


def _macs(config):
    nics = (config or {}).get("networks") or {}
    return [nics[key].get("mac") for key in sorted(nics, key=int)]


def _cost_of_adding(vm, change):
    stored, running = _macs(vm.config), _macs(vm.active)
    if vm.active is None or running[: len(stored)] != stored:
        return NEXT_BOOT
    # An interrupted run may have attached this NIC; a NIC attached by somebody else differs.
    there = (vm.active.get("networks") or {}).get(change.key)
    return LIVE if there is None or change.new.items() <= there.items() else NEXT_BOOT


def _cost_of_removing(vm, change):
    """Detach a NIC. The guest must release it, which a paused guest does not."""
    if vm.active is None or vm.power == PAUSED:
        return NEXT_BOOT
    stored, running = _macs(vm.config), _macs(vm.active)
    # An interrupted run may have detached it from the running VM already.
    return LIVE if _same_up_to(min(int(change.key), len(running) - 1), stored, running) else NEXT_BOOT


def _cost_of_moving(vm, change):
    """A running NIC can move to another network, but its model cannot change."""
    if vm.active is None or not _same_up_to(int(change.key), _macs(vm.config), _macs(vm.active)):
        return NEXT_BOOT
    stored, running = (config["networks"][change.key].get("type") for config in (vm.config, vm.active))
    return LIVE if stored == running == change.beside.get("type", stored) else NEXT_BOOT


def _same_up_to(place, stored, running):
    return stored[: place + 1] == running[: place + 1]


NETWORK_FIELDS = {
    "networks.add": Field(cost=_cost_of_adding),
    "networks.remove": Field(cost=_cost_of_removing),
    "networks.source": Field(cost=_cost_of_moving),
    "networks.mac": Field(),
    "networks.model": Field(),
}


# Changes ------------------------------------------------------------------------------------------------------------


def add_nic(driver, vm, definition, running, change, created):
    there = _running_nic(vm, running, change.key)
    if there is not None:
        nic = nic_element(read_nic(there), is_bridge)
    elif running is not None:
        # Chosen here, so that the running and the stored NIC have the same MAC.
        nic = nic_element({"mac": new_mac(), **change.new}, is_bridge)
        attach(driver, vm, nic)
    else:
        nic = nic_element(change.new, is_bridge)
    definition.devices.append(nic)


def _running_nic(vm, running, key):
    """The running NIC that had this position when the VM was observed, or was attached there since; or None.

    If the change was applied to the running VM before, the NICs behind it have other positions now.
    """
    nics = running.interfaces() if running is not None else []
    found, place = _macs(vm.active), int(key)
    if place < len(found):
        same = [nic for nic in nics if _mac(nic) == found[place]]
        # Two NICs may have the same MAC.
        before = found[:place].count(found[place])
        return same[before] if before < len(same) else None
    new = [nic for nic in nics if _mac(nic) not in found]
    return new[place - len(found)] if place - len(found) < len(new) else None


def _mac(nic):
    return read_nic(nic).get("mac")


def new_mac():
    return ":".join([_MAC_PREFIX, *(f"{byte:02x}" for byte in os.urandom(3))])


def remove_nic(driver, vm, definition, running, change, created):
    nic = _running_nic(vm, running, change.key)
    if nic is not None:
        _run_on_nic(driver, "detach-device", vm, nic, _KEPT)
    definition.devices.remove(definition.devices.findall("interface")[int(change.key)])


def set_nic(driver, vm, definition, running, change, created):
    set_nic_element(definition.interfaces()[int(change.key)], {change.attribute: change.new}, is_bridge)
    nic = _running_nic(vm, running, change.key)
    if nic is not None and change.attribute == "source":
        _move(driver, vm, nic, change.new)


def _move(driver, vm, nic, source):
    """Move a running NIC to another network or bridge; if that is not possible, the change waits for the next start."""
    kind = read_nic(nic)["type"]
    if kind == "bridged" and (nic.get("type") == "direct" or not is_bridge(source)):
        return
    moved = copy.deepcopy(nic)
    set_nic_element(moved, {"type": kind, "source": source}, is_bridge)
    _run_on_nic(driver, "update-device", vm, moved, _UNMOVABLE)


def _run_on_nic(driver, command, vm, nic, tolerated):
    """Detach a NIC by its full XML, because two NICs may have the same MAC."""
    try:
        driver.virsh.run(command, vm.id, "/dev/stdin", "--live", stdin=ET.tostring(nic, encoding="unicode"))
    except CommandFailed as error:
        if not any(text in error.stderr for text in tolerated):
            raise


DEFAULT_NETWORK = "default"


def normalized_nic(vm, place, entry):
    kind = entry.get("type")
    existing = (vm.config.get("networks") or {}).get(place)
    adjusted = dict(entry)
    if kind == "user" and entry.get("source"):
        raise Refused(f"{vm.name}: networks: source is not supported for a NIC of type user.", "Omit source.")
    if kind == "nat":
        adjusted["source"] = entry.get("source", DEFAULT_NETWORK)
    if kind in ("nat", "internal"):
        adjusted["type"] = "network"
    if kind in _NEED_SOURCE and not entry.get("source") and (existing or {}).get("type") != kind:
        raise Refused(f"{vm.name}: networks: source is required for a NIC of type {kind}.", _NEED_SOURCE[kind])
    if existing is None:
        adjusted.setdefault("type", "network")
        if adjusted["type"] == "network":
            adjusted.setdefault("source", DEFAULT_NETWORK)
    return adjusted


_NEED_SOURCE = {
    "internal": "Set source to an isolated network (virsh net-list --all).",
    "network": "Set source to a network (virsh net-list --all), or use type nat.",
    "bridged": "Set source to a bridge or an interface of the host.",
}
