# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as data: the source for argument specs, requests, the masking of secrets and the pages of ansible-doc.

These are the shared options; options of a single platform are in ``_drivers/<platform>/options.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Callable, Optional

from ..errors import InvalidInput
from ..frozen import Frozen, field, replace
from ..record.leases import expiry, seconds
from ..record.mark import without_record
from ..texts import one_line, one_line_each
from ..units import GIB, MIB, checksum, file_or_address, mac_address, serial_number, vlan_ranges
from .devices import device_id, device_of
from .guest_conditions import page
from .ip_config import has_fixed_address
from .option_errors import check_short_form
from .public_keys import public_keys
from .user_data import user_data

STATES = ("present", "started", "stopped", "paused", "suspended", "restarted", "absent")

#: Roles. SETTING: compared with the VM. CREATION: used only to create a VM. POLICY: controls how changes are made.
#: AT_START: passed to the last start of a task. CONNECTION: all others, read only by the driver.
SETTING, CREATION, POLICY, AT_START, CONNECTION = "setting", "creation", "policy", "at_start", "connection"
#: The ``key`` of entries that are identified by their position in the list, or by several suboptions together.
PLACE, TOGETHER = "#", "@"


class Option(Frozen, eq=False):
    """An option or a suboption. ``type`` to ``rules`` are its argument spec, the other fields its meaning.

    ``key``: the suboption that identifies the entries of a list. ``unit``: it is a size; bytes per unit of a number
    without a unit; ``zero``: 0 is allowed. ``limits``: minimum and maximum; of a size, the minimum of a number without
    a unit. ``unique``: what kind of thing the value is that only one VM can have; ``is_unique`` returns whether that
    applies to a value; ``compared``: the plans of VMs are compared by it (claims.py), so that they may name the same.
    ``short``: the suboption that is set if the value is a string. ``only_with``: the only state in which it is allowed.
    ``absolute``: it must be an absolute path. ``filled``: it must not be an empty string or list, which would mean
    nothing on any platform. ``distinct``: no value of the list may occur more than once. ``secret``: no output shows
    the value, or the secrets in it if it is a document; False: it only has a name like that of a secret.
    ``has_password``: it may be an address with a password. ``hidden``: set by this collection only, and never shown.
    ``normalize(value, option)`` returns the canonical form of the value. With TOGETHER as key,
    ``identify(entry, option)`` returns (what identifies an entry of the list, its canonical form).
    """

    type: str = "str"
    elements: Optional[str] = None
    choices: Sequence = ()
    default: Any = None
    required: bool = False
    options: Mapping = field(default_factory=dict)
    aliases: Sequence = ()
    secret: Optional[bool] = None
    rules: Mapping = field(default_factory=dict)
    role: str = SETTING
    key: str = ""
    unit: int = 0
    zero: bool = False
    limits: tuple = ()
    unique: str = ""
    compared: bool = False
    is_unique: Callable = bool
    ordered: bool = True
    short: str = ""
    only_with: str = ""
    absolute: bool = False
    filled: bool = False
    distinct: bool = False
    has_password: bool = False
    hidden: bool = False
    normalize: Callable = lambda value, option: value
    identify: Optional[Callable] = None

    def spec(self, in_full=False):
        """Return the argument spec. With a short form it is "raw" (Ansible checks nothing), unless ``in_full``."""
        spec = {"type": "raw" if self.short and not in_full else self.type, **self.rules}
        # Ansible would mask every word of a secret document (_front/masking.py).
        no_log = None if self.secret and self.is_document else self.secret
        optional = {"elements": self.elements, "default": self.default, "no_log": no_log}
        spec.update({name: value for name, value in optional.items() if value is not None})
        listed = {"choices": list(self.choices), "aliases": list(self.aliases), "required": self.required}
        spec.update({name: value for name, value in listed.items() if value})
        return {**spec, "options": argument_spec(self.options)} if self.options else spec

    @property
    def is_document(self):
        """Whether the value can contain more than one word."""
        return self.type in ("dict", "list", "raw")

    def in_full(self, value, name):
        """Return the value as a dictionary; a value in the short form is that of the suboption ``short``."""
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            check_short_form(name, value, self.short, self.options)
            return {self.short: value}
        if not isinstance(value, dict):
            raise InvalidInput(
                f"{name}: {value} is neither a string nor a dictionary.",
                f"Set the {self.short}, or {{{self.short}: ...}}.",
            )
        return value


def with_suboption(option, name, **changes):
    """Return ``option`` with fields of one suboption changed."""
    return replace(option, options={**option.options, name: replace(option.options[name], **changes)})


