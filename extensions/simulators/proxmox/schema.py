# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's schema for one version of Proxmox VE: endpoints and their parameters.

The schema file is that of 9.1/9.2. For older versions, this module removes or changes options according to the facts.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("schema.json")
# The number of options of each numbered kind.
NUMBERED = {
    "ide": 4,
    "sata": 6,
    "scsi": 31,
    "virtio": 16,
    "net": 32,
    "ipconfig": 32,
    "usb": 14,
    "hostpci": 16,
    "serial": 4,
    "parallel": 3,
    "unused": 256,
    "numa": 8,
    "virtiofs": 10,
}
# Named formats that are property strings with another name, and one that is missing in the schema.
_SAME_FORMAT = {"pve-qm-ide": "ide"}
_VOLUME = {"format": "pve-volume-id", "optional": 1, "type": "string"}
_CICUSTOM = {"meta": _VOLUME, "network": _VOLUME, "user": _VOLUME, "vendor": _VOLUME}

# {option: the version that introduced it}.
_SINCE = {
    "virtiofs[n]": (8, 4),
    "ciupgrade": (8, 0),
    "allow-ksm": (9, 1),
    "intel-tdx": (9, 1),
    "ha-managed": (9, 1),
    "import-working-storage": (8, 3),
    "overrule-shutdown": (8, 2),
    "notes-template": (7, 1),
    "protected": (7, 1),
}
# The same for keys of property strings.
_KEYS_SINCE = {"import-from": (7, 2), "mapping": (8, 0)}
_ENDPOINTS_SINCE = {
    "PUT /pools": (8, 1),
    "DELETE /pools": (8, 1),
    "GET /cluster/mapping/pci": (8, 0),
    "GET /cluster/mapping/usb": (8, 0),
}


def split_list(text):
    """Split a list like the server: at commas, semicolons, blanks or NUL."""
    return [item for item in re.split(r"[,;\s\0]+", text) if item]


class Schema:
    """``version`` is (major, minor)."""

    def __init__(self, version=(9, 2)):
        self.version = tuple(version)
        self._file = _read()
        self.cpu_models = frozenset(self._file["cpu_models"])
        #: Names of the custom CPU models.
        self.custom_cpu_models = set()
        self._parameters = {}
        self._formats = {name: self._known_keys(keys) for name, keys in self._file["formats"].items()}
        self.endpoints = {
            name: entry
            for name, entry in self._file["endpoints"].items()
            if self.version >= _ENDPOINTS_SINCE.get(name, (0, 0))
        }
        put = self._file["endpoints"]["PUT /nodes/{node}/qemu/{vmid}/config"]["parameters"]["properties"]
        # Only references are options of the configuration; the others are parameters of the call.
        self._options = self._expanded({key: rule for key, rule in put.items() if "$opt" in rule})
        self._routes = [(name, *_route(name)) for name in self.endpoints]

    def match(self, method, path):
        """(endpoint, path variables), or None if the method does not exist."""
        for name, verb, pattern in self._routes:
            found = pattern.fullmatch(path) if verb == method else None
            if found:
                # Names of groups in a pattern cannot contain a hyphen.
                return name, {key.replace("__", "-"): value for key, value in found.groupdict().items()}
        return None

    def parameters(self, endpoint):
        """{parameter: rule}, with an entry for each numbered option."""
        if endpoint not in self._parameters:
            properties = self.endpoints[endpoint]["parameters"].get("properties", {})
            self._parameters[endpoint] = self._expanded(properties)
        return self._parameters[endpoint]

    def option(self, key):
        """The rule of one configuration option, or None."""
        return self._options.get(key)

    def property_format(self, name):
        """The keys of a property string, or None for the format of a plain value."""
        if isinstance(name, dict):
            return self._formats[name["$def"]]
        if name == "pve-qm-cicustom":
            return _CICUSTOM
        return self._formats.get(_SAME_FORMAT.get(name, name))

    def properties_of(self, key):
        """The keys of the property string of an option, which may be numbered."""
        return self.property_format(self.option(key)["format"])

    def _known_keys(self, rules):
        return {key: rule for key, rule in rules.items() if self.version >= _KEYS_SINCE.get(key, (0, 0))}

    def _expanded(self, properties):
        found = {}
        for key, rule in properties.items():
            if self.version < _SINCE.get(key, (0, 0)):
                continue
            rule = self._aged(key, self._file["options"][rule["$opt"]] if "$opt" in rule else rule)
            stem = key.removesuffix("[n]")
            if stem == key:
                found[key] = rule
            else:
                found.update({f"{stem}{number}": rule for number in range(NUMBERED.get(stem, 8))})
        return found

    def _aged(self, key, rule):
        if key == "memory" and self.version < (8, 1):
            return {"minimum": 16, "optional": 1, "type": "integer"}
        if key == "command" and rule.get("type") == "array" and self.version < (8, 0):
            return {"type": "string"}
        return rule


@cache
def _read():
    return json.loads(_FILE.read_text(encoding="utf-8"))


def _route(name):
    verb, _blank, path = name.partition(" ")
    parts = re.split(r"(\{[^}]+\})", path)
    pattern = "".join(_part(part) if part.startswith("{") else re.escape(part) for part in parts)
    return verb, re.compile(pattern)


def _part(variable):
    name = variable[1:-1].replace("-", "__")
    # Volume names contain slashes: local:iso/debian.iso
    return f"(?P<{name}>.+)" if name == "volume" else f"(?P<{name}>[^/]+)"
