# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints those of the packages "names" that the package manager would remove; "tests_removal" is its command that only
# tries. Both are variables of the environment, with words that the shell separates.
# shellcheck disable=SC2086,SC2154
while :; do
    refused=$($tests_removal $names 2>&1 >/dev/null |
        sed -nE 's/.*error processing (package )?([a-z0-9.+-]+)(:[a-z0-9]+)? \(--[a-z]+\).*/\2/p')
    rest=
    for name in $names; do
        echo "$refused" | grep -qxF "$name" || rest="$rest $name"
    done
    [ "$rest" = "$names" ] && break
    names=$rest
done
echo $names
