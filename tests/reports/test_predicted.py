"""What is printed of predictions: few files one by one, many as counts."""

from pathlib import Path

import pandas as pd

from transfer.reports.predicted import Summary, block


def rows(labels: list[str], errors: list[str] | None = None, is_ood: bool = False, start: int = 0) -> pd.DataFrame:
    errors = errors or [""] * len(labels)
    paths = [f"{start + number}.png" for number in range(len(labels))]
    scores = [0.5 if not error else float("nan") for error in errors]
    table = pd.DataFrame({"path": paths, "label": labels, "score": scores, "error": errors}, dtype=object)
    return table.assign(is_ood=is_ood)


def summary(*tables: pd.DataFrame) -> Summary:
    found = Summary()
    for table in tables:
        found.add(table)
    return found


def test_few_files_are_shown_one_by_one() -> None:
    found = summary(rows(["cat", "a dog"]), rows([""], ["not an image"], start=2), rows(["cat"], is_ood=True, start=3))
    assert block(found).splitlines() == [
        "class  probability  path",
        "cat          0.500  0.png",
        "a dog        0.500  1.png",
        "                 -  2.png  (not an image)",
        "cat          0.500  3.png  (out of distribution)",
    ]


def test_many_files_are_counted() -> None:
    found = summary(*(rows(["cat"] * 30 + ["dog"] * 20, start=50 * number) for number in range(3)), rows(["dog"], is_ood=True))
    found.add(rows(["", "", ""], ["too large: 120 megapixels, the limit is 100", "not an image", "too large: 7 MB is more"], start=200))
    assert block(found).splitlines() == [
        "151 images classified, 3 not",
        "  cat  90",
        "  dog  61",
        "1 of them is out of distribution",
        "not classified: 2 too large, such as 200.png",
        "not classified: 1 not an image, such as 201.png",
        "Name an --output (.csv, .parquet) for the table of all.",
    ]
    assert found.failed == 3
    assert found.first is not None
    assert len(found.first) < 160


def test_rare_classes_are_counted_together_and_odd_names_shown() -> None:
    found = summary(rows([f"class {number:03}\n" for number in range(30)] * 2 + ["most"] * 3))
    lines = block(found, Path("out.csv")).splitlines()
    assert lines[0] == "63 images classified, 0 not: out.csv"
    assert lines[1].split() == ["most", "3"]
    assert lines[-1].split() == ["11", "more", "classes", "22"]
    assert "\\n" in lines[2]


def test_one_image_is_no_images() -> None:
    assert block(summary(rows(["x"])), Path("o.csv")).splitlines()[0] == "1 image classified, 0 not: o.csv"
