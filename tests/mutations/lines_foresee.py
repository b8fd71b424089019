# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what check mode foresees on vmd, Hyper-V, WSL and new hosts, and of how rules of pf are evaluated."""

from __future__ import annotations

from mutations.mutation import Mutation

_VMM, _WSL = "_drivers/vmm", "_drivers/wsl/settings/storage.py"
_BLOCKS = (f"tests/unit/module_utils/{_VMM}/test_recorded_blocks.py",)
_VMD = (f"tests/unit/module_utils/{_VMM}/test_foreseen.py",)
_RULES, _PF = "_tools/pf_rules.py", ("tests/unit/module_utils/_tools/test_pf_rules.py",)
_HOSTS, _NETWORK = "_hosts/openbsd/pf_problems.py", ("tests/unit/module_utils/_hosts/openbsd/test_network.py",)
_ROLE = "tests/unit/roles/test_vmm_network.py::test"
_LOCATIONS = ("tests/platforms/wsl/test_locations.py",)
_DESCRIBED = "tests/suite/test_described_edits.py::test"
_EDITS = (f"{_DESCRIBED}_each_change_on_wsl",)
_HYPERV, _CHECKS = ("tests/platforms/hyperv/test_tasks.py",), ("tests/platforms/hyperv/test_checks.py",)
_LIBVIRT = ("tests/unit/roles/test_libvirt_host.py",)
_READS, _DECIDES = "roles/libvirt_host/files/read.sh", "roles/libvirt_host/vars/main.yml"