def argument_spec(options, in_full=False):
    return {name: option.spec(in_full) for name, option in options.items()}


Texts = partial(Option, "list", elements="str")
BootOrder = partial(Texts, filled=True, distinct=True)
Entries = partial(Option, "list", elements="dict")
Size = partial(Option, unit=MIB)
Memory = partial(Size, limits=(32, None))
Port = partial(Option, "int", limits=(1, 65535))
Policy = partial(Option, role=POLICY)
Seconds = partial(Option, "int", role=POLICY, limits=(1, None))
Filled = partial(Option, filled=True)
Description = partial(Option, normalize=without_record)
Consent = partial(Option, "bool", default=False, role=POLICY)
Connection = partial(Option, role=CONNECTION)


DISK = {
    "slot": Filled(),
    "size": Size(unit=GIB),
    **dict.fromkeys(("format", "storage"), Filled()),
    "directory": Filled("path", absolute=True),
    "source": Filled("path", unique="file", compared=True, absolute=True),
    "serial": Option(normalize=serial_number),
    "iops_limit": Option("int", limits=(0, None)),
    "bandwidth_limit": Size(zero=True),
    "state": Option(choices=("present", "absent"), default="present"),
}
CDROM = {"slot": Filled(required=True), "source": Option("path", absolute=True), "state": DISK["state"]}
#: What a NIC is connected to, and its model.
CONNECTED = {
    "type": Option(choices=("nat", "bridged", "hostonly", "internal", "network", "user")),
    **dict.fromkeys(("source", "model"), Filled()),
}
#: Of the switch port of a NIC.
GUARDS = ("dhcp_guard", "router_guard", "mac_spoofing")
NO_GUARDS = tuple(f"networks.{name}" for name in GUARDS)
NETWORK = {
    **{name: CONNECTED[name] for name in ("type", "source")},
    "mac": Option(unique="address", compared=True, normalize=mac_address),
    "address": Filled(unique="address"),
    "model": CONNECTED["model"],
    "vlan": Option("int", limits=(0, 4094)),
    "trunk": Texts(ordered=False, normalize=vlan_ranges),
    **dict.fromkeys(GUARDS, Option("bool")),
}
PORT_FORWARD = {
    "name": Filled(required=True),
    "protocol": Option(choices=("tcp", "udp"), default="tcp"),
    "host_address": Option(),
    "host_port": Port(unique="port", compared=True),
    "guest_port": Port(required=True),
}
SHARED_FOLDER = {
    "name": Filled(required=True),
    "host_path": Filled("path", required=True, absolute=True),
    **dict.fromkeys(("guest_path", "type"), Filled()),
    "read_only": Option("bool"),
}
DEVICE = {
    "type": Option(choices=("pci", "usb"), required=True),
    "id": Filled(normalize=device_id),
    "mapping": Filled(),
}
DISPLAY = {"type": Option(choices=("none", "vnc", "spice")), "video_memory": Size()}
LINKED = Option("bool", default=False)
#: How an image is found and verified; ``catalogue`` is what the action plugin knows of its name.
LOOKED_UP = {
    "checksum": Filled(has_password=True),
    "refresh": Option("bool"),
    "headers": Option("dict", secret=True),
    "require_signature": Option("bool"),
    "catalogue": Option("dict", hidden=True),
}
IMAGE = {"source": Filled(required=True, has_password=True), "linked": LINKED, "slot": Filled(), **LOOKED_UP}
APPLIANCE = {
    "source": Filled(required=True, has_password=True, normalize=file_or_address),
    "checksum": Filled(normalize=checksum),
    **dict.fromkeys(("system", "configuration", "boot_disk"), Filled()),
    **dict.fromkeys(("accept_eula", "keep_macs", "allow_shared_directory"), Option("bool", default=False)),
    "networks": Entries(options={"name": Filled(required=True), **CONNECTED}, key="name"),
    "properties": Option("dict", secret=True),
}
CLONE = {"source": Filled(required=True), "snapshot": Filled(), "linked": LINKED}
CLOUD_INIT = {
    "state": Option(choices=("present", "absent")),
    "user": Option(),
    "password": Option(secret=True),
    "ssh_authorized_keys": Texts(secret=False, normalize=public_keys),
    "ip_config": Texts(unique="address", is_unique=has_fixed_address),
    "nameservers": Texts(),
    "search_domains": Texts(),
    "user_data": Option("raw", secret=True, normalize=user_data),
    **dict.fromkeys(("meta_data", "network_config", "answer_files"), Option("dict", secret=True)),
    "answer_file": Option(secret=True),
    "answer_drivers": Option("path", absolute=True),
}

