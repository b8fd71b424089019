# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of values for an answer file. Ansible's argument specs do not serve here: they accept YAML booleans as text
and text as a list, and their messages show the value, which may be a password.
"""

from __future__ import annotations

_LISTS = ("ssh_keys", "packages", "sets", "early_commands", "late_commands", "windows_drivers")
#: Values that the role itself sets or converts.
_CONVERTED = (
    "installer", "site_set", "site_from_cd", "serial", "btrfs", "is_server", "windows_names", "windows_editions",
    "windows_password_expires",
)  # fmt: skip


def wrong_types(values):
    """Yield a sentence for each value that is neither text nor the list that it must be, without showing the value."""
    texts = {name: value for name, value in values.items() if name not in (*_LISTS, *_CONVERTED)}
    network, layout = texts.pop("network"), texts.pop("disk_layout")
    texts.update((f"network.{name}", value) for name, value in network.items() if name != "nameservers")
    texts.update((f"disk_layout[{place}].mount", part["mount"]) for place, part in enumerate(layout))
    yield from _wrong_texts(texts.items())
    lists = {name: values[name] for name in _LISTS}
    for name, value in [*lists.items(), ("network.nameservers", network.get("nameservers") or [])]:
        if isinstance(value, (list, tuple)):
            yield from _wrong_texts((f"{name}[{place}]", one) for place, one in enumerate(value))
        else:
            yield f"{name}: is not a list. Write each entry on a separate line, after a dash, or use [ and ]."


def _wrong_texts(named):
    for name, value in named:
        if isinstance(value, bool):
            yield f"{name}: is {str(value).lower()} in YAML, as yes, no, on and off are too. Put it in quotes."
        elif not isinstance(value, str):
            yield f"{name}: is not text. Put it in quotes, or remove the option."
