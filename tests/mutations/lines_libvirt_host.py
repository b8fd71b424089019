# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the role that prepares a host for libvirt."""

from __future__ import annotations

from mutations.mutation import Mutation

_FILE = "tests/unit/roles/test_libvirt_host.py"
_TESTS, _READ = (f"{_FILE}::test_decisions",), (f"{_FILE}::test_host_is_read",)
_DECIDES, _READS = "roles/libvirt_host/vars/main.yml", "roles/libvirt_host/files/read.sh"
_RECORDS = "roles/libvirt_host/files/removable.sh"

MUTATIONS = (
    Mutation("libvirt-is-removed-with-vms", _DECIDES, "{%- if __libvirt_host_found.vm -%}", "{%- if false -%}", _TESTS),
    Mutation(
        "networks-of-others-are-removed-with-libvirt",
        _DECIDES,
        "{%- for kind, names in others.items() if is_whole and names | difference(__libvirt_host_of_packages) -%}",
        "{%- for kind, names in others.items() if false -%}",
        _TESTS,
    ),
    Mutation(
        "silent-libvirt-counts-as-empty",
        _DECIDES,
        "and not __libvirt_host_found.answers -%}",
        "and false -%}",
        _TESTS,
    ),
    Mutation(
        "existing-network-becomes-the-roles",
        _DECIDES,
        "| union(libvirt_host_networks | map(attribute='name') | difference(__libvirt_host_found.networks)) | sort }}",
        "| union(libvirt_host_networks | map(attribute='name')) | sort }}",
        _TESTS,
    ),
    Mutation(
        "forwarding-of-a-foreign-bridge-is-turned-off",
        _DECIDES,
        "and not __libvirt_host_found.bridge",
        "and true",
        _TESTS,
    ),
    Mutation(
        "packages-before-the-installation-are-not-recorded",
        _DECIDES,
        "or (__libvirt_host_found.installed if __libvirt_host_missing else []),",
        "or [],",
        _TESTS,
    ),
    Mutation(
        "interrupted-installation-is-not-recorded",
        _DECIDES,
        "or __libvirt_host_is_nested_new | bool or __libvirt_host_base.packages_before | length > 0 }}",
        "or __libvirt_host_is_nested_new | bool or false }}",
        _TESTS,
    ),
    Mutation(
        "removal-turns-off-forwarding-of-other-networks",
        _DECIDES,
        "or __libvirt_host_found.active | difference(__libvirt_host_record.networks) | length == 0) }}",
        "or true) }}",
        _TESTS,
    ),
    Mutation(
        "packages-that-others-need-are-removed",
        _DECIDES,
        "{%- elif __libvirt_host_blocked.rc | default(0) != 0 -%}",
        "{%- elif false -%}",
        _TESTS,
    ),
    Mutation(
        "edited-record-counts", _DECIDES, "is not search('\"format\": 1[,} ]') -%}", "is not search('') -%}", _TESTS
    ),
    Mutation(
        "removed-package-counts-as-installed",
        _READS,
        "dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\\n' | awk '$1 == \"installed\" {",
        "dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\\n' | awk '{",
        _READ,
    ),
    Mutation(
        "stopped-unit-counts-as-running",
        _READS,
        'systemctl -q is-enabled "$unit" && systemctl -q is-active "$unit" && echo "unit $unit"',
        'systemctl -q is-enabled "$unit" && echo "unit $unit"',
        _READ,
    ),
    Mutation(
        "rules-of-others-are-removed",
        _READS,
        'for (i = 3; i < NF; i++) if ($i == "-j" && $(i + 1) ~ /^LIBVIRT_/) { $1 = "-D"; print start, $0; break }',
        'for (i = 3; i < NF; i++) if ($i == "-j") { $1 = "-D"; print start, $0; break }',
        (f"{_FILE}::test_only_rules_of_libvirt_are_removed",),
    ),
    Mutation(
        "lists-that-failed-count-as-empty",
        _READS,
        "echo /active/; net-list --name; echo /pools/; pool-list --all --name'); then",
        "echo /active/; net-list --name; echo /pools/; pool-list --all --name'; true); then",
        (f"{_FILE}::test_libvirt_that_fails_in_the_middle_is_no_host_without_vms",),
    ),
    Mutation(
        "protected-package-is-recorded",
        _RECORDS,
        'echo "$refused" | grep -qxF "$name" || rest="$rest $name"',
        'echo "$refused" | false || rest="$rest $name"',
        (f"{_FILE}::test_packages_that_debian_protects_are_not_recorded",),
    ),
)
