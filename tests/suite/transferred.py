# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module that Ansible has transferred, in a fork of a warm process (warm_ansible.py).

``python -m suite.transferred SCRIPT``; without a script, it is on standard input.
"""

from __future__ import annotations

import os
import runpy
import sys
import zipimport

from collection_path import cache
from suite.kept_code import kept_code

#: What a new process of this Python has on its path, without the directories of the tests.
_PLAIN = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]

#: Compiled code of files in archives: Python keeps it for files in directories only.
_COMPILED = cache() / "transferred" / sys.implementation.cache_tag


def _compiled(compile_source):
    """``compile_source`` of the module zipimport, which compiles each text once for all tasks."""

    def compiled(path, source):
        return kept_code(_COMPILED, source, lambda: compile_source(path, source))

    return compiled


def main():
    zipimport._compile_source = _compiled(zipimport._compile_source)
    del sys.argv[0]
    sys.path[:] = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *_PLAIN]
    if sys.argv:
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        sys.argv.append("")
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), sys.modules["__main__"].__dict__)


if __name__ == "__main__":
    main()
