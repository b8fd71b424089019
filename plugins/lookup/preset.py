# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preset
short_description: Look up presets of virtual machines
version_added: 1.0.0
description:
  - Returns the options of a VM that suit an operating system on a platform, such as CPUs, memory, disk and firmware.
  - The result is an entry of O(polyvirt.core.vm#module:machines).
  - A preset names no image and no medium, except for WSL, which has a list of images itself. Set them with the name of
    the VM in O(overrides).
  - A preset can also have scripts that set up what is in the guest. The role P(polyvirt.core.vm#role) and the playbook
    C(polyvirt.core.provision) use all of a preset, by its name in C(vm_preset).
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
  whole:
    description:
      - Return all that a preset has, instead of an entry of C(machines). O(overrides) are not used then.
    type: bool
    default: false
  directories:
    description:
      - Directories with your own presets, one file C(NAME.yml) each, of the same form as those in the directory
        C(templates/presets) of this collection.
      - A preset replaces one of the same name in this collection or in an earlier directory.
      - Scripts are files C(NAME.sh) in the subdirectory C(scripts). They replace those of the same name in this
        collection or in an earlier directory. A file C(common.sh) there is put before each of them.
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
  description: One entry of C(machines) for each name; with O(whole), all that each preset has.
  type: list
  elements: dict
  contains:
    platform:
      description: Platform of the VM. Without O(whole), all other keys are options of the module M(polyvirt.core.vm).
      type: str
      sample: libvirt
    title:
      description: The preset in a few words.
      returned: with O(whole)
      type: str
    distribution:
      description: Operating system, as in the catalogue.
      returned: with O(whole)
      type: str
    vm:
      description: Options of the module M(polyvirt.core.vm).
      returned: with O(whole)
      type: dict
    image:
      description: Image of a new VM. Empty if the options have it, as on WSL and with Vagrant.
      returned: with O(whole)
      type: str
    scripts:
      description: Scripts for the role P(polyvirt.core.guest_scripts#role), with C(name) and C(script).
      returned: with O(whole)
      type: list
      elements: dict
    user_data:
      description: A cloud-config that runs the scripts, on platforms with guests that are not reached by SSH.
      returned: with O(whole)
      type: dict
"""

from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._core.options.option_errors import did_you_mean
from ..plugin_utils.installs.presets import COMMON, InvalidPreset, checked, vm_from_preset, whole

_SHIPPED = Path(__file__).parents[2] / "templates" / "presets"


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.preset``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        directories = [_SHIPPED, *map(Path, self.get_option("directories"))]
        files = {file.stem: file for directory in directories for file in self._files_in(directory)}
        try:
            return [self._result(self._preset(files, name), directories) for name in terms]
        except InvalidPreset as error:
            raise AnsibleLookupError(str(error)) from None

    def _result(self, preset, directories):
        texts = [self._script(name, directories) for name in preset.get("scripts", ())]
        if self.get_option("whole"):
            return whole(preset, texts)
        return vm_from_preset(preset, self.get_option("overrides"), texts)

    def _files_in(self, directory):
        if not directory.is_dir():
            raise AnsibleLookupError(f"{directory} is not a directory; correct 'directories'.")
        return sorted(directory.glob("*.yml"))

    def _preset(self, files, name):
        if name not in files:
            known = ", ".join(sorted(files))
            raise AnsibleLookupError(f"There is no preset '{name}'. {did_you_mean(name, files)}There are: {known}.")
        return checked(self._loader.load_from_file(str(files[name])), files[name])

    def _script(self, name, directories):
        """Return the text of a script, after what is common to those of its directory. The last directory wins."""
        paths = [directory / "scripts" / f"{name}.sh" for directory in directories]
        path = next((one for one in reversed(paths) if one.is_file()), None)
        if path is None:
            raise AnsibleLookupError(f"There is no script '{name}'. Searched: {', '.join(map(str, paths))}.")
        common = path.with_name(f"{COMMON}.sh")
        return "".join(one.read_text(encoding="utf-8") for one in (common, path) if one.is_file())
