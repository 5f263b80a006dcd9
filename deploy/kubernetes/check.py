"""What no schema knows of the rendered manifests: that they fit each other, the image and the program, and that a pod of them
has no more rights than the restricted profile gives."""

import os
import subprocess
import sys

import yaml

rendered, program = sys.argv[1:]
with open(rendered, encoding="utf-8") as file:
    everything = [one for one in yaml.safe_load_all(file) if one]


def of_kind(kind):
    return [one for one in everything if one["kind"] == kind]


def is_within(selector, labels):
    return selector.items() <= labels.items()


[deployment], [job], [service] = of_kind("Deployment"), of_kind("Job"), of_kind("Service")
[budget], [scaling], [settings] = of_kind("PodDisruptionBudget"), of_kind("HorizontalPodAutoscaler"), of_kind("ConfigMap")
replica, migration = deployment["spec"]["template"], job["spec"]["template"]
[serve], [migrate] = replica["spec"]["containers"], migration["spec"]["containers"]

# One image, and every resource in one place.
assert serve["image"] == migrate["image"] and ":" in serve["image"].rsplit("/", 1)[-1], "one image, of a version"
assert {one["metadata"].get("namespace") for one in everything if one["kind"] != "Namespace"} == {"gevinst"}

# Selectors find what they are for, and nothing else.
labels, others = replica["metadata"]["labels"], migration["metadata"]["labels"]
for selector in (
    deployment["spec"]["selector"]["matchLabels"],
    service["spec"]["selector"],
    budget["spec"]["selector"]["matchLabels"],
    *(one["labelSelector"]["matchLabels"] for one in replica["spec"]["topologySpreadConstraints"]),
):
    assert is_within(selector, labels) and not is_within(selector, others), selector
policies = [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")]
for pod in (labels, others):
    assert sum(is_within(policy, pod) for policy in policies) == 1, "each pod has one network policy"
for policy in of_kind("NetworkPolicy"):
    assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"], "both directions are closed"

# Ports, probes and addresses agree; the image says the same.
ports = {port["name"]: port["containerPort"] for port in serve["ports"]}
assert ports == {"calls": 8080, "admin": 9090}
assert [port["targetPort"] for port in service["spec"]["ports"]] == ["calls"], "nobody outside reaches the admin port"
for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
    assert serve[probe]["httpGet"] == {"path": path, "port": "admin"}, probe
assert replica["metadata"]["annotations"]["prometheus.io/port"] == str(ports["admin"])
with open("deploy/Containerfile", encoding="utf-8") as file:
    image = file.read()
assert "EXPOSE 8080 9090" in image and "USER 65532:65532" in image
assert replica["spec"]["terminationGracePeriodSeconds"] > 30, "longer than GEVINST_DRAIN_MS"

# The restricted profile, and no more than that.
for pod, container in ((replica["spec"], serve), (migration["spec"], migrate)):
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= container["resources"].keys() and "memory" in container["resources"]["limits"]
    assert "hostNetwork" not in pod and all("secret" in volume for volume in pod["volumes"])
secrets = [pod["spec"]["volumes"][0]["secret"]["secretName"] for pod in (replica, migration)]
assert secrets == ["gevinst-database", "gevinst-owner"], "no replica sees the owner's password"
assert not of_kind("Secret"), "secrets are referred to, not written down"

# There are always replicas left, also while a node is drained and a version is rolled out.
assert "replicas" not in deployment["spec"], "the autoscaler says how many"
assert budget["spec"]["minAvailable"] < scaling["spec"]["minReplicas"]
assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
# PostgreSQL has connections for all of them, and for one more while a version is rolled out.
[cluster] = of_kind("Cluster")
each = int(settings["data"]["GEVINST_DATABASE_CONNECTIONS"]) + 1
most = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
assert each * (scaling["spec"]["maxReplicas"] + 1) < most, "more connections than PostgreSQL has"
assert cluster["spec"]["instances"] > cluster["spec"]["postgresql"]["synchronous"]["number"]

# The program knows every setting, and could serve with them.
files = {one["name"]: one["value"] for one in serve["env"]}
url = os.path.join(os.path.dirname(rendered), "url")
with open(url, "w", encoding="utf-8") as file:
    file.write("postgres://gevinst_app:secret@gevinst-postgres-rw/gevinst")
assert list(files) == ["GEVINST_DATABASE_URL_FILE"]
done = subprocess.run(
    [program, "config"], env={**settings["data"], "GEVINST_DATABASE_URL_FILE": url}, capture_output=True, text=True, check=False
)
assert done.returncode == 0, done.stderr
print(f"{len(everything)} resources fit each other, the image and the program")
