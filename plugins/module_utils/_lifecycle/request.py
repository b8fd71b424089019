# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a task's parameters to requests, one per machine; bad form is found here, before anything is looked at."""

from __future__ import annotations

import re
from dataclasses import fields

from .errors import InvalidInput
from .ip_config import has_fixed_address
from .model import RECORDS, Comparison, Policy, Request, SnapshotRequest
from .units import GIB, MIB, parse_size

_SCALARS = (
    "cpus", "firmware", "secure_boot", "tpm", "nested_virtualization", "os_type", "description", "autostart", "iso",
)  # fmt: skip
_CREATION = ("image", "clone", "cloud_init")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.ASCII)
#: Settings of some platforms of which each machine has its own: a file that it writes, the number that it has.
_OWN = {"serial_log": "file"}
#: What names a single thing in the world and so cannot be given to several machines.
_SINGLE = "Give one name, or leave this to be chosen for each machine."


def requests(params, own=()):
    """Requests of a task, in the order of its names. Raises InvalidInput naming the option and the remedy.

    ``own`` are options of the platform alone that are settings of a machine, compared like the shared ones.
    """
    names = _names(params)
    _check_policy(params)
    config, creation = {**_config(params), **_own(params, own)}, _creation(params, own)
    if len(names) > 1:
        _check_shareable(config)
        _check_ip_config((params.get("cloud_init") or {}).get("ip_config") or ())
    policy = _policy(params, config)
    state = params["state"]
    return [
        Request(name=name, id=params.get("id"), state=state, config=config, creation=creation, policy=policy)
        for name in names
    ]


def snapshot_requests(params):
    """Requests of a snapshot task, in the order of its machines' names."""
    names = _names(params)
    _check_snapshot(params)
    options = [field.name for field in fields(SnapshotRequest) if field.name != "name"]
    given = {option: params[option] for option in options if params.get(option) is not None}
    asked = SnapshotRequest(name=params["snapshot"], **given)
    is_restored = params["state"] == "restored"
    policy = Policy(timeout=params["timeout"], wait_for=params["wait_for"] if is_restored else "state")
    return [Request(name=name, id=params.get("id"), snapshot=asked, policy=policy) for name in names]


def comparison(params):
    """What a task asks to be compared, or None."""
    asked = params.get("compare")
    if asked is None:
        return None
    if not params.get("name") and not params.get("id"):
        raise InvalidInput("compare: no machine is named.", "Give the name or the id of one.")
    if len(_names(params)) > 1:
        raise InvalidInput(f"compare: it is about one machine, but {len(params['name'])} are named.", "Give one name.")
    for option in ("from", "to"):
        if asked.get(option) is not None:
            _check_text(f"compare.{option}", asked[option])
    if asked["from"] == asked.get("to"):
        raise InvalidInput(
            f"compare: '{asked['from']}' would be compared with itself.", "Name another in to, or leave it out."
        )
    if asked["text"] and not asked["content"]:
        raise InvalidInput("compare: text makes no sense without content.", "Set content: true, or leave text out.")
    return Comparison(asked["from"], asked.get("to"), asked["content"], asked["text"])


#: Options that make sense with one state only.
_BELONGS_TO = {
    "description": "present", "include_memory": "present", "kind": "present", "keep_last": "present",
    "children": "absent",
}  # fmt: skip


def _check_snapshot(params):
    _check_text("snapshot", params["snapshot"])
    state = params["state"]
    for option, only in _BELONGS_TO.items():
        if params.get(option) not in (None, False) and state != only:
            raise InvalidInput(f"{option}: makes no sense with state: {state}.", f"Use state: {only}, or leave it out.")
    if state != "restored" and params["power"] != "snapshot":
        raise InvalidInput(f"power: makes no sense with state: {state}.", "Use state: restored, or leave it out.")
    if params.get("keep_last") is not None and params["keep_last"] < 1:
        raise InvalidInput(f"keep_last: {params['keep_last']} would keep none.", "Give 1 or more.")
    for option in ("timeout", "call_timeout"):
        _check_seconds(option, params.get(option))


