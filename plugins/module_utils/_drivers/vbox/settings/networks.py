# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: NICs: NIC n of the option is VirtualBox's NIC n+1, even after gaps."""

from __future__ import annotations

from ...._core.errors import NotFound, Refused
from ...._core.model import LIVE, POWER_OFF
from ...._kit.settings import Setting, changed_entries
from ..vbox_vm import colon_mac, plain_mac
from .addresses import ADDRESSES, reserved_address, with_address

#: networks.type -> (VirtualBox's type, the key of the interface or network that the NIC is attached to).
NETWORKS = {
    "nat": ("nat", None),
    "bridged": ("bridged", "bridgeadapter"),
    "hostonly": ("hostonly", "hostonlyadapter"),
    "internal": ("intnet", "intnet"),
    "network": ("natnetwork", "nat-network"),
}
NETWORK_TYPES = {vbox_type: option for option, (vbox_type, _key) in NETWORKS.items()}
NIC_MODELS = (
    "82540EM", "82543GC", "82545EM", "Am79C960", "Am79C970A", "Am79C973", "virtio", "usbnet",
    "NE1000", "NE2000", "WD8003", "WD8013", "3C503", "ELNK1",
)  # fmt: skip
NIC_SYNONYMS = {"e1000": "82540EM", "virtio-net": "virtio", "pcnet": "Am79C973"}

_DEFAULT_SOURCES = {"internal": "intnet"}
#: networks.type -> what its source names.
_SOURCES = {"bridged": "an interface of the host", "hostonly": "a host-only interface", "network": "a NAT network"}
#: networks.type -> how to get a source that is missing. VirtualBox chooses the name of a host-only interface, and
#: loads its kernel driver as root, so the administrator of the host creates it.
_CREATE = {
    "bridged": "",
    "hostonly": " Create one with: VBoxManage hostonlyif create. It prints the name. Then set an address: VBoxManage"
    " hostonlyif ipconfig NAME --ip 192.168.56.1 --netmask 255.255.255.0.",
    "network": " Create it with: VBoxManage natnetwork add --netname NAME --network 10.10.0.0/24 --enable --dhcp on;"
    " or use type nat.",
}
#: The number of NICs that VirtualBox supports, and chipsets that support fewer.
MAX_NICS = 36
MAX_NICS_OF_CHIPSET = {"piix3": 8}
#: networks.type -> the list of VBoxManage with valid sources.
_LISTS = {"bridged": "bridgedifs", "hostonly": "hostonlyifs", "network": "natnets"}


def nic_number(place):
    return int(place) + 1


def _all_normalized(vm, requested, known):
    """The NICs in VirtualBox's terms. Raises Refused if a source is missing."""
    return {
        place: entry if entry is None else _normalized(vm, place, entry, known) for place, entry in requested.items()
    }


def _normalized(vm, place, entry, known):
    existing = (vm.config.get("networks") or {}).get(place)
    nic = dict(entry)
    if nic.get("type") == "user":
        nic["type"] = "nat"
    if existing is None:
        nic.setdefault("type", "nat")
    kind = nic.get("type") or existing["type"]
    if kind == "nat" and nic.get("source"):
        raise Refused(f"{vm.name}: networks: source is not supported for a NIC of type nat.", "Omit source.")
    if not nic.get("source") and (existing or {}).get("type") != kind:
        if kind in _LISTS:
            raise Refused(
                f"{vm.name}: networks: source is required for a NIC of type {kind}.",
                f"Set source to {_SOURCES[kind]}. {_available(kind, known.networks(_LISTS[kind]))}",
            )
        if kind in _DEFAULT_SOURCES:
            nic["source"] = _DEFAULT_SOURCES[kind]
    if nic.get("model"):
        nic["model"] = _model(nic["model"])
    return with_address(vm, place, nic, existing)


def _model(model):
    known = {one.lower(): one for one in NIC_MODELS}
    return NIC_SYNONYMS.get(model.lower(), known.get(model.lower(), model))


def _available(kind, names):
    """The candidates, and how to create one that is missing."""
    if names is None:
        return f"List them with: VBoxManage list {_LISTS[kind]}."
    return f"Available: {', '.join(names) or 'none'}.{_CREATE[kind]}"


