# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete the argument specifications of playbooks (PLAYBOOK.meta.yml) with the options of the roles that they run.

The options of the playbook itself are written by hand above the generated ones. An option of the same name, such as one
that the playbook requires, replaces that of the role.
"""

from __future__ import annotations

import re
from functools import cache

import yaml

_VM, _AGENT = "vm", "agent"
_GUEST = (_VM, "unattended_install", "guest_scripts", _AGENT)
_ALL = (_VM, "guest_image", "unattended_install", "guest_scripts", _AGENT)
#: {playbook below the checkout: roles with options that are variables of the playbook, in this order}
ROLES = {
    "playbooks/install_agent": (_AGENT,),
    "playbooks/molecule_create": (_VM,),
    "playbooks/molecule_destroy": (_VM,),
    "playbooks/molecule_reset": (_VM,),
    "playbooks/molecule_snapshot": (_VM,),
    "playbooks/provision": _ALL,
    "playbooks/provision_group": _GUEST,
    "playbooks/teardown": (_VM,),
    "playbooks/teardown_group": (_VM,),
    "extensions/patterns/create_vm/playbooks/create_vm": _ALL,
    "extensions/patterns/create_vm/playbooks/remove_vm": (_VM,),
    "extensions/patterns/provision_group/playbooks/provision_group": _GUEST,
    "extensions/patterns/provision_group/playbooks/remove_group": (_VM,),
    "extensions/patterns/vmm_network/playbooks/vmm_network": ("vmm_network",),
    "extensions/patterns/vmm_network/playbooks/remove_vmm_network": ("vmm_network",),
}
#: {beginning of a playbook's file name: options of roles that the playbook itself sets}
_SET_BY_PLAYBOOK = {
    "molecule_": ("vm_name", "vm_machines", "vm_inventory_name", "vm_ssh_key_file"),
    "provision_group": ("vm_machines", "vm_inventory_name"),
    "remove_": ("vm_machines", "vm_state", "vmm_network_state"),
    "teardown": ("vm_machines", "vm_state"),
}
_GENERATED = re.compile(r"^[^\n]*begin generated: options.*?^[^\n]*end generated[^\n]*$", re.MULTILINE | re.DOTALL)
_INDENT = " " * 6


class _Dumper(yaml.SafeDumper):
    """Indents lists, as yamllint wants it, and repeats what is the same."""

    def ignore_aliases(self, data):
        return True

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def spec_of(checkout, playbook):
    """Return {option: its specification} of a playbook, such as ``playbooks/provision``."""
    return {**_own(checkout, playbook), **_of_roles(checkout, playbook), **_own(checkout, playbook)}


def role_option_lines(checkout, playbook):
    """Return the lines of the options of roles that are not options of the playbook itself."""
    own = _own(checkout, playbook)
    options = {name: one for name, one in _of_roles(checkout, playbook).items() if name not in own}
    return [f"{_INDENT}{line}".rstrip() for line in yaml_lines(options, 120 - len(_INDENT))]


def yaml_lines(data, longest=120):
    """Return a dictionary as lines of YAML with at most ``longest`` characters, in this order of keys."""
    return [line for key, value in data.items() for line in _entry_lines({key: value}, longest)]


def _entry_lines(entry, longest):
    """The dumper ends a line after the word that exceeds its width, so the width depends on the words."""
    for width in range(longest, 40, -4):
        lines = yaml.dump(entry, Dumper=_Dumper, sort_keys=False, width=width, allow_unicode=True).splitlines()
        if max(map(len, lines)) <= longest:
            break
    return lines


def _of_roles(checkout, playbook):
    name = playbook.rpartition("/")[2]
    not_asked = {one for beginning, names in _SET_BY_PLAYBOOK.items() if name.startswith(beginning) for one in names}
    found = {}
    for role in ROLES.get(playbook, ()):
        text = (checkout / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
        options = _loaded(text)["argument_specs"]["main"]["options"]
        found.update({key: _of_play(option) for key, option in options.items() if key not in {*found, *not_asked}})
    return found


def _of_play(option):
    """Return an option of a role as one of a play: its description is one text, and no role has to run."""
    texts = option["description"]
    kept = {key: value for key, value in option.items() if key not in ("description", "required", "options")}
    joined = texts if isinstance(texts, str) else " ".join(texts)
    suboptions = {name: _of_suboption(one) for name, one in option.get("options", {}).items()}
    return {"description": joined, **kept, **({"options": suboptions} if suboptions else {})}


def _of_suboption(option):
    """Return a suboption, which keeps what is required of it."""
    return {**_of_play(option), **({"required": True} if option.get("required") else {})}


@cache
def _loaded(text):
    """Return a YAML document; the same roles are read for many playbooks."""
    return yaml.safe_load(text)


def _own(checkout, playbook):
    """Return the options that are written by hand."""
    text = (checkout / f"{playbook}.meta.yml").read_text(encoding="utf-8")
    (spec,) = _loaded(_GENERATED.sub("", text))["argument_specs"].values()
    return spec["options"] or {}
