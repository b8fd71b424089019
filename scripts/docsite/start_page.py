# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace the index that antsibull-docs writes: a start page, and an index of plugins.

Usage: start_page.py DIRECTORY. At the side of each page, guides are listed as in docs/README.md: by reader.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from textwrap import indent

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.collection_path import CHECKOUT
from lib.guides import guides, with_pictures
from lib.playbook_pages import pages

#: Parts of roles and playbooks, which nobody uses alone: the list at the side does not have them.
INTERNAL = ("windows_calls", "vmm_marked_lines", "describe_vms", "guarded_run", "option_problems", "misspelt")
#: {suffix of a page: its caption}; in the order of their use.
_KINDS = {
    "module": "Modules", "role": "Roles", "inventory": "Plugins", "connection": "Plugins", "callback": "Plugins",
    "lookup": "Plugins", "filter": "Plugins",
}  # fmt: skip
_START = """\
.. meta::
   :description: {sentence}

polyvirt.core
=============

{sentence}

.. image:: images/first-run.svg
   :alt: Check mode with a diff, the run, a second run without changes, and a changed value
   :width: 100%

{status}

.. code-block:: sh

   ansible-galaxy collection install polyvirt.core

The same task on each platform
------------------------------

The task names the image, and `module_defaults` contains what one platform needs in addition. The second run changes
nothing. :doc:`First steps <docsite/first-steps>` leads to a running VM in ten minutes.

.. tab-set::

{tabs}

{lists}"""


def sentence():
    """Return what the collection is, in one sentence, from README.md."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    paragraph = text.split("## Description\n\n", 1)[1].split("\n\n", 1)[0]
    return " ".join(paragraph.split())


def status():
    """Return the paragraph of README.md on which platforms were tested on what, as reStructuredText."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    paragraph = " ".join(re.search(r"^\*\*Status\*\*:.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)[0].split())
    return re.sub(r"\[(.*?)\]\(\S+/docs/([\w-]+)\.md\)", r":doc:`\1 <docsite/\2>`", paragraph)


def sections(name):
    """Return (heading, text) of the sections of a guide."""
    text = (CHECKOUT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)


def playbooks():
    """Yield (platform, its first playbook) from the sections of docs/first-steps.md."""
    for heading, section in sections("first-steps"):
        block = re.search(r"```yaml\n# web\.yml\n(.*?)```", section, re.DOTALL)
        if block:
            yield heading, block[1]


def guides_by_reader():
    """Return {caption: its guides}: the headings of docs/README.md, and the platforms after the first one."""
    platforms, known, seen = _platforms(), set(guides(CHECKOUT)), set()
    found = {}
    for heading, section in sections("README"):
        named = [name for name in re.findall(r"\]\(([\w-]+)\.md", section) if name in known - seen - set(platforms)]
        seen.update(named)
        found[heading] = list(dict.fromkeys(named))
        if "Platforms" not in found:
            found["Platforms"] = platforms
    missing = known - seen - set(platforms)
    if missing:
        raise SystemExit(f"docs/README.md names no guide {', '.join(sorted(missing))}")
    return {heading: names for heading, names in found.items() if names}


def _platforms():
    sections = yaml.safe_load((CHECKOUT / "docs/docsite/extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    return next(section["toctree"] for section in sections if section["title"] == "Platforms")


def plugins(folder):
    """Return {caption: lines} of the pages that antsibull-docs has written for modules, roles and plugins."""
    by_caption = {}
    for kind, caption in _KINDS.items():
        for path in sorted(folder.glob(f"*_{kind}.rst")):
            name = path.stem.removesuffix(f"_{kind}")
            if name not in INTERNAL:
                shown = name if caption != "Plugins" else f"{name} ({kind})"
                by_caption.setdefault(caption, []).append(f"{shown} <{path.stem}>")
    return by_caption


def toctree(caption, lines):
    """Return a list at the side of each page."""
    return f".. toctree::\n   :hidden:\n   :caption: {caption}\n\n" + indent("\n".join(lines), "   ") + "\n"


def lists(folder):
    """Yield the lists at the side, in their order."""
    for heading, names in guides_by_reader().items():
        yield toctree(heading, [f"docsite/{name}" for name in names])
    yield toctree("Playbooks", [f"{name.removeprefix('playbook_')} <docsite/{name}>" for name in pages(CHECKOUT)])
    for caption, lines in plugins(folder).items():
        yield toctree(caption, lines)
    yield toctree("Reference", ["Description <readme>", "All plugins <plugins>", "environment_variables", "changelog"])


def tabs():
    """Return one tab for each platform, with its first playbook."""
    begin = ".. tab-item:: {}\n\n   .. code-block:: yaml+jinja\n\n"
    found = [begin.format(heading) + indent(block.rstrip(), " " * 6) + "\n" for heading, block in playbooks()]
    return indent("\n".join(found), "   ")


def index_of_plugins(index):
    """Return the list of plugins from the index of antsibull-docs, without the lists that it would put at the side."""
    listed = index[index.index(".. _plugin_index_for_polyvirt.core:") :]
    listed = re.sub(r"^\.\. toctree::\n(?: .*\n|\n(?= ))+", "", listed, flags=re.MULTILINE)
    return ".. _plugins_in_polyvirt.core:\n\n" + listed.replace("------------\n", "============\n", 1)


def adapted(text, images):
    """Return a page without its contents, which the theme shows itself, and with the pictures of the site."""
    text = re.sub(r"^\.\. contents::.*\n(?: .*\n)*", "", text, flags=re.MULTILINE)
    title = "=========\nChangelog\n========="
    text = re.sub(r"^=+\nPolyvirt\.Core Release Notes\n=+$", title, text, flags=re.MULTILINE)
    return with_pictures(text, images)


def write(folder):
    """Write the start page and the index of plugins, and adapt all other pages to the site."""
    for path in folder.rglob("*.rst"):
        text = path.read_text(encoding="utf-8")
        path.write_text(adapted(text, "/images/"), encoding="utf-8")
    index = folder / "index.rst"
    (folder / "plugins.rst").write_text(index_of_plugins(index.read_text(encoding="utf-8")), encoding="utf-8")
    start = _START.format(sentence=sentence(), status=status(), tabs=tabs(), lists="\n".join(lists(folder)))
    index.write_text(start, encoding="utf-8")
    shutil.copytree(CHECKOUT / "docs" / "images", folder / "images", dirs_exist_ok=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
