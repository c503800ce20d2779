"""The section `check:` of the configuration: what the data checks report, and their limits."""

from pydantic import Field

from transfer.config.sections import Section


class CheckConfig(Section):
    """What `transfer check` reports, and the limits above which `--strict` fails."""

    near_duplicate: float = Field(
        0.97, gt=0, le=1, description="smallest similarity of near duplicates; 1: identical; 0: as if shifted by 1/32 of the side"
    )
    near_duplicate_ratio: float = Field(
        0.4,
        gt=0,
        le=1,
        description="largest difference of near duplicates, as a fraction of that from each one's 8th nearest image; 1: any",
    )
    neighbours: int = Field(5, ge=1, description="number of candidate near duplicates compared with each image")
    exact_images: int = Field(
        20_000,
        ge=0,
        description="number of images above which near duplicates are looked for in lists of similar images, not among all images, and "
        "outliers are found by a sample of each class",
    )
    lists: int = Field(16, ge=1, description="above that number: lists that each image is looked for in; more find more near duplicates")
    folds: int = Field(5, ge=2, le=20, description="number of folds of the cross-validation that finds leaks")
    inverse_penalty: float = Field(
        0.01,
        gt=0,
        description="C of the ridge regression that finds wrong labels (penalty: 1/C per 100 features); smaller values regularise more",
    )
    max_rows: int = Field(10_000, ge=100, description="maximum number of images that this regression is fitted on")
    label_gain: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="labels are judged where the regression avoids this fraction of the errors of always naming the most frequent class",
    )
    outlier_ratio: float = Field(
        2.0, gt=1, description="an outlier is at least this many times as far from its class as is usual in that class"
    )
    leak_margin: float = Field(
        0.1, ge=0, lt=1, description="accuracy by which a leak, a property of files, must beat guessing the largest class"
    )
    leak_level: float = Field(0.001, gt=0, lt=1, description="largest probability that a leak is due to chance")
    leak_saved: float = Field(0.5, gt=0, le=1, description="fraction of its errors that a leak of a single class must avoid")
    tiny: int = Field(32, ge=1, description="an image with a side shorter than this is tiny, in pixels")
    aspect_ratio: float = Field(
        0.35, ge=0, le=1, description="an image whose short side is a smaller fraction of its long side has an odd aspect ratio"
    )
    dark: float = Field(
        0.32, ge=0, le=1, description="an image is dark where 99 % of its thumbnail are less bright than this; 0: black; 1: white"
    )
    blurred: float = Field(
        0.1,
        ge=0,
        description="an image is blurred where the variance of the Laplacian of its thumbnail is less than this many times the variance of "
        "its brightness; sharp ones mostly have 0.5 and more",
    )
    low_information: float = Field(
        0.3, ge=0, le=8, description="an image has low information where the grey levels of its thumbnail have fewer bits of entropy"
    )
    images: int = Field(48, ge=1, description="approximate number of images that the report shows for each kind of finding")
    max_unusable: float = Field(0.0, ge=0, le=1, description="--strict: largest fraction of unusable files")
    max_contradictions: int = Field(0, ge=0, description="--strict: largest number of images that appear in several classes")
    max_across: int = Field(0, ge=0, description="--strict: largest number of near-duplicate pairs across splits")
    max_label_issues: float = Field(0.05, ge=0, le=1, description="--strict: largest fraction of labels that are probably wrong")
    max_leaks: int = Field(0, ge=0, description="--strict: largest number of leaks: properties of files that reveal the class")
