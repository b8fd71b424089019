# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options by which the modules image and image_info find the VMs of a platform."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - Connection URI of the libvirt with the VMs that can use the images. Only for libvirt.
      - If omitted, the environment variable E(LIBVIRT_DEFAULT_URI), then C(qemu:///system).
    type: str
  executable:
    description:
      - Name or path of the platform's program. If omitted, C(virsh), C(VBoxManage) or C(vmctl).
    type: str
  config_file:
    description: Configuration file of vmd. Only for vmd. If omitted, C(/etc/vm.conf).
    type: path
  node:
    description:
      - Node that has the images. Only for Proxmox VE.
      - Required if several nodes have a storage for images, unless they share O(image_storage). V(auto) is the same as
        no value.
    type: str
  image_storage:
    description:
      - Storage with files and the content Import. Only for Proxmox VE.
      - If omitted, the first active one of the node, in the order of their names.
    type: str
  api_host:
    description:
      - Name or address of one node of the cluster, without C(https://). Only for Proxmox VE.
      - If omitted, E(PROXMOX_HOST) in the environment of the task.
    type: str
  api_port:
    description: Port of the API. Only for Proxmox VE. If omitted, E(PROXMOX_PORT), else 8006.
    type: int
  api_user:
    description:
      - User with its realm, such as V(ansible@pve). Only for Proxmox VE. If omitted, E(PROXMOX_USER).
    type: str
  api_password:
    description:
      - Password of the user. Only for Proxmox VE. If omitted, E(PROXMOX_PASSWORD). A token is recommended instead.
    type: str
  api_token_id:
    description:
      - Name of an API token of the user, such as V(ci), or with the user, such as V(ansible@pve!ci). Only for Proxmox
        VE.
      - If omitted, E(PROXMOX_TOKEN_ID). With a token, no password is used.
    type: str
  api_token_secret:
    description: Secret of the token. Only for Proxmox VE. If omitted, E(PROXMOX_TOKEN_SECRET).
    type: str
  verify_ssl:
    description:
      - Whether the certificate of the server is verified. Only for Proxmox VE. If omitted, E(PROXMOX_VERIFY_SSL), else
        V(true).
      - With V(false), anybody on the network path could read the secrets.
    type: bool
    aliases: [validate_certs]
  ca_path:
    description:
      - File with the certificate authority of the server. Only for Proxmox VE.
      - If omitted, E(PROXMOX_CA_PATH), else the authorities that the host trusts.
    type: path
  api_timeout:
    description:
      - Timeout of a single request in seconds. Only for Proxmox VE. At least 35, because the server itself takes up to
        30.
      - If omitted, E(PROXMOX_API_TIMEOUT), else 35.
    type: int
"""
