# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a Hyper-V host in Hyper-V's own terms: reading them, and the calls that change them."""

from __future__ import annotations

from .._core.frozen import Frozen, field
from .._ports.windows_request import Ref, call, pick, properties, repeated
from .hyperv import hyperv
from .windows_files import file_command, files_test, folder_call

#: {name of a feature: whether Hyper-V runs only after a restart with it}
SERVER_FEATURES = {"Hyper-V": True, "Hyper-V-PowerShell": False}
CLIENT_FEATURES = {
    "Microsoft-Hyper-V": True,
    "Microsoft-Hyper-V-Hypervisor": True,
    "Microsoft-Hyper-V-Services": True,
    "Microsoft-Hyper-V-Management-PowerShell": False,
}
SERVER_TOOLS = {"Hyper-V-Tools": False}
CLIENT_TOOLS = {"Microsoft-Hyper-V-Management-Clients": False}
#: Seconds until the NIC of the host for a new switch appears.
_NIC_SECONDS = 15
#: States of VMs that have no connection.
_WITHOUT_POWER = ("Off", "Saved", "FastSaved")

_SWITCH = properties("Id", "Name", "SwitchType", "AllowManagementOS", "NetAdapterInterfaceDescriptions")
_CPU = properties("VirtualizationFirmwareEnabled")


class HostState(Frozen):
    """The state of a host. The tuples contain mappings with the properties of Windows' own objects."""

    is_server: bool
    #: {feature: state}, see windows_features.
    features: dict
    #: Whether Hyper-V's commands answer.
    usable: bool = False
    has_hypervisor: bool = False
    #: False only if every CPU reports that virtualization is disabled in the firmware.
    firmware_allows: bool = True
    vm_path: str = ""
    disk_path: str = ""
    switches: tuple = ()
    #: The VMs, if they were read.
    vms: tuple = ()
    adapters: tuple = ()
    addresses: tuple = ()
    nats: tuple = ()
    #: {path: whether it exists}
    exists: dict = field(default_factory=dict)
    #: {path: whether it is a file}
    are_files: dict = field(default_factory=dict)

    def description(self, adapter):
        """The description of an adapter, by which switches name it; None if there is no such adapter."""
        found = [one for one in self.adapters if one["Name"].casefold() == adapter.casefold()]
        return found[0]["InterfaceDescription"] if found else None

    def addresses_of(self, interface):
        """The IPv4 addresses of an interface, such as 192.0.2.5/24, without those that Windows chose automatically."""
        return [
            f"{one['IPAddress']}/{one['PrefixLength']}"
            for one in self.addresses
            if one["InterfaceAlias"].casefold() == interface.casefold() and is_chosen(one["IPAddress"])
        ]

    def vms_on(self, switch):
        """The names of the VMs that are on and connected to a switch."""
        return sorted(
            vm["Name"]
            for vm in self.vms
            if vm["State"] not in _WITHOUT_POWER
            and any((nic.get("SwitchId") or "").lower() == switch["Id"].lower() for nic in vm["NetworkAdapters"] or ())
        )


def vms_call():
    """The call that reads which VMs are on, and their switches."""
    return hyperv("Get-VM", show=properties("Name", "State", NetworkAdapters=properties("SwitchId")))


def is_chosen(address):
    """Whether an address is IPv4, and no automatic private address."""
    return ":" not in address and not address.startswith("169.254.")


def host_nic(switch):
    """The name of the host's NIC on a switch. It is the same in all languages."""
    return f"vEthernet ({switch})"


def read_calls(paths, folders):
    """The calls that read a host, except its features; ``read_host`` reads their answers.

    ``paths``: tell whether they exist; ``folders``: whether they are files.
    """
    calls = (
        hyperv("Get-VMHost", show=properties("VirtualMachinePath", "VirtualHardDiskPath"), go_on=True),
        hyperv("Get-VMSwitch", show=_SWITCH, go_on=True),
        call("NetAdapter\\Get-NetAdapter", show=properties("Name", "InterfaceDescription", "Virtual")),
        call("NetTCPIP\\Get-NetIPAddress", show=properties("InterfaceAlias", "IPAddress", "PrefixLength")),
        call("NetNat\\Get-NetNat", show=properties("Name", "InternalIPInterfaceAddressPrefix"), go_on=True),
        _cim("Win32_ComputerSystem", properties("HypervisorPresent")),
        _cim("Win32_Processor", _CPU),
    )
    tests = (file_command("Test-Path", paths, show=properties("Length")), files_test(folders)) if paths else ()
    return (*calls, *tests)


def _cim(class_name, show):
    return call("CimCmdlets\\Get-CimInstance", {"ClassName": class_name}, show=show)


def read_host(answers, paths, folders, is_server, features):
    """The HostState from the answers to ``read_calls``."""
    host, switches, adapters, addresses, nats, system, cpus, *tested = answers
    about = host.objects[0] if host.objects else {}
    return HostState(
        is_server=is_server,
        features=features,
        usable=host.error is None and switches.error is None,
        has_hypervisor=bool(system.objects and system.objects[0].get("HypervisorPresent")),
        firmware_allows=any(one.get("VirtualizationFirmwareEnabled") is not False for one in cpus.objects),
        vm_path=about.get("VirtualMachinePath") or "",
        disk_path=about.get("VirtualHardDiskPath") or "",
        switches=switches.objects,
        adapters=adapters.objects,
        addresses=addresses.objects,
        nats=nats.objects,
        exists=dict(zip(paths, tested[0].objects if tested else ())),
        are_files=dict(zip(folders, tested[1].objects if tested else ())),
    )


def path_calls(parameter, path):
    """Set a default path; the directory is created if it does not exist."""
    created = (folder_call(path, keep="folder"), pick("folder", "folder"))
    return (*created, hyperv("Set-VMHost", {parameter: path}))


def new_switch_calls(name, kind, adapter, management):
    """``management``: whether the host uses the adapter too; None for Hyper-V's default, which is yes."""
    if kind == "External":
        shared = {} if management is None else {"AllowManagementOS": management}
        return (hyperv("New-VMSwitch", {"Name": name, "NetAdapterName": [adapter], **shared}),)
    created = hyperv("New-VMSwitch", {"Name": name, "SwitchType": kind})
    return (created, wait_for_nic(name)) if kind == "Internal" else (created,)


def wait_for_nic(name):
    """Wait for the host's NIC, which Windows adds a moment after the switch."""
    return repeated(call("NetAdapter\\Get-NetAdapter"), [{"Name": host_nic(name)}], _NIC_SECONDS)


def set_switch_calls(switch_id, changes):
    found = hyperv("Get-VMSwitch", {"Id": [switch_id]}, keep="switch")
    return (found, hyperv("Set-VMSwitch", {"VMSwitch": Ref("switch"), **changes}))


def address_call(name, address):
    """``address`` is an ipaddress.IPv4Interface."""
    values = {"IPAddress": str(address.ip), "PrefixLength": address.network.prefixlen}
    return call("NetTCPIP\\New-NetIPAddress", {"InterfaceAlias": host_nic(name), **values})


def nat_call(name, network):
    return call("NetNat\\New-NetNat", {"Name": name, "InternalIPInterfaceAddressPrefix": str(network)})
