"""Drawings are well-formed and say what they are given, whatever it is called."""

from math import nan
from xml.etree import ElementTree as ET

from mmindustry.training.report.drawing import Bar, bars, confusion, reliability

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


def test_a_bar_is_as_long_as_its_value_and_what_cant_be_told_is_left_out() -> None:
    svg = bars("F1", [Bar("<b>", 0.5, 0.4, 0.6), Bar("none", nan), Bar("full", 1.5, faint=True)])

    boxes = [float(b.attrib["width"]) for b in ET.fromstring(svg).iter(f"{SVG}rect")]  # noqa: S314 - our own
    assert boxes[1] == 2 * boxes[0]
    assert "<b>" in words(svg)
    assert "none" not in words(svg)
    assert "0.500" in words(svg)


def test_every_count_of_a_confusion_is_written() -> None:
    svg = confusion("Confusion", ["good", "bad & worse"], [[8, 2], [0, 5]])

    found = words(svg)
    assert {"8", "2", "5"} <= set(found)
    assert "0" not in found
    assert found.count("bad & worse") == 2


def test_a_bin_that_is_right_lies_on_the_diagonal() -> None:
    svg = reliability("Reliability", [[0.25, 0.25, 10], [0.9, 0.6, 10]])

    dots = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"]))
        for dot in ET.fromstring(svg).iter(f"{SVG}circle")  # noqa: S314 - our own
    ]
    (first_x, first_y), (second_x, second_y) = dots
    assert first_x - 46 == 310 - first_y
    assert second_x - 46 > 310 - second_y
