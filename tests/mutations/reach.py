# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests run a line of the product. Needs Python 3.12; with an older one, each test counts for each line."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from collection_path import CHECKOUT

_monitoring = getattr(sys, "monitoring", None)
_TOOL = 4
_UNIT = Path("tests/unit")
#: Files of the product whose tests are not in the directory of unit tests with the same path.
_ELSEWHERE = {
    "plugins/action": "tests/unit/modules",
    "plugins/module_utils/_drivers/hyperv": "tests/platforms/hyperv",
    "plugins/module_utils/_drivers/wsl": "tests/platforms/wsl",
    "plugins/module_utils/_front": "tests/unit/modules",
    "plugins/module_utils/_ports/download.py": "tests/unit/module_utils/_media",
    "plugins/module_utils/_ports/partial_files.py": "tests/unit/module_utils/_media",
}


@cache
def folder_of(path):
    """The folder of the tests of a file of the product, such as ``tests/unit/module_utils/_core/planner``."""
    for beginning, folder in _ELSEWHERE.items():
        if path.startswith(beginning):
            return folder
    parts = Path(path).parent.parts[1:]
    while len(parts) > 1 and not CHECKOUT.joinpath(_UNIT, *parts).is_dir():
        parts = parts[:-1]
    return str(_UNIT.joinpath(*parts))


def is_mirrored(test, path):
    """Whether a test is in a file that is named as one of the product: ``test_power.py``, ``test_power_back.py``."""
    return _are_named_alike(test.partition("::")[0], path)


@cache
def _are_named_alike(file, path):
    folder, _slash, name = file.rpartition("/")
    return folder == folder_of(path) and f"{name[:-3]}_".startswith(f"test_{Path(path).stem}_")


@dataclass
class Reached:
    """What the tests of a folder did: the lines of files that each of them ran, their times, failures, and the lines
    that ran before the tests.
    """

    imported: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    failed: set = field(default_factory=set)

    def tests_of(self, path, lines=None):
        """The tests that run one of these lines, or any, of a file: first those of its test file, then the quickest."""
        passed = self.seconds.keys() - self.failed
        found = passed if _monitoring is None else [test for test in passed if self._runs(test, path, lines)]
        return sorted(found, key=lambda test: (not is_mirrored(test, path), self.seconds[test], test))

    def _runs(self, test, path, lines):
        found = self.lines[test].get(path, set())
        return bool(found) if lines is None else not found.isdisjoint(lines)


class Recorder:
    """A plugin of pytest that fills a Reached for files of the product."""

    def __init__(self, root, files):
        self._root = root
        self._files = files
        self.reached = Reached()
        self._lines = self.reached.imported
        self.path = cache(self._path)

    def pytest_sessionstart(self):
        if _monitoring:
            _monitoring.use_tool_id(_TOOL, "polyvirt")
            events = _monitoring.events
            _monitoring.register_callback(_TOOL, events.PY_START, self._start)
            _monitoring.register_callback(_TOOL, events.LINE, self._line)
            _monitoring.set_events(_TOOL, events.PY_START)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid):
        self._lines = self.reached.lines.setdefault(nodeid, {})
        if _monitoring:
            _monitoring.restart_events()

    def pytest_runtest_logreport(self, report):
        seconds = self.reached.seconds
        seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
        if report.failed:
            self.reached.failed.add(report.nodeid)

    def _path(self, name):
        """The path in the checkout, or None for files whose lines do not count."""
        path = os.path.relpath(os.path.realpath(name), self._root)
        return path if path in self._files else None

    def _start(self, code, _offset):
        if self.path(code.co_filename):
            _monitoring.set_local_events(_TOOL, code, _monitoring.events.LINE)
        return _monitoring.DISABLE

    def _line(self, code, line):
        self._lines.setdefault(self.path(code.co_filename), set()).add(line)
        return _monitoring.DISABLE
