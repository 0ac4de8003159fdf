"""The script of a page in a real browser: choosing a package marks it in every view; boxes answer to the keyboard."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TARGET = Path(__file__).parents[1] / "targets" / "stdlib_script.py"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a measured start."""
    folder = tmp_path_factory.mktemp("start")
    command = [sys.executable, "-m", "ocrprof", "startup", "--runs", "1", "--warmup", "0", "-q", "-o", str(folder)]
    subprocess.run([*command, "--", sys.executable, str(TARGET)], check=True, timeout=120, capture_output=True)
    return (folder / "report.html").read_text(encoding="utf-8")


def seen_by(page: str, script: str, *, folder: Path, fragment: str = "") -> dict[str, object]:
    """What the script put into `seen` after it ran at the end of the page."""
    body = f"<script>const seen = {{}};{script};document.body.dataset.seen = JSON.stringify(seen);</script>"
    file = folder / "page.html"
    file.write_text(page.replace("</body>", f"{body}</body>"), encoding="utf-8")
    run = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
         f"{file.as_uri()}{fragment}"],
        check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', run.stdout)[1]))


def test_a_box_that_is_clicked_fills_the_width_and_marks_its_package_in_every_view(page, tmp_path):
    seen = seen_by(
        page,
        """
        const box = [...document.querySelectorAll(".view0 i")].find((one) => one.textContent === "json");
        box.click();
        seen.width = box.style.width;
        seen.marked = [...new Set([...document.querySelectorAll(".chosen")].map((one) => one.tagName.toLowerCase()))];
        seen.chain = document.getElementById("package-json").open;
        seen.views = [...document.querySelectorAll(".chosen-bar button")].map((one) => one.textContent);
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
        seen.left = document.querySelectorAll(".chosen, .chosen-bar").length;
        """,
        folder=tmp_path,
    )
    assert seen["width"] == "100%"
    assert {"i", "a", "details"} <= set(seen["marked"])
    assert seen["chain"] is True
    assert seen["views"][-1] == "close"
    assert {"Imports", "Who pulls it in"} <= set(seen["views"])
    assert seen["left"] == 0


def test_a_page_opened_by_a_link_to_a_package_opens_its_chain(page, tmp_path):
    seen = seen_by(
        page,
        """
        seen.open = [...document.querySelectorAll(".chains details[open]")].map((one) => one.id);
        """,
        folder=tmp_path,
        fragment="#package-json",
    )
    assert "package-json" in seen["open"]


def test_arrows_go_from_box_to_box_and_enter_opens_one(page, tmp_path):
    seen = seen_by(
        page,
        """
        const press = (key) =>
          document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        const boxes = [...document.querySelectorAll(".view0 i")];
        const at = () => boxes.indexOf(document.activeElement);
        seen.stops = boxes.filter((one) => one.tabIndex === 0).length;
        boxes[0].focus();
        press("ArrowDown");
        seen.below = at();
        press("ArrowRight");
        seen.beside = at();
        press("ArrowUp");
        seen.above = at();
        press("ArrowDown");
        press("Enter");
        seen.width = document.activeElement.style.width;
        """,
        folder=tmp_path,
    )
    assert (seen["stops"], seen["below"], seen["beside"], seen["above"]) == (1, 1, 2, 0)
    assert seen["width"] == "100%"
