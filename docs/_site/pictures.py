"""`make images`: every picture of the README and of these pages, drawn by tokser from real EmoDB.

Needs TOKSER_TEST_DATA and Chromium. The store is kept in `build/bench`, where `make bench-emodb`
has its own, so the encoder runs once.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

import tokser

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGES = REPOSITORY / "docs" / "images"
BUILD = REPOSITORY / "build"
TITLE = "EmoDB (cut at two seconds), Whisper-base"
RECORDING = "LibriSpeech/dev-clean/2412/153948/2412-153948-0000.flac"
CHOSEN = "13b09Ec"
"""An utterance that the map points at: a confident error."""
WIDEST = 1400
NUM_COLOURS = 64


def main() -> None:
    """Draw them all."""
    data = Path(os.environ["TOKSER_TEST_DATA"])
    work = BUILD / "images"
    shutil.rmtree(work, ignore_errors=True)
    store = tokser.extract(
        "emodb",
        root=data / "data" / "emodb",
        encoders=str(data / "models" / "whisper-base"),
        layers="all",
        store=BUILD / "bench" / "emodb.zarr",
    )
    tokser.pool(store)
    both: dict[str, Any] = {"protocols": ["random", "speaker"], "store": store}
    results = tokser.classify(**both, heads=["logreg"], out=work / "layers")
    tokser.report(results.folder, formats=["svg"], out=work / "figures")
    shutil.copy(work / "figures" / "emodb-layers-whisper-base.svg", IMAGES / "emodb-layers.svg")
    results = tokser.classify(**both, heads=["logreg", "superb"], out=work / "scores")
    page = work / "report.html"
    tokser.report(results.folder, title=TITLE, map=True, out=page)
    _photograph(page)
    model = tokser.fit(store, features="whisper-base/layer-3", head="logreg", out=work / "model")
    timeline = model.timeline(data / "data" / RECORDING, window=2.0, hop=0.5)
    timeline.save(IMAGES / "timeline.png")
    for picture in IMAGES.glob("*.png"):
        _shrink(picture)


def _shrink(picture: Path) -> None:
    """Write a picture with few colours, no wider than a page shows it."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.LANCZOS)
    image.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


def _photograph(page: Path) -> None:
    """Take pictures of the head of a page, and of its map."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("make images: expected Chromium, got none. apt-get install chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1180, "height": 1330})
        shown.goto(page.as_uri())
        shown.screenshot(path=IMAGES / "report.png")
        shown.set_viewport_size({"width": 900, "height": 1400})
        figure = shown.locator("figure.utterance-map").first
        figure.locator(".finder").fill(CHOSEN)
        figure.screenshot(path=IMAGES / "map.png")
        browser.close()


if __name__ == "__main__":
    main()
