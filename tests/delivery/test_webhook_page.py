"""The page for receivers says of every member what it is, and which waits there are between attempts."""

import json
import re
from datetime import timedelta
from pathlib import Path

from acrwatch.delivery.schedule import SCHEDULE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/webhook.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests/service/webhook_of_one_pull.json"


def test_the_page_has_every_member_of_a_notice() -> None:
    explained = {
        name for row in re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert explained - {"change"} == json.loads(GOLDEN.read_text(encoding="utf-8"))["data"].keys()


def test_the_page_has_the_waits_of_the_schedule() -> None:
    (said,) = re.findall(r"10 times over three days: after ([^|]*) \|", PAGE)
    units = {"s": "seconds", "min": "minutes", "h": "hours"}
    waits = [timedelta(**{units[unit]: int(number)}) for number, unit in re.findall(r"(\d+) (\w+)", said)]
    assert (timedelta(0), *waits) == SCHEDULE
