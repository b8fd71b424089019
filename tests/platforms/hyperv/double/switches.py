# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual switches, and the NICs, addresses and NAT networks of the host."""

from __future__ import annotations

import ipaddress

from platforms.hyperv.double.calls import handles
from platforms.hyperv.double.records import DEFAULT_SWITCH, Address, Switch
from platforms.hyperv.double.views import shown
from platforms.windows.failures import Failed
from platforms.windows.objects import has_wildcards, like

_CIM = "Microsoft.Management.Infrastructure.CimException"


def _named(call, names):
    for name in [names] if isinstance(names, str) else names:
        found = [one for one in call.host.switches if like(call.host.switch_name(one), name)]
        if not found and not has_wildcards(name):
            call.context.error(call.failed("InvalidParameter", "switch", name=name, target=name))
        yield from found


@handles("Get-VMSwitch")
def get_switches(call):
    found = call.host.switches
    if call.get("Id"):
        found = [one for one in found if one.id in call.get("Id")]
    elif call.get("Name"):
        found = _named(call, call.get("Name"))
    types = call.get("SwitchType")
    return [call.host.views.switch(one) for one in found if not types or one.type in types]


def _adapter(call):
    """The name of the physical NIC that the arguments select, or None."""
    names, host = call.get("NetAdapterName"), call.host
    if not names:
        return None
    found = [one for one in host.adapters if one.lower() in [name.lower() for name in _list(names)]]
    if not found:
        raise call.bad("NetAdapterName")
    return found[0]


def _list(value):
    return value if isinstance(value, list) else [value]


@handles("New-VMSwitch")
def new_switch(call):
    adapter, host = _adapter(call), call.host
    if adapter and any(one.adapter == adapter for one in host.switches):
        raise call.failed("OperationFailed", "failed", code=0x80070057)
    switch = Switch(call.get("Name"), "External" if adapter else call.get("SwitchType"), adapter=adapter or "")
    switch.notes = call.get("Notes", "")
    switch.allow_management = call.get("AllowManagementOS", True)
    if call.get("Id"):
        switch.id = call.get("Id").lower()
    host.switches.append(switch)
    _take_addresses(host, switch)
    if adapter and host.knobs.switch_cuts_connection:
        host.windows.faults.is_lost = True
    return [host.views.switch(switch)]


def _take_addresses(host, switch):
    """The settings of an adapter go to the interface of the host at its switch; without one, they are lost."""
    taken = [one for one in host.host_addresses if one.alias == switch.adapter]
    for one in taken:
        one.alias = _alias(host, switch)
    if not switch.allow_management:
        host.host_addresses = [one for one in host.host_addresses if one not in taken]


@handles("Set-VMSwitch")
def set_switch(call):
    def change(switch):
        adapter = _adapter(call)
        if switch.id == DEFAULT_SWITCH:
            raise call.failed("OperationFailed", "failed")
        if adapter or call.get("SwitchType"):
            switch.adapter, switch.type = adapter or "", "External" if adapter else call.get("SwitchType")
        switch.allow_management = call.get("AllowManagementOS", switch.allow_management)
        switch.notes = call.get("Notes", switch.notes)
        return call.passed([call.host.views.switch(switch)])

    return call.each(list(_targets(call)), change)


def _targets(call):
    if call.get("VMSwitch"):
        return [one.record for one in call.get("VMSwitch") if one.record in call.host.switches]
    return _named(call, call.get("Name"))


def _alias(host, switch):
    return f"vEthernet ({host.switch_name(switch)})"


def interfaces(host):
    """{name: index} of the host's NICs: the physical ones, and one for each switch to which the host is connected."""
    used = [one for one in host.switches if one.type == "Internal" or (one.type == "External" and one.allow_management)]
    return {name: index for index, name in enumerate([*host.adapters, *(_alias(host, one) for one in used)], 4)}


def _check_admin(call):
    if call.host.access != "full":
        error = Failed(f"Windows System Error 5,{call.command.name}", "PermissionDenied", "", "", _CIM, 0x80131500)
        error.message = call.host.text("denied", name=call.host.name) + " (0x80070005)"
        raise error


def _missing(call, name, value):
    """The error of a generated command's query that contains a name and finds nothing."""
    id_ = f"CmdletizationQuery_NotFound_{name},{call.command.name}"
    return Failed(id_, "ObjectNotFound", call.host.text("failed"), f"{value}", _CIM, 0x80131500)


