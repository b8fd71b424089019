# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the tables of docs/errors.md: error messages of the plugins and of the platforms, and what to do.

A message that begins with an option is not listed: it names what to change. What is checked before the first step is
listed by guard (the tables of the drivers, _kit/guards.py).
"""

from __future__ import annotations

import ast
import re

from lib.guard_pages import guards_by_function
from lib.messages import fixed_letters, messages

#: {heading: (prefixes of paths below module_utils/, guide with more information)}. A message is listed under the first
#: heading with a matching prefix; the last heading matches all.
AREAS = {
    "libvirt": (("_drivers/virsh", "_tools/virsh", "_tools/qemu_img"), "libvirt.md#troubleshooting"),
    "VirtualBox": (("_drivers/vbox", "_tools/vbox"), "virtualbox.md#troubleshooting"),
    "Vagrant": (("_drivers/vagrant", "_tools/vagrant", "_tools/ruby"), "vagrant.md#troubleshooting"),
    "Proxmox VE": (("_drivers/proxmox", "_tools/proxmox", "_ports/proxmox"), "proxmox.md#troubleshooting"),
    "OpenBSD vmd": (("_drivers/vmm", "_tools/vm"), "vmm-details.md#troubleshooting"),
    "Hyper-V": (("_drivers/hyperv", "_tools/hyperv"), "hyperv.md#troubleshooting"),
    "WSL": (("_drivers/wsl", "_tools/wsl"), "wsl.md#troubleshooting"),
    "Windows hosts": (("_ports/windows", "_tools/windows"), "hyperv.md#troubleshooting"),
    "Connection plugin guest_agent": (("_tools/guest_agent",), "inventory.md#guests-without-a-network"),
    "Installation media": (("_media",), "installs.md"),
    "All platforms": (("",), None),
}
#: An option at the beginning of a message, such as ``disks.<slot>.size: ``.
_OPTION = re.compile(r"(<[^>]*>|[\w.\[\]-])+: ")
_TABLES_OF_GUARDS = "plugins/module_utils/_drivers/*/guards.py"
#: The tables of the errors of other programs: rows (texts, remedy), see remedy_for.
_TABLES = ("REMEDIES", "UNREACHABLE")


def catalogue_lines(checkout):
    """Return a section for each area, with the platform's own errors and the messages; "All platforms" is the first."""
    by_area, by_guard = ({heading: {} for heading in AREAS} for _part in range(2))
    of_platform = {heading: [] for heading in AREAS}
    guards = {path.parent.name: guards_by_function(path.parent) for path in checkout.glob(_TABLES_OF_GUARDS)}
    for message in messages(checkout):
        if not _OPTION.match(message.text):
            guard = _guard_of(message, guards)
            area = (by_guard if guard else by_area)[_area(message.path)]
            area.setdefault((*(guard or ()), message.text), set()).add(message.remedy)
    for path, rows in _tool_errors(checkout):
        of_platform[_area(path)] += rows
    lines = [""]
    for heading in sorted(by_area, key=lambda one: (one != "All platforms", list(AREAS).index(one))):
        lines += [f"## {heading}", ""]
        guide = AREAS[heading][1]
        if guide:
            lines += [f"See also [the guide]({guide}).", ""]
        if of_platform[heading]:
            lines += ["| error of the platform | what to do |", "|---|---|"]
            lines += [
                f"| {', '.join(map(_code, texts))} | {_plain(remedy)} |" for texts, remedy in of_platform[heading]
            ]
            lines.append("")
        if by_guard[heading]:
            lines += ["| what a check protects from | message | what to do |", "|---|---|---|"]
            before = ""
            for _place, protects, text in sorted(by_guard[heading], key=lambda one: (one[0], _order(one[2]))):
                remedies = by_guard[heading][_place, protects, text]
                lines.append(f"| {protects if protects != before else ''} {_row(text, remedies)}")
                before = protects
            lines.append("")
        lines += ["| message | what to do |", "|---|---|"]
        lines += [_row(*one, by_area[heading][one]) for one in sorted(by_area[heading], key=lambda key: _order(*key))]
        lines.append("")
    return lines


def _guard_of(message, guards):
    """Return (place, what it protects from) of the guard that raises a message; None if no guard does."""
    _room, _drivers, driver, path = (*message.path.split("/", 3), "", "", "")[:4]
    return guards.get(driver, {}).get((path, message.part))


def _tool_errors(checkout):
    """Yield (path, rows) of each table in the code that explains errors of another program."""
    plugins = checkout / "plugins"
    for path in sorted(plugins.glob("module_utils/_tools/*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in _TABLES:
                yield path.relative_to(plugins).as_posix(), ast.literal_eval(node.value)


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
