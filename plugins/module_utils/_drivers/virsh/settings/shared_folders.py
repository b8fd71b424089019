# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared directories of the host: virtiofs if the host has it, else 9p, which is part of QEMU.

The guest identifies a directory by its tag, the name of the share, and must mount it itself.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from dataclasses import replace

from ...._lifecycle.errors import NotFound, PolyvirtError, Refused, Unsupported
from ...._lifecycle.model import Field
from ...._ports import files
from ...._tools import virsh_output as output
from ..definition import Definition

_VIRTIOFS, _9P = "virtiofs", "path"
_ACCESS = {_VIRTIOFS: "passthrough", _9P: "mapped"}
#: Directories where libvirt finds programs for vhost-user devices, such as virtiofsd.
_DAEMONS = ("/etc/qemu/vhost-user", "/usr/share/qemu/vhost-user")
_READ_ONLY_SINCE = (11, 0)
_SESSION_SINCE = (10, 0)
#: Older versions reject saving a VM with virtiofs; of newer ones QEMU and virtiofsd decide.
_SAVED_SINCE = (10, 0)
#: Longest tag of QEMU's 9p; virtiofs allows a little more.
_LONGEST_TAG = 31
SHARED_FOLDER_FIELDS = {
    "shared_folders.add": Field(),
    "shared_folders.remove": Field(),
    "shared_folders.host_path": Field(same=lambda found, asked: os.path.normpath(found) == os.path.normpath(asked)),
    "shared_folders.read_only": Field(),
}


# Reading ------------------------------------------------------------------------------------------------------------


def read_shares(definition):
    """{tag: share}; shares of other types than a directory of the host are not reported."""
    return {
        share.find("target").get("dir"): {
            "host_path": share.find("source").get("dir"),
            "read_only": share.find("readonly") is not None,
        }
        for share in _elements(definition)
    }


def _elements(definition):
    shares = definition.devices.findall("filesystem")
    return [share for share in shares if share.find("source") is not None and share.find("source").get("dir")]


def _element(definition, tag):
    return next((share for share in _elements(definition) if share.find("target").get("dir") == tag), None)


def _driver_of(element):
    driver = element.find("driver")
    return driver.get("type", _9P) if driver is not None else _9P


# Checking -----------------------------------------------------------------------------------------------------------


def check_share_names(vm, shares):
    for name in shares:
        if not name or len(name.encode("utf-8", "surrogateescape")) > _LONGEST_TAG:
            raise Refused(
                f"{vm.name}: shared_folders: '{name}' is not a valid mount tag.",
                f"Use a name of 1 to {_LONGEST_TAG} bytes.",
            )


def check_shares(driver, plan):
    """Reject missing directories, and shares that this host does not support."""
    name, shares = plan.after.name, _new_shares(plan)
    for tag, share in shares.items():
        path = share["host_path"]
        if not files.exists(path):
            raise NotFound(
                f"{name}: shared_folders.{tag}.host_path: {path} does not exist on the hypervisor.",
                "Correct the path, or create the directory.",
            )
        if not files.is_folder(path):
            raise Refused(
                f"{name}: shared_folders.{tag}.host_path: {path} is not a directory.", "Share its parent directory."
            )
    if shares:
        # Until the clone exists, its devices are those of its source.
        machine = next((step.arguments["source"] for step in plan.steps if step.verb == "clone"), plan.before)
        definition = driver.definition(machine.id) if machine.id else None
        offered = _offered(driver)
        for tag, share in shares.items():
            _chosen(driver, name, definition, tag, share, offered)


def check_saving(driver, plan):
    """Raise Refused for a plan that saves the memory of a VM with virtiofs, where libvirt rejects that."""
    if driver.hypervisor != "QEMU" or output.version_numbers(driver.library) >= _SAVED_SINCE:
        return
    if any(step.verb == "start" for step in plan.steps):
        names = _virtiofs_after_start(driver, plan)
    else:
        names = _virtiofs_in(Definition(driver.virsh.run("dumpxml", plan.before.id)))
    if names:
        raise Refused(
            f"{plan.after.name}: its memory cannot be saved, because the shared folder {', '.join(sorted(names))} uses"
            f" virtiofs, which libvirt {driver.library} cannot save.",
            "Pause or stop the VM instead, or remove the folder and restart the VM.",
        )


def _virtiofs_in(definition):
    """Names of the shares that use virtiofs, those of a socket too."""
    shares = definition.devices.findall("filesystem")
    return {share.find("target").get("dir") for share in shares if _driver_of(share) == _VIRTIOFS}


