# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: port forwards from the host to the guest: rules of the first NIC of type nat, identified by name."""

from __future__ import annotations

import hashlib
import ipaddress
import threading

from ...._core.errors import Refused
from ...._core.model import LIVE, ON, RUNNING, SUSPENDED
from ...._kit.addresses import ssh_through
from ...._kit.settings import Setting
from ...._tools.vboxmanage_machine import Forward
from ..vbox_vm import SSH_RULE

_LOCAL = "127.0.0.1"
_SSH = {"host_address": _LOCAL, "guest_port": 22}


def _all_normalized(vm, requested, known):
    """The requested rules in VirtualBox's terms: a rule for all host addresses has no address."""
    found = vm.config.get("port_forwards") or {}
    return {name: entry and _normalized(entry, found.get(name, {})) for name, entry in requested.items()}


def _normalized(entry, found):
    if entry.get("host_address") != "":
        return entry
    others = {key: value for key, value in entry.items() if key != "host_address"}
    return {**others, "host_address": None} if found.get("host_address") else others


def check_forwards(vm, config):
    requested = {name: entry for name, entry in (config.get("port_forwards") or {}).items() if entry is not None}
    for name, entry in requested.items():
        reason = _name_error(name)
        if reason:
            raise Refused(f"{vm.name}: port_forwards: {name!r} is not a valid name: {reason}.", "Use another name.")
        if entry.get("host_address"):
            _check_address(vm, name, entry["host_address"])
    if (requested or config.get("ssh_forward")) and "nat" not in _types(vm, config):
        option = "port_forwards" if requested else "ssh_forward"
        raise Refused(
            f"{vm.name}: {option}: the VM has no NIC of type nat.",
            "Add one to networks, or connect to the guest by its address on its network.",
        )


def _name_error(name):
    """Why a rule's name is invalid, or None."""
    if name == SSH_RULE:
        return "it is used by ssh_forward"
    if "," in name:
        return "it contains a comma"
    if "%" in name:
        # A '%n' or a few '%s' crash VirtualBox's list of all VMs, for every caller.
        return "it contains a percent sign, which VBoxManage cannot print"
    if "\n" in name or "\r" in name:
        return "it contains a line break, which cannot be read back from VBoxManage"
    return None


def check_ports(driver, plan, released=frozenset()):
    """Reject host ports that other programs use: VirtualBox would start the VM nevertheless, and not forward them.

    ``released`` are the claims of VMs that the same task stops before.
    """
    vm = plan.before
    starts = any(step.verb == "start" for step in plan.steps)
    is_up = vm.power in set(ON) - {SUSPENDED}
    rules = plan.after.config.get("port_forwards") or {}
    own = (vm.config.get("port_forwards") or {}) if is_up else {}
    for name, rule in sorted(rules.items()):
        port = rule.get("host_port")
        if not port or own.get(name, {}).get("host_port") == port or not (starts or vm.power == RUNNING):
            continue
        free = any((one.kind, one.identity) in released for one in driver.claims.forward(rule, name))
        free = free or _is_free(rule.get("host_address", ""), port, rule.get("protocol", "tcp"))
        if not (free or any(rule.get("host_port") == port for rule in own.values())):
            raise Refused(
                f"{plan.after.name}: port_forwards.{name}.host_port: {port} is already used by another program.",
                "Set another host_port, or omit it to use a free port.",
            )


def _check_address(vm, name, address):
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        raise Refused(
            f"{vm.name}: port_forwards.{name}.host_address: '{address}' is not an IPv4 address.",
            "Use an address such as 127.0.0.1, or omit it to listen on all addresses.",
        ) from error


def _types(vm, config):
    """The types of the VM's NICs after the task."""
    if not vm.config and "networks" not in config:
        return {"nat"}  # What a new VM gets by default.
    found, requested = vm.config.get("networks") or {}, config.get("networks") or {}
    gone = {place for place, entry in requested.items() if entry is None}
    nics = {place: {**found.get(place, {}), **(requested.get(place) or {})} for place in {*found, *requested} - gone}
    return {nic.get("type") for nic in nics.values()}


def wanted_rules(vbox_vm, changes, taken, ports):
    """(names of rules to remove, rules to add) for ``changes``; ``ports`` chooses ports that are not ``taken``."""
    removed, added = [], {}
    for change in changes:
        name = SSH_RULE if change.field == "ssh_forward" else change.key
        present = vbox_vm.rules.get(name)
        if present and name not in removed:
            removed.append(name)
        rule = added.get(name) or (present[1] if present else Forward(name, "tcp", "", 0, "", 0))
        requested = _requested(change)
        if requested is None:
            added.pop(name, None)
        else:
            added[name] = _changed(rule, requested)
    taken = taken | {rule.host_port for rule in added.values()}
    return removed, [_with_port(vbox_vm, rule, taken, ports) for rule in added.values()]


def is_ssh_free(vbox_vm):
    """Whether the SSH host port of a stopped VM is free now."""
    if SSH_RULE not in vbox_vm.rules:
        return True  # The task has just removed the NIC with the rule.
    _nic, rule = vbox_vm.rules[SSH_RULE]
    return _is_free(rule.host_address, rule.host_port, rule.protocol)


def fresh_ssh_arguments(vbox_vms, vbox_vm, ports):
    """Arguments of modifyvm that set the SSH forward to a free host port."""
    nic, _rule = vbox_vm.rules[SSH_RULE]
    taken = taken_ports(vbox_vms.values())
    rule = _with_port(vbox_vm, _changed(Forward(SSH_RULE, "tcp", "", 0, "", 0), _SSH), taken, ports)
    return forwards_arguments(vbox_vm, nic, [SSH_RULE], [rule])


