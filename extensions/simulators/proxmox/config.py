# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's configuration file: its sections, parsed from and written to the text that the server keeps.

The text is authoritative. An empty value is one blank after it was written and read again, as on the real server.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_LINE = re.compile(r"([a-z][a-z0-9_-]*):\s*(.+?)\s*")
_SECTION = re.compile(r"\[(.+)\]")
CLOUDINIT_SECTION = "special:cloudinit"


@dataclass
class Config:
    """``current`` are the present options, ``pending`` and ``deletes`` ({key: forced}) apply at the next cold start."""

    current: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)
    deletes: dict = field(default_factory=dict)
    #: Values with which the cloud-init drive was created, if the configuration has changed since then.
    cloudinit: dict = field(default_factory=dict)
    snapshots: dict = field(default_factory=dict)

    @classmethod
    def parse(cls, text):
        config = cls()
        section = config.current
        for line in text.splitlines():
            header = _SECTION.fullmatch(line)
            if header:
                section = config._section(header.group(1))
            elif line.startswith("#"):
                before = section.get("description")
                section["description"] = unquote(line[1:]) if before is None else f"{before}\n{unquote(line[1:])}"
            else:
                _read_line(section, line)
        config._take_deletes()
        return config

    def render(self):
        pending = dict(self.pending)
        if self.deletes:
            pending["delete"] = ",".join(f"!{key}" if forced else key for key, forced in sorted(self.deletes.items()))
        parts = [_rendered(self.current)]
        if pending:
            parts.append(f"[PENDING]\n{_rendered(pending)}")
        if self.cloudinit:
            parts.append(f"[{CLOUDINIT_SECTION}]\n{_rendered(self.cloudinit)}")
        parts.extend(f"[{name}]\n{_rendered(values)}" for name, values in sorted(self.snapshots.items()))
        return "\n".join(parts)

    def reparsed(self):
        """The configuration after it was written and parsed again."""
        return Config.parse(self.render())

    @property
    def digest(self):
        return digest(self.render())

    def next_start(self):
        """The options of the next cold start."""
        merged = {key: value for key, value in self.current.items() if key not in self.deletes}
        merged.update(self.pending)
        return merged

    def set_pending(self, key, value):
        self.deletes.pop(key, None)
        if self.current.get(key) == value:
            self.pending.pop(key, None)
        else:
            self.pending[key] = value

    def delete_pending(self, key, forced):
        self.pending.pop(key, None)
        if key in self.current:
            self.deletes[key] = forced

    def record_cloudinit(self, key, old, new):
        """Record that the cloud-init drive does not have the configuration's present value of ``key``."""
        added = set(filter(None, self.cloudinit.pop("added", "").split(",")))
        if key in self.cloudinit:
            if self.cloudinit[key] == new:
                del self.cloudinit[key]
        elif key in added:
            added -= {key} if new is None else set()
        elif old is None and new is not None:
            added.add(key)
        elif old is not None:
            self.cloudinit[key] = old
        if added:
            self.cloudinit["added"] = ",".join(sorted(added))

    def _section(self, name):
        if name == "PENDING":
            return self.pending
        if name == CLOUDINIT_SECTION:
            return self.cloudinit
        return self.snapshots.setdefault(name, {})

    def _take_deletes(self):
        for key in filter(None, self.pending.pop("delete", "").split(",")):
            self.deletes[key.removeprefix("!")] = key.startswith("!")


def digest(text):
    return hashlib.sha1(text.encode()).hexdigest()


def _read_line(section, line):
    found = _LINE.fullmatch(line)
    if found:
        section[found.group(1)] = found.group(2)


def _rendered(values):
    description = values.get("description")
    lines = [f"#{_escaped(line)}" for line in description.split("\n")] if description else []
    lines.extend(f"{key}: {value}" for key, value in sorted(values.items()) if key != "description")
    return "".join(f"{line}\n" for line in lines)


def _escaped(line):
    # The server escapes percent signs, colons, and all characters that are not printable ASCII.
    return re.sub(r"[^ -~]|[%:]", lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), line)
