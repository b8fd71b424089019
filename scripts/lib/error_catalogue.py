# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the tables of docs/errors.md: each error message of the plugins, and what to do."""

from __future__ import annotations

import re

from lib.messages import fixed_letters, messages

#: {heading: (prefixes of paths below module_utils/, guide with more information)}. A message is listed under the first
#: heading with a matching prefix; the last heading matches all.
AREAS = {
    "libvirt": (("_drivers/virsh", "_tools/virsh"), "libvirt.md#troubleshooting"),
    "VirtualBox": (("_drivers/vbox", "_tools/vbox"), "virtualbox.md#troubleshooting"),
    "Vagrant": (("_drivers/vagrant", "_tools/vagrant", "_tools/ruby"), "vagrant.md#troubleshooting"),
    "Proxmox VE": (("_drivers/proxmox", "_tools/proxmox", "_ports/proxmox"), "proxmox.md#troubleshooting"),
    "OpenBSD vmd": (("_drivers/vmm", "_tools/vm"), "vmm.md#troubleshooting"),
    "Hyper-V": (("_drivers/hyperv", "_tools/hyperv"), "hyperv.md#troubleshooting"),
    "WSL": (("_drivers/wsl", "_tools/wsl"), "wsl.md#troubleshooting"),
    "Windows hosts": (("_ports/windows", "_tools/windows"), "hyperv.md#troubleshooting"),
    "Connection plugin guest_agent": (("_tools/guest_agent",), "inventory.md#guests-without-a-network"),
    "Installation media": (("_media",), "installs.md"),
    "All platforms": (("",), None),
}


def catalogue_lines(checkout):
    """Return a section with a table for each area; "All platforms" is the first."""
    by_area = {heading: {} for heading in AREAS}
    for message in messages(checkout):
        by_area[_area(message.path)].setdefault(message.text, set()).add(message.remedy)
    lines = [""]
    for heading in sorted(by_area, key=lambda one: (one != "All platforms", list(AREAS).index(one))):
        lines += [f"## {heading}", ""]
        guide = AREAS[heading][1]
        if guide:
            lines += [f"See also [the guide]({guide}).", ""]
        lines += ["| message | what to do |", "|---|---|"]
        lines += [_row(text, by_area[heading][text]) for text in sorted(by_area[heading], key=_order)]
        lines.append("")
    return lines


def _area(path):
    relative = path.removeprefix("module_utils/")
    return next(heading for heading, (prefixes, _guide) in AREAS.items() if relative.startswith(prefixes))


def _row(text, remedies):
    texts = {_plain(one) if fixed_letters(one) else "See the end of the message." for one in remedies}
    return f"| {_code(text)} | {' *Or:* '.join(sorted(texts))} |"


def _order(text):
    """Sort key: the message without placeholders at its beginning, so that messages of an option are together."""
    return re.sub(r"^(<[^>]*>|\W)+", "", text).lower(), text


def _code(text):
    return f"`{_one_line(text)}`".replace("|", r"\|")


def _plain(text):
    return re.sub(r"([\\`*_<\[|])", r"\\\1", _one_line(text))


def _one_line(text):
    return " ".join(text.replace("`", "'").split())
