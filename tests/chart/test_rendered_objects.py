"""What `helm template` makes of values."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from chart_values import CHART, DATABASE, ROOT, Render, merged, pod_of
from dragoman_service.process.supervisor import EXIT_MARGIN
from dragoman_service.settings.settings import Settings, load


@pytest.mark.parametrize(
    ("drain_delay", "grace", "total"),
    [("5s", "20s", 25), ("250ms", "2m", 121), (7, 30.5, 38), ("1m", "1h", 3660)],
)
def test_a_pod_gets_the_time_that_its_drain_takes(
    render: Render, drain_delay: str | float, grace: str | float, total: int
) -> None:
    workload = render({"settings": {"server": {"drain_delay": drain_delay, "grace": grace}}})["StatefulSet"]

    seconds = pod_of(workload)["terminationGracePeriodSeconds"]
    assert seconds == total + 20
    assert EXIT_MARGIN <= 20


def test_the_settings_are_the_table_of_the_values(render: Render, tmp_path: Path) -> None:
    settings = {
        "access": {"keys": [{"id": "team-a", "sha256": "9f" * 32, "weight": 2, "models": ["a*", 'b"c\\d']}]},
        "models": {"gpt-*": {"targets": [{"model": "vendor/m", "weight": 0.25}], "fallback": {"on": []}}},
        "providers": {"vendor": {"plugin": "openai", "base_url": "http://h/v1", "models": ["m"]}, "echo": {}},
        "limits": {"service": {"tokens": {"minute": 20_000_000_000}}, "on_limit": "stop"},
        "operations": {"model_concurrency": {"vendor/*": 4}},
        "log": {"level": "ünï\tcode"},
        "console": {"enabled": False, "path": None},
    }
    text = render({"settings": settings})["ConfigMap"]["data"]["dragoman.toml"]

    del settings["console"]["path"]  # null: as if it were not there
    server = {"grpc": "0.0.0.0:50051", "http": "0.0.0.0:8080", "max_connection_age": "5m"}
    assert tomllib.loads(text) == settings | {"server": server} | {"access": {"anonymous": True} | settings["access"]}
    assert "20000000000" in text


def test_the_service_takes_the_settings(render: Render, tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(render()["ConfigMap"]["data"]["dragoman.toml"])

    settings = load(file, {"DRAGOMAN_SERVER__DATA_DIR": "/var/lib/dragoman"})

    assert isinstance(settings, Settings)
    assert settings.server.max_connection_age == 300


def test_one_pod_with_a_volume_keeps_operations_in_sqlite(render: Render) -> None:
    objects = render()

    assert "Deployment" not in objects
    assert objects["StatefulSet"]["spec"]["replicas"] == 1
    assert objects["StatefulSet"]["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
    assert not {"PodDisruptionBudget", "Job"} & objects.keys()


def test_with_postgresql_there_are_two_and_a_job_upgrades_its_tables(render: Render) -> None:
    objects = render(DATABASE)

    url = {"name": "DRAGOMAN_OPERATIONS__URL", "value": '{ file = "/etc/dragoman/database/url" }'}
    never = {"name": "DRAGOMAN_OPERATIONS__MIGRATE", "value": "never"}
    (job,) = pod_of(objects["Job"])["containers"]
    assert objects["Deployment"]["spec"]["replicas"] == 2
    assert objects["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert pod_of(objects["Deployment"])["containers"][0]["env"] == [url, never]
    assert job["args"] == ["migrate"]
    assert url in job["env"]
    assert objects["Job"]["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_the_job_needs_nothing_that_is_installed_after_it(render: Render) -> None:
    pod = pod_of(render(DATABASE, {"secrets": {"existingSecret": "vendors"}})["Job"])

    assert "serviceAccountName" not in pod
    assert not [volume for volume in pod["volumes"] if "configMap" in volume]


def test_pods_start_their_own_upgrade_without_the_job(render: Render) -> None:
    objects = render(DATABASE, {"migrate": {"enabled": False}})

    names = [variable["name"] for variable in pod_of(objects["Deployment"])["containers"][0]["env"]]
    assert "Job" not in objects
    assert names == ["DRAGOMAN_OPERATIONS__URL"]


def test_a_change_of_the_settings_rolls_the_pods(render: Render) -> None:
    one, same, other = (
        render({"settings": {"log": {"level": level}}})["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]
        for level in ("info", "info", "debug")
    )

    assert one == same
    assert one["checksum/config"] != other["checksum/config"]


def test_services_select_only_the_pods_that_serve(render: Render) -> None:
    objects = render(DATABASE)

    selector = objects["Service/gateway-dragoman"]["spec"]["selector"].items()
    assert selector <= objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert not selector <= objects["Job"]["spec"]["template"]["metadata"]["labels"].items()
    assert not selector <= objects["Pod"]["metadata"]["labels"].items()
    assert objects["Service/gateway-dragoman-headless"]["spec"]["clusterIP"] == "None"


def test_with_tls_a_proxy_is_not_told_to_speak_plain_text(render: Render) -> None:
    plain, tls = render(), render({"tls": {"existingSecret": "tls"}})

    told = [objects["Service/gateway-dragoman"]["spec"]["ports"][0].get("appProtocol") for objects in (plain, tls)]
    assert told == ["kubernetes.io/h2c", None]
    assert tomllib.loads(tls["ConfigMap"]["data"]["dragoman.toml"])["server"]["tls"] == {
        "certificate": "/etc/dragoman/tls/tls.crt",
        "key": "/etc/dragoman/tls/tls.key",
    }


def test_ports_are_those_of_the_settings(render: Render) -> None:
    server = {"grpc": "[::]:6000", "http": "[::]:6001", "metrics": "[::]:6002"}
    objects = render({"settings": {"server": server}, "serviceMonitor": {"enabled": True}})

    ports = {port["name"]: port["containerPort"] for port in pod_of(objects["StatefulSet"])["containers"][0]["ports"]}
    assert ports == {"grpc": 6000, "http": 6001, "metrics": 6002}
    assert objects["ServiceMonitor"]["spec"]["endpoints"][0]["port"] == "metrics"


def test_no_pod_may_write_or_gain_rights(render: Render) -> None:
    objects = render(DATABASE)

    for pod in (pod_of(objects["Deployment"]), pod_of(objects["Job"]), objects["Pod"]["spec"]):
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsUser"] == 10001
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "cpu" not in container["resources"]["limits"]


def test_startup_probes_last_as_long_as_plugins_may_open(render: Render) -> None:
    objects = render({"settings": {"plugins": {"open_timeout": "5m"}}, "probes": {"startup": {"periodSeconds": 10}}})

    assert pod_of(objects["StatefulSet"])["containers"][0]["startupProbe"]["failureThreshold"] == 36


def test_an_autoscaler_sets_the_number_of_pods(render: Render) -> None:
    objects = render(DATABASE, {"autoscaling": {"enabled": True, "targetQueueLength": 3}})

    scaler = objects["HorizontalPodAutoscaler"]["spec"]
    assert "replicas" not in objects["Deployment"]["spec"]
    assert [metric["type"] for metric in scaler["metrics"]] == ["Resource", "Pods"]
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


def test_rules_and_dashboard_are_those_of_the_repository(render: Render, tmp_path: Path) -> None:
    labels = {"release": "prometheus"}
    objects = render({"prometheusRule": {"enabled": True, "labels": labels}, "dashboard": {"enabled": True}})
    (tmp_path / "rules.json").write_text(json.dumps(objects["PrometheusRule"]))
    schema = ROOT / "tests/deploy/golden/crds/PrometheusRule.json"
    command = [ROOT / ".tools/bin/check-jsonschema", "--schemafile", schema, tmp_path / "rules.json"]
    subprocess.run(command, check=True)

    alerts = (ROOT / "deploy/observability/alerts.yml").read_text()
    rules = [rule for group in objects["PrometheusRule"]["spec"]["groups"] for rule in group["rules"]]
    dashboard = objects["ConfigMap/gateway-dragoman-dashboard"]["data"]["dragoman.json"]
    assert objects["PrometheusRule"]["metadata"]["labels"].items() >= labels.items()
    assert len([rule for rule in rules if "alert" in rule]) == alerts.count("- alert:")
    assert dashboard == (ROOT / "deploy/observability/dashboard.json").read_text()


def test_a_pooler_is_passed_by_a_url_of_its_own(render: Render) -> None:
    objects = render(merged(DATABASE, {"database": {"directKey": "direct"}}))

    direct = {"name": "DRAGOMAN_OPERATIONS__DIRECT_URL", "value": '{ file = "/etc/dragoman/database/direct" }'}
    assert direct in pod_of(objects["Deployment"])["containers"][0]["env"]
    assert direct in pod_of(objects["Job"])["containers"][0]["env"]


@pytest.mark.parametrize(
    ("endpoint", "port"), [("http://collector:4318", 4318), ("https://collector", 443), ("http://collector/otlp", 80)]
)
def test_pods_may_reach_the_collector_of_traces(render: Render, endpoint: str, port: int) -> None:
    telemetry = {"settings": {"telemetry": {"otlp": {"endpoint": endpoint}}}}
    egress = render(telemetry, {"networkPolicy": {"enabled": True, "egress": {"https": False}}})["NetworkPolicy"]

    ports = [one["port"] for rule in egress["spec"]["egress"] for one in rule["ports"]]
    assert ports == [53, 53, port]


def test_a_package_holds_files_in_place_of_links(helm: str, tmp_path: Path) -> None:
    subprocess.run([helm, "package", CHART, "--destination", tmp_path], check=True, capture_output=True)
    (package,) = tmp_path.glob("*.tgz")

    with tarfile.open(package) as archive:
        members = {member.name: member for member in archive.getmembers()}
        dashboard = archive.extractfile("dragoman/files/dashboard.json")
        assert dashboard
        assert dashboard.read() == (ROOT / "deploy/observability/dashboard.json").read_bytes()
    assert all(member.isfile() for member in members.values())