_Limit = partial(Option, "int", limits=(0, None))
LIMITS = {
    **dict.fromkeys(("vms", "cpus"), _Limit()),
    "memory": Memory(),
    "disk_size": Size(unit=GIB),
    "per": Option(choices=("owner", "fleet", "host"), default="owner"),
}
NAMES = Texts(role=POLICY)
#: Options that are rejected without ``prune``.
NEEDS_PRUNE = ("prune_expired_for", "prune_stop_mode")
#: Options of the whole task, which an entry of ``machines`` cannot set.
OF_TASK = ("machines", "fleet", "prune", "prune_max", *NEEDS_PRUNE, "call_timeout", "controller_time", "limits")
ID = Policy(unique="VM")
CALL_TIMEOUT = {"call_timeout": Seconds()}
TIMEOUT = Seconds(default=300)
_CONDITIONS = ("state", "address", "ssh", "winrm")
AWAITED = {"condition": Option(choices=_CONDITIONS), "port": Port(), "http": Option(normalize=page)}
WAIT_FOR_RESTORED = Policy("dict", options=AWAITED, short="condition", default="state")
WAIT_FOR = with_suboption(WAIT_FOR_RESTORED, "condition", choices=(*_CONDITIONS, "cloud_init"))
#: What a platform lacks if it has no channel to an agent in the guest.
NO_AGENT = {
    "wait_for.condition=cloud_init": "Only libvirt and Proxmox VE reach an agent in the guest. Use wait_for: ssh, then"
    " run cloud-init status --wait in the guest, as the playbook polyvirt.core.provision does."
}

#: What platforms lack where a seed is an ISO image that is created with the VM.
SEED_OF_NEW = {"cloud_init.state": "A seed is created with the VM and deleted with it. Omit cloud_init for a new VM."}

#: The time of the controller, in seconds since 1970; the action plugin sets it.
CONTROLLER_TIME = {"controller_time": Policy("int", hidden=True)}

#: Lists that a task can set completely.
PURGED = ("cdroms", "devices", "disks", "networks", "port_forwards", "shared_folders")
STOP_MODES = ("graceful", "force", "graceful_then_force")

#: A plan makes changes in the order of these settings.
VM = {
    "name": NAMES,
    "machines": Entries(role=POLICY, secret=True),
    "prune": Consent(),
    "prune_max": Policy("int", limits=(0, None)),
    "prune_expired_for": Policy(normalize=seconds),
    "prune_stop_mode": Policy(choices=STOP_MODES),
    "id": ID,
    "state": Policy(choices=STATES, default="present"),
    "stop_mode": Policy(choices=STOP_MODES),
    "stop_timeout": Seconds(),
    "timeout": TIMEOUT,
    **CALL_TIMEOUT,
    "wait_for": WAIT_FOR,
    "allow_restart": Consent(),
    "allow_recreate": Consent(),
    "adopt": Consent(),
    "delete_disks": Policy(choices=("owned", "none", "all"), default="owned"),
    "purge": Texts(role=POLICY, choices=PURGED, default=[]),
    "on_failure": Policy(choices=("rollback", "keep"), default="rollback"),
    **CONTROLLER_TIME,
    "extend": Consent(),
    "expired_for": Policy(normalize=seconds),
    "limits": Policy("dict", options=LIMITS),
    "architecture": Option(choices=("amd64", "arm64")),
    "cpus": Option("int", limits=(1, None)),
    "firmware": Option(choices=("bios", "uefi")),
    **dict.fromkeys(("secure_boot", "tpm", "nested_virtualization"), Option("bool")),
    "rtc": Option(choices=("utc", "localtime")),
    "os_type": Filled(),
    "description": Description(),
    "autostart": Option("bool"),
    "iso": Option("path", absolute=True),
    "skip_boot_prompt": Option("bool"),
    "boot_key_seconds": Option("int", role=AT_START, limits=(1, 300), only_with="started", secret=False),
    "memory": Memory(),
    "tags": Texts(ordered=False, normalize=one_line_each),
    **dict.fromkeys(("fleet", "owner"), Option(normalize=one_line)),
    "expires": Option(normalize=expiry),
    "native": Option("dict"),
    "display": Option("dict", options=DISPLAY),
    "cdroms": Entries(options=CDROM, key="slot"),
    "disks": Entries(options=DISK, key="slot"),
    "networks": Entries(options=NETWORK, key=PLACE),
    "port_forwards": Entries(options=PORT_FORWARD, key="name"),
    "shared_folders": Entries(options=SHARED_FOLDER, key="name"),
    "devices": Entries(options=DEVICE, key=TOGETHER, identify=device_of),
    "image": Option("dict", options=IMAGE, role=CREATION, short="source"),
    "clone": Option("dict", options=CLONE, role=CREATION, short="source"),
    "appliance": Option("dict", options=APPLIANCE, role=CREATION, short="source"),
    "cloud_init": Option("dict", options=CLOUD_INIT, role=CREATION),
}

