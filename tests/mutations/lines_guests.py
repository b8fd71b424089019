# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the wait for a guest: its services, and the end of cloud-init."""

from __future__ import annotations

from mutations.mutation import Mutation

_TESTS = "tests/unit/module_utils/_engine"
_PROXMOX = "tests/unit/module_utils/_drivers/proxmox/test_guest.py"
_CLOUD_INIT = "tests/unit/module_utils/_core/options/test_cloud_init.py"

MUTATIONS = (
    Mutation(
        "guest-that-does-not-answer-is-stopped",
        "plugins/plugin_utils/guests/guest_status.py",
        'state != "running"',
        "True",
        ["tests/unit/plugin_utils/test_guest_status.py"],
    ),
    Mutation(
        "service-without-a-manager-does-not-run",
        "plugins/plugin_utils/guests/guest_output.py",
        'None if int(code) in _NO_PROGRAM else code == "0"',
        'code == "0"',
        ["tests/unit/plugin_utils/test_guest_output.py"],
    ),
    Mutation(
        "page-is-ssh",
        "_engine",
        'None if endpoint.source == "forward" else endpoint._replace(port=port)',
        "endpoint",
        [f"{_TESTS}/test_guest_services.py"],
    ),
    Mutation(
        "forward-of-another-port-is-used",
        "_core",
        'one["guest_port"] == port and one.get("protocol", "tcp") == "tcp"',
        'one.get("protocol", "tcp") == "tcp"',
        ["tests/unit/module_utils/_core/options/test_guest_conditions.py"],
    ),
    Mutation(
        "failed-cloud-init-passes-by-its-exit-code",
        "_core",
        "state == FAILED or (texts and state == DONE)",
        "rc and (state == FAILED or (texts and state == DONE))",
        [_CLOUD_INIT],
    ),
    Mutation(
        "seed-that-was-not-read-passes",
        "_core",
        'found.state == DISABLED or (found.state in (DONE, DEGRADED) and found.datasource == "none")',
        "False",
        [_CLOUD_INIT],
    ),
    Mutation(
        "address-of-dhcp-is-waited-for",
        "_drivers/proxmox/guest.py",
        "not any(fixed_addresses('ipconfig0', text) for text in known)",
        "False",
        [_PROXMOX],
    ),
    Mutation(
        "address-in-a-seed-is-waited-for",
        "_drivers/proxmox/guest.py",
        "() if has_documents(cloud_init) else cloud_init.get('ip_config') or ()",
        "cloud_init.get('ip_config') or ()",
        [_PROXMOX],
    ),
    Mutation(
        "fixed-address-is-not-seen",
        "_drivers/proxmox/settings/networks.py::fixed_addresses",
        '(None, "dhcp", "auto", "manual")',
        '(None, "auto", "manual")',
        [_PROXMOX],
    ),
    Mutation(
        "absent-agent-is-waited-for-until-the-end",
        "_engine",
        "progress.policy.timeout / 2",
        "progress.policy.timeout",
        [f"{_TESTS}/test_end_of_cloud_init.py"],
    ),
    Mutation(
        "agent-that-permits-nothing-is-waited-for",
        "_engine::_without_answer",
        "isinstance(error, Refused)",
        "False",
        [f"{_TESTS}/test_end_of_cloud_init.py"],
    ),
)
