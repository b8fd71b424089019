# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages about unknown names list few of the existing ones: those that are similar come first."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    Policy,
    Request,
    Snapshot,
    SnapshotRequest,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.identity import known_names, listed
from ansible_collections.polyvirt.core.plugins.module_utils._engine import inspect, task

from unit.module_utils._engine.test_sources import Cloning
from unit.module_utils._engine.world import Machine

MANY = [f"node-{number:04}" for number in range(1000)]
#: The similar name is neither among the first ones nor among the last ones.
WANTED, SIMILAR = "databse", "database"
KNOWN = [*MANY[:500], SIMILAR, *MANY[500:]]


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ([], "Existing VMs: none."),
        (["web", "db"], "Existing VMs: db, web."),
        (list("edcba"), "Existing VMs: a, b, c, d, e."),
        (list("fedcba"), "Existing VMs: a, b, c, d, e and 1 other."),
        (list("gfedcba"), "Existing VMs: a, b, c, d, e and 2 others."),
        (
            ["c", "d", "e", "f", "g", SIMILAR],
            f"Did you mean {SIMILAR}? Existing VMs: {SIMILAR}, c, d, e, f and 1 other.",
        ),
    ],
)
def test_few_names_are_listed_with_the_number_of_others(known, text):
    assert known_names(known, WANTED) == text


def test_names_keep_their_order_without_a_similar_one():
    assert listed(list("gfedcba")) == "g, f, e, d, c and 2 others"


def run(*requests, snapshots=()):
    driver = Cloning(*(Machine(name, name, snapshots=snapshots) for name in KNOWN))
    return task.run(driver, requests, clock=driver.clock, probe=None)


@pytest.mark.parametrize(
    "request_",
    [
        Request(WANTED, state="started"),
        Request(WANTED, state="paused"),
        Request(None, WANTED, state="started"),
        Request("new", creation={"clone": {"source": WANTED, "snapshot": None, "linked": False}}),
        Request(WANTED, snapshot=SnapshotRequest("one")),
    ],
    ids=["started", "paused", "id", "clone", "snapshot"],
)
def test_message_about_an_unknown_vm_is_short_and_names_the_similar_one(request_):
    message = run(request_).msg
    assert f"Existing VMs: {SIMILAR}, node-0000, node-0001, node-0002, node-0003 and 996 others." in message


def test_message_about_many_unknown_vms_is_short():
    message = run(*(Request(f"web-{number}", state="started", policy=Policy()) for number in range(50))).msg
    assert len(message.splitlines()) == 50
    assert len(message) < 50 * 200


def test_message_of_a_comparison_is_short():
    driver = Cloning(*(Machine(name, name) for name in KNOWN))
    params = {"name": [WANTED], "id": None, "compare": {"from": "a", "to": None, "content": False, "text": False}}
    with pytest.raises(NotFound) as caught:
        inspect.report_snapshots(driver, params, "memory")
    assert caught.value.remedy == (
        f"Did you mean {SIMILAR}? Existing VMs: {SIMILAR}, node-0000, node-0001, node-0002, node-0003 and 996 others."
    )


@pytest.mark.parametrize("is_clone", [True, False])
def test_message_about_an_unknown_snapshot_lists_few(is_clone):
    snapshots = tuple(Snapshot(f"nightly-{number}") for number in range(40))
    clone = {"clone": {"source": SIMILAR, "snapshot": "nigthly-33", "linked": False}}
    restored = SnapshotRequest("nigthly-33", "restored")
    request = Request("new", creation=clone) if is_clone else Request(SIMILAR, snapshot=restored)
    message = run(request, snapshots=snapshots).msg
    assert "Its snapshots: nightly-33, " in message
    assert message.endswith(" and 35 others.")
