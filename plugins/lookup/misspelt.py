# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: misspelt
short_description: Find misspelt variables of the roles of this collection
version_added: 1.0.0
description:
  - Compares the variables of a host with the options of a role, and returns a sentence for each variable that is not
    an option of the role but is spelt nearly like one.
  - Only variables that begin with the name of the role and an underscore are compared. Names that are not similar to
    an option are variables of the user, and are not reported.
author:
  - polyvirt contributors (@polyvirt)
options:
  _terms:
    description: Names of roles of this collection, such as V(vm).
    type: list
    elements: str
    required: true
  own:
    description: Names of variables that are correct although they look like an option.
    type: list
    elements: str
    default: []
seealso:
  - plugin: ansible.builtin.varnames
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Check the names of variables
  ansible.builtin.assert:
    that: query('polyvirt.core.misspelt', 'vm', 'agent') | length == 0
    fail_msg: "{{ query('polyvirt.core.misspelt', 'vm', 'agent') | join(' ') }}"
"""

RETURN = r"""
_raw:
  description: One sentence for each misspelt variable, which names it and the option that it is similar to.
  type: list
  elements: str
  sample: ["vm_memroy is not an option of role polyvirt.core.vm; did you mean vm_memory?"]
"""

from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils._core.options.option_errors import nearest
from ..module_utils._core.options.other_words import WORDS, names_in

_DISPLAY = Display()

#: Variables of a role that are not options: facts that it sets, and variables of its playbooks and profiles.
_OTHER = {
    "agent": ("agent_target", "agent_values"),
    "guest_image": ("guest_image_result",),
    "guest_scripts": ("guest_scripts_result",),
    "hyperv_host": ("hyperv_host_reboot_required", "hyperv_host_result"),
    "vm": (
        *("vm_hosts", "vm_image_users", "vm_install_options", "vm_install_ssh_keys", "vm_machine", "vm_result"),
        "vm_results",
    ),
    "vmm_host": ("vmm_host_reboot_required", "vmm_host_result"),
    "unattended_install": ("unattended_install_result",),
    "vmm_network": ("vmm_network_result",),
    "wsl_host": ("wsl_host_reboot_required", "wsl_host_result"),
}


def _word_of_others(role, name, known):
    """The option of the role for a word of another tool, such as vm_memory for vm_ram; None if there is none."""
    for text, words in WORDS.items():
        option, suboption, *_more = [*names_in(text), "", ""]
        for one in (f"{option.rstrip('s')}_{suboption}", suboption, option):
            if f"{role}_{one}" in known and name.removeprefix(f"{role}_") in words.split():
                return f"{role}_{one}"
    return None


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.misspelt``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        own = self.get_option("own")
        return [sentence for role in terms for sentence in self._sentences(role, set(variables or ()) - set(own))]

    def _sentences(self, role, names):
        known = self._known(role)
        for name in sorted(name for name in names if name.startswith(f"{role}_") and name not in known):
            similar = nearest(name, known)
            meant = None if similar else _word_of_others(role, name, known)
            if similar:
                yield f"{name} is not an option of role polyvirt.core.{role}; did you mean {similar}?"
            elif meant and meant not in names:
                # It may be a variable of the user, so the play goes on.
                _DISPLAY.warning(f"{name} is not an option of role polyvirt.core.{role}; the option is {meant}.")

    def _known(self, role):
        path = Path(__file__).parents[2] / "roles" / role / "meta" / "argument_specs.yml"
        if not path.is_file():
            raise AnsibleLookupError(f"polyvirt.core has no role {role}.")
        entries = self._loader.load_from_file(str(path))["argument_specs"].values()
        return sorted({*_OTHER.get(role, ()), *(option for entry in entries for option in entry.get("options", {}))})
