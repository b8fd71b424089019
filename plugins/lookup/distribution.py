# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: distribution
short_description: Look up operating systems, their installers and images
version_added: 1.0.0
description:
  - Returns entries of the catalogue of distributions, with the addresses of their installation media and images.
  - Without names, all entries are returned that are enabled, have not reached the end of their life, and match the
    filters.
  - The entries contain no checksums. They name the checksum file and the signature of the vendor.
  - An entry without an installer has images only. A rolling release has no version and no end of life.
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
    description: Only entries with media that this platform can use. That is an installer or an image.
    type: str
    choices: [hyperv, libvirt, proxmox, vagrant, virtualbox, vmd, wsl]
  type:
    description: Only entries that have media of this type.
    type: str
    choices: [box, cloud, disk, iso, netboot, wsl]
  architecture:
    description:
      - Only media of this architecture. What depends on it, such as RV(_raw[].serial_console), is that of this
        architecture, and entries that have no media of it are returned only if they are requested by name.
      - If omitted, media of all architectures are returned, those for V(amd64) first, and the other values are those of
        V(amd64).
    type: str
    choices: [amd64, arm64]
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

- name: Show which distributions can be installed on hosts with an Arm CPU
  ansible.builtin.debug:
    msg: "{{ query('polyvirt.core.distribution', architecture='arm64', type='netboot') | map(attribute='name') }}"

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
      description: The distribution and its version. A rolling release has no version in its name.
      type: str
      sample: debian-13
    distribution:
      description: The distribution.
      type: str
    version:
      description: The version, or an empty string for a rolling release.
      type: str
    title:
      description: Name for people.
      type: str
    codename:
      description: Code name of the version, or an empty string.
      type: str
    architecture:
      description: The requested architecture, or null.
      type: str
    arm64:
      description:
        - What is different for V(arm64), such as C(serial_console) and C(package_mirror). With the option
          O(architecture), these values are in the entry itself.
      type: dict
    btrfs:
      description: Whether its installer can create btrfs.
      type: bool
    installer:
      description:
        - Kind of answer file that its installer reads, or null if there is no installer.
        - One of V(alpine), V(autoinstall), V(kickstart), V(openbsd), V(preseed) and V(windows).
      type: str
    platforms:
      description: Platforms that can use at least one of its media, unless the entry limits them.
      type: list
      elements: str
    enabled:
      description: Whether it is listed without being requested by name.
      type: bool
    end_of_life:
      description: The last day of support by the vendor, or null for a rolling release.
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
    unverified:
      description: Keys of the entry with facts that nobody has verified.
      type: list
      elements: str
    media:
      description:
        - Installation media and images. Each has a C(type), a C(file) and C(bases), the addresses where it may be.
        - The name may contain C(*) for the point release. The checksum file then lists the newest one.
        - C(checksums) is the checksum file at the same address. C(signature) has the tool (V(gpg) or V(signify)), the
          C(file) of a detached signature, and the C(key) with its C(key_url).
        - Media with C(manual) can only be downloaded by hand, at that address.
        - Media of the types V(box), V(cloud) and V(wsl) have C(image), a description of their contents. It has the
          C(format), the C(compression), the C(firmware), the C(login_user), and more.
        - C(unverified) of a medium lists keys with facts that nobody has verified.
      type: list
      elements: dict
"""

from datetime import date

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..plugin_utils.installs.catalogue import as_result, selected
from ..plugin_utils.installs.catalogue_files import CatalogueFiles
from ..plugin_utils.installs.catalogue_media import InvalidCatalogue


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.distribution``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        files = CatalogueFiles(self._loader.load_from_file, self.get_option("directories"))
        try:
            entries = {name: self._named(files, name) for name in terms} or files.entries()
        except InvalidCatalogue as error:
            raise AnsibleLookupError(str(error)) from None
        filters = [self.get_option(name) for name in ("platform", "type")]
        hidden = bool(terms) or self.get_option("hidden")
        return selected(entries, date.today(), *filters, hidden, self.get_option("architecture"))

    def _named(self, files, name):
        found = files.find(str(name))
        if found is None:
            raise AnsibleLookupError(f"The catalogue has no '{name}'. It has: {', '.join(sorted(files.entries()))}.")
        entry = as_result(found, date.today())
        if entry["end_of_life_reached"]:
            Display().warning(f"{name} has had no support by its vendor since {entry['end_of_life']}.")
        elif not entry["enabled"]:
            Display().warning(f"{name} is disabled in the catalogue.")
        return found
