# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The way to Proxmox VE (the argument spec ``proxmox``)."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.proxmox) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.proxmox
options:
  api_host:
    description:
      - Name or address of a node of the cluster, without C(https://); any node leads to all of them.
      - When left out, C(PROXMOX_HOST) in the environment of the task.
    type: str
  api_port:
    description: Port of its API. When left out, C(PROXMOX_PORT), else 8006.
    type: int
  api_user:
    description: User with its realm, such as V(ansible@pve). When left out, C(PROXMOX_USER).
    type: str
  api_password:
    description:
      - Password of the user. When left out, C(PROXMOX_PASSWORD). A token is the better way.
      - The ticket that is got for it is renewed by itself.
    type: str
  api_token_id:
    description:
      - Name of an API token of the user, such as V(ci), or with the user in front, V(ansible@pve!ci).
      - When left out, C(PROXMOX_TOKEN_ID). With a token no password is used.
    type: str
  api_token_secret:
    description: Secret of the token. When left out, C(PROXMOX_TOKEN_SECRET).
    type: str
  verify_ssl:
    description:
      - Whether the server must show a certificate that is trusted. When left out, C(PROXMOX_VERIFY_SSL), else it must.
      - With V(false) anybody between here and there could read the secrets.
    type: bool
    aliases: [validate_certs]
  ca_path:
    description:
      - File with the authority that signed the server's certificate; a cluster's own is C(/etc/pve/pve-root-ca.pem) on
        each node. When left out, C(PROXMOX_CA_PATH), else the authorities that the host trusts.
    type: path
  api_timeout:
    description:
      - Seconds after which a single call is given up. At least 35, for the server itself takes up to 30. When left
        out, C(PROXMOX_API_TIMEOUT), else 35.
    type: int
requirements:
  - Proxmox VE 7.0 or later
  - The Python libraries proxmoxer (2.1 or later) and requests where the task runs
notes:
  - The task runs anywhere that reaches the API, as a rule on the controller (C(delegate_to) localhost, or a play for
    localhost); nothing is installed on the nodes.
"""