def _queried(call, records, fields):
    """The records that match all given parameters; ``fields`` is {parameter: function that reads a record's value}."""
    found = list(records)
    for name, get in fields.items():
        for wanted in [call.get(name)] if call.get(name) else []:
            values = [f"{one}" for one in _list(wanted)]
            left = [one for one in found if any(like(f"{get(one)}", value) for value in values)]
            if not left and not any(map(has_wildcards, values)):
                call.context.error(_missing(call, name, values[0]))
            found = left
    return found


def _nat(name, about):
    return shown("MSFT_NetNat", "", name, Name=name, Active=True, Store="Local", **about)


_NATS = {"Name": lambda one: one[0]}
_ADDRESSES = {
    "InterfaceAlias": lambda one: one.alias,
    "IPAddress": lambda one: one.address,
    "PrefixLength": lambda one: one.prefix,
}


@handles("Get-NetNat")
def get_nats(call):
    _check_admin(call)
    return [_nat(*one) for one in _queried(call, call.host.nats, _NATS)]


@handles("New-NetNat")
def new_nat(call):
    _check_admin(call)
    prefixes = ("InternalIPInterfaceAddressPrefix", "ExternalIPInterfaceAddressPrefix")
    about = call.changes({name: name for name in prefixes})
    network = _network(call, about.get(prefixes[0]))
    others = [_network(call, one.get(prefixes[0])) for _name, one in call.host.nats]
    name = call.get("Name")
    if any(name.lower() == one[0].lower() for one in call.host.nats) or any(map(network.overlaps, others)):
        raise Failed("Windows System Error 52,New-NetNat", "InvalidArgument", call.host.text("failed"), "", _CIM)
    call.host.nats.append((name, about))
    return [_nat(name, about)]


def _network(call, prefix):
    try:
        return ipaddress.ip_network(prefix or "")
    except ValueError:
        text = call.host.text("parameter", name="InternalIPInterfaceAddressPrefix")
        raise Failed("Windows System Error 87,New-NetNat", "InvalidArgument", text, "", _CIM) from None


@handles("Remove-NetNat")
def remove_nat(call):
    _check_admin(call)
    given = [one.record for one in call.get("InputObject", ())]
    names = given or [name for name, _about in _queried(call, call.host.nats, _NATS)]
    call.host.nats = [one for one in call.host.nats if one[0] not in names]
    return ()


def _address(host, one):
    index = interfaces(host).get(one.alias, 0)
    about = {"InterfaceAlias": one.alias, "InterfaceIndex": index, "PrefixLength": one.prefix}
    family = "IPv6" if ":" in one.address else "IPv4"
    return shown("MSFT_NetIPAddress", "", one, IPAddress=one.address, AddressFamily=family, ifIndex=index, **about)


@handles("Get-NetIPAddress")
def get_addresses(call):
    return [_address(call.host, one) for one in _queried(call, call.host.host_addresses, _ADDRESSES)]


@handles("New-NetIPAddress")
def new_address(call):
    _check_admin(call)
    names = {index: name for name, index in interfaces(call.host).items()}
    alias = call.get("InterfaceAlias") or names.get(call.get("InterfaceIndex"))
    if alias not in names.values():
        raise _missing(call, "InterfaceAlias", alias)
    if any(one.address == call.get("IPAddress") for one in call.host.host_addresses):
        text = call.host.text("failed")
        raise Failed("Windows System Error 5010,New-NetIPAddress", "ResourceExists", text, "", _CIM)
    one = Address(alias, call.get("IPAddress"), call.get("PrefixLength", 32))
    call.host.host_addresses.append(one)
    return [_address(call.host, one)]


@handles("Get-NetAdapter")
def get_adapters(call):
    found = []
    for name, index in interfaces(call.host).items():
        is_physical = name in call.host.adapters
        found.append((name, index, is_physical))
    found = _queried(call, found, {"Name": lambda one: one[0], "InterfaceIndex": lambda one: one[1]})
    return [_adapter_view(*one) for one in found]


def _adapter_view(name, index, is_physical):
    about = {"Name": name, "InterfaceIndex": index, "ifIndex": index, "HardwareInterface": is_physical}
    about |= {"InterfaceDescription": f"{name} device", "Status": "Up", "Virtual": not is_physical}
    return shown("MSFT_NetAdapter", "", name, InterfaceAlias=name, ifAlias=name, **about)
