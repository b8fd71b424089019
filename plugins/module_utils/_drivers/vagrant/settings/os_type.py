# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest systems that can be asked for by name: each provider's box of them, and until when they are cared for.

The names are those of the boxes' public catalogue. Those of a distribution itself come first; ``generic`` and ``bento``
stand in where it has none for a provider. A task's own table is laid over this one.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from ...._lifecycle import errors


class System(NamedTuple):
    """``boxes`` is {provider: box}; ``ends`` is the last day of security updates that everybody gets."""

    boxes: dict
    ends: date | None


def _boxes(own, generic, own_for=("virtualbox", "libvirt")):
    """The distribution's own box for the providers it has one for, and a generic one for the others."""
    others = ("virtualbox", "libvirt", "hyperv", "vmware_desktop") if generic else ()
    return {**dict.fromkeys(others, generic), **dict.fromkeys(own_for, own)}


_BUILT_FOR_ALL = ("virtualbox", "libvirt", "hyperv", "vmware_desktop")
_WITH_VMWARE = ("virtualbox", "libvirt", "vmware_desktop")

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


def box_of(name, provider, more=None):
    """The box of a system for a provider. ``more`` is {system: {provider: box}}, and comes before what is known."""
    known = {system: found.boxes for system, found in SYSTEMS.items()}
    for system, boxes in (more or {}).items():
        if not isinstance(boxes, dict) or not all(isinstance(box, str) for box in boxes.values()):
            raise errors.InvalidInput(
                f"os_boxes: what is said of {system} does not tell boxes by their providers.",
                "Write it as {SYSTEM: {PROVIDER: BOX}}.",
            )
        known[system] = {**known.get(system, {}), **boxes}
    if name not in known:
        raise errors.InvalidInput(
            f"The guest system {name} is not known.", f"Known are {', '.join(sorted(known))}; or name a box."
        )
    if provider not in known[name]:
        has = ", ".join(sorted(known[name])) or "none"
        raise errors.Unsupported(
            f"No box of {name} is known for the provider {provider} (for: {has}).", "Name a box that you have."
        )
    return known[name][provider]


def warning(name, today):
    """A sentence about a system that gets no updates any more on that day; None for all others."""
    system = SYSTEMS.get(name)
    if system is None or system.ends is None or today <= system.ends:
        return None
    return f"{name} gets no security updates since {system.ends.isoformat()}; its box is as old as that."
