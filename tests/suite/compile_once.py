# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles each file once for ansible-test's sanity test ``import``, which imports every file of the collection alone.

For each of these files, Ansible's loader compiles all files that it imports, which takes half of the test's time.
scripts/lib/stages_text.sh adds this file to the environments of the test as their ``sitecustomize``.
"""

from __future__ import annotations

import builtins
import os


def compiled_once(compile_code):
    """A ``compile`` that remembers the code of whole files. An error, or a warning that is one, is raised each time."""
    known = {}

    def compile_file(source, filename, mode, flags=0, dont_inherit=False, *others, **named):
        # Without dont_inherit, the code depends on the file that calls.
        if not dont_inherit or others or named or not isinstance(source, (str, bytes)):
            return compile_code(source, filename, mode, flags, dont_inherit, *others, **named)
        key = (source, filename, mode, flags)
        if key not in known:
            known[key] = compile_code(source, filename, mode, flags, dont_inherit)
        return known[key]

    return compile_file


# Only ansible-test's importer has it in its environment.
if "SANITY_IMPORTER_TYPE" in os.environ:
    builtins.compile = compiled_once(builtins.compile)
