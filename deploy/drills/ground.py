"""What the drills stand on: a place of their own, programs that end with them, PostgreSQL's own, and Gevinst with callers.

Python's standard library and openssl; nothing is left running or lying about when a drill ends, however it ends.
"""

import atexit
import base64
import contextlib
import ctypes
import glob
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

ISSUER = "https://issuer.invalid"
OWNER, APP = "gevinst_owner", "gevinst_app"
# The administrator's, of clusters that are gone with their drill.
PASSWORD = "drill"
GEVINST = os.environ.get("GEVINST_BINARY", "target/debug/gevinst")


def said(text):
    """A line of progress."""
    print(text, flush=True)


def postgres_program(name):
    """One of PostgreSQL's server programs, of the newest version: Debian keeps them out of PATH."""
    found = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    if not found:
        sys.exit(f"{name} is missing: apt-get install postgresql")
    return max(found, key=lambda path: int(path.split("/")[4].split(".")[0]))


def unprivileged():
    """Whom to run PostgreSQL as: it refuses root."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


USER = unprivileged()


class Place:
    """A folder for a drill, its processes and its ports."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix=f"gevinst-{name}-")
        self.running = []
        self._taken = set()
        os.chmod(self.folder, 0o755)
        own(self.folder)
        atexit.register(self.leave)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def port(self):
        """A free port of the loopback address, given once."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port not in self._taken:
                self._taken.add(port)
                return port

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        own(path)
        return path

    def start(self, *command, log, env=None):
        """Starts a program as the unprivileged user; it is killed when the drill ends."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=open(self.path(log), "ab"),
            stderr=subprocess.STDOUT,
            env=environment(env, self.folder),
            cwd=self.folder,
            start_new_session=True,
            preexec_fn=_end_with_parent,
            **as_user(),
        )
        self.running.append(process)
        return process

    def stop(self):
        """Ends what runs."""
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.running:
            process.wait()
        self.running.clear()

    def leave(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def own(path):
    if os.geteuid() == 0:
        os.chown(path, USER.pw_uid, USER.pw_gid)


def as_user():
    return {"user": USER.pw_uid, "group": USER.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def _end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def environment(more, folder):
    """Nothing of the caller's but where programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": folder, "TMPDIR": folder, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "2", **(more or {})}


def run(*command, folder="/tmp", env=None, check=True):
    """Runs a program as the unprivileged user; gives what it says."""
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(env, folder), cwd=folder, **as_user(), check=False
    )
    if check and done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(what, condition, seconds=60, every=0.05):
    """Waits for something; gives what it was, and how long it took."""
    began = time.monotonic()
    while True:
        found = condition()
        if found:
            return found, time.monotonic() - began
        if time.monotonic() - began > seconds:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(every)


def sql(port, text, database="gevinst", user="postgres", host="127.0.0.1"):
    """Asks PostgreSQL; rows as lists of texts."""
    asked = run(
        postgres_program("psql"), "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1",
        "-h", host, "-p", str(port), "-U", user, "-d", database, "-c", text,
    )  # fmt: skip
    return [line.split("\t") for line in asked.splitlines()]


def is_up(port, database="postgres"):
    ask = ["-XqAt", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", database, "-c", "SELECT 1"]
    command = [postgres_program("psql"), *ask]
    return subprocess.run(command, capture_output=True, env=environment({}, "/tmp"), check=False).returncode == 0


# Of every table: how many rows, and a checksum of them all, whatever their order.
SUMS = """SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(md5(t::text), '''' ORDER BY md5(t::text)), '''')) FROM %I t',
    relname, relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"""


def sums(port):
    """Every table's name, number of rows and checksum."""
    question = " UNION ALL ".join(row[0] for row in sql(port, SUMS))
    return sorted(tuple(row) for row in sql(port, question))


def make_database(port):
    """Gevinst's two roles and its database, as the README says."""
    sql(port, f"CREATE ROLE {OWNER} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'owner'", database="postgres")
    sql(port, f"CREATE ROLE {APP} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'app'", database="postgres")
    sql(port, f"CREATE DATABASE gevinst OWNER {OWNER}", database="postgres")


def url(port, role):
    return f"postgres://{role}:{role.removeprefix('gevinst_')}@127.0.0.1:{port}/gevinst"


def gevinst():
    """The program that was built."""
    if not os.path.exists(GEVINST):
        sys.exit(f"{GEVINST} is missing: cargo build --package gevinst")
    return GEVINST


class Service:
    """Gevinst in front of a database, and what its callers need."""

    def __init__(self, place, database_port):
        self.place = place
        self.port = database_port
        self.prepare()
        key = place.path("issuer.pem")
        run("openssl", "genrsa", "-out", key, "2048")
        modulus = run("openssl", "rsa", "-in", key, "-noout", "-modulus").strip().removeprefix("Modulus=")
        jwk = {"kty": "RSA", "kid": "drill", "alg": "RS256", "use": "sig", "e": "AQAB", "n": _text(bytes.fromhex(modulus))}
        self.key, self.keys = key, place.write("keys.json", json.dumps({"keys": [jwk]}))
        self.owner("migrate")
        told = self.owner("organisation", "--name", "Hedeby Kommune", "--code", "9999", "--prefix", "HED")
        self.organisation = re.search(r"[0-9a-f-]{36}", told).group()

    def prepare(self):
        """Puts the program where the unprivileged user can start it."""
        self.binary = self.place.path("gevinst")
        shutil.copy(gevinst(), self.binary)

    def owner(self, *words):
        """A command as the schema's owner; gives what it says."""
        return run(self.binary, *words, env={"GEVINST_OWNER_DATABASE_URL": url(self.port, OWNER)})

    def start(self, log, settings):
        """Starts a replica; gives its process."""
        return self.place.start(self.binary, "serve", log=log, env=settings)

    def serve(self, log, env=None):
        """Starts a replica; gives its process, its port and its admin port, once it is ready."""
        port, admin = self.place.port(), self.place.port()
        settings = {
            "GEVINST_LISTEN": f"127.0.0.1:{port}",
            "GEVINST_ADMIN_LISTEN": f"127.0.0.1:{admin}",
            "GEVINST_DATABASE_URL": url(self.port, APP),
            "GEVINST_TOKEN_ISSUER": ISSUER,
            "GEVINST_TOKEN_JWKS_FILE": self.keys,
            "GEVINST_RATE_PER_ADDRESS": "0",
            "GEVINST_RATE_PER_CALLER": "0",
            "GEVINST_CLOCK_SECONDS": "1",
            **(env or {}),
        }
        process = self.start(log, settings)
        until("the service is ready", lambda: is_ready(admin) or process.poll() is not None)
        if process.poll() is not None:
            sys.exit(open(self.place.path(log), encoding="utf-8").read())
        return process, port, admin

    def token(self, person, *roles):
        """A token of the issuer, good for an hour."""
        now = int(time.time())
        head = {"alg": "RS256", "kid": "drill", "typ": "at+jwt"}
        claims = {"iss": ISSUER, "aud": "gevinst", "exp": now + 3600, "iat": now, "sub": person, "jti": str(uuid.uuid4())}
        claims["organisations"] = {self.organisation: list(roles)}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), capture_output=True, check=True
        )
        return f"{signed}.{_text(done.stdout)}"


def is_ready(admin):
    try:
        return call(admin, "GET", "/readyz", None)[0] == 200
    except OSError:
        return False


def _text(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def call(port, method, path, token, body=None, key=None, seconds=15):
    """One HTTP call on a connection of its own: the status and what was answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    headers = {"content-type": "application/json"} if body is not None else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if key:
        headers["idempotency-key"] = key
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    except http.client.HTTPException as broken:
        raise OSError(str(broken)) from broken
    finally:
        connection.close()
    return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text


def must(port, method, path, token, body=None, key=None):
    """A call that has to work."""
    status, answer = call(port, method, path, token, body, key)
    if status not in (200, 201):
        sys.exit(f"{method} {urllib.parse.unquote(path)}: {status} {answer}")
    return answer


def registration(unit, title):
    """A project, with the six fields that it takes."""
    return {
        "title": title, "vision": "Kortere sagstid", "orgUnit": unit, "projectOwner": "ejer", "projectManager": "leder",
        "projectClass": "PROJECT_CLASS_EFFICIENCY",
    }  # fmt: skip
