# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands createvm, registervm, unregistervm, modifyvm, movevm, showvminfo, list, clonevm and setproperty."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path

from .extras import list_servers, write_variables
from .failures import PROGRESS, Failure, Misuse, held, invalid
from .file import is_readable, read_file, write_file
from .human_readable import human_readable
from .machine_readable import machine_readable
from .power import write_state
from .registry import ON, folder_of, options
from .settings import Change, new_config
from .storage import attach_child, describe, remove_medium

_OSTYPES = Path(__file__).parents[3] / "unit" / "fixtures" / "vbox" / "7.2.22" / "list-ostypes.txt"
_OSTYPE = re.compile(r"^ID / Description: (\S+) -- (.*)\nFamily: +(\w+)", re.MULTILINE)
_IN_FILE_NAMES = re.compile(r'[/\\";:*?<>|$&\'~\n]|^[-. ]|[. ]$')
_LISTS = ("vms", "runningvms", "hdds", "dvds", "floppies", "ostypes", "systemproperties", "hostonlyifs", "bridgedifs",
          "natnets", "natnetworks", "intnets", "groups", "dhcpservers", "extpacks")  # fmt: skip
_RUNNING = ("running", "paused")


@cache
def os_types():
    text = _OSTYPES.read_text(encoding="utf-8")
    return {found[1].lower(): {"id": found[1], "description": found[2], "family": found[3]}
            for found in _OSTYPE.finditer(text)}  # fmt: skip


def os_type_of(machine):
    name = machine["config"]["values"]["ostype"]
    return os_types().get(name.lower(), {"id": name, "description": name, "family": ""})


def create(registry, words):
    _plain, given = options(
        words, ("name", "ostype", "basefolder", "groups", "uuid", "platform-architecture"), ("register", "default")
    )
    if not given.get("name"):
        raise Misuse("Parameter --name is required")
    if given.get("platform-architecture", "x86") not in ("x86", "arm"):
        raise Misuse(f"Invalid --platform-architecture argument '{given['platform-architecture']}'")
    kind = os_types().get(given.get("ostype", "Other").lower())
    if kind is None:
        raise Failure("Unknown or invalid guest OS type given.")
    machine = _new(registry, given["name"], given, new_config(kind, _new_mac(registry)))
    _require_new_file(machine["file"])
    if given.get("uuid") in registry.machines:
        other = registry.machines[given["uuid"]]
        raise invalid(
            f"Registered machine with UUID {{{other['uuid']}}} ('{other['file']}') already exists", "VirtualBoxWrap"
        )
    write_file(machine)
    registered = ""
    if "register" in given:
        registry.machines[machine["uuid"]] = machine
        registered = " and registered"
    registry.print(f"Virtual machine '{machine['name']}' is created{registered}.")
    registry.print(f"UUID: {machine['uuid']}\nSettings file: '{machine['file']}'")


def _new(registry, name, given, config):
    group = given.get("groups", "/").split(",")[0]
    folder = os.path.join(given.get("basefolder", registry.machine_folder), group.strip("/"), file_name(name))
    return {
        "uuid": given.get("uuid") or registry.new_uuid(),
        "name": name,
        "groups": given.get("groups", "/"),
        "file": os.path.join(folder, f"{file_name(name)}.vbox"),
        "config": config,
        "extra": {},
        "properties": {},
        "state": "poweroff",
        "since": registry.now(),
        "snapshots": [],
        "current": None,
    }


def file_name(name):
    return _IN_FILE_NAMES.sub("_", name)


def _require_new_file(path):
    if os.path.exists(path):
        raise Failure(f"Machine settings file '{path}' already exists", code="VBOX_E_FILE_ERROR", part="MachineWrap")


def _new_mac(registry):
    return f"080027{registry.new_uuid()[:6].upper()}"


def register(registry, words):
    (path,), _given = options(words)
    if not os.path.exists(path):
        raise Failure(
            f"Runtime error opening '{path}' for reading VERR_FILE_NOT_FOUND (File not found.).",
            code="NS_ERROR_FAILURE",
            part="MachineWrap",
        )
    machine = read_file(path)
    if machine["uuid"] in registry.machines:
        raise Failure(
            f"Trying to open a VM config '{path}' which has the same UUID as an existing virtual machine",
            code="NS_ERROR_FAILURE",
            part="MachineWrap",
        )
    registry.machines[machine["uuid"]] = machine


def unregister(registry, words):
    (name,), given = options(words, (), ("delete", "delete-all"))
    machine = registry.find(name)
    if machine["state"] in ON:
        raise held(f"Cannot unregister the machine '{machine['name']}' while it is locked")
    if not is_readable(machine):
        del registry.machines[machine["uuid"]]
        if "delete" in given:
            # As in VirtualBox, the VM is unregistered and the command fails.
            raise Failure("The object is not ready", code="E_ACCESSDENIED", part="MachineWrap")
        return
    write_file(machine)
    del registry.machines[machine["uuid"]]
    if "delete" in given:
        _delete(registry, machine)
        registry.stderr.append(PROGRESS)


