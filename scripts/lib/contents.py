# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the tables of README.md that list what the collection includes, from the files of its content."""

from __future__ import annotations

import re

import yaml

#: Plugins with a documentation of their own: an action plugin has that of its module.
_KINDS = ("inventory", "connection", "callback", "lookup", "filter")
_SNAPSHOTS = ("snapshot", "snapshot_info", "backup", "backup_info")


def module_lines(groups):
    """Return a table of all modules, a row for each group: {platform, or a name for others: modules}."""
    lines = ["| for | VMs | snapshots, backups | more |", "|---|---|---|---|"]
    for platform, modules in groups.items():
        snapshots = [name for name in modules if name.endswith(_SNAPSHOTS)]
        machines = [name for name in modules if re.fullmatch(r"(\w+_)?(vm|instance|distro)(_info)?", name)]
        more = [name for name in modules if name not in (*snapshots, *machines)]
        cells = (", ".join(f"`{name}`" for name in names) or "–" for names in (machines, snapshots, more))
        lines.append(f"| {platform} | {' | '.join(cells)} |")
    return lines


def role_lines(checkout):
    """Return a table of all roles."""
    return _table("role", {path.parents[1].name: _of_role(path) for path in _files(checkout, "roles/*/meta/main.yml")})


def playbook_lines(checkout):
    """Return a table of all playbooks."""
    files = _files(checkout, "playbooks/*.meta.yml")
    return _table("playbook", {path.name.partition(".")[0]: _yaml(path)["short_description"] for path in files})


def plugin_lines(checkout):
    """Return a table of all plugins that are no modules."""
    found = {}
    for kind in _KINDS:
        for path in _files(checkout, f"plugins/{kind}/*.py"):
            text = re.search(r"^short_description: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            found[f"{kind} `{path.stem}`"] = text[1]
    return ["| plugin | purpose |", "|---|---|", *(f"| {name} | {text} |" for name, text in found.items())]


def _table(kind, rows):
    return [f"| {kind} | purpose |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows.items())]


def _files(checkout, pattern):
    return sorted(path for path in checkout.glob(pattern) if not path.name.startswith("_"))


def _yaml(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _of_role(path):
    return _yaml(path)["galaxy_info"]["description"]
