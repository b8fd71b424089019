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
    Mutation("names-of-version-7-are-unknown", _NATIVE, "_OF_VERSION_7.sub(lambda found: _BEFORE_7[found[0]], plain)",
             "plain", _NATIVE_TESTS),
    Mutation("two-spellings-are-two-options", _NATIVE, "other != key", "other is None", _NATIVE_TESTS),
    Mutation("word-names-what-the-platform-lacks", _PLATFORMS, "options.get(one, self.known[one])", "self.known[one]",
             _WORDS_TESTS),
    Mutation("options-are-advised-for-each-name", _PLATFORMS, "name in options", "bool(name)", _WORDS_TESTS),
    Mutation("hidden-options-are-listed", "_core/options/option_errors.py", f'_HIDDEN.sub("", {_LISTED})', _LISTED,
             _WORDS_TESTS),
)  # fmt: skip