def _names(params):
    names, machine_id = params.get("name"), params.get("id")
    if not names and not machine_id:
        raise InvalidInput("Neither name nor id is given.", "Give the name of at least one machine.")
    check_names(names, machine_id)
    twice = sorted({name for name in names or () if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"name: {', '.join(twice)} is given twice.", "Give each name once.")
    return names or [None]


def check_names(names, machine_id):
    """Refuse several names beside the id of one machine, and what no platform can have as a name."""
    if machine_id and len(names or ()) > 1:
        raise InvalidInput(
            f"id: '{machine_id}' is one machine, but {len(names)} names are given.", "Give one name or none."
        )
    for name in names or ():
        _check_name(name)


def _check_name(name):
    _check_text("name", name)
    if "/" in name:
        raise InvalidInput(
            f"name: '{name}' has a slash.", "Choose a name without slashes; for a VM that has such a name give its id."
        )


def _check_text(option, name):
    if not name or not name.strip():
        raise InvalidInput(
            f"{option}: a name is empty.", "Write the machine's name." if option == "name" else "Write its name."
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise InvalidInput(
            f"{option}: {name!r} has a control character such as a newline.", "Use printable characters."
        )


def _check_seconds(option, value):
    if value is not None and value < 1:
        raise InvalidInput(f"{option}: {value} is not a positive number of seconds.", "Give 1 or more.")


def _check_policy(params):
    for option in ("timeout", "stop_timeout", "call_timeout"):
        _check_seconds(option, params.get(option))
    if params.get("reset_nvram") and params["state"] != "restarted":
        raise InvalidInput(
            f"reset_nvram: NVRAM is filled anew by a start of this task, and state: {params['state']} may make none.",
            "Use state: restarted.",
        )


def _policy(params, config):
    purge = frozenset(params.get("purge") or ())
    missing = sorted(purge - set(config))
    if missing and params["state"] != "absent":
        raise InvalidInput(
            f"purge: {missing[0]} is named, but the option {missing[0]} is not given.",
            "Give the complete list, [] for none.",
        )
    given = {field.name: params[field.name] for field in fields(Policy) if field.name not in ("purge", "reset_nvram")}
    if params["state"] not in ("started", "restarted"):
        given["wait_for"] = "state"  # There is no guest to wait for; so wait_for can be set in module_defaults.
    return Policy(purge=purge, reset_nvram=bool(params.get("reset_nvram")), **given)


def _config(params):
    config = {name: params[name] for name in _SCALARS if params.get(name) is not None}
    if params.get("cpus") is not None and params["cpus"] < 1:
        raise InvalidInput(f"cpus: {params['cpus']} is not a number of processors.", "Give 1 or more.")
    if params.get("memory") is not None:
        config["memory"] = parse_size(params["memory"], "memory", bare=MIB)
    if params.get("tags") is not None:
        config["tags"] = tuple(sorted(set(params["tags"])))
    if params.get("native") is not None:
        config["native"] = dict(params["native"])
    if params.get("display") is not None:
        config["display"] = _display(params["display"])
    for name, read in (("disks", _disks), ("networks", _networks)):
        if params.get(name) is not None:
            config[name] = read(params[name])
    for name in ("port_forwards", "shared_folders"):
        if params.get(name) is not None:
            config[name] = _named_entries(name, params[name])
    return config


def _own(params, names):
    """A platform's own settings, of a record only what was given."""
    given = {name: params[name] for name in names if params.get(name) is not None}
    return {name: _record(value) if name in RECORDS else _comparable(value) for name, value in given.items()}


def _record(value):
    return {key: _comparable(part) for key, part in _given(value).items()}


def _comparable(value):
    """Lists are compared as tuples."""
    return tuple(value) if isinstance(value, list) else value


def _given(entry):
    return {key: value for key, value in entry.items() if value is not None}


def _display(display):
    given = _given(display)
    if "video_memory" in given:
        given["video_memory"] = parse_size(given["video_memory"], "display.video_memory", bare=MIB)
    return given


def _disks(entries):
    disks = {}
    for place, entry in enumerate(entries):
        given = _given(entry)
        state = given.pop("state", "present")
        key = given.pop("slot", None) or f"#{place}"
        if entry.get("slot", "") and entry["slot"].startswith("#"):
            raise InvalidInput(f"disks: '{key}' is not a slot.", "Write a slot such as vda, scsi0 or SATA 0.")
        if key in disks:
            raise InvalidInput(f"disks: slot {key} is given twice.", "Give each slot once.")
        if "size" in given:
            given["size"] = parse_size(given["size"], f"disks: size of {key.replace('#', 'entry ')}", bare=GIB)
        disks[key] = given if state == "present" else None
    return disks


def _networks(entries):
    networks = {}
    for place, entry in enumerate(entries):
        given = _given(entry)
        if "mac" in given:
            given["mac"] = _with_colons(given["mac"].lower())
            if not _MAC.fullmatch(given["mac"]) or int(given["mac"][1], 16) & 1:
                raise InvalidInput(
                    f"networks: '{entry['mac']}' is no address for a network card.",
                    "Write six pairs such as 52:54:00:12:34:56.",
                )
        if not 0 <= given.get("vlan", 0) <= 4094:
            raise InvalidInput(f"networks: vlan {given['vlan']} is no VLAN.", "Give 1 to 4094, or 0 for untagged.")
        networks[str(place)] = given
    return networks


def _with_colons(mac):
    """A MAC in the one way of writing it, of those that platforms and people have."""
    digits = re.sub("[-:]", "", mac)
    is_plain = len(digits) == 12 and mac in (digits, *(sign.join(re.findall("..", digits)) for sign in ":-"))
    return ":".join(re.findall("..", digits)) if is_plain else mac


def _named_entries(option, entries):
    named = {}
    for entry in entries:
        given = _given(entry)
        name = given.pop("name")
        if name in named:
            raise InvalidInput(f"{option}: {name} is given twice.", "Give each name once.")
        for port in ("host_port", "guest_port"):
            if not 1 <= given.get(port, 1) <= 65535:
                raise InvalidInput(
                    f"{option}: {port} {given[port]} of {name} is no port.", "Give a number from 1 to 65535."
                )
        named[name] = given
    return named


def _creation(params, own):
    """Inputs of a creation. What is among a platform's ``own`` settings is compared, so it is none."""
    asked = [name for name in _CREATION if name not in own and params.get(name) is not None]
    creation = {name: _given(params[name]) for name in asked}
    if "image" in creation and "clone" in creation:
        raise InvalidInput("image and clone are both given.", "A machine is made from one of them.")
    return creation


def _check_shareable(config):
    for name, kind in _OWN.items():
        if config.get(name):
            raise InvalidInput(f"{name}: {config[name]} is one {kind}, but several machines are named.", _SINGLE)
    for key, entry in (config.get("disks") or {}).items():
        if entry and entry.get("source"):
            entry_name = key.replace("#", "entry ")
            raise InvalidInput(f"disks: source of {entry_name} is one file, but several machines are named.", _SINGLE)
    for entry in (config.get("networks") or {}).values():
        for key in ("mac", "address"):
            if entry.get(key):
                said = f"{key} {entry[key]} is one address"
                raise InvalidInput(f"networks: {said}, but several machines are named.", _SINGLE)
    for name, entry in (config.get("port_forwards") or {}).items():
        if entry.get("host_port"):
            raise InvalidInput(
                f"port_forwards: host_port of {name} is one port, but several machines are named.", _SINGLE
            )


def _check_ip_config(entries):
    for said in entries:
        if has_fixed_address(said):
            raise InvalidInput(f"cloud_init: ip_config {said} is one address, but several VMs are named.", _SINGLE)
