# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed Vagrantfile: renders it from the description of a project, and reads the description back from it.

A project is ``{"machines": [machine, ...], "environment": {name: text}}``. A machine (Vagrant's term for a VM) has
``name``, ``provider`` and optional keys. For a key that is missing or None, the box decides:

``box``, ``architecture``, ``box_version``, ``box_url``, ``box_checksum`` (``sha256:...``), ``hostname``, ``cpus``,
``memory`` (MiB), ``disk`` (MiB), ``gui``, ``linked_clone``, ``primary``, ``autostart``, ``native``, and lists of
mappings:

- ``networks``: ``type`` (private, public), ``address`` (missing: DHCP), ``netmask``, ``bridge``, ``mac``, ``options``
- ``port_forwards``: ``name``, ``protocol``, ``host_address``, ``host_port``, ``guest_port``, ``options``
- ``shared_folders``: ``host_path``, ``guest_path``, ``type``, ``read_only``, ``options``
- ``provisioners``: ``name``, ``inline`` or ``path``, ``args``, ``env``, ``privileged``, ``run``, ``options``

``options`` are other keyword arguments of Vagrant's method; ``native`` is described in vagrantfile_native.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from .._core import errors
from .._core.pattern import Pattern
from .ruby_literal import literal
from .vagrantfile_native import keywords, native_lines
from .vagrantfile_provider import provider_lines

_WARNING = "# Written by polyvirt.core, which writes it anew: what is changed here by hand is lost."
_DESCRIPTION = "# polyvirt.core: "
_STAR = "\\u002a"
#: Providers with an own type of shared folders, which Vagrant always prefers.
_OWN_SHARING = ("virtualbox", "vmware_desktop")
_DEFAULT_FOLDER = {"host_path": ".", "guest_path": "/vagrant"}
# The name is also that of a folder, and an argument of vagrant, which treats one that begins with a slash as a pattern.
_NAME = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_VARIABLE = Pattern(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CHECKSUM = Pattern(r"(md5|sha1|sha256|sha384|sha512):([0-9A-Fa-f]+)\Z")


def render(project):
    """The text of the file. The order of keys in ``project`` does not matter."""
    canonical = json.dumps(_without_empty(project), sort_keys=True, separators=(",", ":"))
    project = json.loads(canonical)
    lines = [
        "# -*- mode: ruby -*-",
        _WARNING,
        # Ruby interprets text between two -*- even in a comment.
        f"{_DESCRIPTION}{canonical.replace('*', _STAR)}",
        *_environment(project.get("environment") or {}),
        'Vagrant.configure("2") do |config|',
    ]
    for machine in project.get("machines", ()):
        lines += [f"  {line}" for line in _machine(machine)]
    return "\n".join([*lines, "end", ""])


def description(text):
    """The project that ``text`` was rendered from; None if it was written by somebody else, or changed since."""
    line = next((line for line in text.split("\n") if line.startswith(_DESCRIPTION)), None)
    if line is None:
        return None
    try:
        project = json.loads(line[len(_DESCRIPTION) :])
        return project if render(project) == text else None
    except (ValueError, KeyError, TypeError, AttributeError, errors.PolyvirtError):
        return None


def _without_empty(value):
    """A description without keys that are None or empty. Values within ``native`` are kept: there, None is a value."""
    if isinstance(value, Mapping):
        items = {key: item if key == "native" else _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None and item != [] and item != {}}
    if isinstance(value, (list, tuple)):
        return [_without_empty(item) for item in value]
    return value


def _environment(variables):
    for name, value in sorted(variables.items()):
        if not _VARIABLE.match(name) or "\0" in value:
            raise errors.InvalidInput(
                f"environment: {name!r} is not a valid name or value of a variable.",
                "Use letters, digits and '_' in the name, and no zero byte in the value.",
            )
        if name.startswith("VAGRANT_"):
            raise errors.InvalidInput(
                f"environment: Vagrant reads {name} before it reads its file.",
                "Set it for the whole task, with the keyword environment.",
            )
        yield f"ENV[{literal(name)}] = {literal(value)}"


def _machine(machine):
    if not _NAME.match(machine["name"]):
        raise errors.InvalidInput(
            f"{machine['name']!r} cannot be the name of a VM of Vagrant.", "Use letters, digits, '_', '.' and '-'."
        )
    arguments = [literal(machine["name"]), *keywords({name: machine.get(name) for name in ("primary", "autostart")})]
    return [
        f"config.vm.define {', '.join(arguments)} do |machine|",
        *(f"  {line}" for line in _settings(machine)),
        "end",
    ]


def _settings(machine):
    yield from _box(machine)
    if machine.get("hostname") is not None:
        yield f"machine.vm.hostname = {literal(machine['hostname'])}"
    for network in machine.get("networks") or ():
        yield _network(network, machine["provider"])
    for forward in machine.get("port_forwards") or ():
        yield _port_forward(forward)
    yield "# BEGIN SYNCED FOLDERS"
    yield from _folders(machine.get("shared_folders") or (), machine["provider"])
    yield "# END SYNCED FOLDERS"
    for provisioner in machine.get("provisioners") or ():
        yield _provisioner(provisioner)
    yield from provider_lines(machine)
    yield from native_lines(machine.get("native"), "machine")


def _box(machine):
    for key in ("box", "box_version", "box_url"):
        if machine.get(key) is not None:
            yield f"machine.vm.{key} = {literal(machine[key])}"
    if machine.get("architecture") is not None:
        yield f"machine.vm.box_architecture = {literal(machine['architecture'])}"
    if machine.get("box_checksum") is not None:
        parts = _CHECKSUM.match(machine["box_checksum"])
        if parts is None:
            raise errors.InvalidInput(
                f"The box's checksum {machine['box_checksum']!r} has no algorithm in front.",
                "Write it as sha256:HEX, or with md5, sha1, sha384 or sha512.",
            )
        yield f"machine.vm.box_download_checksum_type = {literal(parts[1])}"
        yield f"machine.vm.box_download_checksum = {literal(parts[2])}"


def _network(network, provider):
    # In vagrant-libvirt, the host's interface has another keyword.
    bridge = "dev" if provider == "libvirt" else "bridge"
    options = {
        "type": None if network.get("address") or network["type"] == "public" else "dhcp",
        "ip": network.get("address"),
        "netmask": network.get("netmask"),
        bridge: network.get("bridge"),
        "mac": _mac(network.get("mac"), provider),
        **(network.get("options") or {}),
    }
    return _call("machine.vm.network", f"{network['type']}_network", options)


def _mac(address, provider):
    """VirtualBox rejects colons (7.0: Invalid MAC address format); vagrant-libvirt accepts both forms."""
    return address.replace(":", "") if address and provider == "virtualbox" else address


def _port_forward(forward):
    options = {
        "id": forward.get("name"),
        "guest": forward["guest_port"],
        "host": forward["host_port"],
        "host_ip": forward.get("host_address"),
        "protocol": forward.get("protocol"),
        **(forward.get("options") or {}),
    }
    return _call("machine.vm.network", "forwarded_port", options)


def _folders(folders, provider):
    """Lines of shared folders. Vagrant's default, to share the project's folder, is disabled unless requested."""
    if not any(folder["guest_path"] == _DEFAULT_FOLDER["guest_path"] for folder in folders):
        yield _call("machine.vm.synced_folder", *_DEFAULT_FOLDER.values(), {"disabled": True})
    for folder in folders:
        options = {
            "type": folder.get("type"),
            "mount_options": ["ro"] if folder.get("read_only") else None,
            **(folder.get("options") or {}),
        }
        if folder.get("read_only"):
            _check_is_mounted(folder, provider)
        yield _call("machine.vm.synced_folder", folder["host_path"], folder["guest_path"], options)


def _check_is_mounted(folder, provider):
    """Raise Unsupported if a read-only folder would be a copy by rsync, which the guest can write to.

    Without a type, Vagrant uses the best type that works, which may be rsync.
    """
    kind = folder.get("type")
    if kind == "rsync" or (kind is None and provider not in _OWN_SHARING):
        is_or_may_be = "is" if kind else "has no type, and may be"
        raise errors.Unsupported(
            f"The folder {folder['guest_path']} {is_or_may_be} a copy created by rsync, which the guest can write to.",
            "Set another type (nfs, smb, virtiofs, 9p), or omit read_only.",
        )


def _provisioner(provisioner):
    options = {key: provisioner.get(key) for key in ("inline", "path", "args", "env", "privileged", "run")}
    options.update(provisioner.get("options") or {})
    if provisioner.get("name") is None:
        return _call("machine.vm.provision", "shell", options)
    return _call("machine.vm.provision", provisioner["name"], {"type": "shell", **options})


def _call(method, *arguments):
    """A Ruby call; the last of ``arguments`` is the mapping of its keyword arguments."""
    *positional, named = arguments
    return f"{method} {', '.join([*map(literal, positional), *keywords(named)])}"