#: Options of each module that can change anything (approval.py); the action plugin sets the second one.
APPROVAL = {"expect_plan": Policy(), "approval": Policy("dict", hidden=True)}

#: ``required``: None warns if the platform does not answer.
VM_INFO = {"name": NAMES, "id": ID, "required": Policy("bool")}

_FACETS = ("power", "config", "addresses", "snapshots")
FILTERS = {
    "state": Texts(choices=("stopped", "running", "paused", "suspended", "failed", "unknown", "absent")),
    "tags": Texts(),
    "fleet": Option(),
    "owner": Option(),
    "expired": Option("bool"),
    "owned": Option("bool"),
}
FACETS = {
    "facets": Texts(role=POLICY, choices=("list", *_FACETS, "counters"), default=list(_FACETS)),
    "filters": Option("dict", options=FILTERS, role=POLICY),
    **CONTROLLER_TIME,
    "console": Policy("int", limits=(1, 1000)),
    "describe": Consent(),
}

GUEST_STATUS = {"timeout": Seconds(default=10), "services": Texts()}

SNAPSHOT = {
    "name": NAMES,
    "id": ID,
    "snapshot": Policy(required=True),
    "state": Policy(choices=("present", "absent", "restored"), default="present"),
    "description": Description(role=POLICY, only_with="present"),
    "include_memory": Policy("bool", only_with="present"),
    "keep_last": Policy("int", limits=(1, None), only_with="present"),
    "expires": Policy(normalize=expiry, only_with="present"),
    "extend": Consent(only_with="present"),
    "expired_for": Policy(normalize=seconds, only_with="absent"),
    **CONTROLLER_TIME,
    "children": Consent(only_with="absent"),
    "power": Policy(choices=("snapshot", "keep"), default="snapshot", only_with="restored"),
    "wait_for": WAIT_FOR_RESTORED,
    "timeout": TIMEOUT,
    **CALL_TIMEOUT,
}

_FLAG = Option("bool", default=False)
COMPARE = {"from": Option(required=True), "to": Option(), "content": _FLAG, "text": _FLAG}
SNAPSHOT_INFO = {"compare": Option("dict", options=COMPARE, role=POLICY)}

#: Kinds of answer files; "manual" for an installation by the user.
INSTALLERS = ("alpine", "autoinstall", "kickstart", "manual", "openbsd", "preseed", "windows")
INSTALL_WAIT = {
    "name": Policy(required=True),
    "installer": Policy(choices=INSTALLERS, required=True),
    "ends": Policy(choices=("stop", "restart"), default="stop"),
    "console_log": Policy("path"),
    "start_timeout": Seconds(),
    "timeout": Seconds(default=7200),
}

_RESULT = {"host": Option(), "task": Option(), "result": Option("raw", required=True)}
REPORT = {
    "results": Entries(role=POLICY, required=True, options=_RESULT),
    "folder": Option("path", role=POLICY, required=True),
    "formats": Texts(role=POLICY, choices=("html", "json", "junit", "openmetrics"), default=["html", "json"]),
    "title": Policy(default="Virtual machines"),
    **dict.fromkeys(("playbook", "time"), Policy()),
    "check": Policy("bool"),
}

DESCRIBE_VMS = {
    "directory": Policy("path", required=True),
    "form": Policy(choices=("machines", "host_vars"), default="machines"),
    "replace": Consent(),
    "sources": Option("list", elements="path", role=POLICY),
    "timeout": Seconds(default=600),
}

_LONG_RUN = {"sources": Option("list", elements="path", role=POLICY), "timeout": Seconds(default=1800)}
GUARDED_RUN = {
    "playbook": Policy(),
    "hosts": Texts(role=POLICY, required=True),
    "restore": Policy(choices=("failed", "all"), default="failed"),
    "finish": Policy(choices=("restore", "keep")),
    **_LONG_RUN,
}

REAP = {
    "action": Policy(choices=("delete", "stop"), default="delete"),
    "grace": Policy(default="0m"),
    "owner": Policy(),
    "pools": Option("list", elements="str", role=POLICY),
    "stop_mode": Policy(choices=STOP_MODES),
    **_LONG_RUN,
}
