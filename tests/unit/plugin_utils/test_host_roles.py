# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the roles that prepare a host have ended."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes.host_roles import HostRoles

ROLE, OTHER = "polyvirt.core.vmm_host", "polyvirt.core.vmm_network"
CONTEXT = {"host": "bsd1", "check": False, "is_ignored": False}


def _shown(records):
    return [(one["event"], one["severity"], one["role"], one["platform"], one["changed"]) for one in records]


def test_role_has_ended_when_a_task_of_no_role_or_another_one_starts():
    for following in (None, OTHER):
        roles = HostRoles()
        assert roles.started("bsd1", ROLE) == []
        roles.done("bsd1", ROLE, True, CONTEXT)
        assert roles.started("bsd1", ROLE) == []
        roles.done("bsd1", ROLE, False, CONTEXT)
        assert _shown(roles.started("bsd1", following)) == [("host.prepared", "info", "vmm_host", "vmd", True)]
        assert roles.started("bsd1", None) == []


def test_role_has_ended_with_its_play_on_each_host():
    roles = HostRoles()
    for host in ("bsd1", "bsd2"):
        roles.done(host, ROLE, False, {**CONTEXT, "host": host})
    assert [(one["host"], one["event"], one["changed"]) for one in roles.ended()] == [
        ("bsd1", "host.prepared", False),
        ("bsd2", "host.prepared", False),
    ]
    assert roles.ended() == []


def test_role_that_failed_is_reported_at_once_and_only_so():
    roles = HostRoles()
    roles.done("bsd1", ROLE, True, CONTEXT)
    (failed,) = roles.failed("bsd1", ROLE, False, "no CPU", CONTEXT)
    assert _shown([failed]) == [("host.failed", "error", "vmm_host", "vmd", True)]
    assert failed["message"] == "no CPU"
    # The tasks of its section always.
    roles.done("bsd1", ROLE, False, CONTEXT)
    assert roles.failed("bsd1", ROLE, False, "again", CONTEXT) == []
    assert roles.started("bsd1", None) == []
    assert roles.ended() == []


def test_check_mode_prepares_nothing():
    roles = HostRoles()
    checked = {**CONTEXT, "check": True}
    roles.done("bsd1", ROLE, True, checked)
    assert roles.ended() == []
    assert _shown(roles.failed("bsd1", ROLE, False, "no CPU", checked))[0][0] == "host.failed"
