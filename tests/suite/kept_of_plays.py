# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible makes again for each play of the same files: it is kept until the server of plays ends.

These are loaded plugins, compiled templates, and the archives of modules with what they import.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import jinja2
from ansible.plugins import loader

from collection_path import CHECKOUT
from suite.kept_code import kept_code

_COLLECTION = "ansible_collections.polyvirt.core"
_KEPT = Path(tempfile.mkdtemp(prefix="polyvirt-plays-"))
#: The directory for archives of modules.
ARCHIVES = _KEPT / "archives"
#: All plugins of these kinds are loaded by each run before its first task, or by its tasks. Not those of variables:
#: Ansible enables them when it loads the first one, and without that it reads no group_vars.
_LOADERS = ("action", "become", "cache", "callback", "connection", "filter", "lookup", "shell", "test")
#: Properties of an environment of Jinja2 that change what a template is compiled to.
_SYNTAX = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
    "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks",
    "newline_sequence", "keep_trailing_newline", "autoescape", "optimized", "sandboxed",
)  # fmt: skip


def load_plugins():
    """Load plugins with their options."""
    for kind in _LOADERS:
        list(getattr(loader, f"{kind}_loader").all(class_only=True))


def load_collection():
    """Import what a task with a module of this collection imports, by the finder that the play will have."""
    loader.init_plugin_loader()
    # Each run installs a finder, too; it has the same paths.
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    for kind in ("action", "plugin_utils/tasks", "modules"):
        for path in sorted((CHECKOUT / "plugins" / kind).glob("[!_]*.py")):
            importlib.import_module(f"{_COLLECTION}.plugins.{kind.replace('/', '.')}.{path.stem}")


def keep_templates():
    """Let Jinja2 compile each text once."""
    compile_template = jinja2.Environment.compile

    def compiled(self, source, name=None, filename=None, raw=False, defer_init=False):
        if raw or defer_init or not isinstance(source, str):
            return compile_template(self, source, name, filename, raw, defer_init)
        syntax = [type(self).__qualname__, *(getattr(self, one) for one in _SYNTAX)]
        text = repr((syntax, str(source), name, filename)).encode()
        return kept_code(_KEPT / "templates", text, lambda: compile_template(self, source, name, filename))

    jinja2.Environment.compile = compiled


def _remove_kept(server):
    # The forks of the server end, too.
    if os.getpid() == server:
        shutil.rmtree(_KEPT, ignore_errors=True)


ARCHIVES.mkdir()
atexit.register(_remove_kept, os.getpid())
