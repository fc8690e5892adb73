"""Runs the stock clients many times without paying for their imports.

Reads one JSON object a line, {"args": [...], "env": {...}}, runs the client as
`openstack ARGS` would in a fork of its own (the client keeps logins in class
attributes), and answers {"code": N, "out": "...", "err": "..."}. With
"tool": "glance" it is that client.
"""
import importlib.metadata
import json
import os
import sys
import tempfile
import traceback

from openstackclient import shell


def openstack(args):
    return shell.OpenStackShell().run(args)


def glance():
    from glanceclient.shell import OpenStackImagesShell

    return lambda args: OpenStackImagesShell().main(args)


def child(main, args, env, out, err):
    # The clients take what is not a terminal for the data of an image.
    os.dup2(os.openpty()[1], 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    for name in [n for n in os.environ if n.startswith("OS_")]:
        del os.environ[name]
    os.environ.update(env)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    try:
        code = main(args)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def run(main, args, env, merge_stderr=False):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            child(main, args, env, out, out if merge_stderr else err)
        status = os.waitpid(pid, 0)[1]
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read().decode(errors="replace"),
            "err": err.read().decode(errors="replace"),
        }


def warm():
    """Imports what every run of the client would import anew: all commands."""
    points = importlib.metadata.entry_points()
    for point in [p for g in points.groups if g.startswith("openstack.") for p in points.select(group=g)]:
        try:
            point.load()
        except Exception:
            pass  # a plugin that cannot load is no command either


if __name__ == "__main__":
    warm()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        ask = json.loads(line)
        main = glance() if ask.get("tool") == "glance" else openstack
        answers.write(json.dumps(run(main, ask["args"], ask["env"])) + "\n")
        answers.flush()
