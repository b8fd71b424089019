# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: password_hash_for
short_description: Hash a password as the installer of an operating system needs it
version_added: 1.0.0
description:
  - Returns a hash that the answer file of an unattended installation can contain.
  - The hash is C(bcrypt) for OpenBSD, and C(sha512crypt) for Linux. Windows Setup reads no hashes. For Windows, the
    filter returns the encoding that hides the password at first sight only.
  - The password is hashed on the controller.
author:
  - polyvirt contributors (@polyvirt)
positional: installer
options:
  _input:
    description: The password.
    type: str
    required: true
  installer:
    description: Kind of the answer file, such as RV(polyvirt.core.distribution#lookup:_raw[].installer).
    type: str
    choices: [alpine, autoinstall, kickstart, openbsd, preseed, windows]
    required: true
  seed:
    description:
      - Text from which the salt is calculated, such as the name of the VM. The hash is then the same in each run.
      - Without O(seed) and O(salt), the salt is random.
    type: str
  salt:
    description:
      - The salt itself. At most 16 characters of C(./0-9A-Za-z) for C(sha512crypt), 22 characters for C(bcrypt).
    type: str
  rounds:
    description: Rounds of C(sha512crypt) (default 100000), or cost of C(bcrypt) (default 10).
    type: int
  element:
    description: For Windows, the name of the XML element with the result in its C(Value).
    type: str
    choices: [AdministratorPassword, Password]
    default: Password
notes:
  - The hash is calculated by C(libcrypt) of the controller, which Linux systems have. On other systems, the Python
    packages C(passlib) (for Linux guests) and C(bcrypt) (for OpenBSD guests) are required.
seealso:
  - plugin: ansible.builtin.password_hash
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Hash a password for OpenBSD
  ansible.builtin.set_fact:
    password_hash: "{{ password | polyvirt.core.password_hash_for('openbsd', seed=inventory_hostname) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The hash, or for Windows the encoded password.
  type: str
"""

import secrets

from ansible.errors import AnsibleFilterError

from ..plugin_utils.installs.catalogue import INSTALLERS
from ..plugin_utils.installs.password_hashes import CannotHash, bcrypt, salt_from, sha512crypt, windows_value


def password_hash_for(password, installer, seed=None, salt=None, rounds=None, element="Password"):
    """The filter ``polyvirt.core.password_hash_for``."""
    if installer not in INSTALLERS:
        raise AnsibleFilterError(f"password_hash_for: '{installer}' is not one of {', '.join(INSTALLERS)}.")
    if not isinstance(password, str) or not password or "\0" in password:
        raise AnsibleFilterError("password_hash_for: the password must be a text that is not empty.")
    if installer == "windows":
        return windows_value(password, element)
    kind, hashed = ("bcrypt", bcrypt) if installer == "openbsd" else ("sha512crypt", sha512crypt)
    salt = salt or salt_from(secrets.token_hex() if seed is None else seed, kind)
    try:
        return hashed(password, salt, rounds) if rounds else hashed(password, salt)
    except CannotHash as error:
        raise AnsibleFilterError(f"password_hash_for: {error}") from None
    except ValueError:
        # The message of a library could contain the password.
        raise AnsibleFilterError("password_hash_for: the salt or the number of rounds is invalid.") from None


class FilterModule:
    """Filter plugin ``polyvirt.core.password_hash_for``."""

    def filters(self):
        return {"password_hash_for": password_hash_for}
