# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: distribution
short_description: Look up operating systems that this collection can install
version_added: 0.1.0
description:
  - Returns entries of the catalogue of distributions, with the addresses of their installation media and images.
  - Without names, all entries are returned that are enabled, have not reached the end of their life, and match the
    filters.
  - The entries contain no checksums. They name the checksum file and the signature of the vendor.
author:
  - polyvirt contributors (@polyvirt)
options:
  _terms:
    description:
      - Names of entries, such as V(debian-13).
      - An entry that is disabled, or has reached the end of its life, is returned with a warning.
    type: list
    elements: str
    default: []
  platform:
    description: Only entries that can be installed on this platform.
    type: str
    choices: [hyperv, libvirt, proxmox, virtualbox, vmd]
  type:
    description: Only entries that have media of this type.
    type: str
    choices: [cloud, disk, iso, netboot]
  hidden:
    description: Also return entries that are disabled or have reached the end of their life.
    type: bool
    default: false
  directories:
    description:
      - Directories with your own entries. Each file C(*.yml) in them has the form of those in the directory
        C(templates/catalogue) of this collection.
      - An entry replaces one of the same name in this collection or in an earlier directory.
    type: list
    elements: path
    default: []
    vars:
      - name: polyvirt_catalogue_directories
seealso:
  - plugin: polyvirt.core.misspelt
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show which distributions can be installed on vmd
  ansible.builtin.debug:
    msg: "{{ query('polyvirt.core.distribution', platform='vmd') | map(attribute='name') }}"

- name: Show where the installation media of Debian 13 are
  ansible.builtin.debug:
    msg: "{{ lookup('polyvirt.core.distribution', 'debian-13').media | map(attribute='bases') }}"
"""

RETURN = r"""
_raw:
  description: One entry for each name, or all that match, ordered by distribution and version.
  type: list
  elements: dict
  contains:
    name:
      description: The distribution and its version.
      type: str
      sample: debian-13
    distribution:
      description: The distribution.
      type: str
    version:
      description: The version.
      type: str
    title:
      description: Name for people.
      type: str
    codename:
      description: Code name of the version, or an empty string.
      type: str
    btrfs:
      description: Whether its installer can create btrfs.
      type: bool
    installer:
      description:
        - Kind of answer file that its installer reads.
        - One of V(alpine), V(autoinstall), V(kickstart), V(openbsd), V(preseed) and V(windows).
      type: str
    platforms:
      description: Platforms on which it can be installed.
      type: list
      elements: str
    enabled:
      description: Whether it is listed without being requested by name.
      type: bool
    end_of_life:
      description: The last day of support by the vendor, or null.
      type: str
      sample: "2030-06-30"
    end_of_life_source:
      description: Page with this date, or an empty string.
      type: str
      sample: https://endoflife.date/debian
    end_of_life_reached:
      description: Whether that day is over.
      type: bool
    minimum:
      description: RAM (C(memory)), C(disk) and C(cpu) level that the installer needs at least.
      type: dict
    recommended:
      description: RAM (C(memory)), C(disk) and C(cpu) level to begin with.
      type: dict
    login_user:
      description: First user of its cloud image, or an empty string.
      type: str
    serial_console:
      description: Kernel argument that selects the serial console, or an empty string.
      type: str
    install_arguments:
      description: Kernel arguments that an unattended installation needs, or an empty string.
      type: str
    start_arguments:
      description: Kernel arguments that the installer needs if its kernel is started directly, or an empty string.
      type: str
    iso_kernel:
      description: Path of the installer's kernel on its ISO image, if it can be started directly, or an empty string.
      type: str
    iso_initrd:
      description: Path of the initial RAM disk on the same ISO image, or an empty string.
      type: str
    package_mirror:
      description: Address of its packages, or an empty string.
      type: str
    media:
      description:
        - Installation media and images. Each has a C(type), a C(file) and C(bases), the addresses where it may be.
        - The name may contain C(*) for the point release. The checksum file then lists the newest one.
        - C(checksums) is the checksum file at the same address. C(signature) has the tool (V(gpg) or V(signify)), the
          C(file) of a detached signature, and the C(key) with its C(key_url).
        - Media with C(manual) can only be downloaded by hand, at that address.
      type: list
      elements: dict
"""

from datetime import date
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..plugin_utils.installs.catalogue import InvalidCatalogue, as_result, entries_of, merged, selected

_SHIPPED = Path(__file__).parents[2] / "templates" / "catalogue"


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.distribution``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        try:
            entries = merged(map(self._entries_in, [_SHIPPED, *map(Path, self.get_option("directories"))]))
        except InvalidCatalogue as error:
            raise AnsibleLookupError(str(error)) from None
        platform, media_type = self.get_option("platform"), self.get_option("type")
        if terms:
            entries = {name: self._named(entries, name) for name in terms}
            return selected(entries, date.today(), platform, media_type, hidden=True)
        return selected(entries, date.today(), platform, media_type, self.get_option("hidden"))

    def _entries_in(self, directory):
        if not directory.is_dir():
            raise InvalidCatalogue(f"{directory} is not a directory; correct 'directories'.")
        files = sorted([*directory.glob("*.yml"), *directory.glob("*.yaml")])
        return [entry for file in files for entry in entries_of(self._loader.load_from_file(str(file)), file)]

    def _named(self, entries, name):
        if name not in entries:
            raise AnsibleLookupError(f"The catalogue has no '{name}'. It has: {', '.join(sorted(entries))}.")
        entry = as_result(entries[name], date.today())
        if entry["end_of_life_reached"]:
            Display().warning(f"{name} has had no support by its vendor since {entry['end_of_life']}.")
        elif not entry["enabled"]:
            Display().warning(f"{name} is disabled in the catalogue.")
        return entries[name]
