# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nested virtualization: a CPU feature that depends on the vendor; it fails if host or VM do not support it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import memory_cpus
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.memory_cpus import (
    check_nested,
    read_nested,
    write_nested,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import machine_xml

MODEL = "<model fallback='forbid'>qemu64</model>"


@pytest.fixture(name="kernel")
def _kernel(tmp_path, monkeypatch):
    """A host's modules: ``kernel("kvm_amd", "1")``."""
    monkeypatch.setattr(memory_cpus, "_MODULES", str(tmp_path))

    def load(module, parameter):
        folder = tmp_path / module / "parameters"
        folder.mkdir(parents=True)
        (folder / "nested").write_text(f"{parameter}\n", encoding="utf-8")

    return load


def with_features(*features):
    elements = "".join(f"<feature policy='{policy}' name='{name}'/>" for policy, name in features)
    return Definition(machine_xml((MODEL, MODEL + elements)))


def features(definition):
    return {one.get("name"): one.get("policy") for one in definition.root.findall("cpu/feature")}


@pytest.mark.parametrize(
    ("policies", "found"),
    [
        ([], None),
        ([("require", "avx")], None),
        ([("require", "svm")], True),
        ([("force", "vmx")], True),
        ([("disable", "svm")], False),
        ([("forbid", "vmx")], False),
        ([("optional", "vmx")], None),
    ],
)
def test_nested_virtualization_is_read_from_cpu_features(policies, found):
    assert read_nested(with_features(*policies)) is found


@pytest.mark.parametrize(("module", "feature"), [("kvm_amd", "svm"), ("kvm_intel", "vmx")])
@pytest.mark.parametrize(("new", "policy"), [(True, "require"), (False, "disable")])
def test_feature_is_that_of_host_cpu(kernel, module, feature, new, policy):
    kernel(module, "1")
    definition = with_features(("disable", "svm"), ("require", "vmx"), ("require", "avx"))
    write_nested(definition, Change("nested_virtualization", None, new))
    assert features(definition) == {"avx": "require", feature: policy}
    assert read_nested(definition) is new
    assert definition.native("cpu/model") == "qemu64"


@pytest.mark.parametrize("processor", ["", "<cpu><topology sockets='1' dies='1' cores='1' threads='1'/></cpu>"])
def test_cpu_without_model_becomes_host_passthrough(kernel, processor):
    kernel("kvm_amd", "1")
    text = machine_xml()
    before, after = text.split("<cpu ")[0], text.split("</cpu>")[1]
    definition = Definition(before + processor + after)
    write_nested(definition, Change("nested_virtualization", None, True))
    assert definition.native("cpu@mode") == "host-passthrough"
    assert features(definition) == {"svm": "require"}
    assert (definition.root.find("cpu/topology") is not None) is bool(processor)


@pytest.mark.parametrize(("parameter", "wanted"), [("1", True), ("Y", True), ("0", False), ("N", False)])
def test_supported_values_are_accepted(kernel, parameter, wanted):
    kernel("kvm_intel", parameter)
    check_nested("a", "kvm", wanted)


@pytest.mark.usefixtures("kernel")
def test_host_without_kvm_module_is_rejected():
    with pytest.raises(Refused, match="neither of the kernel modules"):
        check_nested("a", "kvm", False)


@pytest.mark.parametrize("parameter", ["0", "N"])
def test_host_with_nested_disabled_is_rejected(kernel, parameter):
    kernel("kvm_amd", parameter)
    with pytest.raises(
        Refused, match=r"disabled in the kernel module kvm_amd of this host\. Write 'options kvm_amd nested=1'"
    ):
        check_nested("a", "kvm", True)
