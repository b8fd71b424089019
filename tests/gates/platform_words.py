# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core knows no platform: no option of one platform alone stands in its identifiers and texts.

The words are the platforms' own options, also those that several have (``storage_path``), because the core handles none
of them by name. Two kinds of words belong to no platform: shared options, even if a platform redefines one (``id``),
and words that the core uses in a sense of its own, each with the reason. Suboptions are found with their option.
Documentation strings may name a platform's option as an example.
"""

from __future__ import annotations

import ast
import re

#: Words of the core, with what they mean there.
OF_THE_CORE = {
    "default": "the default of an option",
    "kind": "the kind of a change, of a snapshot and of a refusal",
    "storage": "a suboption of the shared option disks",
    "version": "the version of a platform",
}
#: {file: {word: reason}}
EXCEPT = {
    "_kit/connections.py": dict.fromkeys(
        ("uri", "executable", "config_file"), "modules about VMs and about hosts of one platform have the same"
    ),
    "_engine/execute.py": {"pool": "a pool of threads"},
    "_core/options/user_data.py": {"template": "in a header of cloud-init"},
    "_core/planner/plan_snapshot.py": {"export": "a verb, in the remedy of an error"},
}


#: {file: why it may have all words}
WHOLE = {"_core/options/other_words.py": "errors name options of all modules for words of other tools"}


def words(own, shared):
    """The words that the core may not have: ``own`` are the option names of each platform."""
    return {name for names in own for name in names} - set(shared) - set(OF_THE_CORE)


def found(path, source, forbidden):
    """One sentence for each identifier and text in ``source`` that has a forbidden word."""
    forbidden = set() if path in WHOLE else set(forbidden) - set(EXCEPT.get(path, ()))
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        f"{path}:{node.lineno}: '{word}' is an option of one platform"
        for node in ast.walk(tree)
        if id(node) not in documentation
        for text in _texts(node)
        for word in sorted(forbidden.intersection(re.findall(r"\w+", text)))
    ]


def _texts(node):
    """The identifiers that a node has, or the text that it is."""
    names = [getattr(node, attribute, None) for attribute in ("id", "attr", "arg", "name", "value")]
    return [name for name in names if isinstance(name, str)]
