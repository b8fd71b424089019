# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preset
short_description: Look up presets of virtual machines
version_added: 0.1.0
description:
  - Returns the options of a VM that suit an operating system on a platform, such as CPUs, memory, disk and firmware.
  - The result is an entry of O(polyvirt.core.vm#module:machines).
  - A preset names no image and no medium, except for WSL, which has a list of images itself. Set them with the name of
    the VM in O(overrides).
author:
  - polyvirt contributors (@polyvirt)
options:
  _terms:
    description: Names of presets, such as V(libvirt-debian). The guide to installations has a table of all.
    type: list
    elements: str
    required: true
  overrides:
    description:
      - Options that are added to each preset or replace its options.
      - Dictionaries are merged, lists are replaced. A null removes the option.
    type: dict
    default: {}
  directories:
    description:
      - Directories with your own presets, one file C(NAME.yml) each, of the same form as those in the directory
        C(templates/presets) of this collection.
      - A preset replaces one of the same name in this collection or in an earlier directory.
    type: list
    elements: path
    default: []
    vars:
      - name: polyvirt_preset_directories
seealso:
  - module: polyvirt.core.vm
"""

EXAMPLES = r"""
- name: Create a VM from a preset, with more memory
  polyvirt.core.vm:
    state: started
    machines:
      - "{{ lookup('polyvirt.core.preset', 'libvirt-debian',
                   overrides={'name': 'web1', 'memory': '8G', 'image': '/srv/images/debian-13.qcow2'}) }}"
"""

RETURN = r"""
_raw:
  description: One entry of C(machines) for each name.
  type: list
  elements: dict
  contains:
    platform:
      description: Platform of the VM. All other keys are options of the module M(polyvirt.core.vm).
      type: str
      sample: libvirt
"""

from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.installs.presets import InvalidPreset, checked, vm_from_preset

_SHIPPED = Path(__file__).parents[2] / "templates" / "presets"


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.preset``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        files = {
            file.stem: file
            for directory in [_SHIPPED, *map(Path, self.get_option("directories"))]
            for file in self._files_in(directory)
        }
        overrides = self.get_option("overrides")
        try:
            return [vm_from_preset(self._preset(files, name), overrides) for name in terms]
        except InvalidPreset as error:
            raise AnsibleLookupError(str(error)) from None

    def _files_in(self, directory):
        if not directory.is_dir():
            raise AnsibleLookupError(f"{directory} is not a directory; correct 'directories'.")
        return sorted(directory.glob("*.yml"))

    def _preset(self, files, name):
        if name not in files:
            raise AnsibleLookupError(f"There is no preset '{name}'. There are: {', '.join(sorted(files))}.")
        return checked(self._loader.load_from_file(str(files[name])), files[name])
