"""clients.py KUMOI OUT [REGEX]: the functional tests that Debian's clients bring.

Each suite meets a cloud of its own with pretended guests, prepared with what a
development cloud has: projects, users, flavors, an image, networks. Writes
"passed|failed|skipped NAME" for each test to OUT/results, and the reasons to
OUT/SUITE.log. The openstack command runs in forks of this process, so that its
imports are paid for once.
"""
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = "/usr/lib/python3/dist-packages"
SUITES = {
    "openstackclient": [f"openstackclient/tests/functional/{d}" for d in ("common", "identity", "image", "compute", "network")],
    "keystoneclient": ["keystoneclient/tests/functional"],
    # One cloud for all of it: its tests read where the cloud is when they are imported.
    "openstacksdk": [f"openstack/tests/functional/{d}" for d in ("identity", "image", "placement", "compute", "cloud", "network")],
}
PASSWORD = "a password for tests"
IMAGE, FLAVOR = "cirros-0.6.2-x86_64-disk", "m1.tiny"


class Cloud:
    """A kumoi with pretended guests, for as long as the context lasts."""

    def __init__(self, kumoi, folder):
        self.kumoi, self.folder = kumoi, folder

    def __enter__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.listen = "127.0.0.1:%d" % s.getsockname()[1]
        self.log = open(os.path.join(self.folder, "kumoi.log"), "w")
        self.process = subprocess.Popen(
            [self.kumoi, "up", "--data-dir", os.path.join(self.folder, "data"), "--listen", self.listen, "--admin-password", PASSWORD,
             "--hypervisor", "fake", "--fabric", "fake"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.url = f"http://{self.listen}/identity/v3"
        deadline = time.time() + 60
        while not self.answers():
            if self.process.poll() is not None or time.time() > deadline:
                raise SystemExit("clients: the cloud did not start, see " + self.log.name)
            time.sleep(0.1)
        return self

    def answers(self):
        try:
            host, port = self.listen.split(":")
            socket.create_connection((host, int(port)), 1).close()
            return True
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def config(self):
        """The clouds that the suites look for, by the names they look for."""
        text = "clouds:\n"
        for name, user, scope in (
            ("devstack-admin", "admin", "project_name: admin, project_domain_id: default"),
            ("functional_admin", "admin", "project_name: admin, project_domain_id: default"),
            ("devstack-system-admin", "admin", "system_scope: all"),
            ("devstack", "demo", "project_name: demo, project_domain_id: default"),
            ("devstack-alt", "alt_demo", "project_name: alt_demo, project_domain_id: default"),
        ):
            text += f"  {name}:\n    auth: {{auth_url: '{self.url}', username: {user}, password: '{PASSWORD}', user_domain_id: default, {scope}}}\n"
            text += "    region_name: RegionOne\n    identity_api_version: '3'\n"
        return text


def prepare():
    import openstack

    c = openstack.connect(cloud="devstack-admin")
    roles = {r.name: r for r in c.identity.roles()}
    admin = c.identity.find_user("admin")
    for name in ("demo", "alt_demo"):
        project = c.identity.create_project(name=name, domain_id="default")
        user = c.identity.create_user(name=name, password=PASSWORD, domain_id="default", default_project_id=project.id)
        c.identity.assign_project_role_to_user(project, user, roles["member"])
        c.identity.assign_project_role_to_user(project, admin, roles["admin"])
    for i, (name, ram, cpus, disk) in enumerate((("m1.tiny", 512, 1, 1), ("m1.small", 2048, 1, 20), ("m1.medium", 4096, 2, 40), ("m1.nano", 64, 1, 1))):
        c.compute.create_flavor(name=name, ram=ram, vcpus=cpus, disk=disk, id=str(i + 1))
    with tempfile.NamedTemporaryFile() as f:
        f.write(bytes(1 << 20))
        f.flush()
        c.create_image(IMAGE, filename=f.name, disk_format="raw", container_format="bare", wait=True, visibility="public")
    outside = c.network.create_network(name="public", is_router_external=True)
    c.network.create_subnet(network_id=outside.id, name="public-subnet", cidr="172.24.4.0/24", ip_version=4, is_dhcp_enabled=False)
    pool = c.network.create_subnet_pool(name="default", prefixes=["10.64.0.0/16"], default_prefixlen=26, is_default=True, is_shared=True)
    demo = c.identity.find_project("demo")
    inside = c.network.create_network(name="private", project_id=demo.id)
    subnet = c.network.create_subnet(network_id=inside.id, name="private-subnet", subnet_pool_id=pool.id, ip_version=4, project_id=demo.id)
    router = c.network.create_router(name="router1", project_id=demo.id, external_gateway_info={"network_id": outside.id})
    c.network.add_interface_to_router(router, subnet_id=subnet.id)
    c.network.update_network(outside, is_default=True)


def fork_commands():
    """Has the tests of the openstack command run it in forks."""
    sys.path.insert(0, os.path.join(HERE, "..", "stockclient"))
    import clients
    from openstackclient.tests.functional import base
    from tempest.lib import exceptions

    clients.warm()

    def execute(cmd, fail_ok=False, merge_stderr=False):
        a = clients.run(clients.openstack, shlex.split(cmd)[1:], {}, merge_stderr)
        if a["code"] and not fail_ok:
            raise exceptions.CommandFailed(a["code"], cmd, a["out"], a["err"].encode())
        return a["out"]

    base.execute = execute


def find_constructors(folder):
    """Debian's os-client-config lacks the file that names keystoneclient's class."""
    import os_client_config.constructors as c

    c._json_path = os.path.join(folder, "constructors.json")
    with open(c._json_path, "w") as f:
        f.write('{"identity": "keystoneclient.client.Client"}')


class Results(unittest.TextTestResult):
    """Writes a line for each test."""

    lines = None

    def note(self, outcome, test):
        self.lines.write(f"{outcome} {test.id()}\n")
        self.lines.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note("passed", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.note("failed", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note("failed", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note("skipped", test)


def flat(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from flat(t)
        else:
            yield t


def main(kumoi, out, pattern="."):
    warnings.simplefilter("ignore")
    os.environ.update({
        "OPENSTACKSDK_IMAGE": IMAGE, "OPENSTACKSDK_FLAVOR": FLAVOR, "OPENSTACKSDK_FUNC_TEST_TIMEOUT": "60", "OS_TEST_TIMEOUT": "300",
    })
    # Where the clouds are is looked for in the working directory, once for all.
    os.chdir(out)
    open("CONTRIBUTING.rst", "w").close()  # a test of images uploads this file of its own tree
    Results.lines = open("results", "w")
    for suite, folders in SUITES.items():
        folder = os.path.join(out, suite)
        os.mkdir(folder)
        with Cloud(kumoi, folder) as cloud:
            with open("clouds.yaml", "w") as f:
                f.write(cloud.config())
            prepare()
            if suite == "openstackclient":
                fork_commands()
            find_constructors(folder)
            loader = unittest.TestLoader()
            tests = [t for d in folders for t in flat(loader.discover(os.path.join(PACKAGES, d), top_level_dir=PACKAGES)) if re.search(pattern, t.id())]
            print(f"conformance: running {len(tests)} tests of {suite}", file=sys.stderr, flush=True)
            with open(os.path.join(out, suite + ".log"), "w") as log:
                unittest.TextTestRunner(log, verbosity=2, resultclass=Results, warnings="ignore").run(unittest.TestSuite(tests))


args, sys.argv = sys.argv[1:], ["openstack"]  # the command takes its name from there, when it is imported
main(*args)