def _requested(change):
    """The options of a rule that a change sets; None if it removes the rule."""
    if change.field == "ssh_forward":
        return _SSH if change.new else None
    if change.attribute is None:
        return change.new
    return {change.attribute: change.new}


def _changed(rule, requested):
    return Forward(
        rule.name,
        requested.get("protocol", rule.protocol),
        requested.get("host_address", rule.host_address) or "",
        requested.get("host_port", rule.host_port),
        rule.guest_address,
        requested.get("guest_port", rule.guest_port),
    )


def _with_port(vbox_vm, rule, taken, ports):
    if rule.host_port:
        return rule
    return Forward(rule.name, rule.protocol, rule.host_address, ports.choose(vbox_vm, rule, taken), "", rule.guest_port)


def rule_text(rule):
    parts = (rule.name, rule.protocol, rule.host_address, rule.host_port, rule.guest_address, rule.guest_port)
    return ",".join(map(str, parts))


def forwards_arguments(vbox_vm, nic, removed, added):
    """Arguments of modifyvm; removals come first, because names and ports of rules must be unique."""
    result = []
    for name in removed:
        result += [f"--natpf{vbox_vm.rules[name][0]}", "delete", name]
    for rule in added:
        result += [f"--natpf{nic}", rule_text(rule)]
    return result


def forwards_live_arguments(vbox_vm, nic, removed, added):
    """Arguments of controlvm, one list for each call."""
    gone = [[f"natpf{vbox_vm.rules[name][0]}", "delete", name] for name in removed]
    return [*gone, *([f"natpf{nic}", rule_text(rule)] for rule in added)]


def taken_ports(vbox_vms, but=None):
    """The host ports of all VMs, or of all but one, including those of stopped VMs."""
    return {rule.host_port for vbox_vm in vbox_vms if vbox_vm.uuid != but for _nic, rule in vbox_vm.rules.values()}


def ssh_of(vbox_vm):
    """The connection to the guest's SSH port through a rule, as {host, port, user, scope}; None without such a rule."""
    rules = forwards_of(vbox_vm, with_ssh=True)
    return ssh_through(sorted(rules.values(), key=lambda rule: rule is not rules.get(SSH_RULE)))


#: Range of chosen ports: above those of services, below those of outgoing connections.
_FIRST_PORT, _PORTS = 20000, 10000


def _is_free(*address):
    from ...._ports import net  # Few tasks add forwards.

    return net.is_free(*address)


class HostPorts:
    """The ports that a task chose for its VMs, so that none is chosen twice."""

    def __init__(self):
        self._lock = threading.Lock()
        self._chosen = {}

    def choose(self, vbox_vm, rule, taken):
        """A free port that is not in ``taken``. The same rule of the same VM gets the same port again.

        The search starts at a different port for each VM, so that simultaneous tasks rarely choose the same.
        """
        own = (vbox_vm.uuid, rule.name)
        begin = int(hashlib.sha256(" ".join(own).encode("utf-8", "surrogateescape")).hexdigest(), 16)
        with self._lock:
            taken = taken | {port for key, port in self._chosen.items() if key != own}
            for step in range(_PORTS):
                port = _FIRST_PORT + (begin + step) % _PORTS
                if port not in taken and _is_free(rule.host_address, port, rule.protocol):
                    self._chosen[own] = port
                    return port
        raise Refused(f"{vbox_vm.values['name']}: port_forwards.{rule.name}: no host port is free.", "Set host_port.")


def forwards_of(vbox_vm, with_ssh=False):
    """{name: port forward}. The port of ``ssh_forward`` is a free one at each start, so it is held only while on."""
    return {name: _forward(rule) for name, (_nic, rule) in vbox_vm.rules.items() if with_ssh or name != SSH_RULE}


def _forward(rule):
    reported = {"protocol": rule.protocol, "host_port": rule.host_port, "guest_port": rule.guest_port}
    return {**reported, **({"host_address": rule.host_address} if rule.host_address else {})}


def undescribed_forwards(vbox_vm):
    """{path: reason} of what the option port_forwards does not have of the rules of a VM."""
    found = {}
    for nic in vbox_vm.machine.nics:
        for rule in nic.forwards if nic.type == "nat" else ():
            path, (number, first) = f"natpf{nic.number}.{rule.name}", vbox_vm.rules[rule.name]
            if (number, first) != (nic.number, rule):
                found[path] = f"It is {rule_text(rule)}, and NIC {number} has a rule of this name too."
            elif rule.guest_address:
                found[path] = f"It is for the address {rule.guest_address} of the guest, which no option sets."
            elif number != next(nic.number for nic in vbox_vm.machine.nics if nic.type == "nat"):
                found[path] = "New rules are rules of the first NIC of type nat."
    return found


_ATTRIBUTES = ("add", "remove", "protocol", "host_address", "host_port", "guest_port")
FORWARDS = {
    "port_forwards": Setting(read=forwards_of, normalize=_all_normalized, native=("natpf", "nat-pf")),
    **{f"port_forwards.{attribute}": Setting(cost=LIVE) for attribute in _ATTRIBUTES},
    "ssh_forward": Setting(cost=LIVE, read=lambda vbox_vm: SSH_RULE in vbox_vm.rules),
}
