# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: image_of_host
short_description: Find image, architecture and platform in the name of a host
version_added: 1.0.0
description:
  - Returns the image of the catalogue that the name of a host begins with, and the architecture and platform that it
    ends with. The playbook C(polyvirt.core.molecule_create) uses it for hosts without C(vm_image) or C(vm_platform).
  - The image is the longest name of the catalogue that is followed by a dash, a dot, or the end of the host's name.
  - The platform is the part after the last dot, if the host has an image and that part is the name of a platform.
  - The architecture is the part after the last dash, before the platform, if the host has an image and that part is
    V(amd64) or V(arm64).
author:
  - polyvirt contributors (@polyvirt)
options:
  _terms:
    description: Names of hosts, such as V(debian-13-web), V(debian-13-arm64) or V(debian-13.virtualbox).
    type: list
    elements: str
    required: true
  directories:
    description: Directories with your own entries, as in P(polyvirt.core.distribution#lookup).
    type: list
    elements: path
    default: []
    vars:
      - name: polyvirt_catalogue_directories
seealso:
  - plugin: polyvirt.core.distribution
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show what the name of the host says of its VM
  ansible.builtin.debug:
    msg: "{{ lookup('polyvirt.core.image_of_host', inventory_hostname) }}"
"""

RETURN = r"""
_raw:
  description: One entry for each host.
  type: list
  elements: dict
  contains:
    image:
      description: Name in the catalogue, or an empty string.
      type: str
      sample: debian-13
    architecture:
      description: Architecture of the VM, or an empty string.
      type: str
      sample: arm64
    platform:
      description: Name of the platform, or an empty string.
      type: str
      sample: virtualbox
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.installs.catalogue_files import CatalogueFiles
from ..plugin_utils.installs.catalogue_media import InvalidCatalogue
from ..plugin_utils.installs.image_of_host import image_of_host
from ..plugin_utils.tasks.registry import PLATFORMS


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.image_of_host``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        files = CatalogueFiles(self._loader.load_from_file, self.get_option("directories"))
        try:
            return [image_of_host(host, lambda name: files.find(name) is not None, PLATFORMS) for host in terms]
        except InvalidCatalogue as error:
            raise AnsibleLookupError(str(error)) from None
