# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The second tier of the lab: a web application in Python, which asks the database of the third tier.
add_packages python3 python3-psycopg2
cat >/usr/local/bin/lab-app <<'END'
#!/usr/bin/python3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2


class Application(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with psycopg2.connect(host="db", dbname="lab", user="lab", password="lab", connect_timeout=3) as database:
                with database.cursor() as cursor:
                    cursor.execute("INSERT INTO visits DEFAULT VALUES RETURNING id")
                    status, text = 200, f"Visit {cursor.fetchone()[0]}\n"
        except psycopg2.Error as error:
            status, text = 503, f"The database does not answer: {error}\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Application).serve_forever()
END
chmod 0755 /usr/local/bin/lab-app
cat >/etc/systemd/system/lab-app.service <<'END'
[Unit]
Description=Application of the lab
After=network-online.target
Wants=network-online.target
[Service]
ExecStart=/usr/local/bin/lab-app
DynamicUser=yes
Restart=on-failure
[Install]
WantedBy=multi-user.target
END
python3 -m py_compile /usr/local/bin/lab-app
if has_booted; then
  systemctl daemon-reload
  systemctl enable lab-app
  systemctl restart lab-app
fi