MUTATIONS = (
    Mutation(
        "overlapping-networks-of-one-list",
        _READS,
        "if name != other and one.version == two.version and one.overlaps(two):",
        "if False:",
        _LIBVIRT,
    ),
    Mutation(
        "addresses-of-one-network-overlap",
        _READS,
        "if name != other and one.version == two.version and one.overlaps(two):",
        "if one.version == two.version and one.overlaps(two):",
        _LIBVIRT,
    ),
    Mutation(
        "overlap-is-not-reported",
        _DECIDES,
        "{%- elif __libvirt_host_found.overlap and libvirt_host_state == 'present' -%}",
        "{%- elif false -%}",
        _LIBVIRT,
    ),
    Mutation(
        "unknown-package-is-found-by-the-run",
        _DECIDES,
        "{%- elif ansible_check_mode and __libvirt_host_found.unavailable and libvirt_host_state == 'present' -%}",
        "{%- elif false -%}",
        _LIBVIRT,
    ),
    Mutation(
        "package-is-not-looked-up",
        _READS,
        'apt-get -s -qq install --no-install-recommends "$package" >/dev/null || echo "unavailable $package"',
        "true",
        _LIBVIRT,
    ),
    Mutation(
        "host-without-an-index-lacks-all-packages",
        _READS,
        'dpkg-query -W "$package" >/dev/null || '
        "[ -z \"$(find /var/lib/apt/lists -name '*_Packages*' | head -n 1)\" ] ||",
        'dpkg-query -W "$package" >/dev/null ||',
        _LIBVIRT,
    ),
    Mutation(
        "locked-is-printed-after-the-address",
        _VMM,
        '[*(["locked"] if _1.locked else []), "lladdr", *([_1.mac] if _1.mac else [])]',
        '["lladdr", *([_1.mac] if _1.mac else []), *(["locked"] if _1.locked else [])]',
        _BLOCKS,
    ),
    Mutation(
        "unchanged-nic-is-written-again",
        _VMM,
        'current.mac if entry.get("mac") == known.get("mac") else entry.get("mac")',
        'entry.get("mac")',
        _BLOCKS,
    ),
    Mutation("default-is-written", _VMM, "kind in current and current[kind] == config.get(kind)", "False", _VMD),
    Mutation(
        "number-next-to-a-colon-is-an-owner",
        _VMM,
        "user_or_group and not is_known(user_or_group)",
        "user_or_group and not user_or_group.isdigit() and not is_known(user_or_group)",
        _VMD,
    ),
    Mutation("owner-of-allow-is-not-checked", _VMM, 'word.partition("owner ")[2]', '""', _VMD),
    Mutation("quick-rule-does-not-decide", _RULES, "if rule.is_quick:\n    return decided", "pass", _PF),
    Mutation("quick-block-does-not-decide", _RULES, 'if rule.found["quick"]:\n    return None', "pass", _PF),
    Mutation(
        "block-of-some-packets-isolates",
        _RULES,
        'rule.action == "block" and matched == ALL',
        'rule.action == "block" and matched',
        _PF,
    ),
    Mutation(
        "unknown-rule-passes-nothing",
        _RULES,
        "if found is None:\n    return SOME",
        "if found is None:\n    return NO",
        _PF,
    ),
    Mutation(
        "anchors-of-others-are-not-read",
        _RULES,
        'rules(read_anchor(rule.found["name"] or ""), own_anchor, read_anchor, rule)',
        "rules(read_anchor(own_anchor), own_anchor, read_anchor, rule)",
        _PF,
    ),
    Mutation("rule-before-the-nat-is-harmless", _RULES, '" nat-to " not in rule.text', "False", _PF),
    Mutation(
        "skipped-interface-is-filtered", _HOSTS, 'skipped(_1, inside) if wanted["filter"] else ()', "()", _NETWORK
    ),
    Mutation("rules-of-the-role-are-not-planned", _HOSTS, "name != ANCHOR or is_loaded", "True", _NETWORK),
    Mutation(
        "isolation-is-not-verified",
        "roles/vmm_network/tasks/verify.yml",
        "that: __vmm_network_found.isolation_problems | length == 0",
        "that: true",
        (f"{_ROLE}_rule_that_would_end_the_isolation_is_found_before_the_first_run",),
    ),
    Mutation(
        "lost-address-translation-is-not-reported",
        "roles/vmm_network/tasks/nat.yml",
        "when: __vmm_network_found.nat_problems | length > 0",
        "when: false",
        (f"{_ROLE}_rule_that_takes_the_address_translation_away_is_reported",),
    ),
    Mutation(
        "vm-that-is-not-listed-is-absent", "_drivers/hyperv", "if unseen:\n    ...", "if False:\n    ...", _HYPERV
    ),
    Mutation("share-without-credentials-is-a-wrong-path", "_tools", "not is_on_share(path)", "True", _CHECKS),
    Mutation("root-of-a-drive-is-a-location", _WSL, "is_root(path)", "False", _LOCATIONS),
    Mutation("share-is-a-location", _WSL, "is_on_share(path)", "False", _LOCATIONS),
    Mutation(
        "name-that-windows-does-not-have",
        "_tools/windows_files.py",
        "if wrong:\n    ...",
        "if False:\n    ...",
        _LOCATIONS,
    ),
    Mutation(
        "first-distribution-is-not-the-default", "_drivers/wsl", 'config.get("default") is False', "False", _LOCATIONS
    ),
    Mutation(
        "distribution-is-the-only-one",
        "_drivers/wsl",
        "all(one is False for one in driver.defaults_of_new)",
        "True",
        _LOCATIONS,
    ),
    Mutation("flags-are-not-named", "_drivers/wsl", "flags & _USUAL_FLAGS == _USUAL_FLAGS", "True", _EDITS),
    Mutation("user-who-does-not-exist-is-root", "_drivers/wsl", "uid not in users.values()", "False", _EDITS),
    Mutation("variables-are-not-named", "_drivers/wsl", "all(map(_USUAL_VARIABLES.fullmatch, _))", "True", _EDITS),
    Mutation("lines-of-wsl-conf-are-not-named", "_drivers/wsl", "key not in described", "False", _EDITS),
    Mutation(
        "settings-of-the-provider-are-not-named",
        "_drivers/vagrant::_not_modelled",
        "{project_vm.created.provider: _}",
        "{}",
        (f"{_DESCRIBED}_change_by_the_tool_of_a_provider_is_named_on_vagrant",),
    ),
    Mutation(
        "own-vagrantfile-is-not-named",
        "_drivers/vagrant::_not_modelled",
        '{"Vagrantfile": _}',
        "{}",
        (f"{_DESCRIBED}_change_of_the_users_own_file_is_named_on_vagrant",),
    ),
    Mutation(
        "gateway-is-anywhere",
        "_core/options/ip_config.py",
        "is_outside(parts, name) and own.network.num_addresses > 1",
        "False",
        ("tests/unit/module_utils/_drivers/proxmox/test_cloud_init.py::test_invalid_values_are_rejected",),
    ),
)
