"""Callers who write through several replicas while something breaks, keep what was acknowledged, and hold it against what is
there afterwards."""

import sys
import threading
import time
import uuid

from ground import call, must, registration, sql, until

WRITERS = 6
# For how long a writer repeats a call before the drill has failed.
PATIENCE = 90


class Callers:
    """Who writes through both replicas, all the time, and keeps what was acknowledged."""

    def __init__(self, service, ports):
        self.service, self.ports = service, ports
        self.root = f"/v1/organisations/{service.organisation}"
        self.office = service.token("kontor", "portfolio-office")
        self.steering = [service.token(name, "steering-group") for name in ("leder-a", "leder-b")]
        answer = must(ports[0], "POST", f"{self.root}/org-units", self.office, {"name": "Borgerservice"})
        self.unit = answer["orgUnit"]["id"]
        self.lock, self.over = threading.Lock(), threading.Event()
        self.projects, self.decisions, self.times, self.repeats, self.failures = {}, {}, [], 0, []
        self.threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def _write(self, number):
        try:
            while not self.over.is_set():
                self._one(number)
        except Exception as failure:  # What no writer expects ends the drill.
            self.failures.append(repr(failure))

    def _one(self, number):
        key = str(uuid.uuid4())
        project = self._persist(number, f"{self.root}/projects", self.office, registration(self.unit, key), key)["project"]
        with self.lock:
            self.projects[key] = project["id"]
            self.times.append(time.monotonic())
        if number == 0:
            self._decide(project["id"])

    def _decide(self, project):
        """A gate that two people decide at once, each through another replica."""
        path = f"{self.root}/projects/{project}/gate-reviews"
        submitted = self._persist(0, path, self.office, {"gate": "GATE_CODE_G1"}, str(uuid.uuid4()))
        review = submitted["gateReview"]["id"]
        answers = [None, None]

        def decide(at):
            body = {"outcome": "GATE_OUTCOME_RECYCLE", "reason": f"Mangler {at}"}
            key, lost = str(uuid.uuid4()), (400, 403, 409)
            answers[at] = self._persist(at, f"{path}/{review}:decide", self.steering[at], body, key, lost)

        both = [threading.Thread(target=decide, args=(at,)) for at in (0, 1)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        decided = [answer["gateReview"]["decider"] for answer in answers if answer and "gateReview" in answer]
        with self.lock:
            self.decisions[review] = decided

    def _persist(self, number, path, token, body, key, refusals=()):
        """Repeats a call under its key until it is answered for good."""
        began, turn = time.monotonic(), number
        while time.monotonic() - began < PATIENCE:
            try:
                status, answer = call(self.ports[turn % 2], "POST", path, token, body, key, seconds=10)
            except OSError:
                status, answer = 503, None
            if status in (200, 201) or status in refusals:
                return answer
            if status not in (409, 429, 503, 504):
                raise AssertionError(f"{path}: {status} {answer}")
            turn += 1
            with self.lock:
                self.repeats += 1
            time.sleep(0.1)
        raise AssertionError(f"{path}: not answered within {PATIENCE} s")

    def flow(self, since):
        """Waits until all write again; gives the longest that nothing was acknowledged."""
        until("writes flow", lambda: self.failures or len([at for at in self.times if at > since]) > 5 * WRITERS, PATIENCE)
        time.sleep(1)
        if self.failures:
            sys.exit(self.failures[0])
        with self.lock:
            times = [at for at in self.times if at > since - 2]
        return max(after - before for before, after in zip(times, times[1:]))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            sys.exit(self.failures[0])


def verify(callers, port, ports):
    """What was acknowledged against what is there."""
    stored = dict(reversed(row) for row in sql(port, "SELECT id, title FROM projects"))
    assert len(stored) == int(sql(port, "SELECT count(*) FROM projects")[0][0]), "a project twice"
    lost = [key for key, project in callers.projects.items() if stored.get(key) != project]
    assert not lost, f"{len(lost)} acknowledged projects are lost or another"
    audited = sql(port, "SELECT object_id, count(*) FROM audit_entries WHERE action = 'project.register' GROUP BY 1")
    assert {row[0] for row in audited} == set(stored.values()) and all(row[1] == "1" for row in audited), "audit"
    for key in list(callers.projects)[:: max(1, len(callers.projects) // 50)]:
        path = f"{callers.root}/projects"
        again = must(ports[0], "POST", path, callers.office, registration(callers.unit, key), key)
        assert again["project"]["id"] == callers.projects[key], "a key gives another project"
    deciders = dict(sql(port, "SELECT id, decider FROM gate_reviews WHERE state = 'DECIDED'"))
    decisions = "SELECT object_id FROM audit_entries WHERE action = 'gate.decide' AND outcome = 'DONE'"
    assert not sql(port, f"{decisions} GROUP BY object_id HAVING count(*) > 1"), "a gate decided twice"
    for review, acknowledged in callers.decisions.items():
        assert set(acknowledged) == {deciders[review]}, f"{review}: {acknowledged}, and {deciders.get(review)} stands"
