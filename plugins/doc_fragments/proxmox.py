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
      - Name or address of one node of the cluster, without C(https://). Any node gives access to all of them.
      - If omitted, E(PROXMOX_HOST) in the environment of the task.
    type: str
  api_port:
    description: Port of the API. If omitted, E(PROXMOX_PORT), else 8006.
    type: int
  api_user:
    description: User with its realm, such as V(ansible@pve). If omitted, E(PROXMOX_USER).
    type: str
  api_password:
    description:
      - Password of the user. If omitted, E(PROXMOX_PASSWORD). A token is recommended instead.
      - The ticket that is created with it is renewed automatically.
    type: str
  api_token_id:
    description:
      - Name of an API token of the user, such as V(ci), or with the user, such as V(ansible@pve!ci).
      - If omitted, E(PROXMOX_TOKEN_ID). With a token, no password is used.
    type: str
  api_token_secret:
    description: Secret of the token. If omitted, E(PROXMOX_TOKEN_SECRET).
    type: str
  verify_ssl:
    description:
      - Whether the certificate of the server is verified. If omitted, E(PROXMOX_VERIFY_SSL), else V(true).
      - With V(false), anybody on the network path could read the secrets.
    type: bool
    aliases: [validate_certs]
  ca_path:
    description:
      - File with the certificate authority of the server; that of a cluster is C(/etc/pve/pve-root-ca.pem) on each
        node.
      - If omitted, E(PROXMOX_CA_PATH), else the authorities that the host trusts.
    type: path
  api_timeout:
    description:
      - Timeout of a single request in seconds. At least 35, because the server itself takes up to 30.
      - If omitted, E(PROXMOX_API_TIMEOUT), else 35.
    type: int
requirements:
  - Proxmox VE 7.0 or later
  - The Python libraries proxmoxer (2.1 or later) and requests on the host where the task runs
notes:
  - The task runs on any host that can reach the API, usually the controller (C(delegate_to) localhost, or a play for
    localhost). Nothing is installed on the nodes.
"""
