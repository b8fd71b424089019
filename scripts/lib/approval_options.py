# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the options of connection and become plugins, and which of them the digest of a plan holds."""

from __future__ import annotations

import importlib
from pathlib import Path

from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring


def plugins():
    """Return {(kind, name): names of its options} of the plugins that ansible-core ships."""
    found = {}
    for kind in ("connection", "become"):
        folder = Path(importlib.import_module(f"ansible.plugins.{kind}").__file__).parent
        for path in sorted(folder.glob("[!_]*.py")):
            documentation = get_docstring(str(path), fragment_loader, plugin_type=kind)[0] or {}
            found[kind, path.stem] = sorted(documentation.get("options", {}))
    return found


def connection_lines(_checkout):
    """Return the table."""
    approvals = importlib.import_module("ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.approvals")
    of_option = {}
    for (kind, name), options in plugins().items():
        for option in options:
            of_option.setdefault(option, []).append(f"`{name}`" if kind == "connection" else f"`{name}` (become)")
    rows = ["| option | plugins | in the digest |", "|---|---|---|"]
    for option, names in sorted(of_option.items()):
        held = "whether it is set" if approvals.shown(option, "x") is True else "its value"
        held = f"no: {approvals.OTHERS[option]}" if option in approvals.OTHERS else held
        rows.append(f"| `{option}` | {', '.join(names)} | {held} |")
    return rows
