# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: the box that a VM is created from: named by the task, or found by the operating system (``os_type``).

The names are those of the public catalog of boxes. A distribution's own boxes come first; ``generic`` and ``bento``
replace them for providers without one. The task's table ``os_boxes`` takes precedence over this one.
"""

from __future__ import annotations

import os
from datetime import date
from typing import NamedTuple

from ...._core.errors import NotFound, Refused, Unsupported
from ...._core.pattern import Pattern
from ...._ports import files, host


class System(NamedTuple):
    """``boxes`` is {provider: box}; ``ends`` is the last day of free security updates."""

    boxes: dict
    ends: date | None


def _boxes(own, generic, own_for=("virtualbox", "libvirt")):
    """{provider: box}: the distribution's own box for ``own_for``, and the generic one, if any, for the others."""
    others = ("virtualbox", "libvirt", "hyperv", "vmware_desktop") if generic else ()
    return {**dict.fromkeys(others, generic), **dict.fromkeys(own_for, own)}


_BUILT_FOR_ALL = ("virtualbox", "libvirt", "hyperv", "vmware_desktop")
_WITH_VMWARE = ("virtualbox", "libvirt", "vmware_desktop")
_EXACT, _ZEROS = Pattern(r"=?\s*([\w.-]+)"), Pattern(r"(\.0+)+$")
#: The first version with architectures of boxes.
_SINCE = (2, 4)
#: {provider: keys of native with which its VMs need not be of the architecture of this host}.
_CHOOSES_HOST = {"libvirt": {"machine_arch", "host", "uri"}, "proxmox": {"endpoint"}}
#: How Vagrant writes characters of a box's name in the names of folders.
_IN_FOLDER_NAMES = (("/", "-VAGRANTSLASH-"), (":", "-VAGRANTCOLON-"))

SYSTEMS = {
    "ubuntu-20.04": System(_boxes("ubuntu/focal64", "generic/ubuntu2004", ("virtualbox",)), date(2025, 5, 31)),
    "ubuntu-22.04": System(_boxes("ubuntu/jammy64", "generic/ubuntu2204", ("virtualbox",)), date(2027, 4, 30)),
    "ubuntu-24.04": System(
        {**_boxes("cloud-image/ubuntu-24.04", None), "vmware_desktop": "bento/ubuntu-24.04"}, date(2029, 5, 31)
    ),
    "debian-10": System(_boxes("debian/buster64", "generic/debian10"), date(2024, 6, 30)),
    "debian-11": System(_boxes("debian/bullseye64", "generic/debian11"), date(2026, 8, 31)),
    "debian-12": System(_boxes("debian/bookworm64", "generic/debian12"), date(2028, 6, 30)),
    "debian-13": System(_boxes("debian/trixie64", None), date(2030, 6, 30)),
    "centos-7": System(_boxes("centos/7", "generic/centos7"), date(2024, 6, 30)),
    "centos-stream-8": System(_boxes("centos/stream8", "generic/centos8s"), date(2024, 5, 31)),
    "centos-stream-9": System(_boxes("centos/stream9", "generic/centos9s"), date(2027, 5, 31)),
    "almalinux-8": System(_boxes("almalinux/8", None, _BUILT_FOR_ALL), date(2029, 3, 1)),
    "almalinux-9": System(_boxes("almalinux/9", None, _BUILT_FOR_ALL), date(2032, 5, 31)),
    "almalinux-10": System(_boxes("almalinux/10", None, _BUILT_FOR_ALL), date(2035, 5, 31)),
    "rocky-8": System(_boxes("rockylinux/8", "generic/rocky8", _WITH_VMWARE), date(2029, 5, 31)),
    "rocky-9": System(_boxes("rockylinux/9", "generic/rocky9", _WITH_VMWARE), date(2032, 5, 31)),
}


def box_of(vm, os_type, provider, os_boxes=None):
    """The box of an operating system for a provider. ``os_boxes`` is {os_type: {provider: box}}."""
    known = {name: system.boxes for name, system in SYSTEMS.items()}
    for name, boxes in (os_boxes or {}).items():
        if not isinstance(boxes, dict) or not all(isinstance(box, str) for box in boxes.values()):
            raise Refused(
                f"{vm.name}: os_boxes: {name} is not a mapping of providers to boxes.",
                "Write it as {SYSTEM: {PROVIDER: BOX}}.",
            )
        known[name] = {**known.get(name, {}), **boxes}
    if os_type not in known:
        raise Refused(
            f"{vm.name}: os_type: {os_type} is not known.", f"Set one of {', '.join(sorted(known))}, or set box."
        )
    if provider not in known[os_type]:
        supported = ", ".join(sorted(known[os_type])) or "none"
        raise Refused(
            f"{vm.name}: os_type: no box of {os_type} is known for the provider {provider} (known for: {supported}).",
            "Set box to one that you have.",
        )
    return known[os_type][provider]


