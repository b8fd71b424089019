# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests the simulator answers by assumption: those that no recording of the real server covers."""

from __future__ import annotations

import json
import lzma
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from . import api
from .schema import NUMBERED, Schema

_HERE = Path(__file__).resolve().parent
_RECORDINGS = _HERE.parents[1] / "unit/fixtures/proxmox"
_NOT_RECORDED = "property is not defined in schema"
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
        known = {_stem(name) for name in schema.parameters(endpoint)} - set(re.findall(r"{(\w+)}", endpoint))
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
        unknown = sorted(name for name in entry.params if covered is None or _stem(name) not in covered)
        if matched and (covered is None or unknown):
            found.append({"method": entry.method, "path": entry.path, "parameters": unknown})
    return found


@cache
def coverage():
    """{endpoint: its parameters, as scsi[n] if numbered} in requests that the real server did not refuse as unknown."""
    schema, covered = Schema((9, 2)), {}
    for method, path, params, errors in _recorded():
        matched = schema.match(method, unquote(path).partition("?")[0])
        if matched:
            known = {name for name in params if not errors or _NOT_RECORDED not in str(errors.get(name, _NOT_RECORDED))}
            covered.setdefault(matched[0], set()).update(_stem(name) for name in known)
    return covered


def _recorded():
    corpus = json.loads(lzma.decompress((_RECORDINGS / "9.2.11/api.json.xz").read_bytes()))
    for step in (step for scenario in corpus["scenarios"] for step in scenario["steps"]):
        if "method" in step:
            file = dict(step["file"]["fields"], filename="") if "file" in step else {}
            yield step["method"], step["path"], {**step.get("params", {}), **file}, step.get("errors")
    for record in json.loads((_RECORDINGS / "9.2.6/golden.json").read_text(encoding="utf-8")):
        yield (*record["request"].split(" "), record["params"], record.get("errors"))


def _stem(name):
    stem = name.rstrip("0123456789")
    return f"{stem}[n]" if stem in NUMBERED else name
