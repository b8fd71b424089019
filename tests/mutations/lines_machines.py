# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of machines, fleets, and tasks for any platform."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils"
_PLATFORMS = "plugins/plugin_utils/tasks/platforms.py"
_FLEET = ("tests/unit/module_utils/_core/test_fleet.py",)
_MACHINES = ("tests/unit/modules/test_machines.py",)
_SPELLINGS = ("tests/platforms/windows/test_spellings.py",)
_TABLE = ("tests/unit/plugin_utils/test_platforms.py",)

MUTATIONS = (
    Mutation(
        "prune-deletes-copies-made-by-hand",
        f"{_CODE}/_core/fleet.py",
        'return (vm.owned or vm.id is None) and bool(fleet) and vm.config.get("fleet") == fleet',
        'return bool(fleet) and vm.config.get("fleet") == fleet',
        {"unit": _FLEET},
    ),
    Mutation(
        "prune-deletes-vms-listed-by-id",
        f"{_CODE}/_core/fleet.py",
        "ids = {folded(request.id) for request in requests if request.id}",
        "ids = set()",
        {"unit": _FLEET},
    ),
    Mutation(
        "source-in-another-case-is-another-vm",
        f"{_CODE}/_engine/order.py",
        "wanted = folded(name_or_id)",
        "wanted, folded = name_or_id, str",
        {"unit": _SPELLINGS},
    ),
    Mutation(
        "prune-deletes-vms-listed-in-another-case",
        f"{_CODE}/_engine/together.py",
        "return surplus_vms(observation.vms, asked, fleet, task.traits.folded)",
        "return surplus_vms(observation.vms, asked, fleet)",
        {"unit": _SPELLINGS},
    ),
    Mutation(
        "rejected-entry-does-not-stop-the-others",
        f"{_CODE}/_engine/task.py",
        "if not (check or is_refused):",
        "if not check:",
        {"unit": _MACHINES},
    ),
    Mutation(
        "prune-only-on-the-first-connection",
        f"{_CODE}/_front/machines.py",
        "different = [one for place, one in enumerate(connections) if one not in connections[:place]]",
        "different = connections[:1]",
        {"unit": _MACHINES},
    ),
    Mutation(
        "prune-with-the-options-of-an-entry",
        f"{_CODE}/_engine/together.py",
        'request = Request(name=vm.name, id=vm.id, state="absent", policy=policy)',
        'request = Request(name=vm.name, id=vm.id, state="absent", policy=asked[0].policy)',
        {"unit": _MACHINES},
    ),
    Mutation(
        "two-vms-get-one-disk",
        f"{_CODE}/_core/request.py",
        "check_each_once([request.label for request in wanted])",
        "return",
        {"unit": _MACHINES},
    ),
    Mutation(
        "entries-with-other-connections-share-a-driver",
        f"{_CODE}/_front/machines.py",
        "key = repr([params.get(name) for name in _of_driver(options, platform)])",
        'key = ""',
        {"unit": _MACHINES},
    ),
    Mutation(
        "options-of-one-platform-go-to-all",
        _PLATFORMS,
        "_part(about, platform, _of_task({**_joined(given, options if platform == own else {}), **selection}, known))",
        "_part(about, platform, _of_task({**_joined(given, options), **selection}, known))",
        {"unit": _TABLE},
    ),
    Mutation(
        "change-on-one-platform-is-hidden-by-a-failure-on-another",
        _PLATFORMS,
        "done = [] if is_refused else list(results.values())",
        "done = [one for one in results.values() if not failed]",
        {"unit": _TABLE},
    ),
)
