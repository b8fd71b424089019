# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ruby reads literals back as the same values, and executes nothing in them."""

from __future__ import annotations

import json
import struct
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._tools.ruby_literal import literal

from suite.belts import is_deep
from unit.module_utils._tools.ruby_values import HOSTILE, generated_values, require_ruby

#: Reads values back. JSON cannot represent them all (2.0 ** 53, duplicate keys), so Ruby adds their types.
READ_BACK = """
require "json"
def typed(value)
  case value
  when Hash then {"mapping" => value.map { |key, item| [typed(key), typed(item)] }}
  when Array then {"list" => value.map { |item| typed(item) }}
  when String then {"text" => value.encode("UTF-8").codepoints}
  when Float then {"float" => [value].pack("G").unpack1("H*")}
  when Integer then {"int" => value.to_s}
  else {"other" => value.inspect}
  end
end
puts JSON.generate(VALUES.map { |value| typed(value) })
"""


def typed(value):
    """A value as READ_BACK prints it."""
    if isinstance(value, dict):
        return {"mapping": [[typed(key), typed(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return {"list": [typed(item) for item in value]}
    if isinstance(value, str):
        return {"text": [ord(character) for character in value]}
    if isinstance(value, bool) or value is None:
        return {"other": {True: "true", False: "false", None: "nil"}[value]}
    if isinstance(value, float):
        return {"float": struct.pack(">d", value).hex()}
    return {"int": str(value)}


@pytest.fixture(name="read_back", scope="module")
def _read_back(tmp_path_factory):
    """The values that Ruby reads from the literals of all values, in one process with its own directory."""
    require_ruby()
    folder = tmp_path_factory.mktemp("ruby")

    def read(values):
        source = folder / "values.rb"
        listed = ",\n".join(literal(value) for value in values)
        source.write_text(f"VALUES = [\n{listed}\n]\n{READ_BACK}", encoding="ascii", newline="")
        for argv in (["ruby", "-wc", source], ["ruby", source]):
            done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr[:2000]
        assert [file.name for file in folder.iterdir()] == ["values.rb"], "a value was run"
        return json.loads(done.stdout)

    return read


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (None, "nil"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(2**70), "-1180591620717411303424"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        ("", '""'),
        ("plain 1.2/3", '"plain 1.2/3"'),
        ('say "it\'s"', '"say \\"it\'s\\""'),
        ("#{exit}#$x#@y", '"\\#{exit}\\#$x\\#@y"'),
        ("C:\\new\\", '"C:\\\\new\\\\"'),
        ("a\r\n\tb\0\x7f", '"a\\r\\n\\tb\\u{0}\\u{7f}"'),
        ("Jürgen €𝄞\u202e", '"J\\u{fc}rgen \\u{20ac}\\u{1d11e}\\u{202e}"'),
        ([], "[]"),
        (("a", [1, None]), '["a", [1, nil]]'),
        ({}, "{}"),
        ({"b": {"#{a}": 1}}, '{"b" => {"\\#{a}" => 1}}'),
    ],
)
def test_literal(value, source):
    assert literal(value) == source


@pytest.mark.parametrize(
    ("value", "message"),
    [("caf\udce9", "not in UTF-8"), ({"\ud800": 1}, "not in UTF-8"), (float("nan"), "nan"), ([float("-inf")], "-inf")],
)
def test_values_without_a_literal_are_rejected(value, message):
    with pytest.raises(errors.InvalidInput, match=message):
        literal(value)


def test_literal_is_one_line_of_printable_ascii():
    for value in generated_values(200):
        assert literal(value).isprintable()
        assert literal(value).isascii()


def test_special_characters_of_ruby_stay_text(read_back):
    values = [*HOSTILE, {value: [value] for value in HOSTILE}]
    assert read_back(values) == typed(values)["list"]


def test_generated_values_are_read_back(read_back, pytestconfig):
    values = generated_values(10_000 if is_deep(pytestconfig) else 2_000)
    assert len({literal(value) for value in values}) > 0.8 * len(values)
    wrong = [value for value, found in zip(values, read_back(values)) if found != typed(value)]
    assert wrong == []
