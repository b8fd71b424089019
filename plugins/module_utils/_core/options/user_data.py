# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data that is a text: cloud-init reports only in the guest that it cannot use it, and the VM has no user then."""

from __future__ import annotations

from ..errors import InvalidInput
from ..pattern import Pattern

_HEADER = "#cloud-config"
#: How a document for cloud-init or cloudbase-init begins, whatever its case.
_HEADERS = (
    _HEADER, "#!", "#include", "#cloud-boothook", "#part-handler", "#upstart-job", "## template: jinja", "#ps1",
    "rem cmd", "<powershell>", "<script>", "content-type:", "mime-version:",
)  # fmt: skip
_PATH = Pattern(r"[/~.]\S*|\S+\.(?:ya?ml|cfg|txt|sh|j2|ps1|mime)")
_CONTENT = "Set the content of the file, such as lookup('ansible.builtin.file', 'user-data.yml')."


def user_data(value, option):
    """Return ``value``. Raises InvalidInput for a text that cloud-init cannot use; no message shows it (a secret)."""
    if isinstance(value, str) and value.strip():
        text = value.lstrip()
        if _PATH.fullmatch(text.strip()):
            raise InvalidInput(f"{option}: it is the name of a file.", _CONTENT)
        if not text.lower().startswith(_HEADERS):
            raise InvalidInput(
                f"{option}: its first line is not the header of a document for cloud-init.",
                f"Begin it with {_HEADER}, with #! if it is a script, or write it as a dictionary.",
            )
        if text.splitlines()[0].strip().lower() == _HEADER:
            _check_yaml(value, option)
    return value


def _check_yaml(text, option):
    from ansible.module_utils.common.yaml import HAS_YAML, yaml_load

    if not HAS_YAML:
        return  # The controller has it, and checks each task before it is sent.
    try:
        config = yaml_load(text)
    except Exception as error:  # yaml.YAMLError: only that library knows its name.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "a part of it"
        has_tab = mark and "\t" in (text.splitlines() or [""])[min(mark.line, len(text.splitlines()) - 1)]
        reason = ": it contains a tab, and YAML is indented with spaces" if has_tab else ""
        raise InvalidInput(f"{option}: {where} is not valid YAML{reason}.", "Correct it.") from error
    if config is not None and not isinstance(config, dict):
        raise InvalidInput(f"{option}: the text below {_HEADER} is not a dictionary.", "Set keys such as packages.")
