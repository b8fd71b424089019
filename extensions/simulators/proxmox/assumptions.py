# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests the simulator answers by assumption: those that no recording of the real server covers."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from . import api
from .schema import NUMBERED, Schema

_HERE = Path(__file__).resolve().parent
_ALWAYS = """\
Recorded was one node with version 9.2, storages of the types dir (also shared) and lvmthin, and guests without an
operating system. Assumed are all answers of other versions, about other nodes, migration and high availability, other
types of storages, agents, and all durations.
"""


def text():
    """All endpoints and parameters without a recording, and what the code says it assumes."""
    schema, covered = Schema((9, 2)), coverage()
    lines = [_ALWAYS, "Endpoints, and parameters of others, that no recording covers:"]
    for endpoint in sorted(api.METHODS, key=lambda name: name.split(" ")[::-1]):
        known = {stem(name) for name in schema.parameters(endpoint)} - set(re.findall(r"{(\w+)}", endpoint))
        missing = sorted(known - covered.get(endpoint, set()))
        if endpoint not in covered:
            lines.append(f"  {endpoint}")
        elif missing:
            lines.append(f"  {endpoint}: {', '.join(missing)}")
    lines.append("\nRules that the code marks as assumed:")
    for path in sorted(_HERE.glob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "ASSUMED" in line and path.name != Path(__file__).name:
                lines.append(f"  {path.name}:{number}: {line.strip().strip('#: ')}")
    return "\n".join(lines)


def of_requests(world):
    """The requests in the journal that were answered by assumption: with the parameters that no recording covers."""
    found = []
    for entry in world.journal.requests:
        matched = world.schema.match(entry.method, entry.path)
        covered = coverage().get(matched[0]) if matched else None
        unknown = sorted(name for name in entry.params if covered is None or stem(name) not in covered)
        if matched and (covered is None or unknown):
            found.append({"method": entry.method, "path": entry.path, "parameters": unknown})
    return found


@cache
def coverage():
    """{endpoint: its parameters in recorded requests}; tests/unit/simulators/proxmox/covered.py writes the file."""
    recorded = json.loads((_HERE / "recorded.json").read_text(encoding="utf-8"))
    return {endpoint: set(names) for endpoint, names in recorded.items()}


def stem(name):
    """The name of a parameter, as scsi[n] if numbered."""
    start = name.rstrip("0123456789")
    return f"{start}[n]" if start in NUMBERED else name
