"""Each alert fires when it should, and not when it should not."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from alert_cases import CASES, rule_test

FILES = Path(__file__).parents[2] / "deploy/observability"
ALERTS = dict(re.findall(r"- alert: (\w+)\n(?:.*\n)*?\s+labels: {severity: (\w+)}", (FILES / "alerts.yml").read_text()))


def test_prometheus_accepts_the_rules(program):
    files = [str(FILES / name) for name in ("alerts.yml", "recording.yml")]
    done = subprocess.run([program("promtool"), "check", "rules", *files], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_and_keeps_quiet_as_its_case_says(program, tmp_path):
    tests = [rule_test(case, firing=fires, severity=ALERTS[case.alert]) for case in CASES for fires in (True, False)]
    rules = [str(FILES / name) for name in ("alerts.yml", "recording.yml")]
    file = tmp_path / "tests.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": rules, "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert [case.alert for case in CASES] == list(ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr
