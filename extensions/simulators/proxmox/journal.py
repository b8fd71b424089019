# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of all requests to the cluster and their effects."""

from __future__ import annotations

from dataclasses import dataclass, field

_HIDDEN = {"password", "cipassword", "otp", "tfa-challenge"}


@dataclass
class Entry:
    """One request; ``status`` is None until it is answered, or if the connection was closed without an answer."""

    second: float
    method: str
    path: str
    params: dict
    user: str | None = None
    status: int | None = None
    connection: object = None

    @property
    def is_write(self):
        return self.method != "GET" and self.path != "/access/ticket"


@dataclass
class Effect:
    second: float
    vmid: int | None
    text: str


@dataclass
class Journal:
    requests: list = field(default_factory=list)
    effects: list = field(default_factory=list)

    def request(self, second, method, path, params, connection=None):
        shown = {key: "***" if key in _HIDDEN else value for key, value in params.items()}
        entry = Entry(second, method, path, shown, connection=connection)
        self.requests.append(entry)
        return entry

    def writes(self):
        return [entry for entry in self.requests if entry.is_write]

    def count(self, method=None, path_part=""):
        return sum(method in (None, entry.method) and path_part in entry.path for entry in self.requests)

    def clear(self):
        self.requests.clear()
        self.effects.clear()
