# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: vms
short_description: Virtual machines of all platforms as an inventory
version_added: 1.0.0
description:
  - Lists the virtual machines (VMs) of one or more hypervisors, with how to reach each of them by SSH.
  - Each source is read by the info module of its platform, such as M(polyvirt.core.virsh_vm_info), on the host of the
    hypervisor or on the controller. All sources are read at the same time.
  - A source that cannot be read (a daemon that is stopped, a wrong password, a host that does not answer) is a warning,
    and the VMs of all other sources are listed. See O(sources[].required) to fail instead.
  - VMs that do not exist yet, such as those of a Vagrantfile, are not listed.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [polyvirt.core.vms]
  sources:
    description: One entry for each hypervisor or cluster.
    type: list
    elements: dict
    required: true
    suboptions:
      platform:
        description: Platform of the VMs.
        type: str
        required: true
        choices: [libvirt, virtualbox, vagrant, proxmox, vmd, hyperv, wsl]
      name:
        description:
          - Name of the source, for warnings, the variable C(polyvirt_source) and VMs that share a name. It must be
            unique.
          - If omitted, the platform, with the host if O(sources[].host) is set (V(libvirt-hv1)).
        type: str
      host:
        description:
          - Where the info module runs. If omitted, on the controller.
          - The name of a host of the inventory, if it is listed before this file. Ansible reads the files of a
            directory in alphabetical order. Its C(host_vars) and C(group_vars) are in the directory of this file.
          - Or a dictionary with the variables of a connection, such as C(ansible_host) and C(ansible_user).
        type: raw
      options:
        description:
          - Options of the info module of the platform.
          - Without C(facets), V([power, config, addresses]) is read. The
            L(guide,https://github.com/polyvirt/polyvirt.core/blob/main/docs/inventory.md#what-reading-costs) describes
            the calls on each platform.
        type: dict
        default: {}
      prefix:
        description: Text before the name of each VM.
        type: str
        default: ''
      timeout:
        description: Seconds after which the source is given up. A source that cannot be ended costs five seconds more.
        type: int
        default: 60
      required:
        description:
          - Whether this file fails as a whole if the source cannot be read, so that none of its hosts is listed. Set it
            if hosts that are missing would be deleted, as AWX does with C(Overwrite).
          - By default, C(ansible-playbook) and C(ansible-inventory) continue without a file that fails, and so does an
            import of AWX from a directory with other files. All of them stop if the environment variable
            E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) is V(true).
          - The playbooks of this collection that read VMs from the inventory, such as C(polyvirt.core.backup), fail at
            their end if a source could not be read, unless this is set to V(false).
        type: bool
  hostname:
    description:
      - Jinja expression for the name of a host, such as V(polyvirt_name ~ '.example.com'). It can use the variables of
        the VM. If it has no value, the name of the VM is used; with O(strict), the inventory fails.
      - If omitted, the name of the VM.
    type: str
  windows_connection:
    description:
      - Connection plugin for VMs with Windows, which is C(ansible_connection) of these hosts. V(ssh) is for guests with
        an SSH server, as for all others.
      - A VM has Windows if its C(os_type) says so (VirtualBox, Proxmox VE), or if it has the tag C(windows).
    type: str
    choices: [winrm, psrp, ssh]
    default: winrm
  default_groups:
    description:
      - The text before the value in the names of the groups that each VM is in, by kind. Kinds are V(platform),
        V(state), V(tag), V(fleet), V(os), V(owner) and V(expired).
      - An empty text for V(tag) creates groups with the names of the tags alone. With null, there are no groups of this
        kind. The text of a kind that is not listed is C(<kind>_), and C(expired) for V(expired), which has no value.
    type: dict
    default: {}
