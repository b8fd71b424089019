# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that succeed or fail, and tasks of an account with few privileges."""

from __future__ import annotations

from simulators.proxmox.access import Account, Token, User
from unit.module_utils._drivers.proxmox.simulated import Api, do


def done(world, run=do, **requested):
    """Assert that a task succeeds; returns its Outcome."""
    outcome = run(world, **requested)
    assert not outcome.failed, outcome.msg
    return outcome


def failed(world, *words, run=do, **requested):
    """Assert that a task fails with ``words`` in its message, after some steps or before; returns its Outcome."""
    outcome = run(world, **requested)
    assert outcome.failed
    for word in words:
        assert word in outcome.msg
    return outcome


def account(world, *rights):
    """The API for the token ci@pve!t, which has these (path, privileges) only."""
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token("s", separated=False)})
    for number, (path, privileges) in enumerate(rights):
        world.access.roles[f"role{number}"] = frozenset(privileges)
        world.access.allow(path, "ci@pve", f"role{number}")
    return Api(world, User("ci@pve", "t"))
