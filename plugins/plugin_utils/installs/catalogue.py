# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of distributions: each file has one distribution, and becomes one entry per version.

Keys next to ``versions`` are the defaults of all versions. A placeholder such as ``{version}`` is replaced by the value
of this key of the entry. Media have a file name and a list of addresses where it may be found; their checksums are read
from the vendor's checksum file during the download, and are not part of the catalogue.
"""

from __future__ import annotations

import re
from datetime import date

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

INSTALLERS = ("alpine", "autoinstall", "kickstart", "openbsd", "preseed", "windows")
PLATFORMS = ("hyperv", "libvirt", "proxmox", "virtualbox", "vmd")
MEDIA_TYPES = ("cloud", "disk", "iso", "netboot")


def text(value):
    """Type of an option. Ansible's own type of text accepts numbers, and would read version 1.10 as 1.1."""
    if not isinstance(value, str):
        raise TypeError(f"put {value} in quotes")
    return value


def day(value):
    """Type of an option: a date of YAML."""
    if not isinstance(value, date):
        raise TypeError(f"write {value} as 2030-06-30, without quotes")
    return value


def _texts(*names, **more):
    return {name: {"type": text, **more} for name in names}


#: The options of an entry, of what a VM needs, of a medium and of its signature.
_ENTRY = {
    **_texts("distribution", "version", "title", required=True),
    "installer": {"choices": INSTALLERS, "required": True},
    "platforms": {"type": "list", "elements": "str", "choices": PLATFORMS, "required": True},
    "minimum": {"type": "dict", "required": True},
    "recommended": {"type": "dict", "default": {}},
    "media": {"type": "list", "elements": "dict", "required": True},
    "enabled": {"type": "bool", "default": True},
    "btrfs": {"type": "bool", "default": True},
    "end_of_life": {"type": day},
    **_texts("end_of_life_source", "login_user", "codename", "package_mirror", "serial_console", default=""),
    **_texts("start_arguments", "install_arguments", "iso_kernel", "iso_initrd", default=""),
    **_texts("point", "signing_key", "kickstart"),
}
_RESOURCES = _texts("memory", "disk", "cpu")
_MEDIUM = {
    "type": {"choices": MEDIA_TYPES, "required": True},
    **_texts("file", "initrd", "checksums", "manual"),
    "bases": {"type": "list", "elements": text},
    "signature": {"type": "dict"},
}
#: What a medium needs, unless it can only be downloaded by hand.
_DOWNLOADED = [("manual", key) for key in ("file", "bases", "checksums")]
_SIGNATURE = {
    "tool": {"choices": ("gpg", "signify"), "required": True},
    **_texts("key", required=True),
    **_texts("file", "key_url"),
    "signs": {"choices": ("checksums", "file")},
}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PLACEHOLDER = re.compile(r"[{]([a-z_]+)[}]")
#: How often placeholders are replaced: the value of a placeholder may itself contain placeholders.
_MAX_NESTING = 4


class InvalidCatalogue(Exception):
    """A file of the catalogue is invalid; the message names the file and the key."""


def entries_of(document, source):
    """Return the entries of one file; ``document`` is its content, ``source`` its path (for messages)."""
    if not isinstance(document, dict) or not isinstance(document.get("versions"), list):
        raise InvalidCatalogue(f"{source}: must be a mapping with a list 'versions'.")
    shared = {key: value for key, value in document.items() if key != "versions"}
    entries = []
    for place, version in enumerate(document["versions"]):
        where = f"{source}: versions[{place}]"
        if not isinstance(version, dict):
            raise InvalidCatalogue(f"{where}: must be a mapping.")
        entries.append(_entry({**shared, **version}, where))
    return entries


def _entry(raw, where):
    entry = _substituted(_checked(raw, _ENTRY, where), {}, where)
    entry["name"] = f"{entry['distribution']}-{entry['version']}"
    if not _NAME.fullmatch(entry["name"]):
        raise InvalidCatalogue(f"{where}: '{entry['name']}' must be lower-case letters, digits, dots and dashes.")
    minimum, recommended = (_checked(entry[key], _RESOURCES, f"{where}.{key}") for key in ("minimum", "recommended"))
    media = [_medium(medium, f"{where}.media[{place}]") for place, medium in enumerate(entry["media"])]
    return {**entry, "minimum": minimum, "recommended": {**minimum, **recommended}, "media": media}


def _medium(raw, where):
    medium = _checked(raw, _MEDIUM, where, required_one_of=_DOWNLOADED)
    if "signature" in medium:
        medium["signature"] = _checked(medium["signature"], _SIGNATURE, f"{where}.signature")
    return medium


def _checked(raw, spec, where, **rules):
    """Return the values of ``raw`` with defaults, without those that are None. Raises InvalidCatalogue."""
    given = {key: value for key, value in raw.items() if value is not None}
    result = ArgumentSpecValidator(spec, **rules).validate(given)
    problems = result.error_messages
    if result.unsupported_parameters:  # Its message is the last one, and a bare list.
        problems[-1] = f"unknown keys: {problems[-1]}"
    if problems:
        raise InvalidCatalogue(f"{where}: {'; '.join(problems)}")
    return {key: value for key, value in result.validated_parameters.items() if value is not None}


def _substituted(value, replacements, where):
    """Return ``value`` with its placeholders replaced; in a mapping, its own keys take precedence (``{file}``)."""
    if isinstance(value, dict):
        return {
            key: _substituted(one, {**replacements, **_others(value, key)}, f"{where}.{key}")
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_substituted(one, replacements, where) for one in value]
    if not isinstance(value, str):
        return value
    for _again in range(_MAX_NESTING):
        value = _PLACEHOLDER.sub(lambda found: _replacement(found.group(1), replacements, where), value)
    return value


def _others(mapping, key):
    """Return the strings of ``mapping`` for placeholders in ``key``; {key} itself refers to the outer mapping."""
    return {name: one for name, one in mapping.items() if name != key and isinstance(one, str)}


def _replacement(name, replacements, where):
    if not isinstance(replacements.get(name), str):
        raise InvalidCatalogue(f"{where}: {{{name}}} stands for no other key.")
    return replacements[name]


def merged(groups):
    """Return {name: entry} of several lists; a later entry replaces an earlier one with the same name."""
    return {entry["name"]: entry for entries in groups for entry in entries}


def as_result(entry, today):
    """Return the entry as the lookup plugin returns it."""
    end = entry.get("end_of_life")
    return {
        **entry,
        "end_of_life": end.isoformat() if end else None,
        "end_of_life_reached": bool(end and end < today),
    }


def selected(entries, today, platform=None, media_type=None, hidden=False):
    """Return the matching entries, sorted; disabled ones and those past their end of life only if ``hidden``."""
    found = []
    for entry in sorted(entries.values(), key=_order):
        one = as_result(entry, today)
        if not hidden and (one["end_of_life_reached"] or not one["enabled"]):
            continue
        if platform and platform not in one["platforms"]:
            continue
        if media_type and media_type not in [medium["type"] for medium in one["media"]]:
            continue
        found.append(one)
    return found


def _order(entry):
    """Sort key: distribution, then the version as numbers (3.9 before 3.20)."""
    return entry["distribution"], [int(part) for part in re.findall("[0-9]+", entry["version"])], entry["version"]
