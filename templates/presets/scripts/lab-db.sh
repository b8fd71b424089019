# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The third tier of the lab: PostgreSQL with one table. pf on the host lets the second tier connect, and nobody else.
add_packages postgresql
folder=$(find /etc/postgresql -mindepth 2 -maxdepth 2 -name main | sort | tail -n 1)
echo "listen_addresses = '*'" >"$folder/conf.d/lab.conf"
if ! grep -q '^host lab lab ' "$folder/pg_hba.conf"; then
  echo 'host lab lab samenet scram-sha-256' >>"$folder/pg_hba.conf"
fi
version=$(basename "$(dirname "$folder")")
if has_booted; then systemctl restart postgresql; else pg_ctlcluster "$version" main start; fi
cd /
runuser -u postgres -- psql -q <<'END'
SELECT 'CREATE ROLE lab LOGIN PASSWORD ''lab''' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lab') \gexec
SELECT 'CREATE DATABASE lab OWNER lab' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'lab') \gexec
END
PGPASSWORD=lab psql -q -h 127.0.0.1 -U lab lab <<'END'
CREATE TABLE IF NOT EXISTS visits (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
END
if ! has_booted; then pg_ctlcluster "$version" main stop; fi
