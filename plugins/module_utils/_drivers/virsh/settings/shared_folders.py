# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: shared directories of the host, with virtiofs if the host supports it, else with 9p, which is part of QEMU.

The name of a share is its tag, by which the guest mounts it. Mounting is left to the guest.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET

from ...._core.errors import PolyvirtError, Refused, Unsupported
from ...._core.frozen import replace
from ...._kit.settings import Setting, changed_entries
from ...._ports import files
from ...._tools import virsh_output as output
from ...._tools.domain_xml import Definition

_VIRTIOFS, _9P = "virtiofs", "path"
_ACCESS = {_VIRTIOFS: "passthrough", _9P: "mapped"}
#: Directories with JSON files that describe programs for vhost-user devices, such as virtiofsd.
_DAEMONS = ("/etc/qemu/vhost-user", "/usr/share/qemu/vhost-user")
#: First libvirt versions in which virtiofs can be read-only, and works on a session connection.
_READ_ONLY_SINCE = (11, 0)
_SESSION_SINCE = (10, 0)
#: Older versions never save a VM with virtiofs; newer ones try, and it depends on QEMU and virtiofsd.
_SAVED_SINCE = (10, 0)
#: Longest tag of QEMU's 9p; virtiofs allows a little more.
_LONGEST_TAG = 31


# Reading ------------------------------------------------------------------------------------------------------------


def read_shares(definition):
    """{tag: share} of the shared directories; other sources, such as a socket, are not reported."""
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
    """virtiofs, or path for 9p."""
    driver = element.find("driver")
    return driver.get("type", _9P) if driver is not None else _9P


# Checking -----------------------------------------------------------------------------------------------------------


def _normalized(vm, shares):
    for name in shares:
        if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_TAG:
            raise Refused(
                f"{vm.name}: shared_folders: '{name}' is not a valid mount tag.",
                f"Use a name of at most {_LONGEST_TAG} bytes.",
            )
    return shares


def check_shares(driver, plan):
    """Reject new or changed shares that this host does not support."""
    name, shares = plan.after.name, changed_entries(plan, "shared_folders")
    if shares:
        # A clone that does not exist yet will have the devices of its source.
        vm = next((step.arguments["source"] for step in plan.steps if step.verb == "clone"), plan.before)
        definition = driver.definition(vm.id) if vm.id else None
        supported = _supported_drivers(driver)
        for tag, share in shares.items():
            _choose_driver(driver, name, definition, tag, share, supported)


def check_saving(driver, plan):
    """Reject saving the memory of a VM with virtiofs if this version of libvirt cannot do that."""
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
    """Tags of all shares that use virtiofs, including those of a socket."""
    shares = definition.devices.findall("filesystem")
    return {share.find("target").get("dir") for share in shares if _driver_of(share) == _VIRTIOFS}


def _virtiofs_after_start(driver, plan):
    """The same for the VM that the plan starts, after the plan's changes."""
    stored, new = driver.definition(plan.before.id), changed_entries(plan, "shared_folders")
    removed = {change.key for step in plan.steps for change in step.changes if change.kind == "shared_folders.remove"}
    supported = _supported_drivers(driver) if new else set()
    chosen = {tag: _choose_driver(driver, plan.after.name, stored, tag, share, supported) for tag, share in new.items()}
    unchanged = _virtiofs_in(stored) - chosen.keys() - removed
    return unchanged | {tag for tag, share_driver in chosen.items() if share_driver == _VIRTIOFS}


# Choosing -----------------------------------------------------------------------------------------------------------


def with_share_driver(driver, definition, change):
    """The change with the complete share and its driver as ``new``: a change to read-only may need another driver."""
    if change.new is None:
        return change
    requested = change.new if change.attribute is None else {change.attribute: change.new}
    share = {**read_shares(definition).get(change.key, {}), **requested}
    supported = _supported_drivers(driver)
    share_driver = _choose_driver(driver, definition.name, definition, change.key, share, supported)
    return replace(change, attribute=None, new={**share, "driver": share_driver})