def check_networks(driver, plan, chipset):
    """Reject missing sources of NICs: VirtualBox accepts any name, and then the VM does not start."""
    touched = changed_entries(plan, "networks")
    _check_nic_count(plan, touched, chipset)
    for nic in touched.values():
        kind, source = nic.get("type"), nic.get("source")
        if kind not in _LISTS or not source:
            continue
        names = driver.known.networks(_LISTS[kind])
        if source not in names:
            raise NotFound(
                f"{plan.after.name}: networks: source '{source}' of a NIC of type {kind} does not exist.",
                _available(kind, names).replace("NAME", source if kind == "network" else "NAME"),
            )


def _check_nic_count(plan, touched, chipset):
    """Reject more NICs than the chipset supports: VirtualBox would fail after it stored the rest."""
    chipset = (plan.after.config.get("native") or {}).get("chipset", chipset)
    most = MAX_NICS_OF_CHIPSET.get(chipset, MAX_NICS)
    beyond = [nic_number(place) for place in touched if nic_number(place) > most]
    if beyond:
        remedy = "" if most == MAX_NICS else f" or set native: {{chipset: ich9}}, which supports {MAX_NICS}"
        raise Refused(
            f"{plan.after.name}: networks: the VM would have a NIC {max(beyond)}, but the chipset {chipset} supports"
            f" only {most} NICs.",
            f"Remove NICs{remedy}.",
        )


def networks_arguments(vbox_vm, changes):
    """Arguments of modifyvm for all changes of NICs."""
    result = []
    for place, wanted in _wanted(vbox_vm, changes).items():
        result += _arguments_of_nic(nic_number(place), wanted)
    return result


def networks_live_arguments(vbox_vm, changes):
    """Arguments of controlvm, one list for each NIC: a running VM can only change what it is connected to."""
    result = []
    for place, wanted in _wanted(vbox_vm, changes).items():
        kind, source = wanted["type"], wanted.get("source")
        result.append([f"nic{nic_number(place)}", NETWORKS[kind][0], *([source] if source else [])])
    return result


def _wanted(vbox_vm, changes):
    """{key in networks: the options to set, or None to remove the NIC}."""
    wanted = {}
    for change in changes:
        if change.attribute is None:
            wanted[change.key] = change.new
        elif change.attribute != "address":
            wanted.setdefault(change.key, {})[change.attribute] = change.new
    return {place: nic if nic is None else _with_type(vbox_vm, place, nic) for place, nic in wanted.items()}


def _with_type(vbox_vm, place, nic):
    """Add the current type to a new source, because modifyvm has another option for the source of each type."""
    if "type" not in nic and "source" in nic:
        return {"type": networks_of(vbox_vm)[place]["type"], **nic}
    return nic


def _arguments_of_nic(number, nic):
    if nic is None:
        return [f"--nic{number}", "none"]
    result = []
    if "type" in nic:
        kind, backend = NETWORKS[nic["type"]]
        result += [f"--nic{number}", kind]
        if nic.get("source") and backend:
            result += [f"--{backend}{number}", nic["source"]]
    if nic.get("model"):
        result += [f"--nictype{number}", nic["model"]]
    if nic.get("mac"):
        result += [f"--macaddress{number}", plain_mac(nic["mac"])]
    return result


def networks_of(vbox_vm):
    """{key of the option ``networks``: NIC}."""
    return {str(nic.number - 1): _network(vbox_vm, nic) for nic in vbox_vm.machine.nics if nic.type != "none"}


def _network(vbox_vm, nic):
    kind = NETWORK_TYPES.get(nic.type, nic.type.lower())
    reported = {"type": kind}
    source = nic.values.get(NETWORKS.get(kind, (None, None))[1] or "generic")
    if source:
        reported["source"] = source
    address = reserved_address(vbox_vm, nic.number, reported)
    if address:
        reported["address"] = address
    return {**reported, "mac": colon_mac(nic.values["macaddress"]), "model": nic.values["nictype"]}


NICS = {
    **ADDRESSES,
    "networks": Setting(read=networks_of, normalize=_all_normalized),
    "networks.add": Setting(cost=POWER_OFF),
    "networks.remove": Setting(cost=POWER_OFF),
    "networks.type": Setting(cost=LIVE, native=("nic", "nat-network")),
    "networks.source": Setting(cost=LIVE, native=("bridgeadapter", "intnet", "hostonlyadapter")),
    "networks.mac": Setting(cost=POWER_OFF, native=("macaddress", "mac-address")),
    "networks.model": Setting(cost=POWER_OFF, choices=NIC_MODELS, native=("nictype", "nic-type")),
}
