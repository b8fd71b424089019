# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook has an argument specification (PLAYBOOK.meta.yml) with all its options, as Ansible itself reads it."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from jsonschema import Draft7Validator

from collection_path import CHECKOUT
from lib.play_specs import ROLES, spec_of

PLAYBOOKS = sorted(
    path.relative_to(CHECKOUT).with_suffix("").as_posix()
    for pattern in ("playbooks/*.yml", "extensions/patterns/*/playbooks/*.yml")
    for path in CHECKOUT.glob(pattern)
    if not path.name.endswith(".meta.yml")
)
#: A line of the comment of a playbook: the name of a variable, then its type.
_EXPLAINED = re.compile(r"^# ([a-z_]+) {2,}\w", re.MULTILINE)


@pytest.fixture(scope="module")
def schema():
    """The schema of ansible-lint for these files."""
    text = resources.files("ansiblelint").joinpath("schemas/play-argspec.json").read_text(encoding="utf-8")
    return Draft7Validator(json.loads(text))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_has_a_valid_specification(playbook, schema):
    found = yaml.safe_load((CHECKOUT / f"{playbook}.meta.yml").read_text(encoding="utf-8"))
    assert [error.message for error in schema.iter_errors(found)] == []
    ((name, spec),) = found["argument_specs"].items()
    assert name == playbook.rpartition("/")[2]
    options = spec["options"]
    given = {key: (option.get("choices") or ["web1"])[0] for key, option in options.items() if option.get("required")}
    assert ArgumentSpecValidator(options).validate(given).error_messages == []
    assert all(ArgumentSpecValidator(options).validate({}).error_messages for _one in given)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_specification_has_the_variables_that_the_playbook_explains(playbook):
    text = (CHECKOUT / f"{playbook}.yml").read_text(encoding="utf-8")
    found = yaml.safe_load((CHECKOUT / f"{playbook}.meta.yml").read_text(encoding="utf-8"))
    ((_name, spec),) = found["argument_specs"].items()
    assert sorted(set(_EXPLAINED.findall(text)) - set(spec["options"])) == []


def test_specification_has_the_options_of_all_roles_of_the_playbook():
    assert sorted(set(ROLES) - set(PLAYBOOKS)) == []
    for playbook in ROLES:
        found = yaml.safe_load((CHECKOUT / f"{playbook}.meta.yml").read_text(encoding="utf-8"))
        ((_name, spec),) = found["argument_specs"].items()
        assert sorted(spec["options"]) == sorted(spec_of(CHECKOUT, playbook)), playbook
