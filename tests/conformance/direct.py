# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One module run without ansible-playbook, for scenarios that need hundreds.

The module is the real one and gets its arguments as Ansible gives them; only the way it is carried to its place is
left out, and of that these scenarios say nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from collection_path import collections_path
from conformance.playbook import Answer, module_of
from conformance.shim import as_calls


@dataclass(frozen=True)
class Run:
    """How a module ended: ``rc`` is negative when it was killed; ``result`` is empty then."""

    rc: int
    result: dict
    calls: list


def run_tasks(platform, shim, folder, tasks, machines=()):
    """The same as ``play``, one module after the other: {label: Answer}."""
    answers = {}
    for task in tasks:
        run = run_module(platform, shim, folder, {**task.options, "_ansible_check_mode": task.check}, task.about)
        answers[task.label] = Answer(
            changed=run.result.get("changed", False),
            failed=run.rc != 0,
            msg=str(run.result.get("msg", "")),
            vms=run.result.get("vms", []),
            diff=run.result.get("diff") or [],
            truth=platform.truth(machines),
            calls=run.calls,
            result=run.result,
        )
    return answers


def run_module(platform, shim, folder, options, about="vm"):
    """Run the platform's module ``about`` something once; the shim counts from 1."""
    arguments = folder / "arguments.json"
    given = {**platform.options(about), **options, "_ansible_remote_tmp": str(folder)}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    module = f"ansible_collections.polyvirt.core.plugins.modules.{module_of(platform, about).rpartition('.')[2]}"
    shim.start_anew()
    completed = subprocess.run(
        [sys.executable, "-m", module, arguments],
        env={**os.environ, **shim.environment(programs=platform.programs), "PYTHONPATH": str(collections_path())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = completed.stdout + completed.stderr
    assert completed.returncode < 0 or "Traceback" not in output, output
    result = json.loads(completed.stdout) if completed.stdout.strip() else {}
    noted = platform.noted() if hasattr(platform, "noted") else ()
    return Run(completed.returncode, result, [*shim.calls(), *as_calls("", noted)])