def _delete(registry, machine):
    own = [slot["medium"] for config in _configs(machine) for slots in config["slots"].values()
           for slot in slots.values() if slot["kind"] == "hdd"]  # fmt: skip
    _delete_images(registry, list(dict.fromkeys(own)))
    _delete_files(machine["file"])


def _delete_files(settings):
    """Delete the files that VirtualBox wrote for a VM. Others remain, such as copies of older settings."""
    folder = Path(settings).parent
    written = [
        Path(settings),
        Path(settings).with_suffix(".nvram"),
        *folder.glob("Snapshots/*.sav"),
        *folder.glob("Snapshots/*.nvram"),
        *folder.glob("Logs/VBox.log*"),
    ]
    for path in written:
        path.unlink(missing_ok=True)
    for path in (folder / "Snapshots", folder / "Logs", folder):
        with suppress(OSError):
            path.rmdir()


def _configs(machine):
    return [machine["config"], *(snapshot["config"] for snapshot in machine["snapshots"])]


def _delete_images(registry, own):
    """Delete the images of a VM that no other VM uses, and below each of them those that no VM uses, up to the first
    with another child.
    """
    chosen = {}
    for medium in filter(None, map(registry.media.get, own)):
        if not _is_used(registry, medium):
            chosen[medium["uuid"]] = medium
        below = registry.media.get(medium["parent"])
        while below and len(_children(registry, below)) == 1:
            if below.get("kind") != "immutable" and not _is_used(registry, below):
                chosen[below["uuid"]] = below
            below = registry.media.get(below["parent"])
    while chosen:
        medium = next((one for one in chosen.values() if not _children(registry, one)), None)
        if medium is None:
            raise _has_children(registry, next(iter(chosen.values())))
        remove_medium(registry, chosen.pop(medium["uuid"]))


def _is_used(registry, medium):
    return bool(describe(registry, medium, registry.machines.values()))


def _children(registry, medium):
    return [one["uuid"] for one in registry.media.values() if one["parent"] == medium["uuid"]]


def _has_children(registry, medium):
    return Failure(
        "Machine delete failed",
        f"Cannot close medium '{medium['location']}' because it has {len(_children(registry, medium))} child media",
        code="VBOX_E_OBJECT_IN_USE",
        part="MediumWrap",
        work=True,
    )


def modify(registry, words):
    machine = registry.lock(words[0])
    change = Change(registry, machine, lambda: _new_mac(registry))
    change.apply(words[1:])
    machine["config"] = change.config
    if change.moved:
        _move(registry, machine, change.moved)
    write_file(machine)


def move(registry, words):
    (name,), given = options(words, ("folder", "type"))
    machine = registry.lock(name)
    _move_folder(registry, machine, os.path.join(given["folder"], file_name(machine["name"])))
    write_file(machine)
    registry.print(f"Machine has been successfully moved into {given['folder']}")
    registry.stderr.append(PROGRESS)


def _move(registry, machine, moved):
    """Change name and groups; the VM's folder is renamed with them."""
    home = folder_of(machine).removesuffix(f"/{_place_of(machine)}")
    machine["name"] = moved.get("name", machine["name"])
    machine["groups"] = moved.get("groups", machine["groups"])
    _move_folder(registry, machine, os.path.join(home, _place_of(machine)))


def _place_of(machine):
    """The path of the VM's folder below the default machine folder."""
    return os.path.join(machine["groups"].split(",")[0].strip("/"), file_name(machine["name"]))


def _move_folder(registry, machine, after):
    before, name = folder_of(machine), os.path.basename(after)
    if before == after:
        return
    os.makedirs(os.path.dirname(after), exist_ok=True)
    os.rename(before, after)
    os.remove(os.path.join(after, os.path.basename(machine["file"])))
    machine["file"] = os.path.join(after, f"{name}.vbox")
    for medium in registry.media.values():
        if medium["location"].startswith(f"{before}/"):
            medium["location"] = after + medium["location"][len(before) :]


def show(registry, words):
    (name,), given = options(words, (), ("machinereadable", "details"))
    machine = registry.lock(name, write=False)
    lines = (
        machine_readable(registry, machine, os_type_of(machine))
        if given
        else human_readable(registry, machine, os_type_of(machine))
    )
    registry.print("\n".join(lines))


