# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: guest_agent
short_description: Guests without a network, by the QEMU guest agent
version_added: 1.0.0
description:
  - Runs tasks in the guest of a virtual machine (VM) of libvirt or Proxmox VE. The hypervisor passes commands and files
    to the QEMU guest agent, so the guest needs neither a network nor an SSH server.
  - Commands run as the user of the agent, which is root unless the guest is configured otherwise. Use C(become) to run
    a task as another user.
  - Guests with a POSIX shell are supported, not Windows.
author:
  - polyvirt contributors (@polyvirt)
options:
  platform:
    description: Platform of the VM. Set by P(polyvirt.core.vms#inventory) for its hosts.
    type: str
    choices: [libvirt, proxmox]
    default: libvirt
    vars:
      - name: polyvirt_platform
      - name: ansible_guest_agent_platform
  vm:
    description:
      - Name or UUID of the VM; on Proxmox VE its name or ID.
      - P(polyvirt.core.vms#inventory) sets the ID for its hosts.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: polyvirt_id
      - name: ansible_guest_agent_vm
  remote_user:
    description:
      - User as whom the agent runs in the guest. This option does not change it.
      - As root, C(become) needs no password, and does nothing for tasks that become root.
    type: str
    default: root
    vars:
      - name: ansible_guest_agent_user
  timeout:
    description:
      - Seconds in which the agent must answer a request. A command may take longer.
      - The first task also waits this long for the agent of a guest that is starting.
    type: int
    default: 10
    vars:
      - name: ansible_guest_agent_timeout
  uri:
    description:
      - Connection to libvirt, such as V(qemu:///system) or V(qemu+ssh://root@hv1.example.com/system).
      - If omitted, the environment variable E(LIBVIRT_DEFAULT_URI), else V(qemu:///system).
    type: str
    vars:
      - name: ansible_guest_agent_uri
  api_host:
    description:
      - Name or address of one node of the Proxmox VE cluster, without C(https://).
      - If omitted, E(PROXMOX_HOST) in the environment of Ansible.
    type: str
    vars:
      - name: ansible_guest_agent_api_host
  api_port:
    description: Port of the API. If omitted, E(PROXMOX_PORT), else 8006.
    type: int
    vars:
      - name: ansible_guest_agent_api_port
  api_user:
    description: User with its realm, such as V(ansible@pve). If omitted, E(PROXMOX_USER).
    type: str
    vars:
      - name: ansible_guest_agent_api_user
  api_password:
    description: Password of the user. If omitted, E(PROXMOX_PASSWORD). A token is recommended instead.
    type: str
    vars:
      - name: ansible_guest_agent_api_password
  api_token_id:
    description:
      - Name of an API token of the user, such as V(ci), or with the user, such as V(ansible@pve!ci).
      - If omitted, E(PROXMOX_TOKEN_ID).
    type: str
    vars:
      - name: ansible_guest_agent_api_token_id
  api_token_secret:
    description: Secret of the token. If omitted, E(PROXMOX_TOKEN_SECRET).
    type: str
    vars:
      - name: ansible_guest_agent_api_token_secret
  verify_ssl:
    description:
      - Whether the certificate of the server is verified.
      - If omitted, E(PROXMOX_VERIFY_SSL) or E(PROXMOX_VALIDATE_CERTS), else V(true).
    type: bool
    vars:
      - name: ansible_guest_agent_verify_ssl
  ca_path:
    description:
      - File with the certificate authority of the server. If omitted, E(PROXMOX_CA_PATH), else the authorities that the
        controller trusts.
    type: path
    vars:
      - name: ansible_guest_agent_ca_path
requirements:
  - The package qemu-guest-agent in the guest, and a channel for it. M(polyvirt.core.virsh_vm) adds the channel to the
    VMs that it creates. On Proxmox VE, set C(native) with C(agent) to C(1).
  - For libvirt, C(virsh) on the controller
  - For Proxmox VE, the Python libraries proxmoxer (2.1 or later) and requests on the controller
notes:
  - Set C(ANSIBLE_PIPELINING=true) to run a module with one request. Without it, each module takes about five.
  - Files are sent to libvirt at about 300 KB per second, and to Proxmox VE in calls of 45 KB.
    For large files, use an ISO image, a shared folder or a network.
  - libvirt returns at most 3 MB of output of one command, Proxmox VE at most 16 MB. The task fails if there is more.
    Files that are fetched can have any size.
  - Fedora and RHEL turn off the commands that are needed. Permit C(guest-exec), C(guest-exec-status) and
    C(guest-file-*) in C(/etc/sysconfig/qemu-ga) of the guest. With SELinux, also run
    C(setsebool -P virt_qemu_ga_run_unconfined on).
  - On Proxmox VE, the user or token needs the privilege C(VM.GuestAgent.Unrestricted) for the VM (before version 9,
    C(VM.Monitor)), and C(VM.Audit).
  - A password for C(become) is passed to the command's standard input, and only if C(sudo) or C(doas) asks for one. It
    is on no command line.
"""

EXAMPLES = r"""
# Inventory: one guest of each platform.
# all:
#   hosts:
#     web1:
#       ansible_connection: polyvirt.core.guest_agent
#     db1:
#       ansible_connection: polyvirt.core.guest_agent
#       ansible_guest_agent_platform: proxmox
#       ansible_guest_agent_api_host: pve1.example.com
#       ansible_guest_agent_api_user: ansible@pve
#       ansible_guest_agent_api_token_id: ci
#       ansible_guest_agent_api_token_secret: "{{ vault_pve_token }}"

- name: Repair the network of guests that SSH cannot reach
  hosts: web1,db1
  gather_facts: false
  tasks:
    - name: Write the configuration
      ansible.builtin.copy:
        src: interfaces
        dest: /etc/network/interfaces
        mode: "0644"

    - name: Apply it
      ansible.builtin.service:
        name: networking
        state: restarted
"""

import shlex

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import BUFSIZE, ConnectionBase, ensure_connect

from ..module_utils._core.errors import InvalidInput, PolyvirtError
from ..plugin_utils.guests.guest_agents import agent_of


class Connection(ConnectionBase):
    """Connection plugin ``polyvirt.core.guest_agent``."""

    transport = "polyvirt.core.guest_agent"
    has_pipelining = True
    has_tty = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._agent = None

    def _connect(self):
        if not self._connected:
            try:
                self._agent = agent_of(self.get_option)
                self._agent.connect()
            except PolyvirtError as error:
                self.close()
                raise AnsibleConnectionFailure(str(error)) from error
            self._connected = True
        return self

    @ensure_connect
    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._display.vvv(f"EXEC {cmd}", host=self.get_option("vm"))
        password = self._become_password() if sudoable else b""
        try:
            ended = self._agent.run(self._unless_asked() + cmd if password else cmd, password + (in_data or b""))
        except PolyvirtError as error:
            raise _as_ansible(error) from error
        if password and self._is_rejected(ended):
            raise AnsibleError(f"Incorrect {self.become.name} password")
        return ended.rc, ended.stdout, ended.stderr

    def _become_password(self):
        """Return the input for the become prompt. root gets no prompt, so the command itself would read a password."""
        if not self.become or not self.become.expect_prompt() or self.get_option("remote_user") == "root":
            return b""
        return self.become.get_option("become_pass", playcontext=self._play_context).encode() + b"\n"

    def _unless_asked(self):
        """Return shell code that drops the password if none is asked for: the command would read it as its input."""
        program = self.become.name.rpartition(".")[2]
        if program not in ("sudo", "doas"):
            return ""  # su asks each user but root.
        command = (self.become.get_option("become_exe") or program, "-n", "-u", self.become.get_option("become_user"))
        return f"{shlex.join(command)} /bin/sh -c : </dev/null >/dev/null 2>&1 && read -r unused; "

    def _is_rejected(self, ended):
        checks = (self.become.check_incorrect_password, self.become.check_missing_password)
        return ended.rc and any(check(ended.stderr) for check in checks)

    @ensure_connect
    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        self._display.vvv(f"PUT {in_path} TO {out_path}", host=self.get_option("vm"))
        try:
            with open(in_path, "rb") as source:
                self._agent.put(iter(lambda: source.read(BUFSIZE), b""), out_path)
        except FileNotFoundError as error:
            raise AnsibleFileNotFound(f"{in_path} does not exist on the controller") from error
        except PolyvirtError as error:
            raise _as_ansible(error) from error

    @ensure_connect
    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        self._display.vvv(f"FETCH {in_path} TO {out_path}", host=self.get_option("vm"))
        try:
            with open(out_path, "wb") as target:
                for part in self._agent.fetch(in_path):
                    target.write(part)
        except PolyvirtError as error:
            raise _as_ansible(error) from error

    def reset(self):
        """Close the connection, for instance because the guest restarts; the next use opens it again."""
        self.close()

    def close(self):
        agent, self._agent, self._connected = self._agent, None, False
        if agent is not None:
            agent.close()


def _as_ansible(error):
    """Return the error as Ansible's: it retries after a connection failure, but not after an invalid request."""
    return (AnsibleError if isinstance(error, InvalidInput) else AnsibleConnectionFailure)(str(error))
