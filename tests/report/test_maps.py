from tokser.report.inputs import read_inputs
from tokser.report.maps import attention_anchors, attention_maps

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg"><title>Map</title><desc> 4 tokens </desc>'
    "<script>alert(1)</script></svg>"
)


def maps(folder):
    return attention_maps(read_inputs([], [folder]).runs)


def test_pictures_of_a_run_are_carried_within_the_page(folders):
    folder = folders.run()
    (folder / "attention-b.png").write_bytes(b"\x89PNG")
    (folder / "attention-a.svg").write_text(SVG)
    (folder / "attention.txt").write_text("no picture")
    first, second = maps(folder)
    assert (first.name, first.alternative) == ("attention-a", "Map. 4 tokens")
    assert first.address.startswith("data:image/svg+xml;base64,")
    assert second.address == "data:image/png;base64,iVBORw=="
    assert second.alternative == "Attention map of the run demo, attention-b"


def test_runs_without_pictures_and_broken_pictures(folders):
    folder = folders.run()
    assert maps(folder) == []
    (folder / "attention.svg").write_text("<svg")
    assert maps(folder)[0].alternative == "Attention map of the run demo, attention"


def test_every_picture_has_an_anchor_of_its_own(folders):
    runs = [folders.run(), folders.run("other")]
    (runs[0] / "attention-utt001.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (runs[1] / "attention-utt002.png").write_bytes(b"\x89PNG")
    anchors = attention_anchors(read_inputs([], runs).runs)
    assert anchors == {"attention-utt001": "attention-1", "attention-utt002": "attention-2"}
