# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: compute the steps for the virtual switches of a host, and check them. Reads and changes nothing."""

from __future__ import annotations

import ipaddress

from ..._core.errors import NotFound, Refused
from ..._tools.hyperv import DEFAULT_SWITCH, MODULE
from ..._tools.hyperv_host import (
    address_call,
    host_nic,
    is_chosen,
    nat_call,
    new_switch_calls,
    set_switch_calls,
    wait_for_nic,
)
from ..course import Step

#: {choice of the option: type in Hyper-V}
TYPES = {"external": "External", "internal": "Internal", "private": "Private", "nat": "Internal"}


def switch_steps(wanted, host):
    """Yield the steps for all switches of a task. Raises Refused and NotFound."""
    for entry in wanted["switches"] or ():
        switch = _Switch(entry, host, wanted["allow_connection_loss"])
        yield from switch.steps()


def takes_vms_off(wanted, host):
    """Return whether a step takes the VMs of a switch off their network, unless the task permits that."""
    entries = () if wanted["allow_connection_loss"] else wanted["switches"] or ()
    return any(_Switch(entry, host, False).takes_vms_off() for entry in entries)


class _Switch:
    """One requested switch, and the switch of this name on the host, if there is one."""

    def __init__(self, entry, host, may_interrupt):
        self._name, self._type = entry["name"], TYPES[entry["type"]]
        self._adapter, self._management = entry.get("adapter"), entry.get("allow_management_os")
        self._address = ipaddress.IPv4Interface(entry["address"]) if entry.get("address") else None
        self._is_nat = entry["type"] == "nat"
        self._host, self._may_interrupt = host, may_interrupt
        self._key = f"switches.{self._name}"
        self._found = self._find()

    def _find(self):
        found = [one for one in self._host.switches if one["Name"].casefold() == self._name.casefold()]
        if len(found) > 1:
            raise self._refused(
                f"the host has several switches of this name ({', '.join(one['Id'] for one in found)}).",
                "Rename or remove all but one.",
            )
        if found and found[0]["Id"].lower() == DEFAULT_SWITCH:
            raise self._refused("this is the default switch of Windows, which cannot be changed.", "Use another name.")
        return found[0] if found else None

    def _refused(self, problem, remedy):
        return Refused(f"{self._key}: {problem}", f"{remedy} Nothing was changed.")

    def steps(self):
        if self._type == "External":
            self._check_adapter()
        yield from self._switch()
        if self._address:
            yield from self._addresses()
        if self._is_nat:
            yield from self._nat()

    # The switch itself ------------------------------------------------------------------------------------------------

    def _switch(self):
        if self._found is None:
            if self._type == "External":
                self._check_interruption([self._adapter], "creating it", self._management is False)
            calls = new_switch_calls(self._name, self._type, self._adapter, self._management)
            yield Step(self._key, None, self._settings_after(), calls, modules=(MODULE,))
            return
        changes = self._changes()
        if changes:
            nics = [host_nic(self._name), *([self._adapter] if self._adapter else [])]
            # The interface of the host remains on the switch, which leads nowhere then.
            is_cut = self._found["SwitchType"] == "External" and self._type != "External"
            self._check_interruption(nics, "changing it", is_cut or changes.get("AllowManagementOS") is False)
            self._check_vms()
            calls = set_switch_calls(self._found["Id"], changes)
            if self._type == "Internal":
                calls += (wait_for_nic(self._name),)
            yield Step(self._key, self._settings_before(), self._settings_after(), calls, modules=(MODULE,))

    def _settings_after(self):
        shown = {"type": self._type.lower(), "adapter": self._adapter, "allow_management_os": self._management}
        return {name: value for name, value in shown.items() if value is not None}

    def _settings_before(self):
        found = {
            "type": self._found["SwitchType"].lower(),
            "adapter": ", ".join(self._adapters_of(self._found)) or None,
            "allow_management_os": self._found["AllowManagementOS"],
        }
        names = {"type", *self._settings_after()}
        return {name: value for name, value in found.items() if name in names and value is not None}

    def _changes(self):
        """Return the parameters of Set-VMSwitch that have to change."""
        is_external = self._type == "External"
        changes = {}
        if is_external and self._descriptions(self._found) != [self._host.description(self._adapter)]:
            changes["NetAdapterName"] = self._adapter
        elif not is_external and self._found["SwitchType"] != self._type:
            changes["SwitchType"] = self._type
        if self._management is not None and (changes or self._found["AllowManagementOS"] != self._management):
            changes["AllowManagementOS"] = self._management
        return changes

    def takes_vms_off(self):
        """Return whether the switch gets another network: VMs of a private one keep theirs, which is each other."""
        changes = self._changes() if self._found else {}
        return bool({"SwitchType", "NetAdapterName"} & set(changes)) and self._found["SwitchType"] != "Private"

    def _check_vms(self):
        names = self._host.vms_on(self._found) if self.takes_vms_off() and not self._may_interrupt else ()
        if names:
            raise self._refused(
                f"changing it takes running VMs off their network: {', '.join(names)}.",
                "Stop them first or, if you accept that, set allow_connection_loss: true.",
            )

    @staticmethod
    def _descriptions(switch):
        return list(switch.get("NetAdapterInterfaceDescriptions") or ())

    def _adapters_of(self, switch):
        names = {one["InterfaceDescription"]: one["Name"] for one in self._host.adapters}
        return [names.get(one, one) for one in self._descriptions(switch)]

    def _check_adapter(self):
        description = self._host.description(self._adapter)
        if description is None:
            physical = sorted(one["Name"] for one in self._host.adapters if not one.get("Virtual"))
            raise NotFound(
                f"{self._key}: the host has no network adapter {self._adapter}.",
                f"Its physical ones are: {', '.join(physical) or 'none'}. Nothing was changed.",
            )
        for other in self._host.switches:
            if other is not self._found and description in self._descriptions(other):
                raise self._refused(
                    f"{self._adapter} is used by the switch {other['Name']}.", "Use this one, or remove it."
                )
        if self._found and len(self._descriptions(self._found)) > 1:
            raise self._refused(
                f"it is a team of {', '.join(self._adapters_of(self._found))}.", "Change teams with Set-VMSwitchTeam."
            )

    def _check_interruption(self, interfaces, action, permanently):
        """Raise Refused without permission if an interface has an address: Ansible may be connected through it."""
        used = [f"{nic} ({address})" for nic in interfaces for address in self._host.addresses_of(nic)]
        if not used or self._may_interrupt:
            return
        effect = (
            "ends the host's connections through it for good"
            if permanently
            else "interrupts its connections for some seconds"
        )
        raise self._refused(
            f"{action} {effect}: {', '.join(used)}.",
            "If you accept that, also for the connection of Ansible, set allow_connection_loss: true.",
        )

    # The address of the host, and NAT ---------------------------------------------------------------------------------

    def _addresses(self):
        nic = host_nic(self._name)
        before = self._host.addresses_of(nic)
        if str(self._address) in before:
            return
        for one in self._host.addresses:
            if not is_chosen(one["IPAddress"]):
                continue
            other = ipaddress.IPv4Interface(f"{one['IPAddress']}/{one['PrefixLength']}")
            if self._is_nic(one, nic) and other.ip != self._address.ip:
                continue
            if other.network.overlaps(self._address.network):
                raise self._refused(
                    f"address: {self._address} overlaps with {other} of {one['InterfaceAlias']}.", "Use another subnet."
                )
        key = f"{self._key}.address"
        yield Step(key, before, [*before, str(self._address)], (address_call(self._name, self._address),))

    @staticmethod
    def _is_nic(one, nic):
        return one["InterfaceAlias"].casefold() == nic.casefold()

    def _nat(self):
        network = self._address.network
        if any(_network(one) == network for one in self._host.nats):
            return
        if self._host.nats:
            # Windows supports one NAT network on a host.
            other = self._host.nats[0]
            raise self._refused(
                f"the host has the NAT network {other['Name']}"
                f" ({other['InternalIPInterfaceAddressPrefix']}) already, and Windows supports only one.",
                f"Use an address of that network, or remove it: Remove-NetNat -Name '{other['Name']}'.",
            )
        yield Step(f"{self._key}.nat", None, str(network), (nat_call(self._name, network),))


def _network(nat):
    try:
        return ipaddress.ip_network(nat.get("InternalIPInterfaceAddressPrefix") or "", strict=False)
    except ValueError:
        return None
