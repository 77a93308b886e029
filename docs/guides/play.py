#!/usr/bin/python3
"""Does what a page says, as somebody would who pastes its commands.

   play.py [-v] BIN PAGE.md

A block marked "sh on NAME" is run by bash on the machine NAME: in a directory,
with a /var/lib and with variables of its own. The machines share a /srv and a
network apart from ours, with the addresses 192.0.2.1 to 192.0.2.9. Each command has to
succeed; of a block marked "sh on NAME, fails" the last one has to fail, and one
marked "sh on NAME, soon" is tried until it succeeds. A block
that begins with "keytree --" or "etcd --" is a server, which goes on in the
background, unless it is marked "sh on NAME, ends".

A block "text" behind it is what has to be among its output, line by line, with
"..." for anything; -v shows all of it. Comments in the page do what it only tells
of: COMMAND is run until it succeeds, a server is started, and a machine is shut
down, loses power, or its disk as well.

   <!-- on NAME: COMMAND -->   <!-- serve NAME: COMMAND -->
   <!-- stop NAME -->   <!-- kill NAME -->   <!-- lose NAME -->
"""
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 30  # seconds for what should be done in a moment
APART = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
PIECES = re.compile(r"^```sh on (\w+)(?:, (fails|ends|soon))?\n(.*?)^```$"  # machine, how, commands
                    r"|^```text\n(.*?)^```$"  # output
                    r"|^<!-- (on|serve|stop|kill|lose) (\w+)(?:: (.*?))? -->$", re.M | re.S)
READY = re.compile("ready to serve client requests|proxy: listening for client requests")
# Each machine has a /var/lib of its own, and remembers variables.
SHELL = """set -aeu
mount --bind "$1/lib" /var/lib
cd "$1/home"
[ ! -e ../variables ] || . ../variables
set +u
. "$2"
export -p >../variables
"""


class Failure(Exception):
    pass


