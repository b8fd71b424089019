# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks and the host's bridges, as far as machines need them: there, active, or started with consent."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed, NotFound, Refused
from ..._lifecycle.model import LIVE, STOPPED, SUSPENDED
from ..._ports import files
from ..._tools import virsh_output as output
from .devices import read_networks

#: What tells of all networks, and of those that are active.
QUESTIONS = (("net-list", "--all", "--name"), ("net-list", "--name"))
_ALREADY = "network is already active"


def is_bridge(interface):
    """Whether a network interface of this host is a bridge (Linux says so in its folder)."""
    return files.exists(f"/sys/class/net/{interface}/bridge")


def inactive_networks(answers):
    """From the answers to QUESTIONS: the networks that are known and not active."""
    everyone, active = (set(output.networks(answer.stdout)) for answer in answers)
    return frozenset(everyone - active)


def starting_effects(inactive):
    """A function of (verb, machine): the networks that a start brings up, as sentences."""

    def effects(verb, vm):
        started = sorted(_networks_of(vm) & inactive) if verb == "start" else ()
        return tuple(f"the network '{name}' is started" for name in started)

    return effects


def _networks_of(vm):
    """The networks that a machine is on as soon as it runs; a saved one has the cards it was saved with."""
    config = vm.active if vm.power == SUSPENDED and vm.active is not None else vm.config
    cards = (config.get("networks") or {}).values()
    return {card["source"] for card in cards if card.get("type") == "network" and card.get("source")}


def check_networks(driver, plan):
    """A network must exist when a card is put on it, and be active when that or the machine begins to run."""
    asked, plugged = _networks_of(plan.after), _plugged(plan)
    starts = any(_runs_after(step) for step in plan.steps)
    touched = any(change.field == "networks" for step in plan.steps for change in step.changes)
    if not asked or not (touched or starts or any(step.verb == "create" for step in plan.steps)):
        return
    answers = driver.virsh.batch(QUESTIONS)
    known = output.networks(answers[0].stdout)
    for name in sorted(asked - set(known)):
        raise NotFound(
            f"{plan.after.name}: libvirt has no network '{name}'.",
            f"Known networks: {', '.join(sorted(known)) or 'none'}.",
        )
    needed = plugged | (asked if starts and not driver.allow_network_start else set())
    has_consent = any(step.verb == "start" for step in plan.steps)
    for name in sorted(needed & inactive_networks(answers)):
        consent = ", or set allow_network_start: true" if has_consent and name not in plugged else ""
        raise Refused(
            f"{plan.after.name}: the network '{name}' is not active.",
            f"Start it first: virsh net-start {name}{consent}.",
        )


def check_macs(driver, plan):
    """Refuse a MAC for two NICs of one VM, or of two VMs on one network: neither of them would be reached reliably."""
    nics, name = plan.after.config.get("networks") or {}, plan.after.name
    is_clone = any(step.verb == "clone" for step in plan.steps)
    changed = _with_new_mac(plan, is_clone)
    # A clone keeps no MAC of its source.
    known = {key: nic for key, nic in sorted(nics.items()) if not is_clone or key in changed}
    given = {key: nic["mac"].lower() for key, nic in known.items() if nic.get("mac")}
    touched = changed & set(given)
    for key in sorted(touched):
        twin = next((other for other, mac in given.items() if mac == given[key] and other != key), None)
        if twin is not None:
            raise Refused(
                f"{name}: networks.{key}.mac: {given[key]} is the MAC of NIC {twin}, too.", "Give each NIC its own MAC."
            )
    if touched:
        _check_macs_of_others(driver, plan, {key: given[key] for key in touched})


def _with_new_mac(plan, is_clone):
    """Keys of the NICs that get a MAC or another network by the plan."""
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
                        "Choose another MAC, or leave mac out to have one generated.",
                    )


def _share_a_network(one, other):
    """NICs of type user have no source: each is on a network of its own."""
    return bool(one.get("source")) and (one.get("type"), one["source"]) == (other.get("type"), other.get("source"))


def _runs_after(step):
    """A restore into a running machine needs its networks as a start does; libvirt cuts the guest off and fails."""
    return step.verb == "start" or (step.verb == "restore" and step.arguments["power"] != STOPPED)


def _plugged(plan):
    """The networks that cards of the machine are put on while it runs."""
    cards, found = plan.after.config.get("networks") or {}, set()
    for step in plan.steps:
        if step.verb in ("stop", "kill") or not plan.before.on:
            break
        live = [change for change in step.changes if change.cost == LIVE]
        keys = {change.key for change in live if change.kind in ("networks.add", "networks.source")}
        found |= {cards[key].get("source") for key in keys if cards[key].get("type") == "network"}
    return found


def start_networks(driver, vm):
    """Start what the machine needs and is not active, in front of its own start."""
    # The step before this one may have changed the cards that it is seen with.
    afresh = vm.having(config={"networks": read_networks(driver.definition(vm.id))})
    for name in sorted(_networks_of(afresh) & inactive_networks(driver.virsh.batch(QUESTIONS))):
        try:
            driver.virsh.run("net-start", name)
        except CommandFailed as error:
            if _ALREADY not in error.stderr:
                raise
