#!/usr/bin/env python3
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write tests/suite/durations.json, by which --shard divides the tests, from reports of full runs.

Usage: PYTEST_ADDOPTS=--junitxml=REPORT scripts/test.sh --full suite, then scripts/durations.py REPORT...
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parents[1]


def seconds_of_files(reports):
    """Return {path of a file of tests: seconds of all its tests}; a class within a file counts for the file."""
    found = Counter()
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            if not case.get("classname"):  # A run that was interrupted.
                continue
            path = Path(*case.get("classname").split(".")).with_suffix(".py")
            while not (CHECKOUT / path).is_file() and len(path.parts) > 1:
                path = path.parent.with_suffix(".py")
            found[path.as_posix()] += float(case.get("time"))
    return {name: round(seconds, 1) for name, seconds in sorted(found.items()) if (CHECKOUT / name).is_file()}


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    found = seconds_of_files(sys.argv[1:])
    (CHECKOUT / "tests" / "suite" / "durations.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