class Machine:
    def __init__(self, work):
        self.work = work
        self.servers = []
        for part in ("home", "lib/keytree"):
            os.makedirs(os.path.join(work, part))

    def begin(self, commands, output):
        """Returns the process of a shell with these commands."""
        script = tempfile.NamedTemporaryFile("w", dir=self.work, delete=False)
        with script:
            script.write(commands)
        return subprocess.Popen(["unshare", "--mount", "bash", "-c", SHELL, "bash", self.work, script.name],
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                start_new_session=True, text=True)

    def run(self, commands):
        """Returns exit code and output."""
        process = self.begin(commands, subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return "none after %d seconds" % PATIENCE, output
        return process.returncode, output

    def serve(self, command):
        log = open(os.path.join(self.work, "log"), "a")
        self.servers.append(self.begin("exec " + command, log))

    def is_ready(self):
        """All servers are ready for clients, or have ended."""
        for server in self.servers:
            if server.poll() is None and len(READY.findall(self.log())) < len(self.servers):
                return False
        return True

    def log(self):
        with open(os.path.join(self.work, "log"), "a+") as log:
            log.seek(0)
            return log.read()

    def end(self, how):
        for server in self.servers:
            try:
                os.killpg(server.pid, how)
            except ProcessLookupError:
                pass
            server.wait(PATIENCE)
        self.servers.clear()
        # What it logged counts for the servers of before.
        open(os.path.join(self.work, "log"), "w").close()

    def lose(self):
        self.end(signal.SIGKILL)
        for part in ("lib/keytree", "home"):
            shutil.rmtree(os.path.join(self.work, part))
            os.makedirs(os.path.join(self.work, part))


class Page:
    """Plays a page, on machines that are made when they are first named."""

    def __init__(self, work, verbose):
        self.verbose = verbose
        self.machines = collections.defaultdict(lambda: Machine(tempfile.mkdtemp(dir=work)))
        self.output = ""

    def play(self, text):
        for piece in PIECES.finditer(text):
            machine, how, commands, output, verb, name, hidden = piece.groups()
            if output is not None:
                self.compare(output)
            elif verb == "on":
                self.until(name, hidden)
            elif verb == "serve":
                self.serve(name, hidden)
            elif verb:
                self.end(name, verb)
            elif how == "soon":
                self.until(machine, commands)
                self.say("%s: %s" % (machine, first(commands)))
            elif commands.startswith(("keytree --", "etcd --")) and not how:
                self.serve(machine, commands)
            else:
                self.run(machine, commands, how)

    def say(self, what):
        print("ok    %s" % what, flush=True)

    def serve(self, name, commands):
        self.machines[name].serve(commands)
        self.say("%s: %s" % (name, first(commands)))

    def await_servers(self):
        deadline = time.monotonic() + PATIENCE
        while not all(m.is_ready() for m in self.machines.values()) and time.monotonic() < deadline:
            time.sleep(0.05)

    def run(self, name, commands, how):
        self.await_servers()
        code, self.output = self.machines[name].run(commands)
        if self.verbose:
            print(self.output, end="")
        if (code != 0) != (how == "fails"):
            raise Failure("%s: %s\n%sexit code: %s" % (name, commands, self.output, code))
        self.say("%s: %s%s" % (name, first(commands), " (fails)" if how == "fails" else ""))

    def until(self, name, commands):
        self.await_servers()
        deadline = time.monotonic() + PATIENCE
        while True:
            code, self.output = self.machines[name].run(commands)
            if code == 0:
                return
            if time.monotonic() > deadline:
                raise Failure("%s: %s\n%sexit code: %s" % (name, commands, self.output, code))
            time.sleep(0.2)

    def end(self, name, verb):
        self.await_servers()
        machine = self.machines[name]
        if verb == "lose":
            machine.lose()
        else:
            machine.end(signal.SIGTERM if verb == "stop" else signal.SIGKILL)
        self.say("%s: %s" % (name, verb))

    def compare(self, want):
        for line in want.splitlines():
            pattern = ".*".join(re.escape(part) for part in line.strip().split("..."))
            if not re.search(pattern, self.output):
                raise Failure("no line %r in the output:\n%s" % (line, self.output))

    def logs(self):
        for name, machine in self.machines.items():
            for line in machine.log().splitlines()[-6:]:
                print("%s: %s" % (name, line[:300]))


def first(commands):
    return commands.strip().split("\n")[0].rstrip("\\ ")[:100]


def apart(arguments):
    """Runs this again where nothing is seen from outside, and all ends with it."""
    command = APART if os.getuid() == 0 else APART + ["--map-root-user"]
    if subprocess.run(command + ["true"], stderr=subprocess.DEVNULL).returncode:
        print("skip  this machine does not allow namespaces")
        return 0
    return subprocess.run(command + [sys.executable, *arguments], env=dict(os.environ, PLAY_APART="y")).returncode


def main():
    if os.environ.pop("PLAY_APART", None) != "y":
        return apart(sys.argv)
    subprocess.check_call(["ip", "link", "set", "lo", "up"])
    subprocess.check_call(["mount", "-t", "tmpfs", "none", "/srv"])
    for n in range(1, 10):
        subprocess.check_call(["ip", "address", "add", "192.0.2.%d/32" % n, "dev", "lo"])
    verbose = sys.argv[1] == "-v"
    tools, page = sys.argv[1 + verbose:]
    for name in [v for v in os.environ if v.startswith(("ETCD", "KEYTREE"))]:
        del os.environ[name]
    os.environ.update(PATH=os.path.abspath(tools) + ":" + os.environ["PATH"], no_proxy="*")
    with tempfile.TemporaryDirectory() as work:
        stage = Page(work, verbose)
        try:
            stage.play(open(page).read())
        except Failure as failure:
            print("FAIL  %s" % failure)
            stage.logs()
            return 1
        finally:
            for machine in stage.machines.values():
                machine.end(signal.SIGKILL)
    return 0


sys.exit(main())
