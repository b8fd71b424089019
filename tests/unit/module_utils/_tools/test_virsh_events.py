# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of ``virsh event --loop``: the first ones as libvirt 9.0 printed them, others as its source has them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_events import Report, report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event 'lifecycle' for domain 'web': Defined Added", (None, False)),
        ("event 'lifecycle' for domain 'web': Started Booted", ("running", False)),
        ("event 'lifecycle' for domain 'web': Suspended Paused", ("paused", False)),
        ("event 'lifecycle' for domain 'web': Resumed Unpaused", ("running", False)),
        ("event 'lifecycle' for domain 'web': Stopped Destroyed", ("stopped", False)),
        ("event 'lifecycle' for domain 'web': Stopped Failed", ("stopped", True)),
        ("event 'lifecycle' for domain 'web': Undefined Removed", (None, False)),
        ("event 'lifecycle' for domain 'web': Stopped Crashed", ("stopped", True)),
        ("event 'lifecycle' for domain 'web': Crashed Panicked", ("failed", False)),
        ("event 'lifecycle' for domain 'web': Suspended I/O error", ("failed", False)),
        ("event 'lifecycle' for domain 'web': Stopped Saved", ("suspended", False)),
        ("event 'lifecycle' for domain 'web': Stopped Migrated", (None, False)),
        ("event 'lifecycle' for domain web: Started Booted", ("running", False)),
    ],
)
def test_reports(text, expected):
    power, has_crashed = expected
    assert report(f"{text}\n") == Report("web", power, has_crashed, text.rpartition(": ")[2])


@pytest.mark.parametrize(
    "text",
    [
        "event 'lifecycle' for domain 'web': Defined Updated",
        "event 'lifecycle' for domain 'web': Suspended Snapshot",
        "event 'lifecycle' for domain 'web': Shutdown Finished",
        "event 'reboot' for domain 'web'",
        "event loop interrupted",
        "",
    ],
)
def test_lines_that_say_nothing_about_the_power_state(text):
    assert report(text) is None


@pytest.mark.parametrize("name", ["it's", "a: b", "'", "web': Started Booted"])
def test_names_with_signs_of_the_line_itself(name):
    assert report(f"event 'lifecycle' for domain '{name}': Stopped Shutdown").name == name
