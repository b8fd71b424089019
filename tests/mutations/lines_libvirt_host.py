# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the module that prepares a host for libvirt."""

from __future__ import annotations

from mutations.mutation import Mutation

_PLAN = ("tests/unit/module_utils/_drivers/virsh/test_host_plan.py",)
_TOOLS = ("tests/unit/module_utils/_tools/test_libvirt_host.py",)

MUTATIONS = (
    Mutation("libvirt-is-removed-with-vms", "_hosts/libvirt/host_plan.py", "host.vms", "()", _PLAN),
    Mutation(
        "networks-of-others-are-removed-with-libvirt",
        "_hosts/libvirt/host_plan.py",
        "set(getattr(host, kind)) - {*getattr(record, kind)} - _OF_PACKAGES",
        "set()",
        _PLAN,
    ),
    Mutation(
        "silent-libvirt-counts-as-empty",
        "_hosts/libvirt/host_plan.py::_check_unused",
        "not host.answers and _",
        "False",
        _PLAN,
    ),
    Mutation(
        "existing-network-becomes-the-roles",
        "_hosts/libvirt/host_plan.py",
        "host.answers and name not in existing and name not in recorded",
        "host.answers and name not in recorded",
        _PLAN,
    ),
    Mutation(
        "directories-of-others-are-deleted",
        "_hosts/libvirt/host_plan.py",
        "[one for one in record.folders if one in host.folders] if record.packages else []",
        "[one for one in record.folders if one in host.folders]",
        _PLAN,
    ),
    Mutation(
        "forwarding-of-a-foreign-bridge-is-turned-off",
        "_hosts/libvirt/host_plan.py",
        "not record.forwarding or record.forwarding == host.forwarding or host.bridges or others",
        "not record.forwarding or record.forwarding == host.forwarding or others",
        _PLAN,
    ),
    Mutation(
        "existing-packages-are-recorded-as-added",
        "_hosts/libvirt/host_record.py",
        "installed - set(self.packages_before) | set(self.packages)",
        "installed | set(self.packages)",
        _PLAN,
    ),
    Mutation(
        "interrupted-installation-is-not-recorded",
        "_hosts/libvirt/host_plan.py",
        "not missing and not is_interrupted",
        "not missing",
        _PLAN,
    ),
    Mutation(
        "removal-turns-off-forwarding-of-other-networks",
        "_hosts/libvirt/host_plan.py",
        "{*host.active_networks} - {*record.networks}",
        "set()",
        ["tests/unit/module_utils/_drivers/virsh/test_host_plan.py"],
    ),
    Mutation(
        "removal-forgets-an-interrupted-installation",
        "_hosts/libvirt/host_changes.py",
        "whole != record",
        "False",
        ["tests/unit/module_utils/_drivers/virsh/test_host_changes.py"],
    ),
    Mutation("removed-package-counts-as-installed", "_tools", 'words[0] == "installed"', "True", _TOOLS),
    Mutation("stopped-unit-counts-as-running", "_tools", "enabled and _", "enabled", _TOOLS),
    Mutation(
        "rules-of-others-are-removed",
        "_tools/libvirt_firewall.py",
        "target.startswith(_PREFIX) and _",
        "True",
        _TOOLS,
    ),
)
