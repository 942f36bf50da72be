"""ARCHITECTURE.md shows the folders and modules of the service as they are."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tree_on_the_page_is_the_tree_of_the_code() -> None:
    page = re.search(r"```text\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    command = [sys.executable, ROOT / "scripts/house.py", "--tree"]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert page is not None
    assert page[1] == code, "put the output of `python scripts/house.py --tree` on the page"
