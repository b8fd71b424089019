# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom credential types of AWX: the rules by which AWX accepts one, and what it injects into a job.

Written from the source of AWX 24.6.1 (awx/main/fields.py, awx/main/models/credential).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import SimpleNamespace

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

_IDENTIFIER = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*\Z")
_KEYS_OF_A_FIELD = {
    "id", "label", "type", "format", "choices", "help_text", "multiline", "secret", "ask_at_runtime", "default"
}  # fmt: skip
_ONLY_FOR_TEXTS = {"choices", "multiline", "format", "secret"}
_RESERVED = {
    "VIRTUAL_ENV", "PATH", "PYTHONPATH", "JOB_ID", "INVENTORY_ID", "INVENTORY_SOURCE_ID", "INVENTORY_UPDATE_ID",
    "AD_HOC_COMMAND_ID", "REST_API_URL", "REST_API_TOKEN", "MAX_EVENT_RES", "CALLBACK_QUEUE", "CALLBACK_CONNECTION",
    "CACHE", "JOB_CALLBACK_DEBUG", "INVENTORY_HOSTVARS", "AWX_HOST", "PROJECT_REVISION", "SUPERVISOR_CONFIG_PATH",
}  # fmt: skip


@dataclass
class Injected:
    """What a job gets: environment variables, and words for its command line."""

    environment: dict
    words: list = field(default_factory=list)


class _Unsafe(str):
    """A text that Ansible must not take as a template."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def inject(credential_type, values, folder, is_inventory_update=False):
    """The Injected of a credential with these ``values`` ({field: value}); its files are written to ``folder``.

    An empty field is not defined in the templates, so it becomes an empty text. A boolean that is missing is False.
    """
    fields, injectors = credential_type["inputs"]["fields"], credential_type["injectors"]
    known = {name: value for name, value in values.items() if isinstance(value, bool) or value}
    for one in fields:
        if one["type"] == "boolean":
            known.setdefault(one["id"], False)
        if one.get("format") == "ssh_private_key" and one["id"] in known:
            known[one["id"]] = known[one["id"]].rstrip("\n") + "\n"
    known["tower"] = _files(injectors.get("file", {}), known, folder)
    environment = {name: _rendered(text, known) for name, text in injectors.get("env", {}).items()}
    variables = {name: _Unsafe(_rendered(text, known)) for name, text in injectors.get("extra_vars", {}).items()}
    if is_inventory_update or not variables:
        return Injected(environment)
    path = folder / "credential.yml"
    path.write_text(yaml.dump(variables, Dumper=_Dumper), encoding="utf-8")
    return Injected(environment, ["-e", f"@{path}"])


def _rendered(text, known, **settings):
    return ImmutableSandboxedEnvironment(**settings).from_string(text).render(**known)


def _files(templates, known, folder):
    names = SimpleNamespace()
    for number, (label, text) in enumerate(templates.items()):
        path = folder / f"tmp{number}"
        path.write_text(_rendered(text, known), encoding="utf-8")
        path.chmod(0o600)
        if label == "template":
            return SimpleNamespace(filename=str(path))
        setattr(names, label.partition(".")[2], str(path))
    return SimpleNamespace(filename=names)


def problems(credential_type):
    """One sentence for each rule of AWX that a credential type breaks."""
    inputs, injectors = credential_type["inputs"], credential_type["injectors"]
    ids = [one.get("id", "") for one in inputs["fields"]]
    found = [
        *(f"{name}: not an attribute" for name in set(credential_type) - _ATTRIBUTES),
        *(["kind: only cloud and net"] if credential_type["kind"] not in ("cloud", "net") else []),
        *(f"inputs.{name}: not known" for name in set(inputs) - {"fields", "required"}),
        *(f"required: {name} is not a field" for name in set(inputs.get("required", ())) - set(ids)),
        *(f"fields: {name} is listed twice" for name in set(ids) if ids.count(name) > 1),
        *(problem for one in inputs["fields"] for problem in _problems_of_field(one)),
        *(f"injectors.{name}: not known" for name in set(injectors) - {"env", "extra_vars", "file"}),
    ]
    return found + _problems_of_injectors(injectors, ids)


_ATTRIBUTES = {"name", "description", "kind", "inputs", "injectors"}


def _problems_of_field(one):
    name, kind = one.get("id", ""), one.get("type", "string")
    default = one.get("default", "" if kind == "string" else False)
    checks = {
        "id": _IDENTIFIER.match(name) and name != "tower",
        "label": one.get("label"),
        "type": kind in ("string", "boolean"),
        "format": one.get("format", "url") in ("url", "ssh_private_key"),
        "default": isinstance(default, str if kind == "string" else bool),
        "choices": all(isinstance(choice, str) for choice in one.get("choices", ())),
        "keys": set(one) <= _KEYS_OF_A_FIELD,
        "keys of a boolean": kind == "string" or not _ONLY_FOR_TEXTS & set(one),
    }
    return [f"field {name}: {what} is not valid" for what, is_valid in checks.items() if not is_valid]


def _problems_of_injectors(injectors, ids):
    names, files = [*injectors.get("env", {}), *injectors.get("extra_vars", {})], injectors.get("file", {})
    has_one = "template" in files
    found = [f"{name}: not a valid name" for name in names if not _IDENTIFIER.match(name)]
    found += [f"{name}: reserved" for name in injectors.get("env", {}) if name in _RESERVED or "ANSIBLE_" in name]
    found += ["file: template, or several template.NAME"] if has_one and len(files) > 1 else []
    found += [f"file.{name}: not known" for name in files if not re.match(r"template(\.[a-zA-Z_]\w*)?\Z", name)]
    paths = "/file" if has_one else SimpleNamespace(**{label.partition(".")[2]: "/file" for label in files})
    known = {**dict.fromkeys(ids, "EXAMPLE"), "tower": SimpleNamespace(filename=paths) if files else SimpleNamespace()}
    for where in ("file", "env", "extra_vars"):
        for name, text in injectors.get(where, {}).items():
            try:
                _rendered(text, known, undefined=StrictUndefined)
            except Exception as error:
                found.append(f"{where}.{name}: {error}")
    return found
