# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: option_problems
short_description: Check the options of roles of this collection
version_added: 1.0.0
description:
  - Checks the variables of a host that are options of roles, and returns a text that names each problem, or an empty
    text. So one task checks the options of several roles before the first change, without running the roles.
  - Names are checked first. A variable that begins with the name of a role and an underscore is misspelt if it is not
    an option of the role, but is spelt nearly like one. Other names are variables of the user.
  - Then the values are checked by the C(meta/argument_specs.yml) of the role, and by further rules of the role.
author:
  - polyvirt contributors (@polyvirt)
options:
  _terms:
    description: Names of roles of this collection, such as V(vm). Names and values of their options are checked.
    type: list
    elements: str
  names:
    description: Names of roles of which only the names of variables are checked.
    type: list
    elements: str
    default: []
notes:
  - The variable C(polyvirt_own_variables) lists names that are correct although they are spelt nearly like an option.
seealso:
  - plugin: polyvirt.core.misspelt
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Check the options
  ansible.builtin.assert:
    that: problems == ''
    fail_msg: "{{ problems }}"
  vars:
    problems: "{{ lookup('polyvirt.core.option_problems', 'vm', 'guest_image', names=['agent']) }}"
"""

RETURN = r"""
_raw:
  description: One text, which is empty if there is no problem.
  type: list
  elements: str
  sample: ["vm_memroy is not an option of role polyvirt.core.vm; did you mean vm_memory? Nothing was changed."]
"""

from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ..module_utils._core.options.option_errors import error_messages
from ..plugin_utils.inventory.hosts import is_controller

_ROLES = Path(__file__).parents[2] / "roles"
_CORRECT_NAME = "Correct it, or add your own variable to polyvirt_own_variables."


def _about_null(name, option):
    choices = f"Set one of {', '.join(map(str, option['choices']))}" if "choices" in option else "Set a value"
    return f"{name}: it is null. {choices}, or leave the variable out; in AWX, give no answer to the question."


def _about_controller(name):
    remedy = "Set vm_inventory_name, or inventory_name of its entry in vm_machines, to another name."
    return f"{name}: a host of the inventory with this name would receive what plays run on the controller. {remedy}"


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.option_problems``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        variables = dict(variables or {})
        names = lookup_loader.get("polyvirt.core.misspelt", loader=self._loader, templar=self._templar)
        own = self._templar.template(variables.get("polyvirt_own_variables", []))
        found = names.run([*terms, *self.get_option("names")], variables, own=own)
        if found:
            found.append(_CORRECT_NAME)
        else:
            found = [problem for role in terms for problem in self._problems(role, variables)]
        return [" ".join([*found, "Nothing was changed."]) if found else ""]

    def _problems(self, role, variables):
        """Return the messages of the specification, or [the variable ``__ROLE_problem`` of the role] if it is set."""
        folder = _ROLES / role
        scope = {**self._content(folder / "defaults"), **self._content(folder / "vars"), **variables}
        scope["role_path"] = str(folder)
        scope["ansible_search_path"] = [str(folder), *variables.get("ansible_search_path", [])]
        templar = self._templar.copy_with_new_env(available_variables=scope)
        spec = self._content(folder / "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
        values = {name: templar.template(scope[name]) for name in spec if name in scope}
        problems = error_messages(ArgumentSpecValidator(spec).validate(values))
        # Ansible's own error names a type of Python.
        null = [name for name, value in values.items() if value is None and name in variables]
        problems = [_about_null(null[0], spec[null[0]])] if problems and null else problems
        problems = problems or [str(templar.template(scope.get(f"__{role}_problem", "")) or "").strip()]
        names = [] if any(problems) else templar.template(scope.get(f"__{role}_hosts_to_add", []))
        problems += [_about_controller(name) for name in map(str, names) if is_controller(name)]
        return list(filter(None, problems))

    def _content(self, folder, name="main.yml"):
        """Return a file of variables as the role itself gets it: with templates."""
        path = folder / name
        if not path.exists():
            return {}
        try:
            return self._loader.load_from_file(str(path), trusted_as_template=True)
        except TypeError:  # Before ansible-core 2.19, each text is a template.
            return self._loader.load_from_file(str(path))
