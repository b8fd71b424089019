# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world has temporary files of its own, but a checkout and a cache below /tmp are those of the host."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

#: The arguments are the checkout, which is also the working directory, the cache, and the directory of temporary files.
_INSIDE = 'cat "$1/note" note && echo written >"$2/written" && echo inside >"$3/inside" && ls "$3"'


@pytest.fixture(name="clone")
def _clone(checkout, tmp_path):
    """A checkout below the directory of temporary files, with a libvirt that needs no start."""
    clone = tmp_path / "clone"
    for folder in ("tests/suite", "scripts/lib"):
        (clone / folder).mkdir(parents=True)
    shutil.copy(checkout / "tests" / "suite" / "world", clone / "tests" / "suite" / "world")
    (clone / "scripts" / "lib" / "host.sh").write_text("ensure_libvirt() { :; }\n", encoding="utf-8")
    (clone / "note").write_text("of the checkout\n", encoding="utf-8")
    return clone


def _require_mounts():
    if shutil.which("tini") is None:
        pytest.skip("not available: tini, which the stage suite installs")
    words = ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--mount-proc", "true"]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("not available: a world needs root and mounts")


@pytest.mark.parametrize("cache", ["cache", "clone/cache", "."], ids=["beside", "in the checkout", "around"])
def test_checkout_and_cache_below_tmp_are_visible_in_a_world(clone, tmp_path, cache):
    _require_mounts()
    (tmp_path.parent / "outside").touch()
    folder = tmp_path / cache
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [clone / "tests" / "suite" / "world", "sh", "-c", _INSIDE, "sh", clone, folder, tmp_path.parent],
        cwd=clone,
        env={**os.environ, "POLYVIRT_CACHE": str(folder), "TMPDIR": str(tmp_path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["of the checkout"] * 2
    assert (folder / "written").read_text(encoding="utf-8") == "written\n"
    # All else below the directory of temporary files is private.
    assert set(done.stdout.splitlines()[2:]) == {tmp_path.name, "inside"}
    assert not (tmp_path.parent / "inside").exists()


#: The arguments are the checkout, which has the script, and a checkout and a cache that the command may hide.
_IN_MEMORY = (
    '. "$1/scripts/lib/stages_real.sh"; CHECKOUT=$2 POLYVIRT_CACHE=$3; in_memory sh -c "touch $TMPDIR/new; ls $TMPDIR"'
)


@pytest.mark.parametrize(
    ("source", "cache", "is_hidden"),
    [("/a", "/b", True), ("{}/a", "/b", False), ("/a", "{}", False), ("{}a", "/b", True)],
)
def test_temporary_files_of_unit_tests_are_in_memory_unless_they_hide_the_checkout(
    checkout, tmp_path, source, cache, is_hidden
):
    _require_mounts()
    (tmp_path / "old").touch()
    words = [checkout, source.format(tmp_path), cache.format(tmp_path)]
    done = subprocess.run(
        ["bash", "-euc", _IN_MEMORY, "bash", *words],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == (["new"] if is_hidden else ["new", "old"])
    assert (tmp_path / "new").exists() is not is_hidden
