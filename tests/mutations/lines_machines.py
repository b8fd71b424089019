# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of machines, fleets, and tasks for any platform."""

from __future__ import annotations

from mutations.mutation import Mutation

_FLEET = ("tests/unit/module_utils/_core/planner/test_fleet.py",)
_MACHINES = ("tests/unit/modules/test_machines.py",)
_SPELLINGS = ("tests/platforms/windows/test_spellings.py",)
_TABLE = ("tests/unit/plugin_utils/test_platforms.py",)

MUTATIONS = (
    Mutation(
        "prune-deletes-copies-made-by-hand",
        "_core",
        '(vm.owned or vm.id is None) and bool(fleet) and vm.config.get("fleet") == fleet',
        'bool(fleet) and vm.config.get("fleet") == fleet',
        _FLEET,
    ),
    Mutation(
        "prune-deletes-vms-listed-by-id",
        "_core",
        "{folded(request.id) for request in requests if request.id}",
        "set()",
        _FLEET,
    ),
    Mutation(
        "source-in-another-case-is-another-vm",
        "_engine",
        "wanted = folded(name_or_id)",
        "wanted, folded = name_or_id, str",
        _SPELLINGS,
    ),
    Mutation(
        "prune-deletes-vms-listed-in-another-case",
        "_engine",
        "surplus_vms([vm for found_by, vm in members if found_by is task], asked, task.traits.folded)",
        "surplus_vms([vm for found_by, vm in members if found_by is task], asked)",
        _SPELLINGS,
    ),
    Mutation(
        "prune-has-no-limit-by-default",
        "_core",
        "max(members - 1, 0) // 2 if prune_max is None else prune_max",
        "len(surplus) if prune_max is None else prune_max",
        _FLEET,
    ),
    Mutation("prune-max-is-exceeded-by-one", "_core", "len(surplus) <= limit", "len(surplus) <= limit + 1", _FLEET),
    Mutation(
        "vm-found-twice-doubles-the-fleet",
        "_engine",
        "check_prune_max([vm.name for _task, vm in surplus], len(members), pruning.fleet, pruning.most)",
        "check_prune_max([vm.name for _task, vm in surplus], 2 * len(members), pruning.fleet, pruning.most)",
        _MACHINES,
    ),
    Mutation(
        "prune-max-of-the-task-is-ignored",
        "_front",
        'Pruning(params["fleet"], policy, prune_max(params, options))',
        'Pruning(params["fleet"], policy, None)',
        _MACHINES,
    ),
    Mutation(
        "prune-max-counts-each-platform-alone",
        "plugins/plugin_utils",
        "check_prune_max(_pruned_names(results, order), 0, fleet, prune_max)",
        "None",
        _TABLE,
    ),
    Mutation("rejected-entry-does-not-stop-the-others", "_engine", "not (check or is_refused)", "not check", _MACHINES),
    Mutation(
        "prune-only-on-the-first-connection",
        "_front",
        "[one for place, one in enumerate(connections) if one not in connections[:place]]",
        "connections[:1]",
        _MACHINES,
    ),
    Mutation(
        "prune-with-the-options-of-an-entry",
        "_engine",
        'Request(name=vm.name, id=vm.id, state="absent", policy=pruning.policy)',
        'Request(name=vm.name, id=vm.id, state="absent", policy=asked[0].policy)',
        _MACHINES,
    ),
    Mutation(
        "two-vms-get-one-disk", "_core", "check_each_once([request.label for request in wanted])", "return", _MACHINES
    ),
    Mutation(
        "entries-with-other-connections-share-a-driver",
        "_front",
        "repr([params.get(name) for name in _of_driver(options, platform)])",
        '""',
        _MACHINES,
    ),
    Mutation(
        "options-of-one-platform-go-to-all",
        "plugins/plugin_utils",
        "options if platform == own else {}",
        "options",
        _TABLE,
    ),
    Mutation(
        "change-on-one-platform-is-hidden-by-a-failure-on-another",
        "plugins/plugin_utils",
        "[] if is_refused else list(results.values())",
        "[one for one in results.values() if not failed]",
        _TABLE,
    ),
    Mutation(
        "empty-platform-is-a-platform",
        "plugins/plugin_utils",
        'given.pop("platform", None) or default',
        'given.pop("platform", default)',
        _TABLE,
    ),
    Mutation(
        "list-becomes-the-name-of-a-vm",
        "_core/options/option_errors.py",
        "isinstance(one, (list, dict))",
        "False",
        ["tests/unit/module_utils/_core/options/test_option_errors.py"],
    ),
    Mutation(
        "list-becomes-a-text",
        "_core/options/option_errors.py",
        "option.type in _TEXT and isinstance(value, (list, dict))",
        "False",
        ["tests/unit/module_utils/_core/options/test_option_errors.py"],
    ),
    Mutation(
        "list-becomes-a-text-in-an-entry",
        "_front/machines.py",
        "problem = not_text(merged, options)",
        "problem = None",
        _MACHINES,
    ),
    Mutation(
        "list-becomes-a-text-in-the-process-of-ansible",
        "plugins/plugin_utils/tasks/in_process.py",
        "[*error_messages(validated, _), not_text(*_)]",
        "[*error_messages(validated, '')]",
        ["tests/unit/plugin_utils/test_in_process.py"],
    ),
    Mutation(
        "name-with-a-space-is-another-vm",
        "_core/options/request.py",
        "name != name.strip()",
        "False",
        ["tests/unit/modules/test_virsh_modules.py"],
    ),
)
