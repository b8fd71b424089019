# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversion of the guides from Markdown to reStructuredText."""

from __future__ import annotations

import pytest

from guides import PREFIX, UnsupportedMarkdown, guide_lines


def _converted(tmp_path, text):
    (tmp_path / "docs").mkdir()
    (tmp_path / "plugins/modules").mkdir(parents=True)
    for module in ("vm", "virsh_vm", "image"):
        (tmp_path / f"plugins/modules/{module}.py").touch()
    for guide in ("libvirt", "architecture"):
        (tmp_path / f"docs/{guide}.md").touch()
    (tmp_path / "docs/a.md").write_text(text, encoding="utf-8")
    return "\n".join(guide_lines(tmp_path, "a"))


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("a *b* **c `d`** `e`", "a *b* **c d** ``e``"),
        ("`a`s and x`b`", "``a``\\ s and x\\ ``b``"),
        ("pvc_* is 1*2 a|b ends_ here_", "pvc\\_\\* is 1\\*2 a\\|b ends\\_ here\\_"),
        ("`virsh_vm` or `vm`", ":ansplugin:`virsh_vm <polyvirt.core.virsh_vm#module>` or ``vm``"),
        (
            "`image` by `polyvirt.core.image`",
            "``image`` by :ansplugin:`polyvirt.core.image <polyvirt.core.image#module>`",
        ),
        ("`polyvirt.core.vm`", ":ansplugin:`polyvirt.core.vm <polyvirt.core.vm#module>`"),
        ("[a `b`](https://c.d/e_)", "`a b <https://c.d/e_>`__"),
        ("[a](libvirt.md#the-first)", f":ref:`a <{PREFIX}.libvirt.the-first>`"),
        ("[a](#here)", f":ref:`a <{PREFIX}.a.here>`"),
        (
            "[a](architecture.md#x)",
            "`a <https://github.com/polyvirt/polyvirt.core/blob/main/docs/architecture.md#x>`__",
        ),
        ("- a\n- b\n  - c", "- a\n\n- b\n\n  - c"),
        ("1. a\n   ```sh\n   b\n   ```", "1. a\n\n   .. code-block:: sh\n\n       b"),
        ("```\n{{ a }}\n```", ".. code-block:: text\n\n    {{ a }}"),
        (
            "| a | b |\n|---|---|\n| `c` | - |",
            ".. list-table::\n  :header-rows: 1\n\n  * - a\n    - b\n  * - ``c``\n    - \\-",
        ),
        ("<!-- generated -->\na", "a"),
    ],
)
def test_markdown_is_converted(tmp_path, markdown, expected):
    assert _converted(tmp_path, markdown).strip() == expected


def test_headings_have_labels(tmp_path):
    assert _converted(tmp_path, "# A\n\n## The `first` time\n").splitlines() == [
        f".. _{PREFIX}.a:",
        "",
        "A",
        "=",
        "",
        f".. _{PREFIX}.a.the-first-time:",
        "",
        "The ``first`` time",
        "------------------",
    ]


@pytest.mark.parametrize("markdown", ["a ![b](c.png)", "> quoted", "<div>a</div>", "a<br>b"])
def test_unsupported_markdown_is_an_error(tmp_path, markdown):
    with pytest.raises(UnsupportedMarkdown, match=r"docs/a\.md"):
        _converted(tmp_path, markdown)