def _virtiofs_after_start(driver, plan):
    """The same, as the plan's start will have them."""
    stored, new = driver.definition(plan.before.id), _new_shares(plan)
    removed = {change.key for step in plan.steps for change in step.changes if change.kind == "shared_folders.remove"}
    offered = _offered(driver) if new else set()
    chosen = {tag: _chosen(driver, plan.after.name, stored, tag, share, offered) for tag, share in new.items()}
    kept = _virtiofs_in(stored) - chosen.keys() - removed
    return kept | {tag for tag, name in chosen.items() if name == _VIRTIOFS}


def _new_shares(plan):
    """The shares that the plan adds or changes, by tag; existing ones are not checked."""
    after = plan.after.config.get("shared_folders") or {}
    if any(step.verb == "create" for step in plan.steps):
        return after
    touched = {change.key for step in plan.steps for change in step.changes if change.field == "shared_folders"}
    return {tag: share for tag, share in after.items() if tag in touched}


# Choosing -----------------------------------------------------------------------------------------------------------


def with_share_driver(driver, definition, change):
    """The change as a complete share with its driver: read-only may need another driver."""
    if change.new is None:
        return change
    asked = change.new if change.attribute is None else {change.attribute: change.new}
    share = {**read_shares(definition).get(change.key, {}), **asked}
    chosen = _chosen(driver, definition.name, definition, change.key, share, _offered(driver))
    return replace(change, attribute=None, new={**share, "driver": chosen})


def _chosen(driver, name, definition, tag, share, offered):
    """The driver of one share: its present one if that is sufficient, else the best available one."""
    can = [_VIRTIOFS] if _VIRTIOFS in offered and _can_use_virtiofs(driver, definition, share) else []
    can += [_9P] if _9P in offered else []
    present = _element(definition, tag) if definition is not None else None
    if present is not None and _driver_of(present) in can:
        return _driver_of(present)
    if can:
        return can[0]
    what = "read-only " if share.get("read_only") else ""
    raise Unsupported(
        f"{name}: shared_folders.{tag}: the hypervisor cannot share a directory {what}with a guest.",
        "Install virtiofsd (read-only needs libvirt 11), or a QEMU with 9p support.",
    )


def _can_use_virtiofs(driver, definition, share):
    version = output.version_numbers(driver.library)
    access = definition.root.find("memoryBacking/access") if definition is not None else None
    return not (
        (share.get("read_only") and version < _READ_ONLY_SINCE)
        or (driver.virsh.uri.endswith("/session") and version < _SESSION_SINCE)
        or (access is not None and access.get("mode") != "shared")  # Set explicitly by the user.
    )


def _offered(driver):
    """The drivers for shared directories on this connection; only QEMU's 9p if it reports none."""
    answer = driver.virsh.batch([("domcapabilities",)])[0]
    offered = set() if answer.error else output.filesystem_drivers(answer.stdout)
    if not _has_daemon():
        offered -= {_VIRTIOFS}
    return offered or {_9P}


def _has_daemon():
    announced = [os.path.join(folder, name) for folder in _DAEMONS for name in files.entries(folder)]
    return any(_is_file_server(path) for path in announced if path.endswith(".json"))


def _is_file_server(path):
    try:
        reported = json.loads(files.read(path))
        return reported["type"] == "fs" and files.is_file(reported["binary"])
    except (PolyvirtError, ValueError, KeyError, TypeError):
        return False


# Writing ------------------------------------------------------------------------------------------------------------


def write_share(definition, change):
    """``change`` is a complete share from ``with_driver``; everything not requested is kept."""
    element = _element(definition, change.key)
    if element is not None and (change.new is None or _driver_of(element) != change.new["driver"]):
        definition.devices.remove(element)
        element = None
    if change.new is None:
        return
    if element is None:
        element = _share_element(change.key, change.new["driver"])
        definition.devices.append(element)
    _describe(element, change.new)
    if change.new["driver"] == _VIRTIOFS:
        _share_memory(definition)


def _share_element(tag, driver):
    element = ET.Element("filesystem", {"type": "mount", "accessmode": _ACCESS[driver]})
    ET.SubElement(element, "driver", {"type": driver})
    ET.SubElement(element, "source")
    ET.SubElement(element, "target", {"dir": tag})
    return element


def _describe(element, share):
    element.find("source").set("dir", share["host_path"])
    mark = element.find("readonly")
    if share.get("read_only") and mark is None:
        ET.SubElement(element, "readonly")
    elif mark is not None and not share.get("read_only"):
        element.remove(mark)


def _share_memory(definition):
    """virtiofsd needs shared guest memory. This setting remains when the share is removed: others may need it."""
    backing = definition.root.find("memoryBacking")
    if backing is None:
        backing = ET.SubElement(definition.root, "memoryBacking")
    if backing.find("source") is None and backing.find("hugepages") is None:
        ET.SubElement(backing, "source", {"type": "memfd"})
    if backing.find("access") is None:
        ET.SubElement(backing, "access", {"mode": "shared"})
