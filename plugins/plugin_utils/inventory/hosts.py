# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, variables and groups of the inventory hosts for VMs. Pure: no name is looked up."""

from __future__ import annotations

import itertools
import re
import shlex
import socket
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Optional

from ansible import constants
from ansible.inventory.data import InventoryData

from ...module_utils._core.errors import InvalidInput
from ...module_utils._core.frozen import Frozen, field
from ...module_utils._core.options.guest_conditions import forwarded
from ...module_utils._core.record.leases import iso
from ...module_utils._core.texts import harmless

_PREFIX = "polyvirt_"
#: Guests report their addresses themselves, so they are checked before they become arguments of a command.
_ADDRESS = re.compile(r"[0-9A-Za-z_:][0-9A-Za-z_.:%-]*")
#: Names of the controller in /etc/hosts.
_LOCALHOST = re.compile(r"(ip6-)?(localhost[46]?|loopback)([.].*)?", re.IGNORECASE)
KINDS_OF_GROUPS = ("platform", "state", "tag", "fleet", "os", "owner", "expired")
_EXPIRED = "expired"
_NO_SSH = ("local", "winrm", "psrp")
#: ``windows_connection`` for guests that are reached like any others.
SSH = "ssh"
#: os_type of VirtualBox (Windows2022_64), and of Proxmox VE (win11, w2k8, wxp, wvista).
_WINDOWS = re.compile(r"win|w2k|wxp|wvista", re.IGNORECASE)
_WINDOWS_TAG = "windows"
#: The ports of WinRM in the guest, the one with TLS first.
_WINRM_PORTS = (5986, 5985)


class Source(Frozen):
    """An entry of ``sources``. ``host`` is a host name, a dictionary of connection variables, or None (controller)."""

    name: str
    platform: str
    host: Any = None
    options: Mapping = field(default_factory=dict)
    prefix: str = ""
    timeout: int = 60
    #: Only False, which a user wrote, says that a run may succeed without the source.
    required: Optional[bool] = None

    @property
    def label(self):
        return f"source {self.name}"


def sources_of(entries):
    """Return [Source] for the validated ``entries``. Raises InvalidInput if two have the same name."""
    sources = [Source(**{**entry, "name": entry["name"] or _default_name(entry)}) for entry in entries]
    for name, count in Counter(source.name for source in sources).items():
        if count > 1:
            raise InvalidInput(f"sources: {count} entries are named {name}.", "Set a different name for each.")
    return sources


def _default_name(entry):
    host = entry["host"]
    if isinstance(host, Mapping):
        host = host.get("ansible_host")
    return f"{entry['platform']}-{host}" if host else entry["platform"]


def check_kinds(prefixes):
    """Raise InvalidInput for an unknown kind of groups."""
    unknown = sorted(map(str, set(prefixes) - set(KINDS_OF_GROUPS)))
    if unknown:
        raise InvalidInput(
            f"default_groups: there is no kind {', '.join(unknown)}.", f"Kinds are {', '.join(KINDS_OF_GROUPS)}."
        )


def names_of(found, taken=()):
    """Return an inventory name for each (Source, VM, its preferred name) of ``found``: that name if it is unique and
    not ``taken``.

    If several VMs have the same name, none of them gets it: otherwise it would depend on which sources answer. None
    gets a name of the controller, or of a group of every inventory. No name is a template: plays use
    ``inventory_hostname``, which Ansible renders before version 2.19.
    """
    preferred = [harmless(_preferred(*one)) for one in found]
    names, unnamed = {}, list(range(len(found)))
    used = {*taken, *InventoryData().groups, *filter(is_controller, preferred)}
    for name_of in (_preferred, _with_source, _with_id):
        proposed = {number: harmless(name_of(*found[number])) for number in unnamed}
        counts = Counter(proposed.values())
        unique = {number: name for number, name in proposed.items() if counts[name] == 1 and name not in used}
        # A name that was proposed for several VMs is never used.
        used |= set(proposed.values())
        names.update(unique)
        unnamed = [number for number in unnamed if number not in unique]
    for number in unnamed:  # Other VMs have all names that it could have.
        names[number] = next(name for end in itertools.count(2) if (name := f"{proposed[number]}_{end}") not in used)
        used.add(names[number])
    return [names[number] for number in range(len(found))]


