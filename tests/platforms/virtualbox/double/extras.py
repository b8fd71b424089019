# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands sharedfolder, setextradata, getextradata, guestproperty, modifynvram and dhcpserver findlease."""

from __future__ import annotations

import os
import struct
from fnmatch import fnmatchcase

from .failures import Failure, Misuse, in_use, invalid, not_found
from .machine_readable import moment, nvram_of
from .registry import ON, options


def shared_folder(registry, words):
    verb, *rest = words
    values, flags = ("name", "hostpath", "auto-mount-point"), ("readonly", "automount", "transient")
    (name,), given = options(rest, values, flags)
    machine = registry.lock(name, write="transient" not in given)
    folders = machine["config"]["folders"]
    known = next((folder for folder in folders if folder[0] == given["name"]), None)
    if verb == "add":
        if known:
            raise in_use(f"Shared folder named '{given['name']}' already exists")
        path = given["hostpath"]
        if not os.path.exists(path):
            text = f"RTPathQueryInfo failed on shared folder path '{path}': VERR_FILE_NOT_FOUND"
            raise invalid(text, "SharedFolderWrap")
        mount = {"auto": "automount" in given, "point": given.get("auto-mount-point", "")}
        folders.append([given["name"], path, "readonly" in given, "transient" in given, mount])
    elif known is None:
        raise not_found(f"Could not find a shared folder named '{given['name']}'", "SessionMachine")
    elif verb == "remove":
        folders.remove(known)
    elif verb == "modify":
        if "readonly" in given:
            known[2] = given["readonly"] != "false"
        if "automount" in given:
            known[4]["auto"] = given["automount"] != "false"
    else:
        raise Misuse(f"Unknown subcommand: {verb}")


def set_extra_data(registry, words):
    name, key, *value = words
    extra = registry.find(name)["extra"]
    if value and value[0]:
        extra[key] = value[0]
    else:
        extra.pop(key, None)


def get_extra_data(registry, words):
    name, key = words
    extra = registry.find(name)["extra"]
    if key == "enumerate":
        for known, value in sorted(extra.items()):
            registry.print(f"Key: {known}, Value: {value}")
    else:
        registry.print(f"Value: {extra[key]}" if key in extra else "No value set!")


def guest_property(registry, words):
    verb, name, *rest = words
    machine = registry.lock(name, write=False)
    verb_function = _VERBS.get(verb)
    if verb_function is None:
        raise Misuse(f"Unknown subcommand: {verb}")
    verb_function(registry, machine, rest)


def _get(registry, machine, words):
    (key,), given = options(words, (), ("verbose",))
    if key not in machine["properties"]:
        registry.print("No value set!")
        return
    value, nanoseconds, flags = machine["properties"][key]
    registry.print(f"Value: {value}")
    if given:
        registry.print(f"Timestamp: {nanoseconds}\nFlags: {flags}")


def _set(registry, machine, words):
    (key, *value), given = options(words, ("flags",))
    flags = given.get("flags", "")
    if "TRANS" in flags and machine["state"] not in ON:
        raise invalid("Properties with TRANSIENT or TRANSRESET flag cannot be set or modified if VM is not running")
    machine["properties"][key] = [value[0] if value else "", int(registry.now() * 1e9), flags]


def _unset(_registry, machine, words):
    machine["properties"].pop(words[0], None)


def _enumerate(registry, machine, words):
    patterns, given = options(words, (), ("old-format",))
    rows = {key: found for key, found in sorted(machine["properties"].items())
            if not patterns or any(fnmatchcase(key, pattern) for pattern in patterns)}  # fmt: skip
    if not rows:
        registry.print("No properties found.")
        return
    widest_key, widest = max(map(len, rows)), max(len(found[0].encode()) for found in rows.values()) + 2
    for key, (value, nanoseconds, flags) in rows.items():
        if given or registry.version < (7, 0):
            registry.print(f"Name: {key}, value: {value}, timestamp: {nanoseconds}, flags: {flags}")
            continue
        quoted = f"'{value}'"
        when = moment(nanoseconds / 1e9)[:-6]
        registry.print(f"{key:{widest_key}} = {quoted:{widest}} @ {when}Z {flags}".rstrip())


_VERBS = {"get": _get, "set": _set, "unset": _unset, "delete": _unset, "enumerate": _enumerate}


def dhcp_server(registry, words):
    verb, *rest = words
    verbs = {"findlease": _find_lease, "add": _add_server, "modify": _modify_server, "restart": _restart_server}
    if verb not in verbs:
        raise Misuse(f"Unknown subcommand: {verb}")
    verbs[verb](registry, rest)


def _servers(registry):
    """{network: its server: values of dhcpserver add, whether it is enabled, and {text of the holder: address}}"""
    return registry.data.setdefault("dhcp", {})


def _add_server(registry, rest):
    words = ("network", "server-ip", "netmask", "lower-ip", "upper-ip")
    _plain, given = options(rest, words, ("enable", "disable"))
    if given["network"] in _servers(registry):
        raise Misuse("DHCP server already exists", plain=True)
    _servers(registry)[given["network"]] = {
        "add": {word: given[word] for word in words}, "enabled": "enable" in given, "fixed": {}
    }  # fmt: skip


