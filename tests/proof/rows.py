# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of README.md, from all files of this directory."""

from __future__ import annotations

from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
KEYS = {"case", "tests", "elsewhere"}


def rows(folder=HERE):
    """Return {id: [(name of the file, row)]}; several areas can have a part of one defect."""
    found = {}
    for file in sorted(folder.glob("*.yml")):
        for name, row in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).items():
            found.setdefault(name, []).append((file.name, row))
    return found


def tests_of(parts):
    """Return the tests of all parts of a row, each once."""
    return list(dict.fromkeys(test for _file, row in parts for test in row["tests"]))