def is_controller(name):
    """Return whether plays mean the controller by a name, such as localhost or any spelling of a loopback address."""
    if name in constants.LOCALHOST or _LOCALHOST.fullmatch(name):
        return True
    try:
        # As SSH reads addresses, such as 127.1 and 2130706433; no name is resolved.
        ((*_kind, (address, *_port)), *_others) = socket.getaddrinfo(name.encode(), None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    address = ip_address(address.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _preferred(source, vm, name):
    return f"{source.prefix}{name}"


def _with_source(source, vm, name):
    return f"{source.prefix}{name}_{source.name}"


def _with_id(source, vm, name):
    return f"{_with_source(source, vm, name)}_{vm['id']}"


def variables_of(source, vm, reached_by, windows=SSH):
    """Return the variables of one VM. ``reached_by`` are the connection variables of the source's host.

    ``windows`` is the connection of VMs with Windows: winrm, psrp or ssh.
    """
    facts = {f"{_PREFIX}{name}": value for name, value in vm.items()}
    if windows != SSH and has_windows(vm):
        connection = {"ansible_connection": windows, **_by_winrm(source, vm)}
    else:
        connection = _connection(source, vm.get("ssh"), reached_by)
    return {**facts, f"{_PREFIX}source": source.name, **connection}


def has_windows(vm):
    """Return whether the guest is Windows, by its os_type or the tag "windows": Hyper-V and libvirt have no os_type."""
    os_type = str((vm.get("settings") or {}).get("os_type") or "")
    return bool(_WINDOWS.match(os_type)) or _WINDOWS_TAG in (vm.get("tags") or ())


def _by_winrm(source, vm):
    """Return how to reach WinRM: by a forwarded port of the controller, else at the address of the guest.

    Without a forwarded port, the port is that of Ansible's connection plugin, unless the user sets it.
    """
    forwards = (vm.get("settings") or {}).get("port_forwards") or ()
    ends = [forwarded(forwards, port) for port in _WINRM_PORTS]
    end = next(filter(None, ends), None) if source.host is None else None
    if end:
        return {"ansible_host": end[0], "ansible_port": end[1]}
    known = [(vm.get("ssh") or {}).get("host"), *(one["address"] for one in vm.get("addresses") or ())]
    # The address of SSH may be that of a forwarded port.
    own = [one for one in known if one and _ADDRESS.fullmatch(str(one)) and not str(one).startswith("127.")]
    return {"ansible_host": own[0]} if own else {}


def _connection(source, ssh, reached_by):
    if not ssh or not _ADDRESS.fullmatch(str(ssh["host"])):
        return {}
    variables = {
        "ansible_host": ssh["host"],
        "ansible_port": ssh.get("port"),
        "ansible_user": ssh.get("user"),
        # Vagrant's key file is on the host of the source, so it is of use only if that is the controller.
        "ansible_ssh_private_key_file": None if source.host else ssh.get("key_file"),
        "ansible_ssh_common_args": jump(reached_by) if source.host and ssh.get("scope") == "host" else None,
    }
    return {name: value for name, value in variables.items() if value is not None}


def jump(reached_by) -> Optional[str]:
    """Return the arguments with which ssh jumps through a host; None if Ansible does not reach that host by SSH."""
    if str(reached_by.get("ansible_connection", "ssh")).rpartition(".")[2] in _NO_SSH:
        return None

    def given(*names):
        return next((str(reached_by[name]) for name in names if reached_by.get(name)), None)

    host, port = given("ansible_host", "ansible_ssh_host"), given("ansible_port", "ansible_ssh_port")
    user = given("ansible_user", "ansible_ssh_user")
    key = given("ansible_ssh_private_key_file", "ansible_private_key_file")
    if host is None:
        return None
    at = f"{user}@" if user else ""
    if key is None:
        host = f"[{host}]" if ":" in host else host
        return f"-o ProxyJump={shlex.quote(f'{at}{host}' + (f':{port}' if port else ''))}"
    # ProxyJump does not use the key of the host.
    command = ["ssh", "-W", "[%h]:%p", "-i", key, *(["-p", port] if port else []), f"{at}{host}"]
    return f"-o ProxyCommand={shlex.quote(shlex.join(command))}"


def groups_of(vm, prefixes=None, now=None):
    """Return the groups of a VM, before Ansible replaces characters that are not valid in group names.

    ``prefixes`` is {kind: text before the value, or None for no such groups}; the default is the kind and ``_``. The
    group of expired VMs has no value. ``now`` is in seconds since 1970.
    """
    prefixes = {kind: f"{kind}_" for kind in KINDS_OF_GROUPS} | {_EXPIRED: _EXPIRED} | (prefixes or {})
    found = {
        "platform": [vm.get("platform")],
        "state": [vm.get("state")],
        "tag": vm.get("tags") or (),
        "fleet": [vm.get("fleet")],
        "os": [(vm.get("settings") or {}).get("os_type")],
        "owner": [vm.get("owner")],
    }
    wanted = [(prefixes[kind], value) for kind in KINDS_OF_GROUPS for value in found.get(kind, ()) if value]
    # Times in ISO 8601 and UTC can be compared as text.
    if now is not None and vm.get("expires") and vm["expires"] <= iso(now):
        wanted.append((prefixes[_EXPIRED], ""))
    return [f"{prefix}{value}" for prefix, value in wanted if prefix is not None]