def kept_box(vm, os_type, provider, os_boxes):
    """The VM's box, if it already has this os_type and provider: it is kept even if the table has another one now."""
    is_same = (vm.config.get("os_type"), vm.config.get("provider")) == (os_type, provider)
    return vm.config.get("box") if is_same and os_type not in (os_boxes or {}) else None


def end_of_life_warning(os_type, today):
    """A warning if the system gets no security updates any more on the day ``today``, else None."""
    system = SYSTEMS.get(os_type)
    if system is None or system.ends is None or today <= system.ends:
        return None
    return f"os_type: {os_type} has had no security updates since {system.ends.isoformat()}; its box is as old as that."


def check_box(driver, plan):
    """Reject a box that cannot be downloaded: names in the catalog have two parts, and local files must exist.

    Vagrant downloads only from a catalog, or from a ``box_url`` that describes versions (JSON), in a certain version.
    """
    config, home = plan.after.config, driver.project.home
    box, url, version = (config.get(key) for key in ("box", "box_url", "box_version"))
    if not box or "vm.box_url" in (config.get("native") or {}) or _is_added(home, box, version):
        return
    path = (url or "").removeprefix("file://")
    if path.startswith("/") and not files.exists(path):
        raise NotFound(
            f"{plan.after.name}: box_url: the file {path} does not exist.", "Correct the path, or create the file."
        )
    of_version = f" in version {version}" if version else ""
    if url is None and "/" not in box and "://" not in box:
        raise NotFound(
            f"{plan.after.name}: box: this user has no box '{box}'{of_version}, and every name in the catalog has a"
            " slash.",
            "Add it first (vagrant box add), set its box_url, or use one such as debian/bookworm64.",
        )
    if version and path.startswith("/") and not files.starts_with(path, b"{"):
        raise Refused(
            f"{plan.after.name}: box_version: {path} is a box, and Vagrant takes no version from a box file.",
            "Remove box_version, or set box_url to a JSON file with the versions of the box.",
        )


def check_architecture(driver, plan):
    """Reject a new architecture that this Vagrant does not know, or for which the provider does not create the VM."""
    config, label = plan.after.config, plan.after.name
    asked, provider = config.get("architecture"), config.get("provider")
    if asked in (None, plan.before.config.get("architecture")):
        return
    version = driver.check_version()
    if version < _SINCE:
        raise Unsupported(
            f"{label}: architecture: this is Vagrant {'.'.join(map(str, version))}, and boxes have an architecture"
            " since Vagrant 2.4.",
            "Update Vagrant; or omit architecture, and set a box for the CPU of the host.",
        )
    if asked == host.architecture() or _CHOOSES_HOST.get(provider, set()) & {*(config.get("native") or ())}:
        return
    instead = f"Omit it, or use a host of {asked}."
    if provider == "libvirt":
        instead = "Set native: {machine_arch: ...} and what else libvirt needs to emulate it, or omit architecture."
    raise Refused(
        f"{label}: architecture: the provider {provider} creates VMs of {host.architecture()}, as this host is.",
        instead,
    )


def unchecked_url(driver, plan):
    """The file or address of a box that a new VM downloads without a checksum, in a list; empty if there is none."""
    config = plan.after.config
    box, url, checksum = (config.get(key) or "" for key in ("box", "box_url", "box_checksum"))
    is_downloaded = url and not checksum and any(step.verb == "create" for step in plan.steps)
    if not is_downloaded or _is_added(driver.project.home, box, config.get("box_version")):
        return []
    path = url.removeprefix("file://")
    return [path if "://" in path else os.path.join(driver.project.folder, path)]


def _is_added(home, box, version):
    """Whether this user has the box. A constraint such as ``>= 1.0`` is left to Vagrant, unless there is no version."""
    for character, replacement in _IN_FOLDER_NAMES:
        box = box.replace(character, replacement)
    folder = os.path.join(home, "boxes", box)
    added = [_number(one) for one in files.entries(folder) if files.is_folder(os.path.join(folder, one))]
    is_exact = version and _EXACT.fullmatch(version)
    return _number(is_exact[1]) in added if is_exact else bool(added)


def _number(version):
    """A version without the zeros at its end: for Vagrant, 1 and 1.0 are the same."""
    return _ZEROS.sub("", version)
