# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of messages: each of them would advise what does not help."""

from __future__ import annotations

from mutations.mutation import Mutation

_NATIVE = "_drivers/vbox/settings/native.py"
_NATIVE_TESTS = ["tests/unit/module_utils/_drivers/vbox/settings/test_native_names.py"]
_WORDS_TESTS = ["tests/unit/modules/test_other_words.py"]
_PLATFORMS = "plugins/plugin_utils/tasks/platforms.py"

_LISTED = 'f"{unknown}: {messages[-1]}"'

MUTATIONS = (
    Mutation(
        "names-of-version-7-are-unknown",
        _NATIVE,
        "_OF_VERSION_7.sub(lambda found: _BEFORE_7[found[0]], plain)",
        "plain",
        _NATIVE_TESTS,
    ),
    Mutation("two-spellings-are-two-options", _NATIVE, "other != key", "other is None", _NATIVE_TESTS),
    Mutation(
        "word-names-what-the-platform-lacks",
        _PLATFORMS,
        "options.get(one, self.known[one])",
        "self.known[one]",
        _WORDS_TESTS,
    ),
    Mutation("options-are-advised-for-each-name", _PLATFORMS, "name in options", "bool(name)", _WORDS_TESTS),
    Mutation(
        "hidden-options-are-listed",
        "_core/options/option_errors.py",
        f'_HIDDEN.sub("", {_LISTED})',
        _LISTED,
        _WORDS_TESTS,
    ),
    Mutation(
        "key-that-is-no-text-reaches-the-platform",
        "_core/options/request.py",
        "not isinstance(name, str)",
        "False",
        ["tests/unit/module_utils/_core/options/test_request.py"],
    ),
    Mutation(
        "value-of-a-hyperv-vm-is-read-as-an-object",
        "_drivers/hyperv",
        "values.get(name) if isinstance(values, dict) else None",
        "(values or {}).get(name)",
        ["tests/platforms/hyperv/test_tasks.py"],
    ),
    Mutation(
        "unsupported-format-has-the-remedy-of-a-change",
        "_core/planner",
        "supported if is_about_change else field.instead or supported",
        "field.instead or supported",
        ["tests/unit/module_utils/_core/planner/test_plan.py"],
    ),
    Mutation(
        "permission-alone-is-advised-without-a-source",
        "_core/planner",
        '"allow_recreate: true" if sets_content(request, traits) else f"allow_recreate: true, and {sources},"',
        '"allow_recreate: true"',
        ["tests/unit/module_utils/_core/planner/test_plan.py"],
    ),
    Mutation(
        "permission-is-advised-for-a-vm-that-is-not-deleted",
        "_core/planner",
        "others if reason else ours",
        "ours",
        ["tests/unit/module_utils/_core/planner/test_plan.py"],
    ),
)
