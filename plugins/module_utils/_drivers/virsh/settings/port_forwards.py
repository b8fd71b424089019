# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: port forwards from the host to the guest with passt, on the VM's first NIC of type user.

libvirt has no names for port forwards, so they are stored in a separate element of the metadata. They are not part of
the mark, which is valid only for one VM: a copy of the VM may keep the names.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from ...._core.errors import Refused
from ...._core.planner.simulate import changed_config
from ...._kit.addresses import check_host_ports
from ...._kit.settings import Setting

#: libvirt 9.0 supports passt too, but not with SELinux or AppArmor, nor in every build (Debian's rejects it).
_SINCE = (9, 2)
_NAMESPACE = "https://github.com/polyvirt/polyvirt.core/ns/forwards/1"
#: The element with {key of the forward: name} as JSON.
_NAMES = f"{{{_NAMESPACE}}}names"
_INSTALL = "Install passt on the hypervisor; it is required for port_forwards."
INSTEAD_OF_FORWARDS = (
    "Connect to the guest by its address on its network; port_forwards requires passt and libvirt 9.2 or later."
)


# Checking -----------------------------------------------------------------------------------------------------------


def check_forwards(vm, config):
    """Reject incomplete port forwards, and any without a NIC that can have them."""
    requested = {name: entry for name, entry in (config.get("port_forwards") or {}).items() if entry is not None}
    check_host_ports(vm, requested)
    if requested and "user" not in _nic_types(vm, config.get("networks") or {}):
        raise Refused(
            f"{vm.name}: port_forwards: the VM has no NIC of type user.",
            "Add one to networks, or connect to the guest by its address on its network.",
        )


def _nic_types(vm, requested):
    """The types of all NICs that the VM will have; ``requested`` are entries of ``networks``."""
    present = vm.config.get("networks") or {}
    keys = {*present, *requested}
    return {{**present.get(key, {}), **(requested.get(key) or {})}.get("type") for key in keys}


def check_passt(driver, plan):
    """Fail if passt is required and not installed, because the VM would not start."""
    if plan.after.config.get("port_forwards"):
        driver.commands.find("passt", _INSTALL)


# Reading ------------------------------------------------------------------------------------------------------------


def read_forwards(definition):
    """{name: forward}. A forward without a stored name is named like tcp-8080; port ranges are not reported."""
    names = _names(definition)
    forwards = [_read(element) for element in _elements(_forwarding_nic(definition))]
    return {names.get(_key(forward), _key(forward)): forward for forward in forwards}


def _forwarding_nic(definition):
    return next((nic for nic in definition.interfaces() if nic.get("type") == "user"), None)


def _elements(nic):
    """The portForward elements of a NIC with a single port each."""
    elements = nic.findall("portForward") if nic is not None else []
    return [one for one in elements if len(one) == 1 and not {"end", "exclude"} & set(one[0].attrib)]


def _read(element):
    start = element[0].get("start")
    values = {
        "protocol": element.get("proto"),
        "host_address": element.get("address"),
        "host_port": int(start),
        "guest_port": int(element[0].get("to", start)),
    }
    return {key: value for key, value in values.items() if value is not None}


def _key(forward):
    """What identifies a forward on the host: protocol, address and port, such as tcp-127.0.0.1-8080."""
    return "-".join(str(forward[part]) for part in ("protocol", "host_address", "host_port") if forward.get(part))


def _names(definition):
    """{key of the forward: name}; empty if a user has damaged the stored text."""
    element = definition.root.find(f"metadata/{_NAMES}")
    try:
        names = json.loads(element.text) if element is not None else {}
    except (TypeError, ValueError):
        return {}
    return names if isinstance(names, dict) else {}


# Writing ------------------------------------------------------------------------------------------------------------


def write_forward(definition, change):
    forwards = changed_config({"port_forwards": read_forwards(definition)}, [change])["port_forwards"]
    nic = _forwarding_nic(definition)
    if nic is None:
        return  # The NIC was removed, and its forwards with it.
    for element in _elements(nic):
        nic.remove(element)
    if forwards:
        _use_passt(nic)
    nic.extend(_element(forward) for forward in forwards.values())
    _store_names(definition, {_key(forward): name for name, forward in forwards.items()})


def _use_passt(nic):
    backend = nic.find("backend")
    backend = ET.SubElement(nic, "backend") if backend is None else backend
    backend.set("type", "passt")


def _element(forward):
    element = ET.Element("portForward", {"proto": forward.get("protocol", "tcp")})
    if forward.get("host_address"):
        element.set("address", forward["host_address"])
    ET.SubElement(element, "range", {"start": str(forward["host_port"]), "to": str(forward["guest_port"])})
    return element


def remove_forward_names(definition):
    """Remove the stored names, for a clone: it has no port forwards, because the source uses their host ports."""
    definition.remove(f"metadata/{_NAMES}")


def _store_names(definition, names):
    metadata = definition.find_or_add("metadata")
    element = metadata.find(_NAMES)
    if element is None:
        ET.register_namespace("polyvirt-forwards", _NAMESPACE)
        element = ET.SubElement(metadata, _NAMES)
    element.text = json.dumps(names, sort_keys=True)


FORWARDS = {
    "port_forwards": Setting(
        read=read_forwards, write=write_forward, native=(r"devices/interface/(portForward\b|backend(@type)?$)",)
    ),
    **dict.fromkeys(
        (
            "port_forwards.add",
            "port_forwards.remove",
            "port_forwards.protocol",
            "port_forwards.host_address",
            "port_forwards.host_port",
            "port_forwards.guest_port",
        ),
        Setting(since=_SINCE),
    ),
}