def _choose_driver(driver, name, definition, tag, share, supported):
    """The driver of one share: its present one if possible, else virtiofs, else 9p. Unsupported if neither is."""
    possible = [_VIRTIOFS] if _VIRTIOFS in supported and _can_use_virtiofs(driver, definition, share) else []
    possible += [_9P] if _9P in supported else []
    present = _element(definition, tag) if definition is not None else None
    if present is not None and _driver_of(present) in possible:
        return _driver_of(present)
    if possible:
        return possible[0]
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
        or (access is not None and access.get("mode") != "shared")  # Set by the user; virtiofs needs shared memory.
    )


def _supported_drivers(driver):
    """The drivers for shared directories on this connection; only 9p if libvirt reports none."""
    answer = driver.host.answer("domcapabilities", lambda: driver.virsh.batch([("domcapabilities",)])[0])
    supported = set() if answer.error else output.filesystem_drivers(answer.stdout)
    if not _has_virtiofsd():
        supported -= {_VIRTIOFS}
    return supported or {_9P}


def _has_virtiofsd():
    paths = [os.path.join(folder, name) for folder in _DAEMONS for name in files.entries(folder)]
    return any(_describes_virtiofsd(path) for path in paths if path.endswith(".json"))


def _describes_virtiofsd(path):
    """Whether the JSON file describes a file system daemon that is installed."""
    try:
        description = json.loads(files.read(path))
        return description["type"] == "fs" and files.is_file(description["binary"])
    except (PolyvirtError, ValueError, KeyError, TypeError):
        return False


# Writing ------------------------------------------------------------------------------------------------------------


def write_share(definition, change):
    """Write a change from ``with_share_driver``; other parts of an existing element are kept."""
    element = _element(definition, change.key)
    if element is not None and (change.new is None or _driver_of(element) != change.new["driver"]):
        definition.devices.remove(element)
        element = None
    if change.new is None:
        return
    if element is None:
        element = _share_element(change.key, change.new["driver"])
        definition.devices.append(element)
    _set_source(element, change.new)
    if change.new["driver"] == _VIRTIOFS:
        _share_memory(definition)


def _share_element(tag, driver):
    element = ET.Element("filesystem", {"type": "mount", "accessmode": _ACCESS[driver]})
    ET.SubElement(element, "driver", {"type": driver})
    ET.SubElement(element, "source")
    ET.SubElement(element, "target", {"dir": tag})
    return element


def _set_source(element, share):
    element.find("source").set("dir", share["host_path"])
    readonly = element.find("readonly")
    if share.get("read_only") and readonly is None:
        ET.SubElement(element, "readonly")
    elif readonly is not None and not share.get("read_only"):
        element.remove(readonly)


def _share_memory(definition):
    """Share the guest's memory with virtiofsd. This remains if the share is removed, as other devices may need it."""
    backing = definition.root.find("memoryBacking")
    if backing is None:
        backing = ET.SubElement(definition.root, "memoryBacking")
    if backing.find("source") is None and backing.find("hugepages") is None:
        ET.SubElement(backing, "source", {"type": "memfd"})
    if backing.find("access") is None:
        ET.SubElement(backing, "access", {"mode": "shared"})


SHARES = {
    "shared_folders": Setting(
        read=read_shares,
        normalize=_normalized,
        write=write_share,
        on_host=with_share_driver,
        native=(r"devices/filesystem($|@type$|/(source|target|readonly)\b|/driver@type$)",),
    ),
    "shared_folders.add": Setting(),
    "shared_folders.remove": Setting(),
    "shared_folders.host_path": Setting(
        same=lambda found, requested: os.path.normpath(found) == os.path.normpath(requested)
    ),
    "shared_folders.read_only": Setting(),
}