def list_all(registry, words):
    plain, given = options([word.replace("-l", "--long") if word == "-l" else word for word in words], (),
                           ("long", "sorted", "multiple"))  # fmt: skip
    for what in (plain or [""]) if "multiple" in given else plain[:1] or [""]:
        if what not in _LISTS:
            raise Misuse(f'Unknown subcommand "{what}".')
        _list(registry, what, given)


def _list(registry, what, given):
    if what in ("vms", "runningvms"):
        _list_machines(registry, what, given)
    elif what in ("hdds", "dvds"):
        for medium in registry.media.values():
            if (medium["format"] == "RAW") == (what == "dvds"):
                registry.print("\n".join([*describe_medium(registry, medium, "long" in given), ""]))
    elif what in ("bridgedifs", "hostonlyifs", "natnets"):
        for name in registry.data.get("networks", {}).get(what, ()):
            registry.print(f"Name:            {name}\n")
    elif what == "dhcpservers":
        list_servers(registry)
    elif what == "ostypes":
        registry.print(_ostypes(registry))
    elif what == "systemproperties":
        registry.print(f"API version:                     {'_'.join(map(str, registry.version))}")
        registry.print("Virtual disk limit (info):       2199022206976 Bytes")
        registry.print(f"Default machine folder:          {registry.machine_folder}")
        registry.print(f"Autostart database path:         {registry.data['properties'].get('autostartdbpath', '')}\n")


def describe_medium(registry, medium, is_long):
    lines = describe(registry, medium)
    return lines if is_long else [line for line in lines if line.split(":")[0] in _SHORT]


_SHORT = ("UUID", "Parent UUID", "State", "Type", "Location", "Storage format", "Capacity", "Encryption")


def _list_machines(registry, what, given):
    machines = [one for one in registry.machines.values() if what == "vms" or one["state"] in _RUNNING]
    if "sorted" in given:
        machines.sort(key=lambda one: one["name"])
    for machine in machines:
        if "long" in given:
            registry.print("\n".join(human_readable(registry, machine, os_type_of(machine))))
        else:
            name = machine["name"] if is_readable(machine) else "<inaccessible>"
            registry.print(f'"{name}" {{{machine["uuid"]}}}')


def _ostypes(registry):
    if registry.version >= (7, 1):
        return _OSTYPES.read_text(encoding="utf-8").removesuffix("\n")
    return "\n".join(
        f"ID:          {kind['id']}\nDescription: {kind['description']}\nFamily ID:   {kind['family']}\n"
        f"Family Desc: {kind['family']}\n64 bit:      {'true' if kind['id'].endswith('_64') else 'false'}\n"
        for kind in os_types().values()
        if not kind["id"].endswith("_arm64")
    )


def clone(registry, words):
    (name,), given = options(
        words, ("name", "snapshot", "options", "mode", "basefolder", "groups", "uuid"), ("register",)
    )
    source = registry.find(name)
    new = _new(registry, given.get("name", f"{source['name']} Clone"), given, deepcopy(source["config"]))
    new.update(groups=given.get("groups", source["groups"]), extra=dict(source["extra"]))
    _require_new_file(new["file"])
    is_linked = "link" in given.get("options", "").lower().split(",")
    if is_linked and "snapshot" not in given:
        raise invalid("Linked clone can only be created from a snapshot", "MachineWrap")
    if source["state"] in ON and "snapshot" not in given:
        disk = next((slot["medium"] for slots in source["config"]["slots"].values() for slot in slots.values()), None)
        if disk in registry.media:
            raise Failure(
                "Clone VM failed",
                f"Failed to lock source media '{registry.media[disk]['location']}'",
                code="VBOX_E_INVALID_OBJECT_STATE",
                part="MediumWrap",
                work=True,
            )
    if "snapshot" in given:
        from .snapshots import find_snapshot

        taken = find_snapshot(source, given["snapshot"])
        new["config"] = deepcopy(taken["config"])
        if taken["is_online"]:
            write_state(registry, new)
            new["state"] = "saved"
    _set_new_macs_and_disks(registry, new, is_linked)
    write_file(new)
    write_variables(new)
    registry.end_daemon_if_told()
    if "register" in given:
        registry.machines[new["uuid"]] = new
    registry.print(f'Machine has been successfully cloned as "{new["name"]}"')
    registry.stderr.append(PROGRESS)


def _set_new_macs_and_disks(registry, new, is_linked):
    for nic in new["config"]["nics"].values():
        nic["mac"] = nic["mac"] and _new_mac(registry)
    for slots in new["config"]["slots"].values():
        for slot in slots.values():
            if slot["kind"] == "hdd":
                attach_child(registry, new, slot, full=not is_linked)


def set_property(registry, words):
    plain, _given = options(words)
    if len(plain) != 2:
        raise Misuse("Incorrect number of parameters")
    registry.data["properties"][plain[0]] = plain[1]