notes:
  - The name of a host is O(sources[].prefix) and the value of O(hostname). If several VMs have this name, each is named
    C(<name>_<source>) instead, and C(<name>_<source>_<id>) if they are in the same source. None of them has the name
    alone, because otherwise it would depend on which sources answer to which VM the name belongs. The same applies to a
    VM with a name of the controller (C(localhost), C(localhost.localdomain), C(ip6-localhost) in any case, C(127.0.0.1)
    and each other spelling of a loopback or unspecified address, such as C(127.1)), C(all), C(ungrouped) or the name in
    O(sources[].host). In names, all characters but letters, digits, spaces and C(._:/@+-) are replaced by underscores.
  - The same applies to the name of a host that another inventory file defines with C(ansible_host) or
    C(ansible_connection), or that is in a group with one of these variables there. A warning names both hosts. So
    whoever may name a VM cannot replace a host of the inventory. A host that is only listed there, such as C(web1) in a
    group C(prod), is the VM. List this file after the others. It fails if a later file has the name of a VM.
  - Each host has the variables of the VM as its info module returns them, with the prefix C(polyvirt_), such as
    C(polyvirt_state), C(polyvirt_id), C(polyvirt_tags), C(polyvirt_addresses); and C(polyvirt_source). Their values are
    never templates.
  - C(ansible_host) and C(ansible_port) are set if the platform reports how to reach the VM by SSH; C(ansible_user) and
    C(ansible_ssh_private_key_file) if the platform knows them (Vagrant). Set others with O(compose) or in
    C(group_vars).
  - For a VM with Windows, C(ansible_connection) is set, too, unless another inventory file lists the host; set it with
    O(compose) then. Its C(ansible_host) is the address of the guest, or a forwarded port of the controller that leads
    to WinRM. Set the user, the password, and the other variables of the connection in C(group_vars).
  - If an address can be reached only from the host of the hypervisor, and that host is reached by SSH,
    C(ansible_ssh_common_args) leads through it. If C(ansible_ssh_common_args) is also set in C(group_vars), this
    variable of the host takes precedence.
  - Groups are C(platform_<platform>), C(state_<state>), C(tag_<tag>) for each tag, C(fleet_<fleet>), C(os_<os_type>),
    C(owner_<owner>), and C(expired) for VMs that have expired by the time of the controller, see O(default_groups).
    Characters that the name of a group cannot have are replaced by an underscore. A group of O(default_groups) that
    would have the name of the controller, or of a host of another inventory file, gets an underscore at its end.
  - Files are accepted if their names end in C(polyvirt.yml) or C(polyvirt.yaml).
  - If sources cannot be read, the group C(all) has the variable C(polyvirt_unread_sources), a list of their names.
    The VMs of these sources are not listed, which does not mean that they were deleted. The variable
    C(polyvirt_missing_sources) has those of them without C(required=false).
  - With O(cache), only sources that could be read are stored.
seealso:
  - module: polyvirt.core.vm_info
  - module: polyvirt.core.guest_status
"""

EXAMPLES = r"""
# Sources are the running VMs of the libvirt on this machine, a hypervisor of the inventory, a cluster, and a Windows
# server that is described here: site.polyvirt.yml
plugin: polyvirt.core.vms
sources:
  - platform: libvirt
    options:
      filters:
        state: [running]
  - platform: libvirt
    host: hv1.example.com
  - platform: proxmox
    name: production
    required: true
    options:
      api_host: pve1.example.com
      api_user: inventory@pve
      api_token_id: read
      api_token_secret: "{{ lookup('ansible.builtin.env', 'PVE_TOKEN') }}"
  - platform: hyperv
    prefix: win-
    timeout: 30
    host:
      ansible_host: hv2.example.com
      ansible_connection: winrm
      ansible_user: Administrator
      ansible_password: "{{ lookup('ansible.builtin.env', 'HV2_PASSWORD') }}"
compose:
  ansible_user: "'debian' if polyvirt_platform == 'proxmox' else 'admin'"
keyed_groups:
  - key: polyvirt_source
    prefix: source
