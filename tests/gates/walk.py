# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trace a task of virsh_vm: how many files, functions and calls of plugins/module_utils it needs.

python tests/gates/walk.py [--list] '{"uri": "test:///default", "name": "test", "cpus": 3, "_ansible_check_mode": true}'

It prints one JSON object; --list adds the functions of each file, in the order of their first calls. The body of a
class that the task imports counts as a function. The body of a module, a lambda and a comprehension do not, although a
file counts if only a lambda in it is called. The declaration of the module is imported before the trace begins.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from collections import Counter, defaultdict
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/lib"))

from collection_path import collections_path

ROOM = "/polyvirt/core/plugins/module_utils/"


def walk(arguments):
    """(result of the task, {file: {function: calls}}); once in a process, because later tasks find the imports done."""
    sys.path.insert(0, str(collections_path()))
    basic = import_module("ansible.module_utils.basic")
    module = import_module("ansible_collections.polyvirt.core.plugins.modules.virsh_vm")
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    passed = defaultdict(Counter)

    def count(frame, event, _argument):
        _before, room, file = frame.f_code.co_filename.partition(ROOM)
        if event == "call" and room and frame.f_code.co_name != "<module>":
            passed[file][frame.f_code.co_qualname] += 1

    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        threading.setprofile(count)
        sys.setprofile(count)
        module.main()
    sys.setprofile(None)
    return json.loads(printed.getvalue()), passed


def main(text, *, listed):
    result, passed = walk(json.loads(text))
    named = {file: [name for name in names if not name.endswith(">")] for file, names in sorted(passed.items())}
    print(json.dumps({
        **{key: result.get(key, False) for key in ("changed", "failed")},
        "files": len(named),
        "functions": sum(map(len, named.values())),
        "calls": sum(passed[file][name] for file, names in named.items() for name in names),
        **({"passed": named} if listed else {}),
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[-1], listed="--list" in sys.argv)
