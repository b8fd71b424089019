# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks on a registry, real or played, as a module would run them, but without a process."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Policy, Request, SnapshotRequest
from ansible_collections.polyvirt.core.plugins.module_utils._runner import run

MIB = 1 << 20
#: Without it a machine would insist on the kernel driver.
ENGINE = {"vm-execution-engine": "interpreter"}
CONFIG = {"cpus": 1, "memory": 16 * MIB, "disks": {"#0": {"size": 2 * MIB}}, "native": ENGINE}


def task(box, *names, state="present", config=None, check=False, executable=None, start_type=None, **more):
    """What one task comes to; ``more`` are its creation inputs, and a snapshot."""
    config, names = CONFIG if config is None else config, names or ("web",)
    native = (*ENGINE, *config.get("native", ()))
    driver = make_driver({"executable": str(executable or box.executable), "native": native, "start_type": start_type})
    policy = Policy(stop_mode="force", timeout=20, allow_restart=more.pop("allow_restart", False))
    snapshot = more.pop("snapshot", None)
    requests = [
        Request(name=name, state=state, config=config, creation=more, policy=policy, snapshot=snapshot)
        for name in names
    ]
    return run(driver, requests, check=check)


def snapshot(box, name, taken, state="present", **more):
    """What one task about a snapshot comes to."""
    asked = SnapshotRequest(name=taken, state=state, **more)
    return task(box, name, config={}, snapshot=asked)


def succeeded(outcome):
    assert not outcome.failed, outcome.msg
    return outcome


def refused(outcome, *words):
    """It failed, changed nothing, and its message says all these words."""
    assert (outcome.failed, outcome.changed) == (True, False), outcome.vms
    assert [word for word in words if word not in outcome.msg] == [], outcome.msg
    return outcome