groups:
  large: polyvirt_memory_mib | default(0, true) >= 8192
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/polyvirt-inventory
cache_timeout: 300
"""

import hashlib
import json
import os
import re
from functools import partial
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleParserError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ..module_utils._core.errors import PolyvirtError
from ..module_utils._core.options.option_errors import error_messages
from ..plugin_utils.inventory import hosts
from ..plugin_utils.inventory.missing import MISSING, READ, UNREAD
from ..plugin_utils.tasks.child_processes import answers
from ..plugin_utils.tasks.in_process import now
from ..plugin_utils.tasks.one_task import LOCAL, add_local, run_task, run_tasks, unsafe
from ..plugin_utils.tasks.registry import PLATFORMS

try:
    from ansible.template import trust_as_template
except ImportError:

    def trust_as_template(text):
        """Before ansible-core 2.19, every text is trusted."""
        return text


_ENDINGS = ("polyvirt.yml", "polyvirt.yaml")
_FACETS = ["power", "config", "addresses"]
#: Seconds added to a task's own timeout before its process is ended.
_GRACE = 5
#: Variables that say how a host is reached.
_REACHED = ("ansible_host", "ansible_connection")
#: Words of an inventory file that can be names of hosts.
_WORDS = re.compile(r"[^\s,:\"'\[\]{}=#]+")
SOURCE = {
    "platform": {"required": True, "choices": list(PLATFORMS)},
    "name": {},
    "host": {"type": "raw"},
    "options": {"type": "dict", "default": {}},
    "prefix": {"default": ""},
    "timeout": {"type": "int", "default": 60},
    "required": {"type": "bool"},
}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "polyvirt.core.vms"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith(_ENDINGS)

    def parse(self, inventory, loader, path, cache=True):
        sources = self.sources_in(inventory, loader, path, cache)
        found = self._found(sources, cache)
        entries = [(one, vm) for one in sources for vm in found.get(one.name, {}).get("vms", ())]
        entries = [(one, vm) for one, vm in entries if vm["state"] != "absent"]
        windows = self.get_option("windows_connection")
        variables = [hosts.variables_of(one, vm, found[one.name]["reached_by"], windows) for one, vm in entries]
        # Plain words are trusted: ansible-inventory would print them as dictionaries otherwise, which AWX compares with
        # ``enabled_value``.
        described = [unsafe(one, of_harmless=trust_as_template) for one in variables]
        preferred = [(*entry, self._hostname(variables)) for entry, variables in zip(entries, described)]
        taken = {str(one.host) for one in sources if isinstance(one.host, str)}
        reached = {one.name for one in inventory.hosts.values() if _says_how_to_reach(one)}
        names = hosts.names_of(preferred, taken | reached)
        self._check_order(names)
        self._warn_of_renamed(preferred, names, reached)
        no_groups = taken.union(self.inventory.hosts)
        for (_one, vm), variables, name in zip(entries, described, names):
            self._add(name, vm, variables, no_groups)
        self._name_unread([one for one in sources if one.name not in found])

    def _check_order(self, names):
        """Reject names of VMs that a file after this one has: Ansible would merge the variables of both hosts."""
        for path in _files_after(self._path, context.CLIARGS.get("inventory") or ()):
            words = set(_WORDS.findall(Path(path).read_text(encoding="utf-8", errors="replace")))
            for name in sorted(words.intersection(names)):
                raise AnsibleParserError(
                    f"{self._path}: {path} is read after this file and has the name of the VM {name}, so a VM could"
                    " take the place of a host. List this file last (-i), or give it a name that is sorted last."
                )

    def _warn_of_renamed(self, preferred, names, reached):
        for (source, vm, wanted), name in zip(preferred, names):
            if f"{source.prefix}{wanted}" in reached:
                self.display.warning(
                    f"{self._path}: {source.label}: the inventory has the host {source.prefix}{wanted} already, so the"
                    f" VM {vm['name']} is the host {name}. Set prefix of the source to keep them apart."
                )

    def sources_in(self, inventory, loader, path, cache=True):
        """Return the [Source] that a file defines. None of them is read; ``run`` runs tasks on one."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self._path = path
        return self._sources()

    def run(self, source, tasks, seconds, without=()):
        """Run tasks where the VMs of a source are managed, in a process that then exits: see ``run_tasks``."""
        host = self._host_of(source)
        where = (self.loader, self.inventory, self._path, host)
        return run_tasks(*where, tasks, seconds, source.options, without)["results"]

    def _sources(self):
        spec = {"sources": {"type": "list", "elements": "dict", "required": True, "options": SOURCE}}
        checked = ArgumentSpecValidator(spec).validate({"sources": self.get_option("sources")})
        if checked.error_messages:
            raise AnsibleParserError(f"{self._path}: {error_messages(checked)[0]}")
        try:
            hosts.check_kinds(self.get_option("default_groups"))
            return hosts.sources_of(checked.validated_parameters["sources"])
        except PolyvirtError as error:
            raise AnsibleParserError(f"{self._path}: {error}") from error

    # Reading --------------------------------------------------------------------------------------------------------

    def _found(self, sources, cache):
        """Return {name of a source: {vms, reached_by}} of the sources that could be read or are cached."""
        is_cached = self.get_option("cache")
        key = self.get_cache_key(self._path)
        stored = (self._cache.get(key) or {}) if is_cached and cache else {}
        known = {one.name: stored[_cache_key(one)] for one in sources if _cache_key(one) in stored}
        read = self._read([one for one in sources if one.name not in known])
        if is_cached and read:
            found = {**known, **read}
            self._cache[key] = {_cache_key(one): found[one.name] for one in sources if one.name in found}
        return {**known, **read}

    def _read(self, sources):
        limits = [one.timeout + _GRACE for one in sources]
        found = {}
        for one, answer in zip(sources, answers([partial(self._query, one) for one in sources], limits)):
            result = answer.value or {}
            problem = answer.problem or result.get("problem")
            if problem and one.required:
                self._name_unread([one])
                raise AnsibleParserError(f"{self._path}: {one.label}: {problem}")
            for warning in [problem] if problem else result["warnings"]:
                self.display.warning(f"{self._path}: {one.label}: {warning}")
            if not problem:
                found[one.name] = {"vms": result["vms"], "reached_by": result["reached_by"]}
        return found

    def _query(self, source):
        """Run the info module (in a child process) and return {vms, reached_by, warnings}, or {problem}."""
        host = self._host_of(source)
        module = f"polyvirt.core.{PLATFORMS[source.platform].vm_info}"
        arguments = {"facets": _FACETS, **source.options}
        where = (self.loader, self.inventory, self._path, host)
        answer = run_task(*where, module, arguments, source.timeout, source.options)
        result = answer["result"]
        if not result["host"]["configured"]:
            return {"problem": result["host"]["message"]}
        return {"vms": result["vms"], "warnings": result.get("warnings") or [], "reached_by": answer["reached_by"]}

    def _host_of(self, source):
        if source.host is None:
            add_local(self.inventory)
            return LOCAL
        if isinstance(source.host, str):
            if self.inventory.get_host(source.host) is None:
                raise AnsibleParserError(
                    f"{source.host} is not in the inventory. List it in an inventory file that is read before this"
                    " one, or set host to a dictionary with ansible_host."
                )
            return source.host
        self.inventory.add_host(source.name)
        for name, value in source.host.items():
            self.inventory.set_variable(source.name, name, value)
        return source.name

    # Filling the inventory ------------------------------------------------------------------------------------------

    def _name_unread(self, sources):
        """Whoever compares two inventories must know that the VMs of these sources are not deleted, but not listed."""
        READ[self._path] = [one.name for one in sources if one.required is not False]
        for variable, names in ((UNREAD, [one.name for one in sources]), (MISSING, READ[self._path])):
            if names:
                others = self.inventory.groups["all"].vars.get(variable, [])  # Of other files of the inventory.
                self.inventory.set_variable("all", variable, [*others, *names])

    def _hostname(self, variables):
        expression, found = self.get_option("hostname"), None
        try:
            found = self._compose(expression, variables) if expression else None
        except Exception as error:
            if self.get_option("strict"):
                raise AnsibleParserError(f"{self._path}: hostname: {error}") from error
        return found or variables["polyvirt_name"]

    def _add(self, name, vm, variables, no_groups):
        if name in self.inventory.hosts:  # Another file lists it: the tags of a VM do not choose its connection.
            variables = {key: value for key, value in variables.items() if key != "ansible_connection"}
        self.inventory.add_host(name)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in hosts.groups_of(vm, self.get_option("default_groups"), now()):
            group = self._sanitize_group_name(group)
            # Plays mean the host, but a pattern matches the group first. Whoever may edit a VM chooses its tags.
            is_host = group in no_groups or hosts.is_controller(group)
            self.inventory.add_child(self.inventory.add_group(f"{group}_" if is_host else group), name)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)


def _says_how_to_reach(host):
    """Return whether a host of another source says how it is reached, in its own variables or those of its groups."""
    groups = [group.vars for group in host.get_groups() if group.name != "all"]
    return any(name in variables for variables in (host.vars, *groups) for name in _REACHED)


def _files_after(path, listed):
    """Return the inventory files that Ansible reads after ``path``; programs and other files of this plugin are not."""
    files = []
    for one in (os.path.abspath(one) for one in listed if "," not in one):
        inner = sorted(os.path.join(at, name) for at, _names, names in os.walk(one) for name in names)
        files += inner if os.path.isdir(one) else [one]
    after = files[files.index(path) + 1 :] if path in files else []
    return [one for one in after if os.path.isfile(one) and not os.access(one, os.X_OK) and not one.endswith(_ENDINGS)]


def _cache_key(source):
    """Return the cache key of a source, which changes if its platform, host or options change."""
    described = json.dumps([source.platform, source.host, source.options], sort_keys=True, default=str)
    return hashlib.sha256(described.encode()).hexdigest()
