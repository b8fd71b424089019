# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which module a task runs, and which action plugin runs a module: meta/runtime.yml has one for several modules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader

from .bytecode import bytecode

_COLLECTION = __name__.partition(".plugins.")[0]
#: Words of other tools for the host of the VMs. Here, it is a keyword of Ansible, and no option.
_HOST_WORDS = ("host", "hypervisor_host", "kvm_host", "vm_host")


def declaration(module):
    """Return the Declaration of a module of this collection; its name may be the short one."""
    with bytecode():
        return import_module(f"{_COLLECTION}.plugins.modules.{module.rpartition('.')[2]}").MODULE


class OfModule(ActionBase):
    """An action plugin of the one module that has the same name, ``about``; ``module`` is the Declaration of that."""

    about, module = "", None

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        if cls.__name__ == "ActionModule":
            cls.about = cls.__module__.rpartition(".")[2]
            cls.module = declaration(cls.about)


def parts_of(action):
    """Return the arguments with which Ansible makes another action plugin for the same connection."""
    names = ("connection", "play_context", "loader", "templar", "shared_loader_obj")
    return {name: getattr(action, f"_{name}") for name in names}


def module_of(task):
    """Return the full name of the module of a task, which can have a short name, or one that is redirected."""
    found = module_loader.find_plugin_with_context(task.action, collection_list=task.collections)
    return found.resolved_fqcn if found.resolved else task.action


def action_plugin(module):
    """Return the full name of the action plugin of a module by its full name."""
    return module_loader.find_plugin_with_context(module).action_plugin or module


def other_module(option, module):
    """The remedy for an option that only other modules have, or None; those of its platform come first."""
    if option in _HOST_WORDS:
        uri = ", or uri: qemu+ssh://HOST/system" if "uri" in declaration(module).options else ""
        return f"A module works on the host on which its task runs: set hosts of the play or delegate_to{uri}."
    family = module.rpartition(".")[2].partition("_")[0]
    names = sorted(path.stem for path in (Path(__file__).parents[2] / "modules").glob("[a-z]*.py"))
    for name in sorted(names, key=lambda one: (one.partition("_")[0] != family, not one.endswith("vm"))):
        found = declaration(name).options.get(option)
        if found and not found.hidden:
            return f"{option} is an option of {_COLLECTION.removeprefix('ansible_collections.')}.{name}."
    return None
