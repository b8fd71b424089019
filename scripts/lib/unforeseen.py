# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode cannot foresee, for ansible-doc: from the table in the guide of a platform, with the reasons."""

from __future__ import annotations

import re

from .option_docs import wrapped_item

#: {module: guide}
GUIDES = {
    "virsh_vm": "libvirt",
    "vbox_vm": "virtualbox",
    "vagrant_instance": "vagrant",
    "proxmox_vm": "proxmox",
    "vmm_vm": "vmm-details",
    "hyperv_vm": "hyperv",
    "wsl_distro": "wsl",
}
_SECTION = re.compile(r"^#+ What check mode cannot foresee\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
#: Beginnings of the headings of the columns with an error and with its reason; others are only in the guide.
_ERROR, _REASON = ("error", "what can still fail"), ("why",)
_OF_ROLES = "role:"


def unforeseen_lines(checkout, module):
    """Return the lines of ``details`` about check mode in the documentation of a module."""
    text = (checkout / "docs" / f"{GUIDES[module]}.md").read_text(encoding="utf-8")
    heading, _rule, *rows = [_cells(line) for line in _SECTION.search(text)[1].splitlines() if line.startswith("|")]
    error, reason = (next(place for place, one in enumerate(heading) if one.startswith(to)) for to in (_ERROR, _REASON))
    without = [row[error] for row in rows if not row[reason]]
    if without:
        raise ValueError(f"docs/{GUIDES[module]}.md: no reason why check mode cannot foresee: {without[0]}")
    before = "{}: " if heading[0] == "when" else ""
    items = [
        before.format(row[0]) + row[error] + f" - {row[reason]}." for row in rows if not row[0].startswith(_OF_ROLES)
    ]
    lines = [line for item in items for line in wrapped_item(re.sub(r"`([^`]*)`", r"C(\1)", item))]
    return [f"      {line}" for line in lines]


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]
