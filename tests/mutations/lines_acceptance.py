# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the recording of acceptance: what of a host it would show."""

from __future__ import annotations

from mutations.mutation import Mutation

_RECORDING = "playbooks/files/acceptance_recording.py"
_TESTS = ["tests/unit/playbooks/test_acceptance_recording.py"]

MUTATIONS = (
    Mutation("recording-has-texts-of-any-kind", _RECORDING, "re.fullmatch(rule, str(value))", "True", _TESTS),
    Mutation("recording-has-vms-of-others", _RECORDING, 'vm.get("name") in run["names"]', "True", _TESTS),
    Mutation("recording-has-vms-of-no-fleet", _RECORDING, 'vm.get("fleet") == run["fleet"]', "True", _TESTS),
    Mutation("recording-has-vms-by-name", _RECORDING, 'bool(vm.get("created"))', "True", _TESTS),
    Mutation(
        "recording-has-dictionaries",
        _RECORDING,
        'kept(value, rule) if isinstance(rule, dict) else "?"',
        "value",
        _TESTS,
    ),
    Mutation(
        "recording-has-each-name-in-a-diff",
        _RECORDING,
        "{name.partition('.')[0] for one in diffs if isinstance(one, dict) for name in one} & options",
        "{name.partition('.')[0] for one in diffs if isinstance(one, dict) for name in one}",
        _TESTS,
    ),
)
