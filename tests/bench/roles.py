# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks ``provision`` and ``molecule_create`` with nothing to do: started tasks and seconds.

The guest is a real one, in a world of its own, so a test of the suite runs the playbooks.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from xml.etree import ElementTree

from collection_path import CHECKOUT

ROUNDS, MOST_TASKS = 5, 12
_TEST = "tests/suite/test_task_counts.py"


def against_limit(bench):
    """{playbook: {"tasks": number, "seconds": [seconds of each run]}}, and whether the limit is met."""
    found = {
        properties["playbook"]: {
            "tasks": int(properties["tasks"]),
            "seconds": [float(word) for word in properties["seconds"].split()],
        }
        for properties in recorded(bench, _TEST)
    }
    met = {f"{name}: at most {MOST_TASKS} tasks": one["tasks"] <= MOST_TASKS for name, one in found.items()}
    return {"rounds": ROUNDS, "load": os.getloadavg()[0], "playbooks": found, "met": met}


def recorded(bench, test, *words):
    """Run a test of the suite, and return the properties that each of its cases has recorded."""
    report = bench.folder / "recorded.xml"
    command = [CHECKOUT / "scripts" / "test.sh", "run", test, f"--junitxml={report}", "-o", "junit_family=xunit1"]
    done = subprocess.run(
        [*command, *words],
        env={**os.environ, "POLYVIRT_ROUNDS": str(ROUNDS)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{test} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    cases = ElementTree.parse(report).iter("testcase")
    found = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in cases]
    return [properties for properties in found if properties]


def table(found):
    yield f"\nplaybooks with nothing to do, 1 guest ({found['rounds']} rounds, load {found['load']:.1f})"
    yield f"  {'':16} {'tasks':>8} {'wall min':>9} {'median':>7}"
    for name, one in found["playbooks"].items():
        yield f"  {name:16} {one['tasks']:8} {min(one['seconds']):9.2f} {statistics.median(one['seconds']):7.2f}"
    for target, is_met in found["met"].items():
        yield f"  {'met   ' if is_met else 'MISSED'} {target}"