def _modify_server(registry, rest):
    words = ("network", "vm", "nic", "mac-address", "fixed-address")
    _plain, given = options(rest, words, ("remove-config", "enable", "disable"))
    server = _servers(registry).get(given["network"])
    if server is None:
        raise Misuse("DHCP server does not exist", plain=True)
    if "enable" in given or "disable" in given:
        server["enabled"] = "enable" in given
        return
    holder = f"VM NIC: {given['vm']} slot {int(given['nic']) - 1}" if "vm" in given else f"MAC {given['mac-address']}"
    if "remove-config" in given:
        server["fixed"].pop(holder, None)
    else:
        server["fixed"][holder] = given["fixed-address"] or "dynamic"


def _restart_server(registry, rest):
    _plain, given = options(rest, ("network",))
    if given["network"] not in _servers(registry):
        raise Failure(f"Failed to find DHCP server for network '{given['network']}'")
    raise Failure("Failed to restart the server", "not running", code="NS_ERROR_FAILURE", part="DHCPServerWrap")


#: The values that no test changes, as VirtualBox prints them.
_DEFAULTS = ("minLeaseTime:     default", "defaultLeaseTime: default", "maxLeaseTime:     default",
             "Forced options:   None", "Suppressed opts.: None")  # fmt: skip


def list_servers(registry):
    for network, server in _servers(registry).items():
        known = server["add"]
        lines = [
            f"NetworkName:    {network}", f"Dhcpd IP:       {known['server-ip']}",
            f"LowerIPAddress: {known['lower-ip']}", f"UpperIPAddress: {known['upper-ip']}",
            f"NetworkMask:    {known['netmask']}", f"Enabled:        {'Yes' if server['enabled'] else 'No'}",
            "Global Configuration:", *(f"    {line}" for line in _DEFAULTS), f"        1/legacy: {known['netmask']}",
            "Groups:               None",
        ]  # fmt: skip
        for holder, address in sorted(server["fixed"].items()):
            mac = f", MAC {_mac(registry, holder)}" if holder.startswith("VM NIC") else ""
            lines += [f"Individual Config:    {holder}{mac}", f"    Fixed Address:    {address}"]
            lines += [*(f"    {line}" for line in _DEFAULTS), "    DHCP options:     None"]
        lines += [] if server["fixed"] else ["Individual Configs:   None"]
        registry.print("\n".join([*lines, ""]))


def _mac(registry, holder):
    _vm, _nic, uuid, _slot, number = holder.split(" ")
    machine = registry.machines.get(uuid)
    nic = machine["config"]["nics"].get(str(int(number) + 1)) if machine else None
    plain = nic["mac"].lower() if nic else ""
    return ":".join(plain[at : at + 2] for at in range(0, 12, 2)) if plain else "VBOX_E_OBJECT_NOT_FOUND"


def _find_lease(registry, rest):
    _plain, given = options(rest, ("interface", "network", "mac-address"))
    if given["interface"] not in registry.data.get("networks", {}).get("hostonlyifs", ()):
        text = f"The host network interface named '{given['interface']}' could not be found"
        raise Failure(text, f"Failed to locate host-only interface '{given['interface']}'")
    lease = registry.data.get("leases", {}).get(given["mac-address"])
    if lease is None:
        raise Failure(f"Could not find a lease for {given['mac-address']}")
    address, state = lease
    registry.print(f"IP Address:  {address}\nMAC Address: {given['mac-address']}\nState:       {state}")


def modify_nvram(registry, words):
    """The variables of the UEFI firmware: whether the platform key is there, and Secure Boot is on."""
    if len(words) < 2:
        raise Misuse("No subcommand specified", close=True)
    name, verb, *rest = words
    machine = registry.lock(name)
    values, path = machine["config"]["values"], nvram_of(machine)
    if values["firmware"] == "BIOS":
        text = "The selected firmware type doesn't support a UEFI variable store"
        raise Failure(text, code="VBOX_E_NOT_SUPPORTED", part="NvramStoreWrap")
    if verb == "inituefivarstore":
        # What is listed remains as it was when the VM was opened, until the daemon ends.
        values.update(SecureBoot="off", variables={})
    elif not path.exists():
        raise not_found("The UEFI NVRAM file is not existing for this machine", "NvramStoreWrap")
    elif verb == "enrollorclpk":
        values["variables"]["PK"] = "key"
    elif verb == "secureboot":
        if "PK" not in values["variables"]:
            text = "Secure boot is not available because the platform key (PK) is not enrolled"
            raise not_found(text, "UefiVariableStoreWrap")
        values["variables"]["SecureBootEnable"] = {"--enable": "\1", "--disable": "\0"}[rest[0]]
    elif verb != "enrollmssignatures":
        raise Misuse(f"Unknown subcommand: {verb}")
    write_variables(machine)


def write_variables(machine):
    """Write the file with the variables of the firmware, in the format of EDK II."""
    if "variables" not in machine["config"]["values"]:
        return
    content = bytes(40) + b"_FVH" + bytes(4) + struct.pack("<H", 72) + bytes(22)
    content += bytes.fromhex("782cf3aa7b949a43a1802e144ec37792") + bytes(12)
    for name, value in machine["config"]["values"]["variables"].items():
        text = f"{name}\0".encode("utf-16-le")
        head = struct.pack("<HBBIQ16sIII16s", 0x55AA, 0x3F, 0, 7, 0, b"", 0, len(text), len(value), b"")
        content += head + text + value.encode()
        content += b"\xff" * (-len(content) % 4)
    nvram_of(machine).parent.mkdir(exist_ok=True)
    nvram_of(machine).write_bytes(content.ljust(4096, b"\xff"))
