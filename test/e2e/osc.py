"""Runs the stock `openstack` client many times in one interpreter.

Reads one JSON object a line, {"args": [...], "env": {...}}, runs the client as
`openstack ARGS` would, and answers {"code": N, "out": "...", "err": "..."}. It
only saves the second that each start of the interpreter costs.
"""
import contextlib
import io
import json
import os
import sys
import traceback

from openstackclient import shell


def run(args, env):
    for name in [n for n in os.environ if n.startswith("OS_")]:
        del os.environ[name]
    os.environ.update(env)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.OpenStackShell().run(args)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 70
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    ask = json.loads(line)
    answers.write(json.dumps(run(ask["args"], ask["env"])) + "\n")
    answers.flush()
