# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease of a certain length begins only if the clocks of the controller and of the host agree, on every platform."""

from __future__ import annotations

import time

from suite.answer import Task
from suite.carry import set_host_time

ONE = "pvc-lease-one"
#: The clock of the controller is ten years ahead.
WRONG = {"controller_time": int(time.time()) + 3652 * 86400}


def _task(label, check=False, **options):
    return Task(label, {"name": ONE, **WRONG, **options}, check)


def _new(platform, label, check=False, **options):
    return _task(label, check, **{**platform.creation, **platform.to_exist, **options})


def test_no_lease_begins_by_a_wrong_clock(platform, carry):
    """The next task that ends leases would end it by the right one. A time needs no clock."""
    platform.clean()
    set_host_time(platform, int(time.time()))
    tasks = [
        *(_new(platform, f"new {run}", check=run == "check", expires="8h") for run in ("check", "real")),
        _new(platform, "create"),
        *(_task(f"lease {run}", check=run == "check", expires="8h") for run in ("check", "real")),
        _task("time", expires="2099-01-31"),
    ]
    answers = carry(platform, tasks, [ONE])
    assert answers["new real"].truth == {ONE: None}
    for label in [label for label in answers if label.partition(" ")[2]]:
        refused = answers.pop(label)
        writes = [call.argv for call in refused.calls if platform.is_write(call)]
        assert (refused.failed, refused.changed, writes) == (True, False, []), label
        assert f"{ONE}: expires: the clock of the host shows" in refused.msg
        assert "Correct the wrong one, or set expires to a time such as 2027-01-31T18:00:00Z." in refused.msg
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    assert platform.settings(answers["time"].truth[ONE])["expires"] == "2099-02-01T00:00:00Z"
