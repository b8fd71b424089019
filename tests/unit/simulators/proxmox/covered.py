# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recordings of the real server cover; ``--assumptions`` of the simulator reads it from recorded.json.

To write that file again: PYTHONPATH=extensions:tests:scripts/lib python tests/unit/simulators/proxmox/covered.py
"""

from __future__ import annotations

import json
import lzma
from urllib.parse import unquote

from collection_path import CHECKOUT
from simulators.proxmox.assumptions import stem
from simulators.proxmox.schema import Schema

FILE = CHECKOUT / "extensions/simulators/proxmox/recorded.json"
_RECORDINGS = CHECKOUT / "tests/unit/fixtures/proxmox"
_NOT_RECORDED = "property is not defined in schema"


def covered():
    """{endpoint: its parameters} in requests that the real server did not reject as unknown."""
    schema, found = Schema((9, 2)), {}
    for method, path, params, errors in _recorded():
        matched = schema.match(method, unquote(path).partition("?")[0])
        if matched:
            known = {name for name in params if not errors or _NOT_RECORDED not in str(errors.get(name, _NOT_RECORDED))}
            found.setdefault(matched[0], set()).update(stem(name) for name in known)
    return {endpoint: sorted(names) for endpoint, names in sorted(found.items())}


def _recorded():
    files = [json.loads(lzma.decompress(path.read_bytes())) for path in sorted(_RECORDINGS.glob("9.2.11/*.json.xz"))]
    for step in (step for corpus in files for scenario in corpus["scenarios"] for step in scenario["steps"]):
        if "method" in step:
            file = dict(step["file"]["fields"], filename="") if "file" in step else {}
            yield step["method"], step["path"], {**step.get("params", {}), **file}, step.get("errors")
    for record in json.loads((_RECORDINGS / "9.2.6/golden.json").read_text(encoding="utf-8")):
        yield (*record["request"].split(" "), record["params"], record.get("errors"))


if __name__ == "__main__":
    lines = ",\n".join(f"  {json.dumps(endpoint)}: {json.dumps(names)}" for endpoint, names in covered().items())
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
